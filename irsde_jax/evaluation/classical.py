"""Classical restorations: what a user would try before training a network.

Each is a function `(image, problem) -> image` of float [H, W, C] in [0, 1]. The
libraries behind them are optional, so each function imports its own.
"""

import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax.data import resampling
from irsde_jax.data.noise_level import estimate_noise_level
from irsde_jax.processes import holes

_MOST_UNKNOWNS = 20_000  # pixels in the holes of an image: minutes, one linear system
_RICHARDSON_LUCY_STEPS = 30
_TELEA_RADIUS = 3  # pixels
# A wavelet's grid shows as blocks; the mean over grids does not (Coifman, Donoho 1995).
_SHIFTS = tuple((y, x) for y in range(3) for x in range(3))  # pixels


class Problem(NamedTuple):
    """What a baseline may know of the degradation.

    Attributes:
        sigma: noise level in image units; None: estimated from each image.
        scale: the degraded images were smaller by this factor before enlargement.
        enlarge: how they were enlarged: "bicubic" or "nearest".
        blur_std: of the Gaussian kernel that deblurring assumes, in pixels.
    """

    sigma: float | None = None
    scale: float = 1
    enlarge: str = "bicubic"
    blur_std: float = 1.5


def bicubic(image: np.ndarray, problem: Problem) -> np.ndarray:
    """The small image, enlarged by bicubic interpolation (Keys, a = -1/2)."""
    if problem.enlarge == "bicubic":
        return image  # it is that already
    height, width = image.shape[:2]
    # Any pixel of a block is the small image's: the one in the middle is in no doubt.
    rows, columns = (
        ((np.arange(round(np.ceil(side / problem.scale))) + 0.5) * side)
        // np.ceil(side / problem.scale)
        for side in (height, width)
    )
    small = image[rows.astype(int)][:, columns.astype(int)]
    enlarged = resampling.resize(jnp.asarray(small), height, width)
    return np.asarray(enlarged).clip(0, 1)


def non_local_means(image: np.ndarray, problem: Problem) -> np.ndarray:
    """Means of similar patches (Buades et al. 2005), h as scikit-image advises."""
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
    return denoised.reshape(image.shape)  # a single channel is dropped there


def wavelet(image: np.ndarray, problem: Problem) -> np.ndarray:
    """BayesShrink (Chang et al. 2000), in YCbCr for colour, the mean of 9 shifts."""
    from skimage.restoration import denoise_wavelet

    sigma = _noise_level(image, problem)
    if sigma == 0:
        return image
    total = np.zeros(image.shape)
    with warnings.catch_warnings():
        # Of small images, which have fewer levels than the library would like.
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
    """Block matching and collaborative filtering (Dabov et al. 2007)."""
    import bm3d as library

    sigma = _noise_level(image, problem)
    if sigma == 0:
        return image
    if image.shape[-1] == 3:
        return library.bm3d_rgb(image, sigma)
    planes = [library.bm3d(plane, sigma) for plane in np.moveaxis(image, -1, 0)]
    return np.stack(planes, axis=-1)


def richardson_lucy(image: np.ndarray, problem: Problem) -> np.ndarray:
    """Richardson-Lucy deconvolution of a Gaussian blur, 30 steps."""
    from skimage.restoration import richardson_lucy as deconvolve

    radius = max(1, round(4 * problem.blur_std))
    offsets = np.arange(-radius, radius + 1)
    line = np.exp(-(offsets**2) / (2 * problem.blur_std**2))
    kernel = np.outer(line, line) / line.sum() ** 2
    # Continued by reflection: zeros around the image would ring into it.
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
    """Inpainting by fast marching (Telea 2004), of the image in 8 bits."""
    del problem
    import cv2

    samples = np.round(255 * image.clip(0, 1)).astype(np.uint8)
    masked = _holes_of(image).astype(np.uint8)
    filled = cv2.inpaint(samples, masked, _TELEA_RADIUS, cv2.INPAINT_TELEA)
    return filled.reshape(image.shape).astype(np.float32) / 255


def biharmonic(image: np.ndarray, problem: Problem) -> np.ndarray:
    """Inpainting by the biharmonic equation (Damelin and Hoang 2018)."""
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
    """A smooth surface over each hole, `holes.fill_smoothly`: what inpainting is given.

    It is the mean of the process "inpainting", so that a network has to beat it.
    """
    del problem
    return np.asarray(_fill_smoothly(image))


_fill_smoothly = jax.jit(holes.fill_smoothly)


def _holes_of(image: np.ndarray) -> np.ndarray:
    return np.asarray(holes.find(jnp.asarray(image)))


def _noise_level(image: np.ndarray, problem: Problem) -> float:
    return estimate_noise_level(image) if problem.sigma is None else problem.sigma
