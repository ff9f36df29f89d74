"""Arrays as pictures for the page: no larger than a screen, 8 bits, RGB."""

import numpy as np
from PIL import Image

from irsde_jax.data.image_files import images

_SIDE = 1600  # pixels: of a picture on the page; the file has them all
# Black, violet, orange, pale yellow: dark to light, also for the colour-blind.
_COLOURS = np.array([(0, 0, 4), (120, 28, 109), (237, 105, 37), (252, 255, 164)]) / 255


def to_picture(pixels: np.ndarray) -> np.ndarray:
    """An image [H, W, C] for the page: uint8 [h, w, 3], smaller where it is large."""
    if pixels.shape[-1] not in (1, 3):
        pixels = pixels.mean(axis=-1, keepdims=True)
    narrow = images.to_uint8(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
    picture = Image.fromarray(narrow)
    picture.thumbnail((_SIDE, _SIDE))
    return np.asarray(picture)


def to_map(std: np.ndarray) -> tuple[np.ndarray, float]:
    """Standard deviations [H, W, C] as colours, and what the lightest stands for."""
    spread = std.mean(axis=-1)
    white = max(float(np.percentile(spread, 99)), 1 / 255)
    levels = np.linspace(0, 1, len(_COLOURS))
    colours = [np.interp(spread / white, levels, c) for c in _COLOURS.T]
    return to_picture(np.stack(colours, axis=-1)), white
