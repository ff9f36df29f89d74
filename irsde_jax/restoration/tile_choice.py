"""The choice of tiles: the largest that the memory suffices for, or none."""

from collections.abc import Callable

from irsde_jax.restoration.settings import Sampling
from irsde_jax.samplers import tiling
from irsde_jax.samplers.tiling import Tiles

# Sides to choose from where the memory does not suffice for a whole image: the larger
# a tile, the more a network with attention sees, and the less is worked on twice.
_SIDES = (1024, 768, 512, 384, 256, 192, 128, 96, 64)


def choose(
    sampling: Sampling,
    shape: tuple[int, int, int],
    memory: Callable[[Tiles | None], int],
) -> Tiles | None:
    """Chooses tiles for images; None where they are restored whole.

    Args:
        sampling: How images are restored.
        shape: The batch, height and width of the images, in the size of the results.
        memory: Returns the bytes that restoring the images in given tiles takes.

    Raises:
        ValueError: if the memory does not suffice for the smallest tiles.
    """
    batch, height, width = shape
    if sampling.tile is not None:
        if sampling.tile == 0:
            return None
        return tiling.make_tiles(sampling.tile, sampling.overlap, sampling.blend)
    limit = sampling.memory_gigabytes * 1e9
    least = memory(None)
    if least <= limit:
        return None
    largest = max(min(height, width), _SIDES[-1])
    smallest = 2 * (sampling.overlap or 0)
    for side in (side for side in _SIDES if smallest <= side <= largest):
        tiles = tiling.make_tiles(side, sampling.overlap, sampling.blend)
        needed = memory(tiles)
        if needed <= limit:
            return tiles
        least = min(least, needed)
    one_by_one = ", or pass the images one by one" if batch > 1 else ""
    raise ValueError(
        f"{batch} x {height} x {width} pixels need {least / 1e9:.2g} GB, and "
        f"sampling.memory_gigabytes={sampling.memory_gigabytes:g}. Raise it if "
        f"there is more, restore parts of the image{one_by_one}."
    )
