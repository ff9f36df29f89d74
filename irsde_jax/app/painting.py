"""What a visitor paints over a photograph, as a mask file for it."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_HALF = 128  # of 255: the opacity from which on a pixel is painted


def paint_of(drawing: dict[str, Any] | None) -> np.ndarray | None:
    """Where the layers of an image editor are painted, bool [h, w]; None: nowhere.

    Args:
        drawing: The value of the editor: "layers" are uint8 [h, w, 4].
    """
    layers = [] if drawing is None else drawing["layers"]
    painted = [layer[..., 3] >= _HALF for layer in layers]
    painted = [layer for layer in painted if layer.any()]
    return np.any(painted, axis=0) if painted else None


def write_mask(paint: np.ndarray, height: int, width: int, path: Path) -> None:
    """Writes paint as a mask of a photograph: white is filled.

    Args:
        paint: bool [h, w]. The page shows large photographs smaller than they are.
        height: The height of the photograph in pixels.
        width: The width of the photograph in pixels.
        path: The file, ending in `.png`.
    """
    mask = Image.fromarray(np.where(paint, np.uint8(255), np.uint8(0)))
    mask.resize((width, height), Image.Resampling.NEAREST).save(path)
