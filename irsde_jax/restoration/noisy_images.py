"""What the Denoising process is given of an image, and how the result is made of it.

A channel that is constant holds no noise: it says nothing about the noise level and
comes back as it was. If all other channels are equal, the image is grey (or grey in one
channel, as from a microscope) and is spread over the channels of the network, see
`irsde_jax.restoration.grey`. An image without noise, such as a black frame, comes back
as it was.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from irsde_jax import sde
from irsde_jax.array_types import PRNGKey
from irsde_jax.data.noise_level import estimate_noise_level
from irsde_jax.restoration import grey
from irsde_jax.sde import Schedule

_SMALLEST = 8  # pixels: a side of the smallest image whose noise is estimated


class Noisy(NamedTuple):
    """An image as the Denoising process takes it.

    Attributes:
        image: The image as it was given, shape [H, W, C], C being 1 for grey.
        varies: Which of its channels are not constant, bool [C].
        pixels: What the network is given, as many channels as it has.
        sigma: The noise level of `pixels` in image units; 0 where there is no noise.
        is_grey: Whether `pixels` are a grey image, spread.
        tint: What `image` has in each channel beyond the grey image, shape of `image`:
            zeros, or the rounding of a lossy format.
        contrast: See `grey.Spread`.
    """

    image: np.ndarray
    varies: np.ndarray
    pixels: np.ndarray
    sigma: float
    is_grey: bool = False
    tint: np.ndarray | None = None
    contrast: float = 1.0


def prepare(
    key: PRNGKey,
    image: np.ndarray,
    sigma: float | None,
    channels: int,
    schedule: Schedule,
) -> Noisy:
    """Prepares an image for the Denoising process.

    Args:
        key: The key of the image, shape [].
        image: float32 [H, W, C], C being 1 or `channels`.
        sigma: The noise level in image units; None estimates it.
        channels: The number of channels of the network.
        schedule: The SDE coefficients of the network.

    Raises:
        ValueError: if the level is out of range, or the image too small to estimate it.
    """
    varies = _varying(image)
    plane = grey.plane_of(image[..., varies]) if varies.any() else None
    level = noise_level(image if plane is None else plane) if sigma is None else sigma
    if sde.start_step(schedule, level) == 0 or not varies.any():
        return Noisy(image, varies, image, 0.0)
    if plane is None or channels != 3:
        return Noisy(image, varies, image, level)
    highest = float(sde.marginal_std(schedule, schedule.num_steps))
    made = grey.spread(key, plane, level, channels, highest)
    return Noisy(
        image,
        varies,
        made.pixels,
        made.sigma,
        is_grey=True,
        tint=image - plane,
        contrast=made.contrast,
    )


def noise_level(image: np.ndarray) -> float:
    """The estimated noise level of an image [H, W, C], 0 where it is constant.

    Raises:
        ValueError: if the image is too small.
    """
    if not _varying(image).any():
        return 0.0
    if min(image.shape[:2]) < _SMALLEST:
        raise ValueError(
            f"no noise level was given, and an image of {image.shape[0]} x "
            f"{image.shape[1]} is too small to estimate one: pass sigma=25/255, say."
        )
    return estimate_noise_level(image)


def finish(noisy: Noisy, restored: np.ndarray | None) -> np.ndarray:
    """The restored image [H, W, C]: constant channels as they were, grey as grey.

    Args:
        noisy: What `prepare` made of the image.
        restored: What the network made of it, shape [H, W, C]; of a grey image the mean
            over the channels, [H, W, 1]. None for an image without noise.
    """
    image = noisy.image.clip(0.0, 1.0)
    if restored is None:
        return image
    if noisy.tint is not None:
        restored = grey.unspread(restored, noisy.contrast) + noisy.tint
    return np.where(noisy.varies, restored.clip(0.0, 1.0), image)


def finish_moments(noisy: Noisy, moments: np.ndarray | None) -> np.ndarray:
    """The mean and the variance of restored images, shape [2, H, W, C].

    Args:
        noisy: What `prepare` made of the image.
        moments: Mean and variance of what the network made of it, each as in `finish`.
    """
    if moments is None:
        mean = finish(noisy, None)
        return np.stack([mean, np.zeros_like(mean)])
    mean, variance = moments
    variance = variance / np.float32(noisy.contrast) ** 2
    variance = np.where(noisy.varies, variance, np.float32(0.0))
    return np.stack([finish(noisy, mean), variance])


def groups(noisy: Sequence[Noisy], apart: bool) -> list[list[int]]:
    """Indices of the images that hold noise, grouped by what can run in one batch.

    Args:
        noisy: The images of a batch.
        apart: Whether each image is a group of its own.
    """
    found: dict[tuple[float, bool, int], list[int]] = {}
    for index, image in enumerate(noisy):
        if image.sigma > 0:
            key = (image.sigma, image.is_grey, index if apart else 0)
            found.setdefault(key, []).append(index)
    return list(found.values())


def _varying(image: np.ndarray) -> np.ndarray:
    """Which channels of an image [H, W, C] are not constant, bool [C]."""
    varies: np.ndarray = image.min(axis=(0, 1)) < image.max(axis=(0, 1))
    return varies
