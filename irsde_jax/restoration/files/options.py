"""The options of `--mode=restore`, checked before anything is read."""

import os
from typing import NamedTuple


class Options(NamedTuple):
    """How image files are restored; the keyword arguments of `runner.run`.

    Attributes:
        seed: The seed of the sampling noise.
        overwrite: Whether existing results are replaced, rather than skipped.
        suffix: The text that the names of the results end in.
        kind: The format of the results. None is that of each original.
        quality: The quality of JPEG, AVIF and WebP, see `data.codecs.encode`.
        num_samples: The number of restorations of an image. Of several the mean is
            written, and beside it NAME.uncertainty.png: SPREAD_GAIN times their
            standard deviation.
        max_megapixels: The largest image that is read, in millions of pixels. None
            means `data.formats.DEFAULT_MEGAPIXELS`.
        provenance: Whether the metadata of a result say how it was made: see
            `provenance.describe`.
        mask: For weights that fill holes, an image in which white marks what is filled,
            or a folder of such images, named as those of the input
            (`hole_masks.match`). None: holes are painted into the images in white, or
            erased.
        mask_keep: Whether white in the masks marks what is kept.
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
