"""Enlarging the degraded images of super-resolution, by Pillow in floating point."""

import numpy as np
from PIL import Image

ENLARGEMENTS = {
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}
"""How a degraded image of super-resolution is enlarged: Pillow's filters."""


def enlarge(
    pixels: np.ndarray,
    scale: int,
    method: str = "bicubic",
    part: tuple[slice, slice] | None = None,
) -> np.ndarray:
    """An image `scale` times as high and as wide, in floating point.

    Args:
        pixels: shape [H, W, C].
        scale: at least 1; 1 changes nothing.
        method: a key of `ENLARGEMENTS`.
        part: rows and columns of the result, each with a start and a stop, if no others
            are wanted: the same numbers, without the cost of the whole.

    Returns:
        float32 [scale H, scale W, C], or a part of it; "bicubic" overshoots [0, 1]
        beside edges.
    """
    if method not in ENLARGEMENTS:
        raise ValueError(f"enlarge={method!r} is not one of {sorted(ENLARGEMENTS)}.")
    if part is None:
        part = slice(0, scale * pixels.shape[0]), slice(0, scale * pixels.shape[1])
    if scale == 1:
        return pixels[part]
    # Whole pixels that cover the part. What is around this box counts as well: Pillow's
    # filter looks beyond it, up to the border of the image.
    (top, bottom), (left, right) = (
        (side.start // scale, -(-side.stop // scale)) for side in part
    )
    planes = [
        Image.fromarray(np.ascontiguousarray(plane, np.float32)).resize(
            (scale * (right - left), scale * (bottom - top)),
            ENLARGEMENTS[method],
            box=(left, top, right, bottom),
        )
        for plane in np.moveaxis(pixels, -1, 0)
    ]
    enlarged = np.stack([np.asarray(plane) for plane in planes], axis=-1)
    inside = (
        slice(side.start - scale * first, side.stop - scale * first)
        for side, first in zip(part, (top, left))
    )
    return enlarged[tuple(inside)]
