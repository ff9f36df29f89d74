"""The noise level of an image, estimated from its finest wavelet coefficients.

White noise makes nearly every coefficient differ from zero. Where most of them are zero
the image is black or saturated, as in a margin or a night sky. Such a place says
nothing about noise, and neither do the few edges in it: letters on black are no noise.
"""

import numpy as np

# The median of |z| for a standard normal z.
_MEDIAN = np.float64(0.6744897501960817)
_BLOCK = 8  # coefficients, 16 pixels


def estimate_noise_level(image: np.ndarray) -> float:
    """The standard deviation of white Gaussian noise in an image, in its own units.

    Args:
        image: The image, shape [H, W, C], at least 2 x 2 pixels.

    Returns:
        The mean of the wavelet estimate over the channels that say anything about
        noise; 0 if none does, as in a black frame. It is never NaN.

    Raises:
        ValueError: if PyWavelets is not installed.

    References:
        Donoho & Johnstone (1994), "Ideal spatial adaptation by wavelet shrinkage",
        Section 4.2. In images without black or saturated places the estimate is that
        of `skimage.restoration.estimate_sigma`.
    """
    try:
        import pywt
    except ImportError as error:
        raise ValueError(
            "no noise level was given, and estimating it needs PyWavelets: pip install "
            "'irsde_jax[blind]', or pass sigma=25/255, say."
        ) from error
    levels = []
    for channel in np.moveaxis(np.asarray(image), -1, 0):
        if channel.min() == channel.max():
            continue
        details = np.abs(pywt.dwtn(channel, wavelet="db2")["dd"])
        counted = details[(details > 0) & ~_in_flat_blocks(details == 0)]
        if counted.size:
            levels.append(np.median(counted) / _MEDIAN)
    return float(np.mean(levels)) if levels else 0.0


def _in_flat_blocks(is_zero: np.ndarray) -> np.ndarray:
    """Where at least half of the coefficients of a block are zero, shape [h, w]."""
    sums, counts = is_zero.astype(int), np.ones(is_zero.shape, int)
    for axis, size in enumerate(is_zero.shape):
        starts = np.arange(0, size, _BLOCK)
        sums, counts = (np.add.reduceat(x, starts, axis=axis) for x in (sums, counts))
    is_flat = 2 * sums >= counts
    height, width = is_zero.shape
    return is_flat.repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)[:height, :width]
