"""A degraded image against its clean one: sizes, PSNR, and whether it was shifted."""

from typing import NamedTuple

import numpy as np

from irsde_jax.data.doctor.photo_hash import luminance

_SHIFT_PART = 512  # pixels: side of the central part in which shifts are looked for
# Pairs that are not shifted, with heavy rain, blur, haze, holes or x4, peak at 0 or
# beside it; unrelated photographs anywhere, up to 10.5 standard deviations high.
_SHIFT_STDS, _SHIFT_RATIO = 16, 2

Size = tuple[int, int]
"""Height and width."""


class Comparison(NamedTuple):
    """A degraded image against its clean one.

    Attributes:
        size: of the degraded image.
        psnr_rgb: in dB, over all channels; NaN if the sizes differ.
        psnr_y: in dB, on the luma; inf for identical images.
        shift: rows and columns by which the degraded image seems to be moved down and
            right; None unless the evidence is strong.
    """

    size: Size
    psnr_rgb: float
    psnr_y: float
    shift: tuple[int, int] | None


def compare(clean: np.ndarray, degraded: np.ndarray) -> Comparison:
    """Measures a pair of images, each [H, W, C] in [0, 1]."""
    size = degraded.shape[0], degraded.shape[1]
    if clean.shape != degraded.shape:
        return Comparison(size, np.nan, np.nan, None)
    error = degraded - clean
    luma = luminance(clean), luminance(degraded)
    psnrs = psnr(error), psnr(luma[1] - luma[0])
    return Comparison(size, *psnrs, find_shift(*luma) if error.any() else None)


def psnr(error: np.ndarray) -> float:
    """10 log10(1 / mean squared error) in dB; inf for no error."""
    mean_square = float(np.mean(np.square(error, dtype=np.float64)))
    return float(-10 * np.log10(mean_square)) if mean_square else np.inf


def find_shift(clean: np.ndarray, degraded: np.ndarray) -> tuple[int, int] | None:
    """By how many pixels one image is moved against the other, by phase correlation.

    Whitened spectra make the content that both share a peak as sharp as a pixel, which
    rain, noise and holes do not move and blur lowers. A shift is given where that
    peak stands out from the rest, from the place of no shift and from the opposite one.

    Args:
        clean: luminance, shape [H, W].
        degraded: luminance, same shape.

    Returns:
        (rows, columns), or None where there is no strong evidence. A fraction of a
        pixel is not noticed, nor what heavy motion blur hides.
    """
    parts = [_central(plane) for plane in (clean, degraded)]
    window = np.outer(*(np.hanning(size + 2)[1:-1] for size in parts[0].shape))
    spectra = [np.fft.rfft2((part - part.mean()) * window) for part in parts]
    product = spectra[1] * spectra[0].conj()
    magnitude = np.abs(product)
    product /= np.maximum(magnitude, 1e-6 * magnitude.max() + 1e-30)
    peaks = np.fft.irfft2(product, s=parts[0].shape)
    rows, columns = (
        int(index) - (size if index > size // 2 else 0)
        for index, size in zip(
            np.unravel_index(int(np.argmax(peaks)), peaks.shape), peaks.shape
        )
    )
    # Blur that is symmetric may have a pair of peaks, on both sides of no shift.
    others = max(peaks[0, 0], peaks[-rows, -columns])
    if peaks.max() < max(_SHIFT_STDS * peaks.std(), _SHIFT_RATIO * others):
        return None
    return (rows, columns) if rows or columns else None


def _central(plane: np.ndarray) -> np.ndarray:
    """The middle of an image, at most `_SHIFT_PART` pixels a side."""
    top, left = (max(0, size - _SHIFT_PART) // 2 for size in plane.shape)
    return plane[top : top + _SHIFT_PART, left : left + _SHIFT_PART]
