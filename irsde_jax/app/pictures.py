"""Converts arrays to pictures for the page: RGB, 8 bits, no larger than a screen."""

import numpy as np
from PIL import Image

from irsde_jax.data.image_files import images

_SIDE = 1600  # longest side in pixels of a picture on the page; files keep all pixels
# The colours are black, violet, orange and pale yellow. They go from dark to light, so
# they can also be told apart by colour-blind people.
_COLOURS = np.array([(0, 0, 4), (120, 28, 109), (237, 105, 37), (252, 255, 164)]) / 255


def to_picture(pixels: np.ndarray) -> np.ndarray:
    """Returns an image [H, W, C] as a picture for the page, uint8 [h, w, 3].

    Large images are reduced.
    """
    if pixels.shape[-1] not in (1, 3):
        pixels = pixels.mean(axis=-1, keepdims=True)
    narrow = images.to_uint8(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
    picture = Image.fromarray(narrow)
    picture.thumbnail((_SIDE, _SIDE))
    return np.asarray(picture)


def to_map(std: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns standard deviations as colours, and the value of the lightest colour.

    Args:
        std: The standard deviations in image units, shape [H, W, C].
    """
    spread = std.mean(axis=-1)
    white = max(float(np.percentile(spread, 99)), 1 / 255)
    levels = np.linspace(0, 1, len(_COLOURS))
    colours = [np.interp(spread / white, levels, c) for c in _COLOURS.T]
    return to_picture(np.stack(colours, axis=-1)), white
