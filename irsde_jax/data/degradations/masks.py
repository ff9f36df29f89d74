"""Keep-masks for inpainting. Pixels that are not kept are holes, as in `holes`.

Sizes are relative to the shorter side of the image, so that crops and whole photographs
lose the same share. The kinds are those of the published IR-SDE test masks.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from irsde_jax.array_types import Array, PRNGKey
from irsde_jax.data.degradations.levels import Level, draw_level
from irsde_jax.processes.holes import HOLE

SIDES = ("top", "bottom", "left", "right")


def stroke_mask(
    key: PRNGKey,
    image: Array,
    *,
    num_strokes: Sequence[int],
    num_segments: int,
    length: tuple[float, float],
    width: tuple[float, float],
) -> Array:
    """Masks an image with brush strokes: chains of lines in random directions.

    The tip of the brush is round.

    Args:
        key: The random key.
        image: The image in [0, 1], shape [H, W, C].
        num_strokes: The smallest and the largest number of strokes.
        num_segments: The largest number of lines in a stroke.
        length: The smallest and the largest length of a line, relative to the shorter
            side of the image.
        width: The smallest and the largest width of a stroke, relative to the shorter
            side of the image.

    Returns:
        The image with the value 1.0 in the holes, in the shape of `image`.

    References:
        Suvorov et al. (2022), https://arxiv.org/abs/2109.07161, use polygonal chains of
        random width.
    """
    count_key, strokes_key = jax.random.split(key)
    fewest, most = num_strokes
    count = jax.random.randint(count_key, (), fewest, most + 1)
    height, columns, _ = image.shape
    pixels = jnp.stack(jnp.mgrid[:height, :columns], axis=-1)
    pixels = pixels + 0.5

    # Strokes are added one by one, because all distances at once need much memory.
    def add_stroke(hole, inputs):
        index, stroke_key = inputs
        points, radius = _stroke(
            stroke_key, (height, columns), num_segments, length, width
        )
        distance = jax.vmap(_distance, in_axes=(None, 0, 0))(
            pixels, points[:-1], points[1:]
        )
        return hole | ((index < count) & (distance.min(axis=0) <= radius)), None

    nothing = jnp.zeros((height, columns), bool)
    keys = jax.random.split(strokes_key, most)
    hole, _ = jax.lax.scan(add_stroke, nothing, (jnp.arange(most), keys))
    return fill(image, hole)


thin_mask = functools.partial(
    stroke_mask,
    num_strokes=(4, 72),
    num_segments=4,
    length=(0.04, 0.18),
    width=(0.02, 0.06),
)
"""Many thin strokes; 0.70 of the image is kept on average."""

thick_mask = functools.partial(
    stroke_mask,
    num_strokes=(1, 4),
    num_segments=4,
    length=(0.1, 0.5),
    width=(0.08, 0.34),
)
"""A few thick strokes; 0.75 of the image is kept on average."""


def half_mask(key: PRNGKey, image: Array, side: str | None = None) -> Array:
    """Masks one half of an image.

    Args:
        key: The random key.
        image: The image in [0, 1], shape [H, W, C].
        side: The half to mask: "top", "bottom", "left" or "right". None draws it at
            random for each image.

    Returns:
        The image with the value 1.0 in the hole, in the shape of `image`.

    Raises:
        ValueError: If `side` has another value.
    """
    if side is not None and side not in SIDES:
        raise ValueError(f"side={side!r} is not one of {list(SIDES)}.")
    height, width = image.shape[:2]
    row, column = jnp.mgrid[:height, :width]
    lower, righter = row >= height // 2, column >= width // 2
    holes = jnp.stack([~lower, lower, ~righter, righter])
    drawn = jax.random.randint(key, (), 0, len(SIDES))
    return fill(image, holes[drawn if side is None else SIDES.index(side)])


def box_mask(key: PRNGKey, image: Array, size: Level = (0.25, 0.5)) -> Array:
    """Masks a rectangle at a random place in an image.

    Args:
        key: The random key.
        image: The image in [0, 1], shape [H, W, C].
        size: The size of the rectangle, relative to each side of the image.

    Returns:
        The image with the value 1.0 in the hole, in the shape of `image`.
    """

    def interval(key: PRNGKey, side: int) -> Array:
        size_key, start_key = jax.random.split(key)
        pixels = jnp.round(draw_level(size_key, size) * side)
        start = jnp.floor(jax.random.uniform(start_key) * (side - pixels + 1))
        index = jnp.arange(side)
        return (index >= start) & (index < start + pixels)

    row_key, column_key = jax.random.split(key)
    rows = interval(row_key, image.shape[0])
    return fill(image, rows[:, None] & interval(column_key, image.shape[1]))


def expand_mask(key: PRNGKey, image: Array, keep: Level = 0.25) -> Array:
    """Masks everything except a central rectangle, for extending an image outwards.

    Args:
        key: The random key.
        image: The image in [0, 1], shape [H, W, C].
        keep: The size of the rectangle, relative to each side of the image.

    Returns:
        The image with the value 1.0 in the hole, in the shape of `image`.
    """
    share = draw_level(key, keep)
    kept = [
        jnp.abs(jnp.arange(side) + 0.5 - side / 2) < share * side / 2
        for side in image.shape[:2]
    ]
    return fill(image, ~(kept[0][:, None] & kept[1]))


def fill(image: Array, hole: Array) -> Array:
    """Returns the image [H, W, C] with the value 1.0 where `hole` [H, W] is True."""
    return jnp.where(hole[..., None], HOLE, image)


def _stroke(
    key: PRNGKey,
    shape: tuple[int, int],
    num_segments: int,
    length: tuple[float, float],
    width: tuple[float, float],
) -> tuple[Array, Array]:
    """Returns the corners of a stroke in pixels, [num_segments + 1, 2], and its radius.

    If a stroke has fewer lines, the remaining ones have length 0.
    """
    start_key, heading_key, count_key, length_key, width_key = jax.random.split(key, 5)
    side = min(shape)
    start = jax.random.uniform(start_key, (1, 2)) * jnp.asarray(shape)
    heading = jax.random.uniform(heading_key, (num_segments,), maxval=2 * jnp.pi)
    count = jax.random.randint(count_key, (), 1, num_segments + 1)
    low, high = length
    lengths = side * jax.random.uniform(
        length_key, (num_segments,), minval=low, maxval=high
    )
    lengths = jnp.where(jnp.arange(num_segments) < count, lengths, 0)
    lines = lengths[:, None] * jnp.stack([jnp.sin(heading), jnp.cos(heading)], -1)
    points = jnp.concatenate([start, start + jnp.cumsum(lines, axis=0)])
    return points, side * draw_level(width_key, width) / 2


def _distance(pixels: Array, start: Array, end: Array) -> Array:
    """Returns the distance from pixels [H, W, 2] to a line segment, shape [H, W]."""
    line, away = end - start, pixels - start
    along = away @ line / jnp.maximum(line @ line, 1e-6)
    nearest = jnp.clip(along, 0, 1)[..., None] * line
    return jnp.linalg.norm(away - nearest, axis=-1)
