"""Classical restoration methods that a user would try before training a network.

Each method is a function `(image, problem) -> image` of float [H, W, C] in [0, 1]. The
libraries that they need are optional, so each function imports its own.
"""

import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax.data import resampling
from irsde_jax.data.noise_level import estimate_noise_level
from irsde_jax.processes import holes

# The largest number of pixels in the holes of an image: more take minutes to solve.
_MOST_UNKNOWNS = 20_000
_RICHARDSON_LUCY_STEPS = 30
_TELEA_RADIUS = 3  # pixels
# One wavelet grid leaves visible blocks; the mean over shifted grids does not
# (Coifman and Donoho 1995).
_SHIFTS = tuple((y, x) for y in range(3) for x in range(3))  # pixels


class Problem(NamedTuple):
    """The facts about the degradation that a baseline may use.

    Attributes:
        sigma: The noise level in image units. None estimates it from each image.
        scale: The factor by which the degraded images were enlarged before.
        enlarge: The interpolation of that enlargement, "bicubic" or "nearest".
        blur_std: The standard deviation of the Gaussian kernel that deblurring assumes,
            in pixels.
    """

    sigma: float | None = None
    scale: float = 1
    enlarge: str = "bicubic"
    blur_std: float = 1.5


def bicubic(image: np.ndarray, problem: Problem) -> np.ndarray:
    """Returns the small image, enlarged by bicubic interpolation (Keys, a = -1/2)."""
    if problem.enlarge == "bicubic":
        return image  # It was enlarged this way already.
    height, width = image.shape[:2]
    # Every pixel of a block equals that of the small image. The middle one is the
    # safest choice, since the borders of blocks depend on rounding.
    rows, columns = (
        ((np.arange(round(np.ceil(side / problem.scale))) + 0.5) * side)
        // np.ceil(side / problem.scale)
        for side in (height, width)
    )
    small = image[rows.astype(int)][:, columns.astype(int)]
    enlarged = resampling.resize(jnp.asarray(small), height, width)
    return np.asarray(enlarged).clip(0, 1)


def non_local_means(image: np.ndarray, problem: Problem) -> np.ndarray:
    """Removes noise by non-local means (Buades et al. 2005).

    The filter strength h is the one that scikit-image recommends.
    """
    from skimage.restoration import denoise_nl_means

    sigma = _noise_level(image, problem)
    denoised = denoise_nl_means(
        image,
        patch_size=5,
        patch_distance=6,
        h=0.8 * sigma,
        sigma=sigma,
        fast_mode=True,
        channel_axis=-1,
    )
    return denoised.reshape(image.shape)  # scikit-image drops a single channel.


def wavelet(image: np.ndarray, problem: Problem) -> np.ndarray:
    """Removes noise by BayesShrink (Chang et al. 2000), averaged over 9 shifts.

    Colour images are denoised in YCbCr.
    """
    from skimage.restoration import denoise_wavelet

    sigma = _noise_level(image, problem)
    if sigma == 0:
        return image
    total = np.zeros(image.shape)
    with warnings.catch_warnings():
        # The library warns about small images, which have few wavelet levels.
        warnings.filterwarnings("ignore", message="Level value of")
        for shift in _SHIFTS:
            moved = denoise_wavelet(
                np.roll(image, shift, axis=(0, 1)),
                sigma=sigma,
                convert2ycbcr=image.shape[-1] == 3,
                rescale_sigma=True,
                channel_axis=-1,
            )
            total += np.roll(moved, (-shift[0], -shift[1]), axis=(0, 1))
    return total / len(_SHIFTS)


def bm3d(image: np.ndarray, problem: Problem) -> np.ndarray:
    """Removes noise by block matching and 3D filtering (Dabov et al. 2007)."""
    import bm3d as library

    sigma = _noise_level(image, problem)
    if sigma == 0:
        return image
    if image.shape[-1] == 3:
        return library.bm3d_rgb(image, sigma)
    planes = [library.bm3d(plane, sigma) for plane in np.moveaxis(image, -1, 0)]
    return np.stack(planes, axis=-1)


def richardson_lucy(image: np.ndarray, problem: Problem) -> np.ndarray:
    """Removes a Gaussian blur by 30 steps of Richardson-Lucy deconvolution."""
    from skimage.restoration import richardson_lucy as deconvolve

    radius = max(1, round(4 * problem.blur_std))
    offsets = np.arange(-radius, radius + 1)
    line = np.exp(-(offsets**2) / (2 * problem.blur_std**2))
    kernel = np.outer(line, line) / line.sum() ** 2
    # The image is reflected at its border: zeros there would cause ringing inside.
    margin = 2 * radius
    sides = ((margin, margin), (margin, margin))
    planes = [
        deconvolve(
            np.pad(plane, sides, mode="symmetric"),
            kernel,
            num_iter=_RICHARDSON_LUCY_STEPS,
            filter_epsilon=1e-6,
        )
        for plane in np.moveaxis(image.clip(0, 1), -1, 0)
    ]
    inside = slice(margin, -margin)
    return np.stack(planes, axis=-1)[inside, inside]


def telea(image: np.ndarray, problem: Problem) -> np.ndarray:
    """Fills holes by fast marching (Telea 2004), in the image rounded to 8 bits."""
    del problem
    import cv2

    samples = np.round(255 * image.clip(0, 1)).astype(np.uint8)
    masked = _holes_of(image).astype(np.uint8)
    filled = cv2.inpaint(samples, masked, _TELEA_RADIUS, cv2.INPAINT_TELEA)
    return filled.reshape(image.shape).astype(np.float32) / 255


def biharmonic(image: np.ndarray, problem: Problem) -> np.ndarray:
    """Fills holes by the biharmonic equation (Damelin and Hoang 2018).

    Raises:
        ValueError: If the holes are so large that this would take minutes.
    """
    del problem
    from skimage.restoration import inpaint_biharmonic

    masked = _holes_of(image)
    if masked.sum() > _MOST_UNKNOWNS:
        raise ValueError(
            f"the holes have {masked.sum()} pixels, and more than {_MOST_UNKNOWNS} "
            "take minutes an image; pip install opencv-python-headless for a faster "
            "method"
        )
    return inpaint_biharmonic(
        image, masked, split_into_regions=True, channel_axis=-1
    ).clip(0, 1)


def harmonic(image: np.ndarray, problem: Problem) -> np.ndarray:
    """Fills each hole with a smooth surface, by `holes.fill_smoothly`.

    The result is the mean of the process "inpainting", which an inpainting network gets
    as input. A network is useful only if it does better.
    """
    del problem
    return np.asarray(_fill_smoothly(image))


_fill_smoothly = jax.jit(holes.fill_smoothly)


def _holes_of(image: np.ndarray) -> np.ndarray:
    return np.asarray(holes.find(jnp.asarray(image)))


def _noise_level(image: np.ndarray, problem: Problem) -> float:
    return estimate_noise_level(image) if problem.sigma is None else problem.sigma
