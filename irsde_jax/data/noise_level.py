"""The noise level of an image, estimated from its finest wavelet coefficients.

White noise makes nearly every coefficient nonzero. Where most coefficients are zero,
the image is black or saturated, as in a margin or a night sky. Such regions carry no
information about the noise. The few nonzero coefficients in them come from edges, such
as letters on a black background, and are ignored as well.
"""

import numpy as np

# The median of |z| for a standard normal z.
_MEDIAN = np.float64(0.6744897501960817)
_BLOCK = 8  # The side of a block in coefficients, which is 16 pixels.


def estimate_noise_level(image: np.ndarray) -> float:
    """Estimates the standard deviation of white Gaussian noise, in units of the image.

    Args:
        image: The image, shape [H, W, C], at least 2 x 2 pixels.

    Returns:
        The mean of the wavelet estimates over the channels that have usable
        coefficients, or 0 if no channel has any, as in a black frame. The result is
        never NaN.

    Raises:
        ValueError: If PyWavelets is not installed.

    References:
        Donoho & Johnstone (1994), "Ideal spatial adaptation by wavelet shrinkage",
        Section 4.2. For images without black or saturated regions the estimate equals
        that of `skimage.restoration.estimate_sigma`.
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
    """Returns where at least half of a block's coefficients are zero, bool [h, w]."""
    sums, counts = is_zero.astype(int), np.ones(is_zero.shape, int)
    for axis, size in enumerate(is_zero.shape):
        starts = np.arange(0, size, _BLOCK)
        sums, counts = (np.add.reduceat(x, starts, axis=axis) for x in (sums, counts))
    is_flat = 2 * sums >= counts
    height, width = is_zero.shape
    return is_flat.repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)[:height, :width]
