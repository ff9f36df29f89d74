"""The choice of tiles: the largest ones that fit into the memory, or none."""

from collections.abc import Callable

from irsde_jax.restoration.settings import Sampling
from irsde_jax.samplers import tiling
from irsde_jax.samplers.tiling import Tiles

# The sides to choose from if a whole image does not fit into the memory. Larger tiles
# are better: a network with attention sees more of the image, and fewer pixels are
# processed twice.
_SIDES = (1024, 768, 512, 384, 256, 192, 128, 96, 64)


def choose(
    sampling: Sampling,
    shape: tuple[int, int, int],
    memory: Callable[[Tiles | None], int],
) -> Tiles | None:
    """Returns the tiles to cut images into, or None to restore them whole.

    Args:
        sampling: The sampling settings.
        shape: The number, height and width of the images, in the size of the results.
        memory: The function that returns the bytes needed to restore the images in
            given tiles, or whole if the tiles are None.

    Raises:
        ValueError: If even the smallest tiles need more memory than allowed.
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
