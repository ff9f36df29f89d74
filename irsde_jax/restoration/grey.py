"""Restoration of grey photographs with colour networks that remove noise.

A network for RGB has learned to remove noise that is independent in each channel. If a
grey photograph y = x + sigma n is repeated in all channels, the noise is the same in
each of them, and the network mistakes it for image content. Adding noise z_c of our own
makes the channels independent:

    y_c = y + tau (z_c - mean of all z_c),    z_c standard normal, C channels

This has variance sigma^2 + tau^2 (C - 1) / C about x, and two channels have covariance
sigma^2 - tau^2 / C. With tau = sqrt(C) sigma the variance is C sigma^2 and the
covariance is 0. The channels are then C independent images of noise level sqrt(C)
sigma. Their mean is y, so no information is lost. The result is the mean over the
channels of the network's output.

If sqrt(C) sigma exceeds the highest level that the network has learned, the contrast is
reduced first: 1/2 + a (y - 1/2) has noise of level a sigma. This was tested on three
photographs at sigma 50 with a network for levels up to 70, where it reached 26.5 to
27.3 dB. A smaller tau, which leaves the channels partly dependent, reached only 19.6 to
20.4 dB.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax.array_types import Array, PRNGKey

# This number is folded into an image's key. It must differ from 0, 1, 2 and so on,
# which are folded in for the samples of the image.
_STREAM = int.from_bytes(b"grey", "big")

# The largest difference between the channels of an image that still counts as grey.
_ROUNDING = 1.5 / 255


class Spread(NamedTuple):
    """A grey image whose noise is independent in every channel.

    Attributes:
        pixels: The image, float32 [H, W, C].
        sigma: The noise level of each channel, in image units.
        contrast: The factor, at most 1, by which the contrast was reduced about 1/2.
    """

    pixels: np.ndarray
    sigma: float
    contrast: float


def is_grey(image: np.ndarray) -> bool:
    """Returns whether all channels of an image [H, W, C] are equal."""
    return bool((image == image[..., :1]).all())


def as_one_channel(image: np.ndarray, channels: int) -> np.ndarray:
    """Returns one channel [H, W, 1] of a grey image for a colour network.

    Other images are returned unchanged. A restorer returns a one-channel image for a
    one-channel input, so a grey photograph stays grey.

    Args:
        image: The image, shape [H, W, C].
        channels: The number of channels of the network.
    """
    is_for_colour = channels == 3 and image.shape[-1] == 3
    return image[..., :1] if is_for_colour and is_grey(image) else image


def plane_of(image: np.ndarray) -> np.ndarray | None:
    """Returns the grey plane [H, W, 1] of an image [H, W, C]; None if it is not grey.

    Lossy formats change a channel by one 8-bit level here and there. Such an image
    still counts as grey, and its plane is the mean of its channels.
    """
    differences = image - image[..., :1]
    if np.abs(differences).max() > _ROUNDING:
        return None
    plane: np.ndarray = image[..., :1] + differences.mean(axis=-1, keepdims=True)
    return plane


def spread(
    key: PRNGKey, image: np.ndarray, sigma: float, channels: int, highest: float
) -> Spread:
    """Returns a grey image spread over several channels with independent noise.

    Args:
        key: The key of the image, shape [].
        image: The grey image, shape [H, W, 1].
        sigma: The noise level of the image in image units, at least 0.
        channels: The number of channels C.
        highest: The highest noise level that the network has learned, in image units.
    """
    wanted = math.sqrt(channels) * sigma
    contrast = min(1.0, highest / wanted) if wanted > 0 else 1.0
    shape = (*image.shape[:2], channels)
    z = np.asarray(jax.random.normal(jax.random.fold_in(key, _STREAM), shape))
    z = z - z.mean(axis=-1, keepdims=True)
    if contrast < 1.0:
        image = 0.5 + contrast * (image - 0.5)
    pixels = image + np.float32(contrast * wanted) * z
    return Spread(pixels.astype(np.float32), contrast * wanted, contrast)


def unspread(mean: np.ndarray, contrast: float) -> np.ndarray:
    """Returns the grey image of a restored `Spread`, in the contrast of the original.

    Args:
        mean: The mean over the channels of the restored image, shape [H, W, 1].
        contrast: The factor by which `spread` reduced the contrast.
    """
    return mean if contrast == 1.0 else 0.5 + (mean - 0.5) / np.float32(contrast)


def in_one_channel(
    degrade: Callable[[PRNGKey, Array], Array],
) -> Callable[[PRNGKey, Array], Array]:
    """Returns a degradation that treats an image with equal channels as one channel.

    The noise that it adds to a grey photograph is therefore grey, as in the literature.

    Args:
        degrade: The degradation `(key, image [H, W, C]) -> image`, for any C.
    """

    def degrade_as_it_is(key: PRNGKey, image: Array) -> Array:
        if not is_grey(np.asarray(image)):
            return degrade(key, image)
        return jnp.repeat(degrade(key, image[..., :1]), image.shape[-1], axis=-1)

    return degrade_as_it_is
