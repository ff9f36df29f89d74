"""Estimates the memory that a restoration needs from the programs that it runs."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax.array_types import Array
from irsde_jax.restoration import grids, memory, programs, tile_choice
from irsde_jax.restoration.recipe import Recipe
from irsde_jax.samplers import tiling
from irsde_jax.samplers.tiling import Tiles


class MemoryEstimates:
    """Estimates of the memory that restorations need; each program is traced only once.

    Args:
        recipe: The recipe of the restorations.
    """

    def __init__(self, recipe: Recipe):
        self._recipe = recipe
        self._known: dict[tuple[Any, ...], int] = {}  # key: program, shape, tiles

    def peak(
        self, shape: tuple[int, int, int], tiles: Tiles | None, num_samples: int = 1
    ) -> int:
        """Returns the bytes that restoring a batch needs, estimated by `memory`.

        Args:
            shape: The number of images (or of samples of one image) that are restored
                together, and their height and width in pixels.
            tiles: The tiles that the images are cut into. None means whole images.
            num_samples: The number of restorations of each image. If there are several,
                their mean and variance need memory as well.
        """
        recipe = self._recipe
        whole: tuple[int, ...] = (*shape, recipe.image_format.channels)
        laid_out, size = whole, None
        if tiles is not None:
            laid_out = tiling.canvas_shape(whole, tiles)
            size = np.zeros(2, np.int32)
        program: Callable[..., Array] = programs.restore
        options = recipe.program_options(tiles=tiles)
        if num_samples > 1:
            program, options = programs.moments, options | dict(num_samples=2, chunk=1)
        key = (program, laid_out, tiles)
        if key not in self._known:
            arguments = abstract_arguments(recipe, laid_out, tiles is not None)
            run = functools.partial(program, **options)
            self._known[key] = memory.peak_bytes(
                lambda *given: run(*given[:-1], size=given[-1]), *arguments, size
            )
        if tiles is None or recipe.process.known is None:
            return self._known[key]
        return max(self._known[key], self._peak_to_prepare(whole))

    def tiles(self, shape: tuple[int, int, int], num_samples: int = 1) -> Tiles | None:
        """Returns the tiles to cut images into, or None to restore them whole.

        Args:
            shape: The number, height and width of the images, as for `peak`.
            num_samples: The number of restorations of each image.

        Raises:
            ValueError: If even the smallest tiles need more memory than allowed.
        """
        peak = functools.partial(self.peak, shape, num_samples=num_samples)
        return tile_choice.choose(self._recipe.sampling, shape, peak)

    def _peak_to_prepare(self, shape: tuple[int, ...]) -> int:
        """Returns the bytes that preparing images of that shape for tiling needs."""
        key = (programs.prepare, shape)
        if key not in self._known:
            self._known[key] = memory.peak_bytes(
                functools.partial(programs.prepare, process=self._recipe.process),
                _abstract_images(shape),
            )
        return self._known[key]


def abstract_arguments(
    recipe: Recipe, shape: tuple[int, ...], prepared: bool = False
) -> tuple[Any, ...]:
    """Returns shapes and types of the positional arguments of `programs.restore`.

    Args:
        recipe: The recipe of the restoration.
        shape: The shape of the images or canvases.
        prepared: Whether the images have been prepared, which a process that fills
            holes does before tiling.
    """
    images: Any = _abstract_images(shape)
    if prepared and recipe.process.known is not None:
        prepare = functools.partial(programs.prepare, process=recipe.process)
        images = jax.eval_shape(prepare, images)
    sigma = recipe.sampling.sigma
    if recipe.process.starts_at_input and sigma is None:
        # The level will be estimated from the image. Any valid value will do here.
        sigma = 0.5 * float(recipe.schedule.max_sigma)
    return (
        jax.eval_shape(lambda: recipe.network),
        recipe.schedule,
        jax.random.split(jax.random.key(0), shape[0]),
        images,
        grids.timesteps(recipe, None, sigma),
    )


def _abstract_images(shape: tuple[int, ...]) -> jax.ShapeDtypeStruct:
    """Returns the shape and type of float32 images."""
    return jax.ShapeDtypeStruct(shape, jnp.float32)  # type: ignore[no-untyped-call]
