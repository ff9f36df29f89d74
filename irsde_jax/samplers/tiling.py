"""Tiling for large images: the network runs on tiles, the solver on the whole image.

Tiles that are restored separately differ where they meet, because each has its own
noise. Here the tiles are joined in every step: the predictions on overlapping tiles are
blended into one noise field, and the solver's step and its random noise act on the
whole image. If the receptive field of the network is at most `overlap - blend` pixels,
the result is the same as without tiles. The attention of the U-Net and the channel
attention of NAFNet cover only a tile instead of the whole image.

The image is flattened into the first entries of a *canvas*, an array of shape
[batch, 1, 1, length] with one of a few lengths. Solvers work on each pixel separately,
so they accept this shape. The height, the width and the number of tiles are traced, so
images of many sizes share a few compiled programs, and the network never sees the empty
end of the canvas. JAX draws the same numbers for the first entries of an array of any
length, so the noise of a pixel is also the same as without tiles.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax.array_types import Array, NoiseFn

# The stride is at least half a side, so a tile overlaps at most two tiles on each side.
_NEIGHBOURS = 2

_LARGE = 2**22  # number of values: 16 MiB per float32 array


class Tiles(NamedTuple):
    """The sizes of square tiles.

    Attributes:
        side: The side of a tile, in pixels.
        overlap: The number of pixels that neighbours share, at most half the side. The
            last row and column are shifted inwards and share more.
        blend: The width of the cross-fade in the middle of the overlap, in pixels,
            1..overlap. The rest of the overlap is only context for the network.
    """

    side: int
    overlap: int
    blend: int


def make_tiles(
    side: int, overlap: int | None = None, blend: int | None = None
) -> Tiles:
    """Returns tiles after checking their sizes.

    Args:
        side: The side of a tile in pixels, at least 2.
        overlap: The overlap of `Tiles`. The default is side / 4, at most 64.
        blend: The blend of `Tiles`. The default is half of the overlap.

    Raises:
        ValueError: If an argument is out of range.
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
    """Returns the number of tiles along an axis of `size` (perhaps traced) pixels."""
    stride = tiles.side - tiles.overlap
    return -(-(size - tiles.side) // stride) + 1


def place(tiles: Tiles, index: Array | int, size: Array | int) -> Array:
    """Returns the first pixel of tile `index` along an axis of `size` pixels."""
    return jnp.minimum(index * (tiles.side - tiles.overlap), size - tiles.side)


def canvas_length(num_values: int) -> int:
    """Returns the length of the canvas for an image of `num_values` values.

    It is a power of two or, for large images, three quarters of one, so that less than
    a third of a large canvas is empty. The values are pixels times channels.

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
    """Returns the shape of the canvas for images of shape [batch, H, W, C]."""
    batch, *sizes, channels = shape
    height, width = (max(size, tiles.side) for size in sizes)
    return (batch, 1, 1, canvas_length(height * width * channels))


def to_canvas(images: np.ndarray, tiles: Tiles) -> tuple[np.ndarray, np.ndarray]:
    """Puts images on a canvas. Images smaller than a tile are padded by reflection.

    Args:
        images: The images, shape [batch, H, W, C].
        tiles: The tiles that `on_tiles` will use.

    Returns:
        The canvas, [batch, 1, 1, length], with the type of `images`, and the height and
        width for `on_tiles`, int32 [2].
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
    """Returns the images on a canvas, the inverse of `to_canvas`.

    Args:
        canvas: The canvas, shape [..., 1, 1, length].
        size: The height and width that `to_canvas` returned.
        shape: The shape of the images, [..., H, W, C].
    """
    (height, width), channels = size, shape[-1]
    flat = canvas.reshape(*canvas.shape[:-3], -1)[..., : height * width * channels]
    whole = flat.reshape(*flat.shape[:-1], height, width, channels)
    return whole[..., : shape[-3], : shape[-2], :]


def on_tiles(network: NoiseFn, tiles: Tiles, size: Array, channels: int) -> NoiseFn:
    """Returns a noise function of canvases that runs `network` on tiles.

    Args:
        network: The function `(x, mu, t) -> noise` of [batch, side, side, channels].
        tiles: The sizes of the tiles.
        size: The height and width of the images, int32 [2], each at least
            `tiles.side`. They may be traced.
        channels: The number of channels of the images.

    Returns:
        A function `(x, mu, t) -> noise` of canvases, [batch, 1, 1, length]. The noise
        is the blended predictions within the images and 0 after them.
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
    """Returns the unnormalised weight, in 0..1, of a tile at pixels along an axis.

    It rises linearly over the blend in the middle of the overlap. It stays 1 up to the
    border of the image, where the tile has no neighbour.
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
    """Returns the weights of tile `index` at its pixels along an axis, shape [side].

    At every pixel, the weights of all tiles add to 1.
    """
    positions = place(tiles, index, size) + jnp.arange(tiles.side)
    others = index + jnp.arange(-_NEIGHBOURS, _NEIGHBOURS + 1)[:, None]
    exists = (others >= 0) & (others < count(tiles, size))
    claims = _window(tiles, place(tiles, others, size), size, positions)
    own = claims[_NEIGHBOURS]
    return own / jnp.where(exists, claims, 0.0).sum(axis=0)


def _cut(flat: Array, starts: Array, side: int, channels: int) -> Array:
    """Returns windows [batch, side, side, channels] whose rows begin at `starts`."""

    def cut_row(start: Array) -> Array:
        return jax.lax.dynamic_slice_in_dim(flat, start, side * channels, axis=1)

    rows = jax.vmap(cut_row, out_axes=1)(starts)
    return rows.reshape(flat.shape[0], side, side, channels)


def _add(flat: Array, starts: Array, window: Array) -> Array:
    """Returns flat images after adding windows whose rows begin at `starts`."""
    rows = window.reshape(*window.shape[:2], -1)
    return jax.lax.scatter_add(
        flat,
        starts[:, None],
        rows.transpose(1, 0, 2),  # one update per row: [side, batch, side * channels]
        jax.lax.ScatterDimensionNumbers(
            update_window_dims=(1, 2),
            inserted_window_dims=(),
            scatter_dims_to_operand_dims=(1,),
        ),
        indices_are_sorted=True,
        unique_indices=True,
        mode=jax.lax.GatherScatterMode.PROMISE_IN_BOUNDS,
    )
