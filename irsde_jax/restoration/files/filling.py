"""Finds the holes of an image file before it is restored, and fills them afterwards.

If a mask is given, it defines the holes. Otherwise erased (transparent) areas are the
holes, and if there are none, white areas are.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from irsde_jax.data.image_files import compression, hole_masks, images, painted_holes
from irsde_jax.data.image_files.arrays import UNIT_RANGE, DataRange
from irsde_jax.data.image_files.hole_masks import HoleMask
from irsde_jax.data.image_files.images import ImageFile

_MOST = 0.75  # a hole above this share of the image may be a mistake
_BLACK = 0.002  # black above this share may have been intended as a hole


class Filling(NamedTuple):
    """The pixels of an image that are going to be filled.

    Attributes:
        hole: The pixels that are filled, bool [H, W]. All others are preserved.
        unknown: The pixels that are hidden from the network, bool [H, W]. These are the
            hole and all other erased pixels, whose colours are meaningless.
        origin: The way in which the hole was found, for messages.
        warnings: The warnings about possible mistakes, in sentences.
    """

    hole: np.ndarray
    unknown: np.ndarray
    origin: str
    warnings: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """The share of the image that is filled, in [0, 1]."""
        return float(self.hole.mean())

    def __str__(self) -> str:
        return f"{_percent(self.share)} of its pixels are filled ({self.origin})"


def read(
    source: Path,
    mask: HoleMask | None = None,
    *,
    data_range: DataRange = UNIT_RANGE,
    max_megapixels: float | None = None,
) -> Filling:
    """Reads an image file and returns what is going to be filled in it.

    Args:
        source: The image file.
        mask: The mask of the image, or None, as for `find`.
        data_range: The floats of an `.npy` file that stand for 0 and 1.
        max_megapixels: The largest image that is read, in millions of pixels.
    """
    image = images.read_image(source, data_range, max_megapixels=max_megapixels)
    return find(image, source, mask)


def find(image: ImageFile, source: Path, mask: HoleMask | None = None) -> Filling:
    """Returns what is going to be filled in an image.

    Args:
        image: The content of the image file.
        source: The image file. If its format is lossy, the holes are searched with a
            tolerance.
        mask: The mask of the image. None means that the holes are painted into the
            image.

    Raises:
        OSError: If the mask cannot be read.
        ValueError: If the mask does not fit, or if it leaves no known pixel.
    """
    is_lossy = compression.is_lossy(source)
    erased = np.zeros(image.pixels.shape[:2], bool)
    if image.alpha is not None:
        erased = painted_holes.find_erased(image.alpha, is_lossy)
    if mask is not None:
        hole = hole_masks.read(mask, *image.pixels.shape[:2])
        filling = Filling(hole, hole | erased, f"mask {mask.path.name}")
        advice = hole_masks.opposite(mask)
    elif erased.any():
        filling = Filling(erased, erased, "erased; white stays")
        advice = "If the transparency belongs to the image, give --mask."
    else:
        filling = _white(image, is_lossy)
        advice = "If the white belongs to the photograph, give --mask."
    return _checked(filling, image, advice)


def _white(image: ImageFile, is_lossy: bool) -> Filling:
    """Returns the holes that are painted in white."""
    found = painted_holes.find_white(image.pixels, is_lossy)
    areas = f"{found.num_areas} white area{'s' if found.num_areas != 1 else ''}"
    warnings = []
    if found.doubtful:
        warnings.append(
            f"White areas of {_percent(found.doubtful)} of the image may be "
            "overexposed parts of the photograph: they fade into what is around them, "
            "lie along its border, or are uneven in a file with lossy compression. "
            "They will be repainted; a mask (--mask) that leaves them out keeps them."
        )
    if found.num_specks and not found.num_areas:
        warnings.append(
            f"Its {found.num_specks} white specks of fewer than "
            f"{painted_holes.SMALLEST} pixels are taken for highlights. A mask "
            "(--mask) fills them."
        )
    return Filling(found.hole, found.hole, areas, tuple(warnings))


def _checked(filling: Filling, image: ImageFile, advice: str) -> Filling:
    """Returns `filling` with warnings if its share is suspicious.

    Raises:
        ValueError: If no pixel of the image is known.
    """
    if filling.unknown.all():
        raise ValueError(
            f"all of its pixels would be filled ({filling.origin}): nothing is known "
            f"of the image. Leave a part of it as it is. {advice}"
        )
    warnings = list(filling.warnings)
    if filling.share > _MOST:
        warnings.append(f"{_percent(filling.share)} of the image is filled. {advice}")
    if not filling.hole.any():
        text = (
            "It has no hole, and stays as it is. A hole is painted in white, or "
            "erased, or marked in white in a mask (--mask)."
        )
        if (black := painted_holes.black_share(image.pixels)) > _BLACK:
            text += (
                f" {_percent(black)} of it is black, which is no hole: paint it white, "
                "or give a mask."
            )
        warnings.insert(0, text)
    return filling._replace(warnings=tuple(warnings))


def put_back(filling: Filling, original: ImageFile, restored: ImageFile) -> ImageFile:
    """Returns the original with its holes filled.

    Filled pixels are opaque. All other pixels are preserved exactly.

    Args:
        filling: The holes of the image.
        original: The image before it was restored.
        restored: The image after it was restored.
    """
    hole = filling.hole[..., None]
    alpha = original.alpha
    if alpha is not None:
        alpha = np.where(hole, np.float32(1), alpha)
    pixels = np.where(hole, restored.pixels, original.pixels)
    return restored._replace(pixels=pixels, alpha=alpha)


def _percent(share: float) -> str:
    """Returns a share as readable text; a small share is not rounded to 0."""
    return "less than 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"
