"""Prepares images for the Denoising process and converts its output to results.

A channel that is constant holds no noise. It is ignored when the noise level is
estimated, and it is returned unchanged. If all other channels are equal, the image
counts as grey (or as grey in one channel, as from a microscope) and is spread over the
channels of the network; see `irsde_jax.restoration.grey`. An image without noise, such
as a black frame, is returned unchanged.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from irsde_jax import sde
from irsde_jax.array_types import PRNGKey
from irsde_jax.data.noise_level import estimate_noise_level
from irsde_jax.restoration import grey
from irsde_jax.sde import Schedule

_SMALLEST = 8  # side in pixels of the smallest image whose noise level is estimated


class Noisy(NamedTuple):
    """An image that is prepared for the Denoising process.

    Attributes:
        image: The original image, shape [H, W, C]. C is 1 for a grey image.
        varies: The channels that are not constant, bool [C].
        pixels: The input of the network, with as many channels as the network has.
        sigma: The noise level of `pixels` in image units, or 0 if there is no noise.
        is_grey: Whether `pixels` is a grey image that was spread over the channels.
        tint: The difference between `image` and its grey plane, same shape as `image`.
            In the channels that vary it is zero, or the rounding of a lossy format.
            None means that the image was not spread.
        contrast: The factor by which the contrast was reduced; see `grey.Spread`.
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
    """Returns an image prepared for the Denoising process.

    Args:
        key: The key of the image, shape [].
        image: The image, float32 [H, W, C]. C is 1 or `channels`.
        sigma: The noise level in image units. None means that it is estimated.
        channels: The number of channels of the network.
        schedule: The SDE coefficients of the network.

    Raises:
        ValueError: If the noise level is out of range, or if the image is too small to
            estimate it.
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
    """Returns the estimated noise level of an image [H, W, C], or 0 if it is constant.

    Raises:
        ValueError: If the image is too small.
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
    """Returns the restored image [H, W, C].

    Constant channels are preserved, and grey images stay grey.

    Args:
        noisy: The image as `prepare` returned it.
        restored: The output of the network, shape [H, W, C]. For an image that was
            spread, it is the mean over the channels, [H, W, 1]. None stands for an
            image without noise.
    """
    image = noisy.image.clip(0.0, 1.0)
    if restored is None:
        return image
    if noisy.tint is not None:
        restored = grey.unspread(restored, noisy.contrast) + noisy.tint
    return np.where(noisy.varies, restored.clip(0.0, 1.0), image)


def finish_moments(noisy: Noisy, moments: np.ndarray | None) -> np.ndarray:
    """Returns the mean and the variance of restored images, shape [2, H, W, C].

    Args:
        noisy: The image as `prepare` returned it.
        moments: The mean and the variance of the outputs of the network. Each has the
            shape that `finish` takes. None stands for an image without noise.
    """
    if moments is None:
        mean = finish(noisy, None)
        return np.stack([mean, np.zeros_like(mean)])
    mean, variance = moments
    variance = variance / np.float32(noisy.contrast) ** 2
    variance = np.where(noisy.varies, variance, np.float32(0.0))
    return np.stack([finish(noisy, mean), variance])


def groups(noisy: Sequence[Noisy], apart: bool) -> list[list[int]]:
    """Returns groups of indices of the noisy images that can run in one batch.

    Args:
        noisy: The images of a batch. Those without noise are left out.
        apart: Whether each image is put into a group of its own.
    """
    found: dict[tuple[float, bool, int], list[int]] = {}
    for index, image in enumerate(noisy):
        if image.sigma > 0:
            key = (image.sigma, image.is_grey, index if apart else 0)
            found.setdefault(key, []).append(index)
    return list(found.values())


def _varying(image: np.ndarray) -> np.ndarray:
    """Returns which channels of an image [H, W, C] are not constant, bool [C]."""
    varies: np.ndarray = image.min(axis=(0, 1)) < image.max(axis=(0, 1))
    return varies
