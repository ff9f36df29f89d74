"""Estimates the cost of restoring an upload, and restores it.

This module is independent of Gradio, of sessions and of the network connection. It
takes paths and settings, and returns files, pictures and text. Errors are a
`ValueError` or an `OSError` with a message for visitors.
"""

import time
import uuid
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from irsde_jax.app import painting, pictures, uploads
from irsde_jax.app.choices import Limits, Settings, draws_noise, tuned
from irsde_jax.array_types import PRNGKey
from irsde_jax.data.image_files import images
from irsde_jax.data.image_files.hole_masks import HoleMask
from irsde_jax.restoration import costs, noise_keys
from irsde_jax.restoration.costs import Cost
from irsde_jax.restoration.files import one_file, provenance
from irsde_jax.restoration.files.filling import Filling
from irsde_jax.restoration.restorer import Restorer

_MOST_PROGRAMS = 32  # the largest number of compiled programs that are kept
_COMPILED: set[tuple[int, int, str, int]] = set()


class Result(NamedTuple):
    """The result of restoring an upload.

    Attributes:
        file: The path of the result file.
        before: The upload as a picture for the page, uint8 [H, W, 3].
        after: The result as a picture of the same shape.
        spread: The uncertainty map, uint8 [H, W, 3]. None means that no map was
            requested, or that all samples would be equal.
        white: The standard deviation, in image units, that the lightest colour of
            `spread` stands for.
        seconds: The duration of the restoration in seconds.
        estimated: The estimated duration in seconds.
        note: The description of what was filled, in sentences.
        mask: The mask file that defined what was filled. None means that nothing was
            painted.
    """

    file: Path
    before: np.ndarray
    after: np.ndarray
    spread: np.ndarray | None
    white: float
    seconds: float
    estimated: float
    note: str = ""
    mask: Path | None = None


def cost(
    restorer: Restorer, height: int, width: int, settings: Settings, limits: Limits
) -> Cost:
    """Returns the cost of restoring an image, including the uncertainty map.

    Args:
        restorer: The restorer with the weights.
        height: The height of the result in pixels.
        width: The width of the result in pixels.
        settings: The settings of the restoration.
        limits: The limits for each visitor.

    Raises:
        ValueError: If the settings are out of range, or if the cost exceeds the limits.
    """
    if not 0 <= settings.num_samples <= limits.samples:
        raise ValueError(
            f"{settings.num_samples} samples: an uncertainty map is made of at most "
            f"{limits.samples}."
        )
    if settings.num_evals < 1:
        raise ValueError("a restoration takes at least one evaluation.")
    num_evals = tuned(restorer, settings).num_evals()
    num_samples = 1 + _num_samples(restorer, settings)
    # `restorer` is used instead of the tuned one, because it caches estimates by size.
    found = costs.estimate(restorer, height, width, num_evals, num_samples)
    work = found.pixels * found.num_evals / 1e6
    if work > limits.work:
        raise ValueError(
            f"{height} x {width} pixels with {found.num_evals} evaluations are "
            f"{work:.0f} million pixels x evaluations; at most {limits.work:g} are "
            "allowed here. Take fewer evaluations or samples, or a smaller photograph."
        )
    if found.seconds > limits.seconds:
        raise ValueError(
            f"that would take about {costs.duration(found.seconds)}; at most "
            f"{costs.duration(limits.seconds)} are allowed here. Take fewer "
            "evaluations or samples, or a smaller photograph."
        )
    return found


