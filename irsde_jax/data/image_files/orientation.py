"""The orientation of the pixels in a file, 1 to 8 as in EXIF, and its removal."""

import numpy as np

TURNED = (5, 6, 7, 8)
"""The orientations that swap rows and columns."""


def upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Turns and mirrors samples [H, W, C] so that the image is upright."""
    if orientation in TURNED:
        samples = samples.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return samples[::rows, ::columns]
