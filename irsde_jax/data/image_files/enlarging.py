"""Enlarging the degraded images of super-resolution, by Pillow in floating point."""

import numpy as np
from PIL import Image

ENLARGEMENTS = {
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}
"""The interpolations for degraded images of super-resolution, as Pillow's filters."""


def enlarge(
    pixels: np.ndarray,
    scale: int,
    method: str = "bicubic",
    part: tuple[slice, slice] | None = None,
) -> np.ndarray:
    """Enlarges an image by the factor `scale`, in floating point.

    Args:
        pixels: The image, shape [H, W, C].
        scale: The factor for both sides, at least 1. With 1 the image is not changed.
        method: The interpolation, a key of `ENLARGEMENTS`.
        part: The rows and columns of the result to compute, each a slice with a start
            and a stop. The values are the same as in the whole result. None means all
            of them.

    Returns:
        The enlarged image, float32 [scale H, scale W, C], or the requested part of it.
        The result of "bicubic" overshoots [0, 1] near edges.
    """
    if method not in ENLARGEMENTS:
        raise ValueError(f"enlarge={method!r} is not one of {sorted(ENLARGEMENTS)}.")
    if part is None:
        part = slice(0, scale * pixels.shape[0]), slice(0, scale * pixels.shape[1])
    if scale == 1:
        return pixels[part]
    # The box consists of the whole pixels that cover the part. The values are exact,
    # because Pillow's filter also uses pixels outside the box.
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
