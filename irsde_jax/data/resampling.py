"""Resampling: shrinking images and enlarging them again, as for super-resolution.

A resampling consists of two small matrices, one for the rows and one for the columns.
They are computed when the program is traced, so only two matrix products run on the
device.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax.array_types import Array, PRNGKey


def bicubic(
    key: PRNGKey, image: Array, factor: float = 4, symmetric: bool = False
) -> Array:
    """Shrinks an image and enlarges it again, both by bicubic interpolation.

    Args:
        key: The random key, which is not used.
        image: The image in [0, 1], shape [H, W, C].
        factor: The factor, at least 1, by which both sides shrink. The small image has
            ceil(H / factor) rows.
        symmetric: The treatment of the borders in both steps, as in `resize`.

    Returns:
        The image in the shape of `image`. Values are clipped to [0, 1] at both sizes,
        because image files hold no others.
    """
    del key  # deterministic
    height, width, _ = image.shape
    small = _shrink(image, factor, symmetric)
    return jnp.clip(resize(small, height, width, symmetric), 0, 1)


def nearest(
    key: PRNGKey, image: Array, factor: float = 4, symmetric: bool = False
) -> Array:
    """Shrinks by bicubic interpolation and enlarges by repeating pixels.

    The published super-resolution weights of IR-SDE were trained on such images. The
    arguments and the result are those of `bicubic`.
    """
    del key  # deterministic
    small = _shrink(image, factor, symmetric)
    rows, columns = (
        np.floor((np.arange(large) + 0.5) * little / large).astype(int)
        for large, little in zip(image.shape, small.shape[:2])
    )
    return small[rows][:, columns]


def resize(image: Array, height: int, width: int, symmetric: bool = False) -> Array:
    """Resizes an image by bicubic interpolation with antialiasing, without clipping.

    When an image shrinks, the kernel is widened by the factor. Pillow's `BICUBIC` and
    MATLAB's `imresize` use the same method and differ from each other only at the
    border.

    Args:
        image: The image, shape [H, W, C].
        height: The number of rows of the result, at least 1.
        width: The number of columns of the result, at least 1.
        symmetric: Whether the image is continued by its mirror image, as in MATLAB. If
            False, the weights inside the image are scaled to a sum of 1, as in Pillow.

    Returns:
        The resized image, shape [height, width, C].

    References:
        Keys (1981), "Cubic Convolution Interpolation for Digital Image Processing",
        with a = -1/2.
    """
    rows = _weights(image.shape[0], height, symmetric)
    columns = _weights(image.shape[1], width, symmetric)
    return jnp.einsum(
        "yi,xj,ijc->yxc", rows, columns, image, precision=jax.lax.Precision.HIGHEST
    )


def enlarge(images: Array, scale: int, method: str) -> Array:
    """Enlarges a batch in JAX as `enlarging.enlarge` does, up to float32 rounding.

    Args:
        images: The small images, shape [batch, H, W, C].
        scale: The factor for both sides, at least 1.
        method: The interpolation, "bicubic" or "nearest".

    Returns:
        The enlarged images, shape [batch, scale H, scale W, C]. The result of "bicubic"
        is not clipped.
    """
    if scale == 1:
        return images
    if method == "nearest":
        return images.repeat(scale, axis=1).repeat(scale, axis=2)
    if method != "bicubic":
        raise ValueError(f"enlarge={method!r} is not one of ['bicubic', 'nearest'].")
    height, width = (scale * side for side in images.shape[1:3])
    return jax.vmap(lambda image: resize(image, height, width))(images)


def _shrink(image: Array, factor: float, symmetric: bool) -> Array:
    if factor < 1:
        raise ValueError(f"factor must be at least 1, got {factor}.")
    height, width = (math.ceil(side / factor) for side in image.shape[:2])
    return jnp.clip(resize(image, height, width, symmetric), 0, 1)


def _weights(size: int, new_size: int, symmetric: bool) -> np.ndarray:
    """Returns the float32 matrix [new_size, size] that resamples one axis.

    Row i holds the weights of the old samples in the new sample i.
    """
    scale = size / new_size
    widening = max(scale, 1.0)
    reach = math.ceil(2 * widening) + 1
    # Both grids cover the same interval, and each sample is the centre of its cell.
    centre = (np.arange(new_size)[:, None] + 0.5) * scale - 0.5
    sample = np.floor(centre).astype(int) + np.arange(-reach, reach + 1)
    values = _keys_cubic((sample - centre) / widening)
    if symmetric:
        period = sample % (2 * size)
        sample = np.minimum(period, 2 * size - 1 - period)
    inside = (sample >= 0) & (sample < size)
    weights = np.zeros((new_size, size))
    row = np.broadcast_to(np.arange(new_size)[:, None], sample.shape)
    np.add.at(weights, (row[inside], sample[inside]), values[inside])
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _keys_cubic(x: np.ndarray) -> np.ndarray:
    """Returns the value of the cubic kernel of Keys, which is zero for |x| >= 2.

    The kernel is 1.5 |x|^3 - 2.5 |x|^2 + 1 for |x| < 1, and -0.5 |x|^3 + 2.5 |x|^2 - 4
    |x| + 2 for 1 <= |x| < 2.
    """
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))
