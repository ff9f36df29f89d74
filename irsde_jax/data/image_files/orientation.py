"""How the pixels of a file lie, 1 to 8 as EXIF counts, and turning them upright."""

import numpy as np

TURNED = (5, 6, 7, 8)
"""The orientations of an image that lies on its side."""


def upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Samples [H, W, C] turned and mirrored as the orientation says."""
    if orientation in TURNED:
        samples = samples.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return samples[::rows, ::columns]
