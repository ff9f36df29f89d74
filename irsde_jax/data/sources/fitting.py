"""Sizes of pairs: finds the part of a clean image that its degraded version shows.

Papers on super-resolution crop the ground truth, from the top left, to a multiple of
the scale before they shrink it. Published small images therefore have floor(size /
scale) pixels a side, while the published ground truth is often not cropped. A border on
every side, as in SOTS, is cut off only if a setting or a layout says so. Pairs with any
other sizes are rejected.
"""

import collections
import logging
from typing import NamedTuple

import numpy as np

from irsde_jax.data.image_files import enlarging
from irsde_jax.data.sources.pairs import Record, Source

logger = logging.getLogger(__name__)

Size = tuple[int, int]
"""A height and a width, in pixels."""


class Part(NamedTuple):
    """A rectangular part of a clean image.

    Attributes:
        top: The first row.
        left: The first column.
        size: The height and the width.
    """

    top: int
    left: int
    size: Size

    def of(self, image: np.ndarray) -> np.ndarray:
        """Returns this part of an image [H, W, C]."""
        height, width = self.size
        return image[self.top : self.top + height, self.left : self.left + width]


def find_part(clean: Size, degraded: Size, scale: int, border: int = 0) -> Part | None:
    """Finds the part of a clean image that a degraded one shows, from their sizes.

    Args:
        clean: The size of the clean image.
        degraded: The size of the degraded image.
        scale: The factor by which degraded images are smaller.
        border: The pixels by which clean images may be larger on every side.

    Returns:
        The whole image, the inside of the border, or the largest multiple of the scale
        at the top left. None means that no rule explains the sizes.
    """
    size = scale * degraded[0], scale * degraded[1]
    if clean == size:
        return Part(0, 0, size)
    if border and clean == (size[0] + 2 * border, size[1] + 2 * border):
        return Part(border, border, size)
    if degraded == (clean[0] // scale, clean[1] // scale):
        return Part(0, 0, size)
    return None


def advice(clean: Size, degraded: Size, scale: int, border: int = 0) -> str:
    """Returns what the user can try if `find_part` finds nothing."""
    if scale > 1 and degraded == (-(-clean[0] // scale), -(-clean[1] // scale)):
        return (
            "The degraded image was made from the uncropped one with its size rounded "
            f"up. Crop the clean image to a multiple of {scale} and make it anew"
        )
    factor = round(clean[0] / max(degraded[0], 1))
    if factor > 1 and factor != scale and find_part(clean, degraded, factor):
        return f"Set data.scale={factor} for pairs of super-resolution"
    rows, columns = (
        large - scale * small for large, small in zip(clean, degraded, strict=True)
    )
    if rows == columns != 2 * border and rows > 0 and rows % 2 == 0:
        return (
            f"Set data.border={rows // 2} if the clean images have a border of "
            f"{rows // 2} pixels on every side that the degraded ones lack"
        )
    return "A pair must have one size, but for data.scale and data.border"


class Cropping:
    """A source whose clean images are cropped if their sizes require it.

    Attributes:
        names: The names of the images, one per image.
        cropped: The descriptions of how images were cropped, by the index of those that
            were read and cropped.
        pairing: A description of how the files are paired; "" for clean images alone.
    """

    pairing = ""

    def __init__(self, source: Source):
        self._source = source
        self.names = source.names
        self.cropped: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Record:
        raise NotImplementedError

    def _crop(self, index: int, image: np.ndarray, part: Part, how: str) -> np.ndarray:
        """Crops a clean image. The first crop is logged, and all crops are recorded."""
        if image.shape[:2] == part.size:
            return image
        if not self.cropped:
            logger.info(
                "%s: the clean image of %d x %d is cropped to %d x %d, %s; others of "
                "this set are cropped in the same way",
                self.names[index],
                *image.shape[:2],
                *part.size,
                how,
            )
        self.cropped[index] = how
        return part.of(image)

    def describe_cropping(self) -> str:
        """Describes in sentences how many images were cropped; "" if none was."""
        counts = collections.Counter(self.cropped.values())
        return " ".join(
            f"{count} of {len(self)} clean images were cropped {how}."
            for how, count in counts.items()
        )


class ToMultiples(Cropping):
    """Clean images that are cropped from the top left to a multiple of a factor.

    Shrinking them by this factor gives the small images that papers use.

    Args:
        source: The source of the images.
        factor: The number that divides both sides after the crop. With 1, no image is
            changed.

    Raises:
        ValueError: If an image that is read is smaller than the factor.
    """

    def __init__(self, source: Source, factor: int):
        super().__init__(source)
        self._factor = factor

    def __getitem__(self, index: int) -> Record:
        record = self._source[index]
        height, width = record["x0"].shape[:2]
        size = height - height % self._factor, width - width % self._factor
        if not all(size):
            raise ValueError(
                f"{self.names[index]} is {height} x {width} (height x width). Its "
                f"sides must be at least {self._factor}, the factor of the "
                "degradation. Remove the image, or choose a smaller factor."
            )
        part = Part(0, 0, size)
        x0 = self._crop(index, record["x0"], part, how(part, self._factor))
        return record | {"x0": x0}


class Fitted(Cropping):
    """A source that crops and enlarges the images of pairs to one size.

    Args:
        source: The source of the pairs as they are stored.
        scale: The factor by which the degraded files are smaller.
        enlarge: The method by which they are enlarged, a key of
            `enlarging.ENLARGEMENTS`. None leaves them small.
        border: The pixels by which clean files may be larger on every side.
        address: The name of the set in error messages.

    Raises:
        ValueError: If a pair that is read has sizes that do not fit, as in `find_part`.
    """

    def __init__(
        self, source: Source, scale: int, enlarge: str | None, border: int, address: str
    ):
        super().__init__(source)
        self._scale, self._enlarge = scale, enlarge
        self._border, self._address = border, address

    def __getitem__(self, index: int) -> Record:
        record = self._source[index]
        if "mu" not in record:
            return record
        x0, mu = record["x0"], record["mu"]
        sizes = (x0.shape[0], x0.shape[1]), (mu.shape[0], mu.shape[1])
        part = find_part(*sizes, self._scale, self._border)
        if part is None:
            (height, width), (rows, columns) = sizes
            raise ValueError(
                f"{self._address}: {self.names[index]}: the clean image is {height} x "
                f"{width} and the degraded one is {rows} x {columns} (height x width), "
                f"where data.scale={self._scale}. "
                f"{advice(*sizes, self._scale, self._border)}."
            )
        x0 = self._crop(index, x0, part, how(part, self._scale))
        if self._enlarge is not None:
            mu = enlarging.enlarge(mu, self._scale, self._enlarge)
        return {"x0": x0, "mu": mu}


def how(part: Part, scale: int) -> str:
    """Describes how a part is cut out."""
    if part.top:
        return f"by {part.top} pixels on every side"
    return f"from the top left to a multiple of {scale}, as papers do"
