"""Comparison of a degraded image with its clean one: sizes, PSNR and shift."""

from typing import NamedTuple

import numpy as np

from irsde_jax.data.doctor.photo_hash import luminance

_SHIFT_PART = 512  # The side in pixels of the central part that is compared.
# In pairs that are not shifted, with heavy rain, blur, haze, holes or x4, the peak is
# at 0 or beside it. For unrelated photographs it can be anywhere, and is at most 10.5
# standard deviations high.
_SHIFT_STDS, _SHIFT_RATIO = 16, 2

Size = tuple[int, int]
"""A height and a width, in pixels."""


class Comparison(NamedTuple):
    """The result of comparing a degraded image with its clean one.

    Attributes:
        size: The height and the width of the degraded image.
        psnr_rgb: The PSNR in dB over all channels. It is inf for identical images and
            NaN if the sizes differ.
        psnr_y: The PSNR in dB of the luma. It is inf for identical images and NaN if
            the sizes differ.
        shift: The rows and columns by which the degraded image seems to be moved down
            and to the right, or None unless the evidence is strong.
    """

    size: Size
    psnr_rgb: float
    psnr_y: float
    shift: tuple[int, int] | None


def compare(clean: np.ndarray, degraded: np.ndarray) -> Comparison:
    """Compares two images, each of shape [H, W, C] with values in [0, 1]."""
    size = degraded.shape[0], degraded.shape[1]
    if clean.shape != degraded.shape:
        return Comparison(size, np.nan, np.nan, None)
    error = degraded - clean
    luma = luminance(clean), luminance(degraded)
    psnrs = psnr(error), psnr(luma[1] - luma[0])
    return Comparison(size, *psnrs, find_shift(*luma) if error.any() else None)


def psnr(error: np.ndarray) -> float:
    """Returns 10 log10(1 / mean squared error) in dB, or inf if the error is zero."""
    mean_square = float(np.mean(np.square(error, dtype=np.float64)))
    return float(-10 * np.log10(mean_square)) if mean_square else np.inf


def find_shift(clean: np.ndarray, degraded: np.ndarray) -> tuple[int, int] | None:
    """Estimates by phase correlation how far one image is shifted against the other.

    After whitening the spectra, the content that both images share gives a peak that is
    one pixel wide. Rain, noise and holes do not move this peak, and blur lowers it. A
    shift is reported if the peak stands out from the other values, from the value at
    zero shift, and from the value at the opposite shift.

    Args:
        clean: The luminance of the clean image, shape [H, W].
        degraded: The luminance of the degraded image, in the shape of `clean`.

    Returns:
        The shift (rows, columns) in pixels, or None if there is no strong evidence of
        one. Shifts by less than a pixel, and shifts under heavy motion blur, are not
        detected.
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
    # Symmetric blur may cause a pair of peaks on opposite sides of zero shift.
    others = max(peaks[0, 0], peaks[-rows, -columns])
    if peaks.max() < max(_SHIFT_STDS * peaks.std(), _SHIFT_RATIO * others):
        return None
    return (rows, columns) if rows or columns else None


def _central(plane: np.ndarray) -> np.ndarray:
    """Returns the middle of an image, at most `_SHIFT_PART` pixels a side."""
    top, left = (max(0, size - _SHIFT_PART) // 2 for size in plane.shape)
    return plane[top : top + _SHIFT_PART, left : left + _SHIFT_PART]
