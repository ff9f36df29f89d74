"""Masks that say where an image is to be filled: white, or True, marks a hole.

Most inpainting programs have this convention. The masks of the published test sets are
the other way round: there white is kept, and `is_keep` inverts them.
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

_HALF = 0.5  # the level from which on a mask marks a pixel
_DARK, _LIGHT = 0.1, 0.9  # levels between them are neither
_GREY = 0.5  # the share of such levels above which an image is no mask


class HoleMask(NamedTuple):
    """A mask file.

    Attributes:
        path: The image file: grey, colour, palette or 1 bit, also with transparency.
        is_keep: Whether white marks the pixels that are kept, not those to fill.
    """

    path: Path
    is_keep: bool = False


def from_array(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The holes that an array marks, exactly as it marks them.

    Args:
        mask: bool, or uint8 of 0 and 255 (or of 0 and 1), shape [H, W] or
            [batch, H, W]. True, 255 and 1 mark a hole.
        shape: The batch size, the height and the width of the images.

    Returns:
        bool [batch, H, W].

    Raises:
        ValueError: if the mask has another type or shape, or other levels.
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
    """The holes that a mask file marks for an image of that size, bool [H, W].

    A mask of two levels is taken as it is. In a mask with greys, a pixel is marked from
    half of white on, and what is to be filled grows by one pixel: the soft rim of a
    brush and the traces of lossy compression are then in it.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if its size differs, if it is no mask, or if it marks all pixels, or
            only pixels that are too dark to tell.
    """
    # No limit but the size of the image, which was read already.
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
    """What to do if a mask is meant the other way round, as a sentence."""
    if mask.is_keep:
        return "If white marks what is to be filled, leave --mask_keep out."
    return "If white marks what is kept, add --mask_keep."


def match(
    given: Path, names: Sequence[str], is_keep: bool = False
) -> dict[str, HoleMask]:
    """The masks of images, by the names of the images.

    Args:
        given: A mask file, for all images, or a folder with a mask for each. The mask
            of `trip/a.jpg` is `trip/a.jpg`, or `trip/a` or `trip/a_mask` with any
            ending.
        names: The paths of the images, relative to the input, with "/".
        is_keep: Whether white marks what is kept.

    Returns:
        Name -> mask. Images without a mask are left out.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        ValueError: if two masks fit one image, or none fits any image.
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
    """The mask of the image `name`; None where there is none."""
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
    """How light the paint of a mask is, in [0, 1], shape [H, W].

    What is transparent was not painted, and a colour is as light as its lightest
    channel: a red brush marks as well as a white one.
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
    if lightest in (np.float32(1 / 255), np.float32(1 / 65535)):  # numbers 0 and 1
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
    """The first three names, for a message."""
    return ", ".join(list(names)[:3]) + (", ..." if len(names) > 3 else "")
