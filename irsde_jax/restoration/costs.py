"""What a restoration will cost, told before it starts: evaluations, memory, time."""

import time
from typing import NamedTuple

import jax
import jax.numpy as jnp

from irsde_jax.array_types import Array
from irsde_jax.restoration.restorer import Restorer
from irsde_jax.samplers import tiling
from irsde_jax.samplers.tiling import Tiles

_SIDE = 128  # pixels, of what the network's speed is measured on
_REPEATS = 3


class Cost(NamedTuple):
    """What restoring an image costs.

    Attributes:
        pixels: of the image.
        num_evals: network evaluations, of all samples together.
        tiles: how the image is cut; None where it is restored whole.
        memory_bytes: at the most at once, beside files and libraries.
        seconds: about how long, compiling left out.
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
    """The cost of an image of that size, as the network sees it (enlarged).

    The first call compiles the network for a small image and measures its speed.

    Args:
        restorer: what restores.
        height: of the image, in pixels.
        width: of the image, in pixels.
        num_evals: of each restoration; None: the configuration's.
        num_samples: restorations of the image.

    Raises:
        ValueError: if no tiles fit into the memory, see `Restorer.tiles`.
    """
    tiles = restorer.tiles(height, width, num_samples=num_samples)
    evals = num_samples * (restorer.num_evals() if num_evals is None else num_evals)
    memory_bytes = restorer.memory.peak((1, height, width), tiles, num_samples)
    seconds = worked_on(tiles, height, width) * evals * seconds_per_pixel(restorer)
    return Cost(height * width, evals, tiles, memory_bytes, seconds)


def worked_on(tiles: Tiles | None, height: int, width: int) -> int:
    """Pixels that the network sees in an evaluation: what overlaps counts twice."""
    if tiles is None:
        return height * width
    sizes = (max(size, tiles.side) for size in (height, width))
    rows, columns = (int(tiling.count(tiles, size)) for size in sizes)
    return rows * columns * tiles.side**2


def seconds_per_pixel(restorer: Restorer) -> float:
    """What an evaluation takes, measured once for a network on this device."""
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
    prediction: Array = network(images, images, t)
    return prediction


def duration(seconds: float) -> str:
    """A time to read: "3 s", "4 min 10 s", "2 h 5 min"."""
    if seconds < 60:
        return f"{max(seconds, 1):.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
