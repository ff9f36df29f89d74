"""Grey photographs for colour networks that remove noise.

A network for RGB has learned noise that is independent in each channel. If a grey
photograph y = x + sigma n is repeated in all channels, so is its noise, and the network
takes it for picture. Noise z_c of our own makes the channels independent:

    y_c = y + tau (z_c - mean of all z_c),    z_c standard normal, C channels

has the variance sigma^2 + tau^2 (C - 1) / C about x, and two channels have the
covariance sigma^2 - tau^2 / C. With tau = sqrt(C) sigma this is C sigma^2, and 0: C
independent images of noise level sqrt(C) sigma. Their mean is y, so nothing is lost,
and the mean of what the network makes of them is the result.

If sqrt(C) sigma exceeds the highest level that the network has learned, the contrast is
reduced first: 1/2 + a (y - 1/2) has noise of level a sigma. On three photographs at
sigma 50, restored by a network for levels up to 70, that gave 26.5 to 27.3 dB; channels
that stay partly dependent, with a smaller tau, gave 19.6 to 20.4 dB.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax.array_types import Array, PRNGKey

# Folded into an image's key. The samples of an image fold in 0, 1, 2 and so on.
_STREAM = int.from_bytes(b"grey", "big")

_ROUNDING = 1.5 / 255


class Spread(NamedTuple):
    """A grey image whose noise is independent in every channel.

    Attributes:
        pixels: float32 [H, W, C].
        sigma: The noise level of each channel, in image units.
        contrast: What the image was multiplied by, about 1/2; at most 1.
    """

    pixels: np.ndarray
    sigma: float
    contrast: float


def is_grey(image: np.ndarray) -> bool:
    """Whether all channels of an image [H, W, C] are equal."""
    return bool((image == image[..., :1]).all())


def as_one_channel(image: np.ndarray, channels: int) -> np.ndarray:
    """One channel [H, W, 1] of a grey image for a colour network, else the image.

    A restorer gives such an image back in one channel, so that a grey photograph stays
    grey.

    Args:
        image: The image, shape [H, W, C].
        channels: The number of channels of the network.
    """
    is_for_colour = channels == 3 and image.shape[-1] == 3
    return image[..., :1] if is_for_colour and is_grey(image) else image


def plane_of(image: np.ndarray) -> np.ndarray | None:
    """The plane [H, W, 1] of an image [H, W, C] that is grey; None if it is not.

    Lossy formats change a channel by a level of 8 bits here and there. Such an image is
    grey too, and the plane is the mean of its channels.
    """
    differences = image - image[..., :1]
    if np.abs(differences).max() > _ROUNDING:
        return None
    plane: np.ndarray = image[..., :1] + differences.mean(axis=-1, keepdims=True)
    return plane


def spread(
    key: PRNGKey, image: np.ndarray, sigma: float, channels: int, highest: float
) -> Spread:
    """Spreads a grey image over channels with independent noise.

    Args:
        key: The key of the image, shape [].
        image: The grey image, shape [H, W, 1].
        sigma: Its noise level in image units, at least 0.
        channels: The number of channels C.
        highest: The highest noise level that the network has learned.
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
    """The mean over the channels of a restored `Spread`, in the contrast of before."""
    return mean if contrast == 1.0 else 0.5 + (mean - 0.5) / np.float32(contrast)


def in_one_channel(
    degrade: Callable[[PRNGKey, Array], Array],
) -> Callable[[PRNGKey, Array], Array]:
    """A degradation that treats an image whose channels are equal as one channel.

    The noise that it adds to a grey photograph is then grey, as in the literature.

    Args:
        degrade: `(key, image [H, W, C]) -> image`, for any C.
    """

    def degrade_as_it_is(key: PRNGKey, image: Array) -> Array:
        if not is_grey(np.asarray(image)):
            return degrade(key, image)
        return jnp.repeat(degrade(key, image[..., :1]), image.shape[-1], axis=-1)

    return degrade_as_it_is
