"""Resampling: images made smaller and enlarged again, as super-resolution sees them.

A resampling is two small matrices, one for the rows and one for the columns, made when
a program is traced: what runs on the device is two matrix products.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax.array_types import Array, PRNGKey


def bicubic(
    key: PRNGKey, image: Array, factor: float = 4, symmetric: bool = False
) -> Array:
    """Made smaller and enlarged again, both by bicubic interpolation.

    Args:
        key: not used.
        image: in [0, 1], shape [H, W, C].
        factor: of the sides; the small image has ceil(H / factor) rows.
        symmetric: borders of both as MATLAB's `imresize`; see `resize`.

    Returns:
        Shape of `image`, clipped to [0, 1] at both sizes, as files are.
    """
    del key  # deterministic
    height, width, _ = image.shape
    small = _shrink(image, factor, symmetric)
    return jnp.clip(resize(small, height, width, symmetric), 0, 1)


def nearest(
    key: PRNGKey, image: Array, factor: float = 4, symmetric: bool = False
) -> Array:
    """Made smaller by bicubic interpolation, enlarged by repeating pixels.

    It is what the published super-resolution weights of IR-SDE were trained on.
    Arguments and result as `bicubic`.
    """
    del key  # deterministic
    small = _shrink(image, factor, symmetric)
    rows, columns = (
        np.floor((np.arange(large) + 0.5) * little / large).astype(int)
        for large, little in zip(image.shape, small.shape[:2])
    )
    return small[rows][:, columns]


def resize(image: Array, height: int, width: int, symmetric: bool = False) -> Array:
    """Bicubic interpolation with antialiasing; the result is not clipped.

    Going down, the kernel is widened by the factor. That is the method of Pillow's
    `BICUBIC` and of MATLAB's `imresize`; the two differ in the border alone.

    Args:
        image: shape [H, W, C].
        height: rows of the result, at least 1.
        width: columns of the result, at least 1.
        symmetric: continue the image by its mirror image, as MATLAB does. Else the
            weights inside the image are scaled to a sum of 1, as Pillow does.

    Returns:
        Shape [height, width, C].

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
    """`enlarging.enlarge` of a batch, in JAX: the same up to the rounding of float32.

    Args:
        images: The small images, shape [batch, H, W, C].
        scale: The factor of both sides, at least 1.
        method: "bicubic" or "nearest".

    Returns:
        Shape [batch, scale H, scale W, C]; "bicubic" is not clipped.
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
    """Row i holds the weights of the old samples in new sample i; float32."""
    scale = size / new_size
    widening = max(scale, 1.0)
    reach = math.ceil(2 * widening) + 1
    # Both grids cover the same interval; a sample is the centre of its cell.
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
    """1.5 |x|^3 - 2.5 |x|^2 + 1 to |x| = 1; then to 2: -0.5|x|^3 + 2.5|x|^2 - 4|x| + 2.

    Zero beyond 2.
    """
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))
