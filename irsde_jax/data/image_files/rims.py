"""The rims of white areas: how far a soft brush or lossy compression extends them.

A ring is the set of pixels whose distances to an area round to the same number. A rim
consists of rings that are lighter, on average, than the rings further out. In a
photograph the rings around a sharp area have similar lightness, because their content
does not depend on the area.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

MOST = 32
"""The largest width of a rim that is searched for, in pixels."""

EIGHT = np.ones((3, 3), bool)
"""The neighbourhood of a pixel, in which diagonal neighbours touch."""

# A brush mixes much white into the first ring, whereas photographs vary by less.
_FIRST, _NEXT = 0.2, 0.1
_NUM_RINGS = MOST + MOST // 2 + 2


class Rims(NamedTuple):
    """The rims of areas. Index 0 of the arrays `width` and `contrast` means no area.

    Attributes:
        nearest: The number of the area that is nearest to each pixel, int [H, W].
        distance: The ring of each pixel, int [H, W]; 0 within the areas.
        width: The number of rings in the rim of each area, shape [areas + 1].
        contrast: The mean darkness beyond the rim of each area, shape [areas + 1].
    """

    nearest: np.ndarray
    distance: np.ndarray
    width: np.ndarray
    contrast: np.ndarray


def find(areas: np.ndarray, darkness: np.ndarray) -> Rims:
    """Finds the rims of areas.

    Args:
        areas: The number of the area of each pixel, int [H, W]; 0 means no area. At
            least one pixel must belong to an area.
        darkness: The difference of each pixel from white, shape [H, W].
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
    """Returns the width and the contrast of the rims of all areas.

    Args:
        count: The number of pixels in each ring, shape [areas + 1, rings].
        total: The summed darkness of each ring, shape [areas + 1, rings].
    """
    width = np.zeros(len(count), np.int32)
    contrast = np.zeros(len(count))
    grows = np.ones(len(count), bool)
    for ring in range(1, MOST + 1):
        # Wide rims fade slowly, so they are compared with rings further out.
        first = ring + max(2, ring // 2)
        further = count[:, first] + count[:, first + 1]
        beyond = (total[:, first] + total[:, first + 1]) / np.maximum(further, 1)
        here = total[:, ring] / np.maximum(count[:, ring], 1)
        contrast = np.where(grows, beyond, contrast)
        lighter = here < (1 - (_FIRST if ring == 1 else _NEXT)) * beyond
        grows &= lighter & (count[:, ring] > 0) & (further > 0)
        width[grows] = ring
    return width, contrast
