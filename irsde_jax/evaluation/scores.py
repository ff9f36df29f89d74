"""Scores of restored images: their distance from the reference, and their cost.

Protocol: degraded and restored images are clipped and rounded to 8 bits (or stay floats
if no 8-bit format fits). PSNR and SSIM then compare them with the reference, in RGB and
on the luma (Y), without a border of `crop_border` pixels. The network gets the degraded
file. If clean images are degraded here, it gets the degraded image as floats, neither
clipped nor rounded: this is the usual protocol for Gaussian denoising.
"""

import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax import metrics
from irsde_jax.array_types import Array
from irsde_jax.data.degradations import Degradation
from irsde_jax.data.image_files import images
from irsde_jax.data.sources.pairs import Record, Source
from irsde_jax.restoration import grey, noise_keys
from irsde_jax.restoration.restorer import Restorer

# This seed belongs to the test set: runs with other seeds restore the same images.
DEGRADATION_SEED = 0

METRICS = ("psnr_rgb", "ssim_rgb", "psnr_y", "ssim_y")
STAGES = ("degraded", "restored")
_SMALLEST_SSIM = 11  # pixels, the side of the SSIM window


class Result(NamedTuple):
    """The result for one image of a test set.

    Attributes:
        name: The name of the image.
        images: The "degraded", "restored" and "reference" images, float32 [H, W, C].
            They are rounded to 8-bit levels unless the results have 32 bits.
        scores: The scores, each of `STAGES` with each of `METRICS`, such as
            "degraded_psnr_rgb"; "rgb" stands for all channels. SSIM is NaN for less
            than 11 x 11 pixels.
        seconds: The time that the restoration took, in seconds.
        compiled: Whether `seconds` includes compilation, for the first image of a size.
    """

    name: str
    images: dict[str, np.ndarray]
    scores: dict[str, float]
    seconds: float
    compiled: bool

    def row(self) -> dict[str, Any]:
        """Returns the name, the size, the scores and the time, without the images."""
        height, width = self.images["reference"].shape[:2]
        head = dict(name=self.name, height=height, width=width)
        return {
            **head,
            **self.scores,
            **dict(seconds=self.seconds, compiled=self.compiled),
        }


