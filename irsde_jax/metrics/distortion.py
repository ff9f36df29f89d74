"""PSNR and SSIM as restoration papers compute them, in RGB or on the luma.

Published values are computed from images rounded to 8 bits. These functions do not
round. When you report a value, state the channels (RGB or Y) and the border, because
values with different settings cannot be compared.
"""

import functools

import jax
import jax.numpy as jnp

from irsde_jax.array_types import Array

# ITU-R BT.601 with "studio swing" (16..235 of 255), as in MATLAB's `rgb2ycbcr`.
_LUMA_WEIGHTS = (65.481 / 255, 128.553 / 255, 24.966 / 255)
_LUMA_OFFSET = 16 / 255

# Wang et al. (2004) use an 11 x 11 Gaussian window of std 1.5, K1 = 0.01, K2 = 0.03.
_WINDOW, _WINDOW_STD, _C1, _C2 = 11, 1.5, 0.01**2, 0.03**2


@functools.partial(jax.jit, static_argnames=("luma", "crop_border"))
def psnr(
    image: Array, reference: Array, luma: bool = False, crop_border: int = 0
) -> Array:
    """Returns the peak signal-to-noise ratio, 10 log10(1 / mean squared error), in dB.

    Args:
        image: The image in [0, 1], shape [H, W, C] or [batch, H, W, C].
        reference: The reference image in [0, 1], shape of `image`.
        luma: Whether to compare the BT.601 luma of RGB images instead of all channels.
            Grey images are compared as they are.
        crop_border: The number of pixels to ignore on every side.

    Returns:
        The ratio in dB, shape [] or [batch]. It is inf for equal images.

    Raises:
        ValueError: If the shapes differ or have a wrong rank, if an image is not
            floating point, or if the border leaves no pixels.
    """
    image, reference = _prepare(image, reference, luma, crop_border, smallest=1)
    error = jnp.mean((image - reference) ** 2, axis=(-3, -2, -1))
    return -10.0 * jnp.log10(error)


@functools.partial(jax.jit, static_argnames=("luma", "crop_border"))
def ssim(
    image: Array, reference: Array, luma: bool = False, crop_border: int = 0
) -> Array:
    """Returns the structural similarity with an 11 x 11 Gaussian window of std 1.5.

    Only windows that lie inside the image count. The arguments are those of `psnr`; at
    least 11 x 11 pixels must remain inside the border.

    Returns:
        The mean over pixels and channels, shape [] or [batch].

    References:
        Wang et al. (2004), "Image Quality Assessment: From Error Visibility to
        Structural Similarity", eq. 13.
    """
    image, reference = _prepare(image, reference, luma, crop_border, smallest=_WINDOW)
    # A shift does not change variances, and float32 is more accurate near zero.
    centre = reference.mean(axis=(-3, -2, -1), keepdims=True)
    x, y = image - centre, reference - centre
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    mean_x, mean_y = mean_x + centre, mean_y + centre
    structure = (2 * covariance + _C2) / (var_x + var_y + _C2)
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return jnp.mean(luminance * structure, axis=(-3, -2, -1))


def luma(image: Array) -> Array:
    """Returns the BT.601 luma of an RGB image in [0, 1], shape [..., H, W, 1].

    Its values lie in 16/255..235/255.
    """
    weights = jnp.asarray(_LUMA_WEIGHTS, image.dtype)
    return jnp.sum(image * weights, axis=-1, keepdims=True) + _LUMA_OFFSET


def _prepare(image, reference, use_luma, crop_border, smallest):
    """Checks and crops both images, and converts them to luma if `use_luma`."""
    image, reference = jnp.asarray(image), jnp.asarray(reference)
    if image.shape != reference.shape or image.ndim not in (3, 4):
        raise ValueError(
            f"images have shapes {image.shape} and {reference.shape}; they must be "
            "equal and [H, W, C] or [batch, H, W, C]."
        )
    for array in (image, reference):
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise ValueError(
                f"images must be floating point in [0, 1], got {array.dtype.name}. "
                "Divide 8-bit images by 255."
            )
    left = min(image.shape[-3:-1]) - 2 * crop_border
    if crop_border < 0 or left < smallest:
        raise ValueError(
            f"crop_border={crop_border} leaves {left} pixels of an image of "
            f"{image.shape[-3]} x {image.shape[-2]}; at least {smallest} are needed."
        )
    if crop_border:
        inside = slice(crop_border, -crop_border)
        image, reference = (
            image[..., inside, inside, :],
            reference[..., inside, inside, :],
        )
    if use_luma and image.shape[-1] == 3:
        image, reference = luma(image), luma(reference)
    return image, reference


def _blur(image: Array) -> Array:
    """Blurs [..., H, W, C] with the Gaussian window, in the valid region only."""
    offsets = jnp.arange(_WINDOW) - _WINDOW // 2
    weights = jnp.exp(-(offsets**2) / (2 * _WINDOW_STD**2))
    weights = weights / weights.sum()
    # The channels are moved to the batch axis, because XLA is fast at convolutions with
    # one channel, and compiles this one only once per image size.
    *batch, height, width, channels = image.shape
    planes = jnp.moveaxis(image, -1, -3).reshape(-1, height, width, 1)
    for shape in ((_WINDOW, 1, 1, 1), (1, _WINDOW, 1, 1)):
        planes = jax.lax.conv_general_dilated(
            planes,
            weights.reshape(shape),
            window_strides=(1, 1),
            padding="VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=jax.lax.Precision.HIGHEST,
        )
    blurred = planes.reshape(*batch, channels, *planes.shape[1:3])
    return jnp.moveaxis(blurred, -3, -1)
