"""The options of `--mode=restore`, which are checked before anything is read."""

import os
from typing import NamedTuple


class Options(NamedTuple):
    """The options for restoring image files: the keyword arguments of `runner.run`.

    Attributes:
        seed: The seed of the sampling noise.
        overwrite: Whether existing results are replaced instead of skipped.
        suffix: The text that is added to the names of the results.
        kind: The format of the results. None means the format of each original.
        quality: The quality of JPEG, AVIF and WebP; see `image_files.codecs.encode`.
        num_samples: The number of restorations of each image. If there are several,
            their mean is written. Their standard deviation times SPREAD_GAIN is written
            beside it as NAME.uncertainty.png.
        max_megapixels: The largest image that is read, in millions of pixels. None
            means `image_files.formats.DEFAULT_MEGAPIXELS`.
        provenance: Whether the metadata of a result describe how it was made; see
            `provenance.describe`.
        mask: The mask for weights that fill holes: an image in which white marks the
            pixels to fill, or a folder of such images with the names of the input
            images (`hole_masks.match`). None means that the holes are painted into the
            images in white, or erased.
        mask_keep: Whether white in the masks marks pixels to preserve instead.
    """

    seed: int = 0
    overwrite: bool = False
    suffix: str = ""
    kind: str | None = None
    quality: int | None = None
    num_samples: int = 1
    max_megapixels: float | None = None
    provenance: bool = True
    mask: str | os.PathLike[str] | None = None
    mask_keep: bool = False

    def check(self) -> None:
        """Raises ValueError if an option is out of range."""
        if self.num_samples < 1:
            raise ValueError(f"--num_samples={self.num_samples} must be at least 1.")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise ValueError(f"--quality={self.quality} must lie in 1..100.")
        if self.max_megapixels is not None and not self.max_megapixels > 0:
            raise ValueError(
                f"--max_megapixels={self.max_megapixels} must be positive."
            )
