"""Holes that people paint into image files: white areas and erased areas.

Data sets mark holes exactly, and `irsde_jax.processes.holes.find` reads them exactly.
Files that people paint are different: a soft brush mixes its rim with the photograph, a
colour picker gives a level slightly below white, lossy compression blurs both, an
eraser leaves transparency, and some white belongs to the photograph. The rules in this
module decide which pixels are holes. All other pixels are known and are not changed.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from irsde_jax.data.image_files import rims

SMALLEST = 9
"""The smallest hole in exactly white pixels; fewer are taken for a highlight."""

_LEVELS = 255  # Darkness is measured in levels of 8 bits.
_NEARLY = 10.5  # Compressed white may be this dark.
_SMALLEST_NEARLY = 64  # The smallest area that is not exactly white.
_ONE_COLOUR = 0.75  # A pencil paints this share of an area in one level.
# A compressed hole has at most this mean darkness, and at least this share of it is
# exactly white.
_MEAN, _EXACT = 5.0, 0.02
# A nearly white area is a hole only if its rim is narrow and what is around it is dark,
# as for a brush stroke.
_SHARP, _CONTRAST = 3, 30.0
# Compression scatters light pixels this far beyond a rim. Their darkness is below half
# the contrast.
_SCATTER = 2
# Rims with this many rings or more come from very soft brushes or overexposed skies.
_FADING = 3
_LARGE = 0.02  # An area at the border with this share of the image may be a sky.
_ERASED, _OPAQUE = 0.5, 0.98  # opacity


class PaintedHoles(NamedTuple):
    """The white areas of an image that are to be filled.

    Attributes:
        hole: The pixels to fill, including rims, bool [H, W].
        num_areas: The number of areas.
        doubtful: The share of the image in areas that may belong to the photograph,
            because they fade slowly into it, because they are large and lie along the
            border, or because lossy compression has made them as uneven as overexposed
            parts.
        num_specks: The number of white areas that are too small to be holes.
    """

    hole: np.ndarray
    num_areas: int
    doubtful: float
    num_specks: int


def find_white(pixels: np.ndarray, is_lossy: bool = False) -> PaintedHoles:
    """Finds the holes that are painted in white.

    An area is a hole if at least `SMALLEST` connected pixels are exactly white, or if a
    larger area has a single colour that is nearly white and ends sharply. Lossy
    compression makes holes uneven, so in lossy files a sharp area that is white on
    average is a hole, too. The rim of a hole belongs to it (`rims`).

    Args:
        pixels: The colours of the image in [0, 1], shape [H, W, C].
        is_lossy: Whether lossy compression has changed the pixels.
    """
    darkness = _LEVELS * (1 - pixels.min(axis=-1))
    exact, num_specks = _exact_areas(darkness)
    even, uneven = _nearly_white_areas(darkness, is_lossy)
    core = exact | even | uneven
    if not core.any():
        return PaintedHoles(core, 0, 0.0, num_specks)
    areas, num_areas = ndimage.label(core, rims.EIGHT)
    # All areas of a file went through the same compression, so their rims are alike.
    found = rims.find(core.astype(int) if uneven.any() else areas, darkness)
    width, contrast = found.width[found.nearest], found.contrast[found.nearest]
    hole = found.distance <= width
    if uneven.any():
        is_near = found.distance <= width + _SCATTER
        hole |= is_near & (darkness < contrast / 2)
    fades = core & (width >= _FADING)
    doubtful = fades | uneven | _along_border(areas, num_areas)
    return PaintedHoles(hole, num_areas, float(doubtful.mean()), num_specks)


def find_erased(alpha: np.ndarray, is_lossy: bool = False) -> np.ndarray:
    """Returns the holes made by an eraser, bool [H, W]: transparent areas and rims.

    An area whose opacity is nowhere below one half is translucent and not a hole.

    Args:
        alpha: The opacity in [0, 1], shape [H, W, 1].
        is_lossy: Whether lossy compression has changed the colours beside the areas.
    """
    areas, count = ndimage.label(alpha[..., 0] < _OPAQUE, rims.EIGHT)
    is_hole = np.zeros(count + 1, bool)
    is_hole[areas[alpha[..., 0] < _ERASED]] = True
    hole = is_hole[areas]
    if is_lossy and hole.any():
        hole = ndimage.binary_dilation(hole, rims.EIGHT, iterations=_SCATTER)
    return hole


def black_share(pixels: np.ndarray) -> float:
    """Returns the share of an image in black areas that may be meant as holes."""
    areas, _ = ndimage.label((pixels == 0).all(axis=-1), rims.EIGHT)
    size = _sizes(areas)
    return float((size >= _SMALLEST_NEARLY)[areas].mean())


def _exact_areas(darkness: np.ndarray) -> tuple[np.ndarray, int]:
    """Finds the areas of exactly white pixels, bool [H, W], and counts the specks."""
    areas, count = ndimage.label(darkness == 0, rims.EIGHT)
    is_large = _sizes(areas) >= SMALLEST
    return is_large[areas], count - int(is_large.sum())


def _nearly_white_areas(
    darkness: np.ndarray, is_lossy: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Finds sharp areas of one nearly white colour, and uneven ones of lossy files."""
    near = darkness <= _NEARLY
    areas, count = ndimage.label(near, rims.EIGHT)
    if count == 0:
        return near, near

    def mean(values: np.ndarray) -> np.ndarray:
        """Returns the mean over each area, shape [areas + 1]."""
        total = np.bincount(areas.ravel(), values.ravel(), count + 1)
        return total / np.maximum(np.bincount(areas.ravel()), 1)

    median = ndimage.median(darkness, areas, np.arange(count + 1))
    has_its_level = near & (np.abs(darkness - median[areas]) <= 0.5)
    is_large = _sizes(areas) >= _SMALLEST_NEARLY
    is_even = is_large & (mean(has_its_level) >= _ONE_COLOUR)
    is_uneven = is_large & ~is_even & is_lossy
    is_uneven &= (mean(darkness) <= _MEAN) & (mean(darkness == 0) >= _EXACT)
    even = has_its_level & is_even[areas] & (darkness > 0)
    return _sharp(even, darkness), _sharp(is_uneven[areas], darkness)


def _sharp(core: np.ndarray, darkness: np.ndarray) -> np.ndarray:
    """Returns the areas of `core` that end like a brush stroke, bool [H, W]."""
    areas, count = ndimage.label(core, rims.EIGHT)
    if count == 0:
        return core
    found = rims.find(areas, darkness)
    is_sharp = (found.width <= _SHARP) & (found.contrast >= _CONTRAST)
    is_sharp &= np.bincount(areas.ravel()) >= _SMALLEST_NEARLY
    is_sharp[0] = False
    return is_sharp[areas]


def _along_border(areas: np.ndarray, num_areas: int) -> np.ndarray:
    """Returns large areas along at least half of one side of the image, bool [H, W]."""
    sides = areas[0], areas[-1], areas[:, 0], areas[:, -1]
    counts = [np.bincount(side, minlength=num_areas + 1) / side.size for side in sides]
    is_large = _sizes(areas) >= _LARGE * areas.size
    return ((np.max(counts, axis=0) >= 0.5) & is_large)[areas]


def _sizes(areas: np.ndarray) -> np.ndarray:
    """Returns the number of pixels of each area, shape [areas + 1]; index 0 has 0."""
    size = np.bincount(areas.ravel())
    size[0] = 0
    return size
