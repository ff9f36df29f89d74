"""The rims of white areas: how far a soft brush, or lossy compression, reaches.

A ring is the set of pixels whose distances to an area round to the same number. A
rim consists of rings that are lighter, on average, than the rings further out. In a
photograph the rings around a sharp area are alike, because nothing ties their content
to the area.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

MOST = 32
"""The widest rim that is looked for, in pixels."""

EIGHT = np.ones((3, 3), bool)
"""The neighbourhood of a pixel: diagonal neighbours touch."""

# A brush mixes the first ring with a lot of white; a photograph varies by less.
_FIRST, _NEXT = 0.2, 0.1
_NUM_RINGS = MOST + MOST // 2 + 2


class Rims(NamedTuple):
    """The rims of areas; index 0 of an array stands for no area.

    Attributes:
        nearest: The area that is nearest to a pixel, int [H, W].
        distance: The ring that a pixel lies in, 0 within the areas, int [H, W].
        width: The number of rings in the rim of each area, shape [areas + 1].
        contrast: The mean darkness beyond the rim of each area, shape [areas + 1].
    """

    nearest: np.ndarray
    distance: np.ndarray
    width: np.ndarray
    contrast: np.ndarray


def find(areas: np.ndarray, darkness: np.ndarray) -> Rims:
    """The rims of areas.

    Args:
        areas: The number of the area that a pixel belongs to, 0 for none, int [H, W].
            At least one pixel belongs to an area.
        darkness: How far a pixel is from white, shape [H, W].
    """
    distance, (rows, columns) = ndimage.distance_transform_edt(
        areas == 0, return_indices=True
    )
    ring = np.rint(distance).astype(np.int32)
    nearest = areas[rows, columns]
    shape = (int(areas.max()) + 1, _NUM_RINGS + 1)
    near = (ring >= 1) & (ring <= _NUM_RINGS)
    index = np.ravel_multi_index((nearest[near], ring[near]), shape)
    length = shape[0] * shape[1]
    count = np.bincount(index, minlength=length).reshape(shape)
    total = np.bincount(index, darkness[near], length).reshape(shape)
    return Rims(nearest, ring, *_widths(count, total))


def _widths(count: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The width and the contrast of rims, by pixels and darkness [areas + 1, rings]."""
    width = np.zeros(len(count), np.int32)
    contrast = np.zeros(len(count))
    grows = np.ones(len(count), bool)
    for ring in range(1, MOST + 1):
        # The wider a rim is, the slower it fades: compare with rings further out.
        first = ring + max(2, ring // 2)
        further = count[:, first] + count[:, first + 1]
        beyond = (total[:, first] + total[:, first + 1]) / np.maximum(further, 1)
        here = total[:, ring] / np.maximum(count[:, ring], 1)
        contrast = np.where(grows, beyond, contrast)
        lighter = here < (1 - (_FIRST if ring == 1 else _NEXT)) * beyond
        grows &= lighter & (count[:, ring] > 0) & (further > 0)
        width[grows] = ring
    return width, contrast
