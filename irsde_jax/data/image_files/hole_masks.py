"""Masks that mark the pixels to fill: white, or True, marks a hole.

Most inpainting programs follow this convention. The masks of the published test sets
use the opposite one, where white pixels are kept; `is_keep` inverts such masks.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from irsde_jax.data.image_files import images, rims
from irsde_jax.data.image_files.arrays import ImageFile

logger = logging.getLogger(__name__)

_HALF = 0.5  # The lowest level that marks a pixel.
_DARK, _LIGHT = 0.1, 0.9  # Levels between them are neither dark nor light.
_GREY = 0.5  # A mask has at most this share of such levels.


class HoleMask(NamedTuple):
    """A mask file.

    Attributes:
        path: The path of the image file. It may be grey, in colour, with a palette or
            with 1 bit, and it may have transparency.
        is_keep: Whether white marks the pixels to keep instead of the pixels to fill.
    """

    path: Path
    is_keep: bool = False


def from_array(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Returns the holes that an array marks, without any change to them.

    Args:
        mask: The mask, bool or uint8 of 0 and 255 (or of 0 and 1), shape [H, W] or
            [batch, H, W]. True, 255 and 1 mark a hole.
        shape: The batch size, the height and the width of the images.

    Returns:
        The holes, bool [batch, H, W].

    Raises:
        ValueError: If the mask has another type, another shape or other levels.
    """
    mask = np.asarray(mask)
    if mask.shape not in (shape, shape[1:]):
        raise ValueError(
            f"the mask has shape {mask.shape}; allowed are {shape[1:]}, the height and "
            f"width of the images, and {shape}. Resize the mask with nearest "
            "neighbours, or take one channel of a colour mask, mask[..., 0]."
        )
    if mask.dtype != bool:
        levels = np.unique(mask)
        if mask.dtype != np.uint8 or not (
            set(levels) <= {0, 1} or set(levels) <= {0, 255}
        ):
            raise ValueError(
                f"the mask is {mask.dtype} with {len(levels)} levels from {levels[0]} "
                f"to {levels[-1]}; allowed are bool, and uint8 of 0 and 255, where "
                "True and 255 are filled. Compare a soft mask with a threshold: "
                "mask >= 128."
            )
        mask = mask > 0
    return np.broadcast_to(mask, shape)


def read(mask: HoleMask, height: int, width: int) -> np.ndarray:
    """Reads the holes that a mask file marks in an image, bool [H, W].

    A mask with two levels is used as it is. In a mask with more levels, pixels of at
    least half the white level are marked, and the holes then grow by one pixel. They
    thus include the soft rim of a brush and the artefacts of lossy compression.

    Args:
        mask: The mask file.
        height: The height of the image in pixels.
        width: The width of the image in pixels.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the size differs from that of the image, if the file is not a
            mask, or if it marks all pixels or is too dark to mark any.
    """
    # The size of the image is the only limit, and the image was already read.
    found = images.read_size(mask.path)
    if found != (height, width):
        raise ValueError(
            f"the mask {mask.path} has {found[0]} x {found[1]} pixels (height x "
            f"width), and its image {height} x {width}. A mask has the size of its "
            "image: resize it with nearest neighbours."
        )
    level = _level(images.read_image(mask.path, max_megapixels=np.inf), mask.path)
    marked = level >= _HALF
    hole = ~marked if mask.is_keep else marked
    if len(np.unique(level)) > 2:
        hole = ndimage.binary_dilation(hole, rims.EIGHT)
    if hole.all():
        raise ValueError(
            f"the mask {mask.path} marks every pixel, so that nothing is known of the "
            f"image. {_convention(mask)}"
        )
    return hole


def opposite(mask: HoleMask) -> str:
    """Returns a sentence with advice for a mask that is meant the other way round."""
    if mask.is_keep:
        return "If white marks what is to be filled, leave --mask_keep out."
    return "If white marks what is kept, add --mask_keep."


