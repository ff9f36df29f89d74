"""What an image is here: floats in [0, 1], from the numbers of a file and back."""

from typing import NamedTuple

import numpy as np

from irsde_jax.data.image_files.metadata import Metadata

DataRange = tuple[float, float]
"""What floats in a file are for black, 0 of an image, and for white, 1."""

UNIT_RANGE: DataRange = (0.0, 1.0)


class UnsupportedImage(ValueError):
    """An image that is sound but cannot be read without loss, or not here."""


class ImageFile(NamedTuple):
    """What an image file holds.

    Attributes:
        pixels: colour in [0, 1], float32 of shape [H, W, C]: 1 channel for grey, 3 for
            RGB, any number for `.npy` and the bands of TIFF.
        alpha: opacity in [0, 1], float32 of shape [H, W, 1]; None where the file has
            no transparency.
        bits: bits per sample in the file: 8, 16, or 32 for an `.npy` file of floats.
        metadata: what else the file holds; `.npy` holds none.
        data_range: of the floats in the file.
        is_flat: whether the file is an array [H, W], without an axis of channels.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    bits: int
    metadata: Metadata = Metadata()
    data_range: DataRange = UNIT_RANGE
    is_flat: bool = False

    @property
    def is_transparent(self) -> bool:
        """Whether any pixel is not opaque."""
        return self.alpha is not None and bool((self.alpha < 1).any())


def array_to_image(array: np.ndarray, data_range: DataRange = UNIT_RANGE) -> ImageFile:
    """An array [H, W] or [H, W, C] as an image.

    Args:
        array: uint8, uint16, or floats of any width, all of them in `data_range`.
        data_range: the floats that become 0 and 1.
    """
    is_flat = array.ndim == 2
    if is_flat:
        array = array[..., None]
    if array.ndim != 3 or 0 in array.shape:
        raise UnsupportedImage(
            f"its shape is {array.shape} where [H, W] or [H, W, C] is wanted"
        )
    if array.dtype in (np.uint8, np.uint16):
        bits = 8 * array.dtype.itemsize
        return ImageFile(to_floats(array), None, bits, is_flat=is_flat)
    if array.dtype.kind != "f":
        raise UnsupportedImage(f"its type is {array.dtype}, not uint8, uint16 or float")
    low, high = data_range
    if not -np.inf < low < high < np.inf:
        raise UnsupportedImage(
            f"data_range={data_range} must be two numbers, the smaller one first"
        )
    with np.errstate(over="ignore"):  # no float16 is beyond 65504
        bounds = np.array(data_range).astype(array.dtype)
    found = array.min(), array.max()
    # Clipping would lose what nobody knows of. Written so that NaN fails as well.
    if not (bounds[0] <= found[0] and found[1] <= bounds[1]):
        raise UnsupportedImage(
            f"floats must lie in [{low:g}, {high:g}], found {found[0]} to {found[1]}; "
            "data.data_range sets what they may be"
        )
    pixels = (np.asarray(array, np.float64) - low) / (high - low)
    image = ImageFile(pixels.astype(np.float32), None, 32, data_range=data_range)
    return image._replace(is_flat=is_flat)


def image_to_array(image: ImageFile) -> np.ndarray:
    """The array of `image.bits` bits that an `.npy` file holds: [H, W, C] or [H, W]."""
    if image.is_transparent:
        raise ValueError(".npy holds no transparency; drop the alpha")
    pixels = image.pixels
    if image.is_flat and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if image.bits == 32:
        low, high = image.data_range
        # Exact at both ends; a value beyond them stays what it is.
        floats = low * (1 - np.asarray(pixels, np.float64)) + high * pixels
        return floats.astype(np.float32)
    return to_integers(pixels, image.bits)


def split(samples: np.ndarray, grey: bool) -> ImageFile:
    """Integers [H, W, colours (+ 1 for alpha)] as an image; grey may be repeated."""
    bits = 8 * samples.dtype.itemsize
    has_alpha = samples.shape[-1] in (2, 4)
    alpha = to_floats(samples[..., -1:]) if has_alpha else None
    pixels = samples[..., : 1 if grey else 3]
    return ImageFile(to_floats(pixels), alpha, bits)


def to_integers(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Pixels in [0, 1] as 8- or 16-bit integers: clipped, halves rounded to even."""
    pixels = np.asarray(pixels, np.float32)
    if not np.isfinite(pixels).all():
        raise ValueError("it has pixels that are not finite (NaN or infinite)")
    scaled = np.clip(pixels, 0.0, 1.0) * np.float32(2**bits - 1)
    return np.rint(scaled).astype(f"uint{bits}")


def to_floats(samples: np.ndarray) -> np.ndarray:
    """8- or 16-bit integers as float32 in [0, 1]."""
    return samples.astype(np.float32) / np.float32(np.iinfo(samples.dtype).max)
