"""Estimates the cost of a restoration in advance: evaluations, memory and time."""

import time
from typing import NamedTuple

import jax
import jax.numpy as jnp

from irsde_jax.array_types import Array
from irsde_jax.restoration.restorer import Restorer
from irsde_jax.samplers import tiling
from irsde_jax.samplers.tiling import Tiles

_SIDE = 128  # side in pixels of the image on which the network's speed is measured
_REPEATS = 3


class Cost(NamedTuple):
    """The cost of restoring an image.

    Attributes:
        pixels: The number of pixels of the image.
        num_evals: The number of network evaluations, summed over all samples.
        tiles: The tiles that the image is cut into. None means that the image is
            restored whole.
        memory_bytes: The peak memory in bytes, without files and libraries.
        seconds: The approximate duration in seconds, without compilation.
    """

    pixels: int
    num_evals: int
    tiles: Tiles | None
    memory_bytes: int
    seconds: float

    def __str__(self) -> str:
        cut = f" in tiles of {self.tiles.side}" if self.tiles else ""
        return (
            f"{self.pixels / 1e6:.3g} megapixels x {self.num_evals} evaluations{cut}, "
            f"{self.memory_bytes / 1e9:.2g} GB, about {duration(self.seconds)}"
        )


def estimate(
    restorer: Restorer,
    height: int,
    width: int,
    num_evals: int | None = None,
    num_samples: int = 1,
) -> Cost:
    """Returns the cost of restoring one image.

    The first call compiles the network for a small image and measures its speed.

    Args:
        restorer: The restorer that is going to restore the image.
        height: The height in pixels of the image that the network sees, that is, after
            it was enlarged.
        width: The width of that image in pixels.
        num_evals: The number of network evaluations of each restoration. None means the
            number that is configured.
        num_samples: The number of restorations of the image.

    Raises:
        ValueError: If even the smallest tiles need more memory than allowed; see
            `Restorer.tiles`.
    """
    tiles = restorer.tiles(height, width, num_samples=num_samples)
    evals = num_samples * (restorer.num_evals() if num_evals is None else num_evals)
    memory_bytes = restorer.memory.peak((1, height, width), tiles, num_samples)
    seconds = worked_on(tiles, height, width) * evals * seconds_per_pixel(restorer)
    return Cost(height * width, evals, tiles, memory_bytes, seconds)


def worked_on(tiles: Tiles | None, height: int, width: int) -> int:
    """Returns the number of pixels that the network processes in one evaluation.

    Pixels where tiles overlap are counted once for each tile.

    Args:
        tiles: The tiles that the image is cut into. None means a whole image.
        height: The height of the image in pixels.
        width: The width of the image in pixels.
    """
    if tiles is None:
        return height * width
    sizes = (max(size, tiles.side) for size in (height, width))
    rows, columns = (int(tiling.count(tiles, size)) for size in sizes)
    return rows * columns * tiles.side**2


def seconds_per_pixel(restorer: Restorer) -> float:
    """Returns the time of one network evaluation per pixel, in seconds.

    It is measured once for each network architecture on this device.
    """
    network = restorer.recipe.network
    kind = jax.tree.structure(network), restorer.image_format.channels
    if kind not in _MEASURED:
        shape = (1, _SIDE, _SIDE, restorer.image_format.channels)
        images, t = jnp.zeros(shape), jnp.zeros(1, jnp.int32)
        _forward(network, images, t).block_until_ready()  # compiles
        times = []
        for _ in range(_REPEATS):
            began = time.perf_counter()
            _forward(network, images, t).block_until_ready()
            times.append(time.perf_counter() - began)
        _MEASURED[kind] = min(times) / _SIDE**2
    return _MEASURED[kind]


_MEASURED: dict[tuple[jax.tree_util.PyTreeDef, int], float] = {}


@jax.jit
def _forward(network: jax.tree_util.Partial, images: Array, t: Array) -> Array:
    """Evaluates the network once."""
    prediction: Array = network(images, images, t)
    return prediction


def duration(seconds: float) -> str:
    """Returns a duration as readable text: "3 s", "4 min 10 s", "2 h 5 min"."""
    if seconds < 60:
        return f"{max(seconds, 1):.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