def match(
    given: Path, names: Sequence[str], is_keep: bool = False
) -> dict[str, HoleMask]:
    """Assigns masks to images by the names of the images.

    Args:
        given: The path of a mask file for all images, or of a folder with a mask for
            each. The mask of `trip/a.jpg` is `trip/a.jpg`, or `trip/a` or `trip/a_mask`
            with any ending.
        names: The paths of the images, relative to the input, with "/".
        is_keep: Whether white marks the pixels to keep.

    Returns:
        A dictionary from names to masks. Images without a mask are left out.

    Raises:
        FileNotFoundError: If `given` does not exist.
        ValueError: If two masks match one image, or no mask matches any image.
    """
    if given.is_file():
        return dict.fromkeys(names, HoleMask(given, is_keep))
    if not given.exists():
        raise FileNotFoundError(
            f"--mask={given} does not exist; give an image in which white marks what "
            "is to be filled, or a folder of such images, named as those of --input."
        )
    files = images.list_images(given, recursive=True)
    relative = {path.relative_to(given).as_posix(): path for path in files}
    found = {}
    for name in names:
        if (mask := _partner(name, relative)) is not None:
            found[name] = HoleMask(relative[mask], is_keep)
    if not found:
        raise ValueError(
            f"--mask={given}: none of its {len(relative)} images ({_shown(relative)}) "
            f"is named as one of the {len(names)} images to restore ({_shown(names)}). "
            "The mask of trip/a.jpg is trip/a or trip/a_mask with any ending."
        )
    used = {mask.path for mask in found.values()}
    unused = [name for name, path in relative.items() if path not in used]
    if unused:
        logger.warning(
            "--mask=%s: %d masks belong to no image: %s",
            given,
            len(unused),
            _shown(unused),
        )
    return found


def _partner(name: str, masks: dict[str, Path]) -> str | None:
    """Returns the mask of the image `name`, or None if there is none."""
    if name in masks:
        return name
    stem = name.removesuffix(Path(name).suffix)
    fits = [m for m in masks if m.removesuffix(Path(m).suffix) == stem]
    fits = fits or [
        m for m in masks if m.removesuffix(Path(m).suffix) == f"{stem}_mask"
    ]
    if len(fits) > 1:
        raise ValueError(
            f"{' and '.join(sorted(fits))} may both be the mask of {name}. Keep one."
        )
    return fits[0] if fits else None


def _level(file: ImageFile, path: Path) -> np.ndarray:
    """Returns the lightness of a mask in [0, 1], shape [H, W].

    Transparent pixels count as black, because they were not painted. The lightness of a
    colour is its largest channel, so a red brush marks pixels as a white one does.
    """
    level = file.pixels.max(axis=-1)
    if file.alpha is not None:
        level = level * file.alpha[..., 0]
        if not level.any() and file.alpha.any() and not file.alpha.all():
            raise ValueError(
                f"the mask {path} is black where it is opaque, and transparent "
                "elsewhere: either may be meant as the hole. Paint the holes in white."
            )
    lightest = level.max()
    if lightest in (np.float32(1 / 255), np.float32(1 / 65535)):  # levels 0 and 1
        return level / lightest
    if ((level > _DARK) & (level < _LIGHT)).mean() > _GREY:
        raise ValueError(
            f"the mask {path} is grey in more than half of its pixels, like a "
            "photograph. A mask is white where the image is to be filled, and black "
            "elsewhere."
        )
    if 0 < lightest < _HALF:
        raise ValueError(
            f"the mask {path} marks nothing: its lightest level is "
            f"{round(255 * float(lightest))} of 255, and 128 marks a pixel. Paint the "
            "holes in white."
        )
    return level


def _convention(mask: HoleMask) -> str:
    meaning = "is kept" if mask.is_keep else "is filled"
    return f"White {meaning}. {opposite(mask)}"


def _shown(names: Sequence[str] | dict[str, Path]) -> str:
    """Returns the first three names, separated by commas, for a message."""
    return ", ".join(list(names)[:3]) + (", ..." if len(names) > 3 else "")
