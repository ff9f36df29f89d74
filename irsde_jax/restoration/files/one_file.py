"""Restores one image file and preserves its format, bit depth and metadata."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from irsde_jax.array_types import PRNGKey
from irsde_jax.data.image_files import images
from irsde_jax.data.image_files.hole_masks import HoleMask
from irsde_jax.data.image_files.images import ImageFile
from irsde_jax.data.image_files.metadata import Metadata
from irsde_jax.restoration import grey, noisy_images, transparency
from irsde_jax.restoration.files import filling
from irsde_jax.restoration.files.filling import Filling
from irsde_jax.restoration.files.job import Job
from irsde_jax.restoration.restorer import Restorer

SPREAD_GAIN = 10.0
"""The factor by which the standard deviation is multiplied in a map of uncertainty."""


class Writing(NamedTuple):
    """The options for reading images and writing results.

    Attributes:
        overwrite: Whether existing results are replaced.
        quality: The quality of JPEG, AVIF and lossy WebP, as for `codecs.encode`.
        max_megapixels: The largest image that is read, in millions of pixels. None
            means `image_files.formats.DEFAULT_MEGAPIXELS`.
        made_by: The description of how the result was made, for its metadata. None
            omits it.
    """

    overwrite: bool = False
    quality: int | None = None
    max_megapixels: float | None = None
    made_by: str | None = None


class Given(NamedTuple):
    """The input of a restorer for an image file.

    Attributes:
        pixels: The pixels, float32 [H, W, C], before enlargement. C is 1 for grey
            images, even if the network or the file has three channels.
        sigma: The noise level in image units. None leaves the choice to the restorer.
    """

    pixels: np.ndarray
    sigma: float | None


def restore_file(
    restorer: Restorer,
    source: Path,
    target: Path,
    key: PRNGKey,
    overwrite: bool = False,
    *,
    quality: int | None = None,
    max_megapixels: float | None = None,
    made_by: str | None = None,
    mask: HoleMask | None = None,
) -> None:
    """Restores an image file of any size, grey or colour, with or without alpha.

    Super-resolution enlarges the transparency with the same filter as the colours. If
    holes are filled, all other pixels are preserved exactly.

    Args:
        restorer: The restorer.
        source: The path of the image.
        target: The path of the result.
        key: The key of the sampling noise.
        overwrite: Whether an existing result is replaced.
        quality: The quality of JPEG, AVIF and lossy WebP, as for `codecs.encode`.
        max_megapixels: The largest image that is read, in millions of pixels. None
            means `image_files.formats.DEFAULT_MEGAPIXELS`.
        made_by: The description of how the result was made, for its metadata. None
            omits it.
        mask: The holes to fill. None means the holes that are painted into the image.
    """
    writing = Writing(overwrite, quality, max_megapixels, made_by)
    restore_one(restorer, Job(source.name, source, target), key, writing, mask)


def restore_one(
    restorer: Restorer,
    job: Job,
    key: PRNGKey,
    writing: Writing,
    mask: HoleMask | None = None,
) -> None:
    """Writes the restored image of a job, as `restore_file` does.

    Args:
        restorer: The restorer.
        job: The files of the image and of its result.
        key: The key of the sampling noise.
        writing: The options for reading and writing.
        mask: The holes to fill. None means the holes that are painted into the image.
    """
    opened = _open(restorer, job, writing, mask)
    pixels, sigma = opened.given
    if opened.holes is None:
        restored = restorer(pixels, key=key, sigma=sigma)
    elif opened.holes.hole.any():
        restored = restorer(pixels, key=key, mask=opened.holes.unknown)
    else:
        restored = pixels
    images.write_image(
        job.target,
        opened.result(restored),
        overwrite=writing.overwrite,
        quality=writing.quality,
    )


def restore_samples(
    restorer: Restorer,
    job: Job,
    key: PRNGKey,
    writing: Writing,
    mask: HoleMask | None = None,
    *,
    num_samples: int,
) -> None:
    """Writes the mean of several restorations and the map of their spread.

    Args:
        restorer: The restorer.
        job: The files of the image and of its results.
        key: The key of the sampling noise.
        writing: The options for reading and writing.
        mask: The holes to fill. None means the holes that are painted into the image.
        num_samples: The number of restorations.
    """
    overwrite, quality = writing.overwrite, writing.quality
    opened = _open(restorer, job, writing, mask)
    found = restorer.uncertainty(
        opened.given.pixels,
        num_samples=num_samples,
        key=key,
        sigma=opened.given.sigma,
        mask=None if opened.holes is None else opened.holes.unknown,
    )
    # A run may have stopped between the two files.
    if overwrite or not os.path.isfile(job.target):
        result = opened.result(found.mean)
        images.write_image(job.target, result, overwrite=overwrite, quality=quality)
    spread = (SPREAD_GAIN * found.std.mean(axis=-1, keepdims=True)).clip(0, 1)
    by = Metadata(software=writing.made_by)
    image = ImageFile(spread, None, 8, metadata=by)
    images.write_image(job.spread, image, overwrite=overwrite)


def as_given(restorer: Restorer, image: ImageFile, name: str) -> Given:
    """Returns the input of a restorer for an image.

    Colours of transparent pixels are replaced by those around them, except in the
    process "inpainting", whose holes include transparent pixels.

    Args:
        restorer: The restorer.
        image: The content of the file.
        name: The name of the image for error messages.

    Raises:
        ValueError: If the image and the network have different numbers of channels.
    """
    channels, pixels = restorer.image_format.channels, image.pixels
    if (pixels.shape[-1], channels) != (1, 3):
        pixels = images.to_channels(pixels, channels, name)
    if restorer.process.known is not None:
        return Given(grey.as_one_channel(pixels, channels), None)
    is_blind = restorer.process.starts_at_input and restorer.sampling.sigma is None
    sigma = None
    if is_blind and image.alpha is not None:
        opaque = transparency.blacken_transparent(image.pixels, image.alpha)
        sigma = noisy_images.noise_level(opaque)
    filled = transparency.fill_transparent(pixels, image.alpha)
    return Given(grey.as_one_channel(filled, channels), sigma)


def fills(restorer: Restorer) -> bool:
    """Returns whether the weights fill holes and preserve the size of images."""
    return restorer.process.known is not None and restorer.scale == 1


class _Opened(NamedTuple):
    """An image that was read, and whose result can be written.

    Attributes:
        image: The image, with its transparency in the size of the result.
        given: The input of the restorer.
        holes: The holes to fill. None means that the weights do not fill holes.
    """

    image: ImageFile
    given: Given
    holes: Filling | None

    def result(self, restored: np.ndarray) -> ImageFile:
        """Returns the image with restored pixels [H, W, C]; a grey image stays grey."""
        channels = self.image.pixels.shape[-1]
        if channels == 1:
            restored = restored.mean(axis=-1, keepdims=True, dtype=np.float32)
        elif restored.shape[-1] == 1:
            restored = restored.repeat(channels, axis=-1)
        result = self.image._replace(pixels=restored)
        if self.holes is None:
            return result
        return filling.put_back(self.holes, self.image, result)


def _open(
    restorer: Restorer, job: Job, writing: Writing, mask: HoleMask | None
) -> _Opened:
    """Reads an image, and raises early if its result could not be written."""
    data_range, scale = restorer.image_format.data_range, restorer.scale
    image = images.read_image(job.source, data_range, True, writing.max_megapixels)
    image = image._replace(metadata=image.metadata._replace(software=writing.made_by))
    holes = filling.find(image, job.source, mask) if fills(restorer) else None
    # Filled pixels become opaque, so the result may be opaque even if the image is not.
    left = image if holes is None else filling.put_back(holes, image, image)
    height, width, channels = image.pixels.shape
    images.check_writable(job.target, channels, left.is_transparent)
    channels += left.is_transparent
    images.check_size(job.target, scale * height, scale * width, channels, image.bits)
    given = as_given(restorer, image, str(job.source))
    if image.alpha is not None:
        image = image._replace(alpha=restorer.enlarge(image.alpha).clip(0, 1))
    return _Opened(image, given, holes)
