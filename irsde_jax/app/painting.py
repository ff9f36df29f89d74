"""Converts what a visitor paints over a photograph to a mask file."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_HALF = 128  # the lowest opacity, of 255, at which a pixel counts as painted


def paint_of(drawing: dict[str, Any] | None) -> np.ndarray | None:
    """Returns the painted pixels of an image editor, bool [h, w]; None without paint.

    Args:
        drawing: The value of the editor, or None. Its "layers" are uint8 [h, w, 4].
    """
    layers = [] if drawing is None else drawing["layers"]
    painted = [layer[..., 3] >= _HALF for layer in layers]
    painted = [layer for layer in painted if layer.any()]
    return np.any(painted, axis=0) if painted else None


def write_mask(paint: np.ndarray, height: int, width: int, path: Path) -> None:
    """Writes painted pixels as a mask of a photograph, in which white is filled.

    Args:
        paint: The painted pixels, bool [h, w]. The size may differ from that of the
            photograph, because the page reduces large photographs.
        height: The height of the photograph in pixels.
        width: The width of the photograph in pixels.
        path: The mask file, whose name ends in `.png`.
    """
    mask = Image.fromarray(np.where(paint, np.uint8(255), np.uint8(0)))
    mask.resize((width, height), Image.Resampling.NEAREST).save(path)
