"""Blur: convolution with a Gaussian, or with the path of a shaken camera."""

import math

import jax
import jax.numpy as jnp

from irsde_jax.array_types import Array, PRNGKey
from irsde_jax.data.degradations.levels import Level, draw_level, highest

# The light is the pixel value to this power, as in Nah et al. (2017).
_GAMMA = 2.2
_SAMPLES_PER_PIXEL = 4  # The number of points per pixel of a camera path.


def gaussian_blur(key: PRNGKey, image: Array, std: Level = (1.0, 3.0)) -> Array:
    """Blurs an image with an isotropic Gaussian, as if it were out of focus.

    Args:
        key: The random key.
        image: The image in [0, 1], shape [H, W, C].
        std: The standard deviation of the Gaussian, in pixels.

    Returns:
        The blurred image in [0, 1], in the shape of `image`.
    """
    kernel = gaussian_kernel(draw_level(key, std), highest(std))
    return jnp.clip(convolve(image, kernel), 0, 1)


def motion_blur(
    key: PRNGKey,
    image: Array,
    length: Level = (5.0, 25.0),
    turning: Level = (0.0, 180.0),
) -> Array:
    """Blurs an image as a camera does that moves along a random path.

    The heading and the logarithm of the speed follow random walks. This model is
    simpler than that of the reference, which includes inertia and jerks. The
    convolution is applied to image^2.2, because light adds up, not pixel values.

    Args:
        key: The random key.
        image: The image in [0, 1], shape [H, W, C].
        length: The length of the path, in pixels. With 0 the camera does not move.
        turning: The standard deviation of the change of heading between the opening and
            the closing of the shutter, in degrees.

    Returns:
        The blurred image in [0, 1], in the shape of `image`.

    References:
        Boracchi and Foi (2012), "Modeling the Performance of Image Restoration from
        Motion Blur", IEEE TIP 21(8), for random paths rasterised to a kernel; Nah et
        al. (2017), https://arxiv.org/abs/1612.02177, for the gamma.
    """
    length_key, turning_key, path_key = jax.random.split(key, 3)
    longest = highest(length)
    path = camera_path(
        path_key,
        draw_level(length_key, length),
        draw_level(turning_key, turning),
        num_points=max(32, math.ceil(_SAMPLES_PER_PIXEL * longest)),
    )
    kernel = path_kernel(path, radius=math.ceil(longest / 2) + 1)
    light = jnp.maximum(convolve(image**_GAMMA, kernel), 0)
    return jnp.clip(light ** (1 / _GAMMA), 0, 1)


def camera_path(key: PRNGKey, length: Array, turning: Array, num_points: int) -> Array:
    """Returns points at equal times on a random curve, shape [num_points, 2].

    The curve has the given length. The box around it is centred at the origin, so no
    point is farther from the origin than length / 2 along either axis.

    Args:
        key: The random key.
        length: The length of the curve, in pixels, shape [].
        turning: The standard deviation of the change of heading from the first to the
            last point, in degrees, shape [].
        num_points: The number of points.
    """
    start_key, heading_key, speed_key = jax.random.split(key, 3)

    def walk(key: PRNGKey) -> Array:
        steps = jax.random.normal(key, (num_points,))
        return jnp.cumsum(steps) / num_points**0.5

    start = jax.random.uniform(start_key, (), maxval=2 * jnp.pi)
    heading = start + jnp.deg2rad(turning) * walk(heading_key)
    speed = jnp.exp(0.5 * walk(speed_key))
    speed = speed * length / speed.sum()
    velocity = speed[:, None] * jnp.stack([jnp.sin(heading), jnp.cos(heading)], -1)
    path = jnp.cumsum(velocity, axis=0)
    return path - (path.max(axis=0) + path.min(axis=0)) / 2


def path_kernel(path: Array, radius: int) -> Array:
    """Returns a kernel in which each point is shared among its four nearest pixels.

    Args:
        path: The rows and columns of points, 0 at the centre, shape [num_points, 2].
        radius: The radius of the kernel, larger than any coordinate of `path`.

    Returns:
        The kernel with sum 1, shape [2 radius + 1, 2 radius + 1].
    """
    corner = jnp.floor(path)
    after = path - corner
    row, column = (corner.astype(int) + radius).T
    kernel = jnp.zeros((2 * radius + 1, 2 * radius + 1))
    for down in (0, 1):
        for right in (0, 1):
            shares = jnp.abs(after - jnp.array([1 - down, 1 - right]))
            kernel = kernel.at[row + down, column + right].add(shares.prod(axis=1))
    return kernel / len(path)


def gaussian_kernel(std: Array, largest_std: float) -> Array:
    """Returns an isotropic Gaussian with sum 1, cut off at four times `largest_std`."""
    radius = math.ceil(4 * largest_std)
    offsets = jnp.arange(-radius, radius + 1) / jnp.maximum(std, 1e-3)
    profile = jnp.exp(-(offsets**2) / 2)
    profile = profile / profile.sum()
    return jnp.outer(profile, profile)


def convolve(image: Array, kernel: Array) -> Array:
    """Convolves an image that is continued by its mirror image.

    Args:
        image: The image, shape [H, W, C].
        kernel: The kernel, shape [h, w]. Both sides must be odd.

    Returns:
        The filtered image, in the shape of `image`.
    """
    high, wide = (side // 2 for side in kernel.shape)
    padded = jnp.pad(image, ((high, high), (wide, wide), (0, 0)), mode="symmetric")
    return convolve_inside(padded, kernel)


def convolve_inside(image: Array, kernel: Array) -> Array:
    """Convolves where the kernel lies inside the image: [H - h + 1, W - w + 1, C].

    It uses the Fourier transform, whose cost does not grow with the kernel. Separate
    kernels for the images of a batch cost no more than a common kernel.
    """
    height, width = image.shape[:2]
    spectrum = jnp.fft.rfft2(kernel, s=(height, width))[..., None]
    spectrum = spectrum * jnp.fft.rfft2(image, axes=(0, 1))
    result = jnp.fft.irfft2(spectrum, s=(height, width), axes=(0, 1))
    # The first h - 1 rows and w - 1 columns wrap around in the periodic convolution.
    return result[kernel.shape[0] - 1 :, kernel.shape[1] - 1 :]