def restore_upload(
    restorer: Restorer,
    upload: Path,
    settings: Settings,
    limits: Limits,
    folder: Path,
    *,
    name: str | None = None,
    paint: np.ndarray | None = None,
) -> Result:
    """Restores an uploaded file; the result equals that of `--mode=restore` exactly.

    Args:
        restorer: The restorer with the weights.
        upload: The image file. Its name and the seed determine the sampling noise.
        settings: The settings of the restoration.
        limits: The limits for each visitor.
        folder: The folder in which a new folder for the result is created.
        name: The name of the weights, for the metadata of the result.
        paint: The pixels that a visitor painted, bool [h, w], as the mask for weights
            that fill holes. None means that the holes are those in the upload.

    Raises:
        OSError: If the upload no longer exists, or if the disk is full.
        ValueError: If `uploads.look` or `cost` rejects the upload or the settings.
    """
    chosen = tuned(restorer, settings)
    given = uploads.read(chosen, upload, limits)
    before = restorer.enlarge(given.pixels)
    height, width = before.shape[:2]
    expected = cost(restorer, height, width, settings, limits)
    start = time.perf_counter()
    suffix = ".png" if settings.as_png else upload.suffix.lower()
    target = folder / uuid.uuid4().hex / f"{upload.stem}_restored{suffix}"
    target.parent.mkdir(parents=True)
    key = noise_keys.file_key(settings.seed, upload.name)
    mask = None
    if paint is not None and one_file.fills(restorer):
        mask = HoleMask(target.with_name(f"{upload.stem}_mask.png"))
        painting.write_mask(paint, height, width, mask.path)
    made_by = provenance.describe(chosen, name, settings.seed)
    with uploads.names_alone(upload, target, target.parent):
        after, filled = _write(
            chosen, upload, target, limits, key=key, mask=mask, made_by=made_by
        )
    _forget_old_programs((height, width, settings.solver, settings.num_evals))
    unknown = None if filled is None else filled.unknown
    spread, white = _spread(chosen, given, settings, key, unknown)
    return Result(
        file=target,
        before=pictures.to_picture(before),
        after=pictures.to_picture(after),
        spread=spread,
        white=white,
        seconds=time.perf_counter() - start,
        estimated=expected.seconds,
        note="" if filled is None else uploads.sentences(filled),
        mask=None if mask is None else mask.path,
    )


def _write(
    restorer: Restorer,
    upload: Path,
    target: Path,
    limits: Limits,
    *,
    key: PRNGKey,
    mask: HoleMask | None,
    made_by: str,
) -> tuple[np.ndarray, Filling | None]:
    """Writes the result; returns its pixels, and what was filled in it or None."""
    one_file.restore_file(
        restorer,
        upload,
        target,
        key,
        max_megapixels=limits.megapixels,
        made_by=made_by,
        mask=mask,
    )
    filled = None
    if one_file.fills(restorer):
        filled = uploads.find_filling(restorer, upload, mask, limits)
    data_range = restorer.image_format.data_range
    return images.read_image(target, data_range, max_megapixels=np.inf).pixels, filled


def _spread(
    restorer: Restorer,
    given: one_file.Given,
    settings: Settings,
    key: PRNGKey,
    unknown: np.ndarray | None,
) -> tuple[np.ndarray | None, float]:
    """Returns the uncertainty map or None, and the value of its lightest colour.

    Args:
        restorer: The restorer, tuned to the settings.
        given: The input of the restorer.
        settings: The settings of the restoration.
        key: The key of the restoration.
        unknown: The pixels that are hidden from the network, as in `Filling`.
    """
    num_samples = _num_samples(restorer, settings)
    if not num_samples:
        return None, 0.0
    found = restorer.uncertainty(
        given.pixels,
        num_samples=num_samples,
        key=key,
        sigma=given.sigma,
        mask=unknown,
    )
    return pictures.to_map(found.std)


def _forget_old_programs(program: tuple[int, int, str, int]) -> None:
    """Clears the compiled programs when there are many.

    Each size, solver and number of evaluations is compiled, and visitors try many.
    """
    _COMPILED.add(program)
    if len(_COMPILED) > _MOST_PROGRAMS:
        jax.clear_caches()
        _COMPILED.clear()


def _num_samples(restorer: Restorer, settings: Settings) -> int:
    """Returns the number of restorations for the map, or 0 if all would be equal."""
    if settings.num_samples and draws_noise(restorer, settings.solver):
        return max(settings.num_samples, 2)
    return 0
