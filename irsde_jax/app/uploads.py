"""Reads the uploads of visitors within limits; error messages contain no folders."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from irsde_jax.app import pictures
from irsde_jax.app.choices import Limits
from irsde_jax.data.image_files import images
from irsde_jax.data.image_files.hole_masks import HoleMask
from irsde_jax.restoration.files import filling, one_file
from irsde_jax.restoration.files.filling import Filling
from irsde_jax.restoration.restorer import Restorer


class Look(NamedTuple):
    """An upload before it is restored.

    Attributes:
        picture: The upload as a picture for the page, uint8 [H, W, 3].
        height: The height of the result in pixels.
        width: The width of the result in pixels.
        note: The description of what will be filled if nothing is painted, in
            sentences.
    """

    picture: np.ndarray
    height: int
    width: int
    note: str = ""


def look(restorer: Restorer, upload: Path, limits: Limits) -> Look:
    """Reads an upload and checks that it can be restored.

    Args:
        restorer: The restorer with the weights.
        upload: The uploaded file.
        limits: The limits for each visitor.

    Raises:
        OSError: If there is no such file.
        ValueError: If the file is too large or damaged, or not an image for these
            weights.
    """
    pixels = restorer.enlarge(read(restorer, upload, limits).pixels)
    note = ""
    if one_file.fills(restorer):
        try:
            note = sentences(find_filling(restorer, upload, None, limits))
        except ValueError as error:
            note = str(error)
    height, width = pixels.shape[:2]
    return Look(pictures.to_picture(pixels), height, width, note)


def read(restorer: Restorer, upload: Path, limits: Limits) -> one_file.Given:
    """Returns the input of the restorer for an upload.

    Args:
        restorer: The restorer with the weights.
        upload: The uploaded file.
        limits: The limits for each visitor.

    Raises:
        OSError: If there is no such file.
        ValueError: If the file is too large or damaged, or not an image for these
            weights.
    """
    if upload.suffix.lower() not in images.SUFFIXES:
        raise ValueError(
            f"{upload.name} is not a photograph: its name ends in none of "
            f"{', '.join(images.SUFFIXES)}."
        )
    megabytes = upload.stat().st_size / 2**20
    if megabytes > limits.megabytes:
        raise ValueError(
            f"{upload.name} has {megabytes:.1f} MB; at most {limits.megabytes:g} are "
            "allowed here."
        )
    with names_alone(upload):
        _check_size(upload, restorer.scale, limits)
        image = images.read_image(
            upload,
            restorer.image_format.data_range,
            max_megapixels=limits.megapixels,
        )
        return one_file.as_given(restorer, image, upload.name)


def find_filling(
    restorer: Restorer, upload: Path, mask: HoleMask | None, limits: Limits
) -> Filling:
    """Returns what will be filled in an upload.

    Args:
        restorer: The restorer with the weights.
        upload: The uploaded file.
        mask: The mask of the upload. None means that the holes are painted into it.
        limits: The limits for each visitor.

    Raises:
        ValueError: If the mask does not fit, or if it leaves no known pixel.
    """
    return filling.read(
        upload,
        mask,
        data_range=restorer.image_format.data_range,
        max_megapixels=limits.megapixels,
    )


def sentences(filled: Filling) -> str:
    """Returns the description of what will be filled, with warnings, in sentences."""
    return " ".join((f"{filled}.", *filled.warnings))


@contextlib.contextmanager
def names_alone(*paths: Path) -> Iterator[None]:
    """Removes folders from error messages, because visitors must not see them.

    Args:
        *paths: The paths that are replaced by their last part.

    Raises:
        OSError: If the body raises one. The message is shortened.
        ValueError: If the body raises one. The message is shortened.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        message = str(error)
        for path in paths:
            message = message.replace(str(path), path.name)
        kind = OSError if isinstance(error, OSError) else ValueError
        raise kind(message) from error


def _check_size(upload: Path, scale: int, limits: Limits) -> None:
    """Raises ValueError if the result would have too many pixels.

    The size is read from the header, before any pixels are decoded.
    """
    height, width = images.read_size(upload)
    megapixels = height * width * scale**2 / 1e6
    if megapixels > limits.megapixels:
        raise ValueError(
            f"{upload.name}: the result would have {height * scale} x {width * scale} "
            f"pixels, {megapixels:.1f} million; at most {limits.megapixels:g} are "
            "allowed here."
        )
