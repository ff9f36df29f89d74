"""Large images: the network runs on tiles, the solver on the whole image.

Tiles that are restored one by one disagree where they meet: each has noise of its own
and drifts its own way. Here they meet *inside* every step: the network's predictions on
overlapping windows are blended into one noise field, and the solver's step and its
fresh noise act on the whole image. With a network whose field of view is at most
`overlap - blend` pixels the result is that of the whole image; attention over a whole
image (the U-Net's, NAFNet's channel attention) sees a tile instead.

The image lies flat in the first entries of a *canvas*, one of a few lengths, as
[batch, 1, 1, length]: solvers work pixel by pixel and do not mind. Height and width are
traced, and so is the number of tiles, so that images of all sizes share the few
programs, and nothing but the image ever enters the network. JAX draws the same numbers
for the first entries of an array whatever its length, so that the noise of a pixel is
that of the whole image, too.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax.array_types import Array, NoiseFn

# A tile meets those two places before and after it: strides are at least half a side.
_NEIGHBOURS = 2

_LARGE = 2**22  # values of a canvas: 16 MiB an array


class Tiles(NamedTuple):
    """How an image is cut into squares.

    Attributes:
        side: of a tile, in pixels.
        overlap: pixels that neighbours share, at most half the side; the last row and
            column are shifted inwards and share more.
        blend: pixels, in the middle of the overlap, over which one tile gives way to
            the next: 1..overlap. The rest of the overlap is context alone.
    """

    side: int
    overlap: int
    blend: int


def make_tiles(
    side: int, overlap: int | None = None, blend: int | None = None
) -> Tiles:
    """Tiles of that side.

    Args:
        side: in pixels, at least 2.
        overlap: see `Tiles`; None: a quarter of the side, at most 64.
        blend: see `Tiles`; None: half of the overlap.

    Raises:
        ValueError: If one is out of range.
    """
    overlap = min(side // 4, 64) if overlap is None else overlap
    if side < 2 or not 1 <= overlap <= side // 2:
        raise ValueError(
            f"tiles of side {side} with an overlap of {overlap}: the side is at least "
            "2, the overlap lies in 1..side/2 (both in pixels)."
        )
    blend = max(overlap // 2, 1) if blend is None else blend
    if not 1 <= blend <= overlap:
        raise ValueError(f"blend={blend} must lie in 1..overlap, here 1..{overlap}.")
    return Tiles(side, overlap, blend)


def count(tiles: Tiles, size: Array | int) -> Array | int:
    """How many tiles lie along an axis of `size` pixels; `size` may be traced."""
    stride = tiles.side - tiles.overlap
    return -(-(size - tiles.side) // stride) + 1


def place(tiles: Tiles, index: Array | int, size: Array | int) -> Array:
    """The first pixel of tile `index` along an axis of `size` pixels."""
    return jnp.minimum(index * (tiles.side - tiles.overlap), size - tiles.side)


def canvas_length(num_values: int) -> int:
    """The canvas for an image of that many values, pixels times channels.

    One of few: a power of two, or, where memory begins to matter, three quarters of
    one, so that less than a third of a large canvas is left empty.

    Raises:
        ValueError: If positions in the canvas do not fit into 32-bit integers.
    """
    length = 1 << max(int(num_values) - 1, 1).bit_length()
    if length > _LARGE and num_values <= 3 * length // 4:
        length = 3 * length // 4
    if length >= 2**31:
        raise ValueError(
            f"an image of {num_values:,} values (pixels times channels) is too large: "
            f"at most {3 * 2**29:,} fit."
        )
    return length


def canvas_shape(shape: tuple[int, ...], tiles: Tiles) -> tuple[int, ...]:
    """Of the canvas of images of that shape, [batch, H, W, C]."""
    batch, *sizes, channels = shape
    height, width = (max(size, tiles.side) for size in sizes)
    return (batch, 1, 1, canvas_length(height * width * channels))


def to_canvas(images: np.ndarray, tiles: Tiles) -> tuple[np.ndarray, np.ndarray]:
    """Images on a canvas; those smaller than a tile are reflected up to it.

    Args:
        images: shape [batch, H, W, C].
        tiles: that will lie on it.

    Returns:
        The canvas, [batch, 1, 1, length], of the type of `images`, and the height and
        width that `on_tiles` takes, int32 [2].
    """
    missing = [max(tiles.side - size, 0) for size in images.shape[1:3]]
    if any(missing):
        padding = [(0, 0), *((0, pixels) for pixels in missing), (0, 0)]
        images = np.pad(images, padding, mode="reflect")
    flat = images.reshape(len(images), 1, 1, -1)
    canvas = np.zeros(canvas_shape(images.shape, tiles), images.dtype)
    canvas[..., : flat.shape[-1]] = flat
    return canvas, np.array(images.shape[1:3], np.int32)


def from_canvas(
    canvas: np.ndarray, size: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """The images of `to_canvas`, of their [..., H, W, C], from canvases.

    Args:
        canvas: shape [..., 1, 1, length].
        size: the height and width that `to_canvas` returned.
        shape: of the images, [..., H, W, C].
    """
    (height, width), channels = size, shape[-1]
    flat = canvas.reshape(*canvas.shape[:-3], -1)[..., : height * width * channels]
    whole = flat.reshape(*flat.shape[:-1], height, width, channels)
    return whole[..., : shape[-3], : shape[-2], :]


def on_tiles(network: NoiseFn, tiles: Tiles, size: Array, channels: int) -> NoiseFn:
    """A network on canvases, from one on tiles.

    Args:
        network: `(x, mu, t) -> noise` of [batch, side, side, channels].
        tiles: how the images are cut.
        size: height and width of the images, int32 [2], both at least a side; they may
            be traced.
        channels: of the images.

    Returns:
        `(x, mu, t) -> noise` of canvases, [batch, 1, 1, length]: within the images the
        blended predictions, beyond them 0.
    """
    height, width = size
    num_rows, num_columns = count(tiles, height), count(tiles, width)
    side = tiles.side
    row_offsets = jnp.arange(side) * width * channels

    def predict(x: Array, mu: Array, t: Array) -> Array:
        flat_x, flat_mu = (a.reshape(a.shape[0], -1) for a in (x, mu))

        def add_tile(index: Array, blended: Array) -> Array:
            row, column = index // num_columns, index % num_columns
            top, left = place(tiles, row, height), place(tiles, column, width)
            starts = (top * width + left) * channels + row_offsets
            tile_x = _cut(flat_x, starts, side, channels)
            tile_mu = _cut(flat_mu, starts, side, channels)
            noise = network(tile_x, tile_mu, t)
            weights = jnp.outer(
                _weights(tiles, row, height), _weights(tiles, column, width)
            )
            return _add(blended, starts, noise * weights[:, :, None])

        zeros = jnp.zeros(flat_x.shape, jnp.float32)
        num_tiles = num_rows * num_columns
        blended: Array = jax.lax.fori_loop(0, num_tiles, add_tile, zeros)
        return blended.reshape(x.shape)

    return predict


def _window(tiles: Tiles, start: Array, size: Array, positions: Array) -> Array:
    """The share that a tile claims of pixels along an axis, 0..1, before they add to 1.

    It rises over the blend in the middle of the overlap, and is 1 up to the border of
    the image, where nobody else is.
    """
    context = (tiles.overlap - tiles.blend) / 2
    end = start + tiles.side
    before = positions + 0.5 - start - context
    after = end - positions - 0.5 - context
    before = jnp.where(start == 0, jnp.inf, before)
    after = jnp.where(end == size, jnp.inf, after)
    inside = (positions >= start) & (positions < end)
    share = jnp.clip(jnp.minimum(before, after) / tiles.blend, 0.0, 1.0)
    return jnp.where(inside, share, 0.0)


def _weights(tiles: Tiles, index: Array, size: Array) -> Array:
    """What tile `index` counts at each of its pixels along an axis, shape [side].

    At every pixel the weights of all tiles add to 1.
    """
    positions = place(tiles, index, size) + jnp.arange(tiles.side)
    others = index + jnp.arange(-_NEIGHBOURS, _NEIGHBOURS + 1)[:, None]
    exists = (others >= 0) & (others < count(tiles, size))
    claims = _window(tiles, place(tiles, others, size), size, positions)
    own = claims[_NEIGHBOURS]
    return own / jnp.where(exists, claims, 0.0).sum(axis=0)


def _cut(flat: Array, starts: Array, side: int, channels: int) -> Array:
    """Windows of flat images, [batch, side, side, channels], by their rows' starts."""

    def cut_row(start: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(flat, start, side * channels, axis=1)

    rows = jax.vmap(cut_row, out_axes=1)(starts)
    return rows.reshape(flat.shape[0], side, side, channels)


def _add(flat: Array, starts: Array, window: Array) -> Array:
    """Flat images with windows, [batch, side, side, channels], added where they lie."""
    rows = window.reshape(*window.shape[:2], -1)
    return jax.lax.scatter_add(
        flat,
        starts[:, None],
        rows.transpose(1, 0, 2),  # one update a row: [side, batch, side * channels]
        jax.lax.ScatterDimensionNumbers(
            update_window_dims=(1, 2),
            inserted_window_dims=(),
            scatter_dims_to_operand_dims=(1,),
        ),
        indices_are_sorted=True,
        unique_indices=True,
        mode=jax.lax.GatherScatterMode.PROMISE_IN_BOUNDS,
    )
