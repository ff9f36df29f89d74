"""Images as arrays: converts numbers in files to floats in [0, 1] and back."""

from typing import NamedTuple

import numpy as np

from irsde_jax.data.image_files.metadata import Metadata

DataRange = tuple[float, float]
"""The values of floats in a file that become 0 (black) and 1 (white) in an image."""

UNIT_RANGE: DataRange = (0.0, 1.0)


class UnsupportedImage(ValueError):
    """An intact image that cannot be read without loss or is not supported here."""


class ImageFile(NamedTuple):
    """The content of an image file.

    Attributes:
        pixels: The colour in [0, 1], float32 of shape [H, W, C]. Grey has 1 channel and
            RGB has 3. `.npy` files and bands of TIFF files have any number.
        alpha: The opacity in [0, 1], float32 of shape [H, W, 1], or None if the file
            has no transparency.
        bits: The number of bits per sample in the file: 8, 16, or 32 for an `.npy` file
            of floats.
        metadata: The metadata of the file. It is empty for `.npy` files.
        data_range: The values of floats in the file that stand for black and white.
        is_flat: Whether the file holds an array [H, W], without an axis of channels.
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
    """Converts an array [H, W] or [H, W, C] to an image.

    Args:
        array: The array, of type uint8 or uint16, or floats that all lie in
            `data_range`.
        data_range: The values of floats that become 0 and 1.

    Raises:
        UnsupportedImage: If the shape, the type or the values are not supported.
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
    with np.errstate(over="ignore"):  # A bound may overflow in float16.
        bounds = np.array(data_range).astype(array.dtype)
    found = array.min(), array.max()
    # Clipping would change values silently. In this form the test also rejects NaN.
    if not (bounds[0] <= found[0] and found[1] <= bounds[1]):
        raise UnsupportedImage(
            f"floats must lie in [{low:g}, {high:g}], found {found[0]} to {found[1]}; "
            "data.data_range sets what they may be"
        )
    pixels = (np.asarray(array, np.float64) - low) / (high - low)
    image = ImageFile(pixels.astype(np.float32), None, 32, data_range=data_range)
    return image._replace(is_flat=is_flat)


def image_to_array(image: ImageFile) -> np.ndarray:
    """Converts an image to the array [H, W, C] or [H, W] that an `.npy` file stores.

    The array has `image.bits` bits per sample. Floats are in `image.data_range`.
    """
    if image.is_transparent:
        raise ValueError(".npy holds no transparency; drop the alpha")
    pixels = image.pixels
    if image.is_flat and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if image.bits == 32:
        low, high = image.data_range
        # This form is exact at both ends and preserves values beyond them.
        floats = low * (1 - np.asarray(pixels, np.float64)) + high * pixels
        return floats.astype(np.float32)
    return to_integers(pixels, image.bits)


def split(samples: np.ndarray, grey: bool) -> ImageFile:
    """Converts integers [H, W, C] to an image and separates the alpha channel.

    The alpha channel is the last one of 2 or 4 channels. If `grey` is True, only the
    first of the other channels is used, because they may be equal.
    """
    bits = 8 * samples.dtype.itemsize
    has_alpha = samples.shape[-1] in (2, 4)
    alpha = to_floats(samples[..., -1:]) if has_alpha else None
    pixels = samples[..., : 1 if grey else 3]
    return ImageFile(to_floats(pixels), alpha, bits)


def to_integers(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Converts pixels in [0, 1] to 8- or 16-bit integers, clipped and rounded.

    Halves are rounded to even.
    """
    pixels = np.asarray(pixels, np.float32)
    if not np.isfinite(pixels).all():
        raise ValueError("it has pixels that are not finite (NaN or infinite)")
    scaled = np.clip(pixels, 0.0, 1.0) * np.float32(2**bits - 1)
    return np.rint(scaled).astype(f"uint{bits}")


def to_floats(samples: np.ndarray) -> np.ndarray:
    """Converts 8- or 16-bit integers to float32 in [0, 1]."""
    return samples.astype(np.float32) / np.float32(np.iinfo(samples.dtype).max)