def evaluate_images(
    restorer: Callable[..., np.ndarray],
    source: Source,
    *,
    degrade: Degradation | None = None,
    seed: int = 0,
    crop_border: int = 0,
    bits: int = 8,
    **sampling: Any,
) -> Iterator[Result]:
    """Restores and measures images one by one, each as a whole.

        source = pairs.ArrayPairs(clean_images, degraded_images)
        rows = [result.row() for result in evaluate_images(restorer, source)]

    Args:
        restorer: A `Restorer`, or any function `(image, key=key) -> image` of float
            [H, W, C]. Degraded images have the size of their references, so those of
            super-resolution have been enlarged.
        source: The reference images "x0" and, without `degrade`, degraded images "mu".
        degrade: The function that makes the degraded images instead. Its key depends
            only on the name of the image.
        seed: The seed of the sampling noise. An image's key depends on it and the name.
        crop_border: The number of pixels on every side that metrics ignore.
        bits: 8, or 32 to measure floats that are neither clipped nor rounded.
        **sampling: Keyword arguments for `restorer`, such as `num_evals=5`.

    Yields:
        A `Result` for each image. If all images have different sizes, the last one is
        restored twice, so that one time does not include compilation.

    Raises:
        ValueError: If the border leaves nothing of an image, an image has no degraded
            version, or a result is not finite. The message names the image.
    """
    seen: set[tuple[int, ...]] = set()
    any_warm = False
    channels = 0  # those of a `Restorer`, which restores grey images in one channel
    if isinstance(restorer, Restorer):
        sampling = sampling | dict(enlarged=True)
        channels = restorer.image_format.channels
    for index, name in enumerate(source.names):
        record = source[index]
        x0, mu = record["x0"], degraded_image(record, degrade, name)
        _check_border(name, x0, crop_border)
        given, key = grey.as_one_channel(mu, channels), noise_keys.file_key(seed, name)
        call = functools.partial(restorer, given, key=key, **sampling)
        restored, seconds = _timed(name, call)
        compiled = mu.shape not in seen
        if compiled and not any_warm and index == len(source) - 1:
            (restored, seconds), compiled = _timed(name, call), False
        if channels:
            restored = np.broadcast_to(restored, mu.shape)
        seen.add(mu.shape)
        any_warm |= not compiled
        found = dict(degraded=mu, restored=restored, reference=x0)
        rounded = _rounded(name, found, bits)
        yield Result(name, rounded, _score(rounded, crop_border), seconds, compiled)


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Returns the mean of each score, and the median of the times without compilation.

    SSIM and LPIPS are means over the images that are large enough for them, or NaN if
    there are none. LPIPS is returned only if the rows hold it.
    """
    summary = {}
    metrics = [*METRICS, "lpips"] if rows and "restored_lpips" in rows[0] else METRICS
    for name in (f"{stage}_{metric}" for stage in STAGES for metric in metrics):
        values = [row[name] for row in rows if not math.isnan(row[name])]
        summary[name] = float(np.mean(values)) if values else math.nan
    warm = [row["seconds"] for row in rows if not row["compiled"]]
    summary["median_seconds"] = float(np.median(warm)) if warm else math.nan
    return summary


def degraded_image(
    record: Record, degrade: Degradation | None, name: str
) -> np.ndarray:
    """Returns the degraded image of a record, made by `degrade` unless that is None."""
    if degrade is not None:
        key = noise_keys.file_key(DEGRADATION_SEED, name)
        return np.asarray(degrade(key, jnp.asarray(record["x0"])))
    if "mu" not in record:
        raise ValueError(f"{name} has no degraded image: pass `degrade` to make one.")
    return record["mu"]


def _timed(name: str, call: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    """Returns a restoration and its time in seconds; errors name the image."""
    start = time.perf_counter()
    try:
        restored = np.asarray(call())
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return restored, time.perf_counter() - start


def _check_border(name: str, image: np.ndarray, crop_border: int) -> None:
    """Raises ValueError if nothing is left of an image inside the border."""
    height, width = image.shape[:2]
    if min(height, width) <= 2 * crop_border:
        raise ValueError(
            f"{name}: crop_border={crop_border} leaves nothing of an image of "
            f"{height} x {width}."
        )


def _rounded(
    name: str, found: dict[str, np.ndarray], bits: int
) -> dict[str, np.ndarray]:
    """Returns the images in the form that is measured; errors name the image."""
    try:
        return {key: _to_levels(image, bits) for key, image in found.items()}
    except ValueError as error:
        raise ValueError(f"{name} restored: {error}.") from error


def _to_levels(image: np.ndarray, bits: int) -> np.ndarray:
    """Returns float32: unchanged, or with 8 bits, clipped and rounded to levels."""
    if bits == 8:
        return images.to_uint8(image).astype(np.float32) / np.float32(255)
    if not np.isfinite(image).all():
        raise ValueError("it has pixels that are not finite (NaN or infinite)")
    return np.asarray(image, np.float32)


def _score(found: dict[str, np.ndarray], crop_border: int) -> dict[str, float]:
    """Returns every metric of the degraded and of the restored image."""
    inside = min(found["reference"].shape[:2]) - 2 * crop_border
    names = [name for name in METRICS if "psnr" in name or inside >= _SMALLEST_SSIM]
    both = np.stack([found[stage] for stage in STAGES])
    values = _measure(both, found["reference"], tuple(names), crop_border)
    return {
        f"{stage}_{name}": float(values[name][index]) if name in values else math.nan
        for index, stage in enumerate(STAGES)
        for name in METRICS
    }


@functools.partial(jax.jit, static_argnames=("names", "crop_border"))
def _measure(
    both: Array, reference: Array, names: tuple[str, ...], crop_border: int
) -> dict[str, Array]:
    """Returns the named metrics of two images [2, H, W, C], compiled once per size."""
    functions = {"psnr": metrics.psnr, "ssim": metrics.ssim}
    reference = jnp.broadcast_to(reference, both.shape)
    return {
        name: functions[name[:4]](both, reference, name.endswith("_y"), crop_border)
        for name in names
    }
