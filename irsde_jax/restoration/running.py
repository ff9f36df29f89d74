"""Runs a compiled program on a batch of images: whole, in tiles, and by noise level."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np

from irsde_jax import processes, samplers
from irsde_jax.array_types import Array, PRNGKey
from irsde_jax.data.image_files.enlarging import enlarge
from irsde_jax.restoration import (
    batches,
    grids,
    hole_checks,
    noisy_images,
    programs,
)
from irsde_jax.restoration.memory_estimates import abstract_arguments
from irsde_jax.restoration.noisy_images import Noisy
from irsde_jax.restoration.recipe import Recipe
from irsde_jax.samplers import tiling
from irsde_jax.samplers.tiling import Tiles

Finish: TypeAlias = Callable[[Noisy, np.ndarray | None], np.ndarray]
"""One of `noisy_images.finish` and `noisy_images.finish_moments`."""

ChooseTiles: TypeAlias = Callable[[int, int, int, int], Tiles | None]
"""`(height, width, batch, num_samples) -> tiles`, see `Restorer.tiles`."""


class Request(NamedTuple):
    """How images are to be restored: the arguments of `Restorer.uncertainty`."""

    key: PRNGKey | None
    solver: str | None
    num_evals: int | None
    sigma: float | None
    mask: np.ndarray | None
    enlarged: bool = False
    num_samples: int = 1
    chunk: int = 1


class Uncertainty(NamedTuple):
    """What several restorations of the same images say together.

    Attributes:
        mean: The mean of the restorations, in the type and shape of the images. It is
            the estimate of the smallest mean squared error.
        std: Their standard deviation per pixel and channel, float32, in image units.
    """

    mean: np.ndarray
    std: np.ndarray


def restore(
    recipe: Recipe, choose_tiles: ChooseTiles, images: np.ndarray, request: Request
) -> np.ndarray:
    """Returns the restored images, see `Restorer.__call__`."""
    runner = Runner(
        recipe, choose_tiles, programs.restore, noisy_images.finish, request
    )
    return batches.like(runner.run(_as_batch(recipe, images, request)), images)


def moments(
    recipe: Recipe, choose_tiles: ChooseTiles, images: np.ndarray, request: Request
) -> Uncertainty:
    """Returns the mean and the spread of restorations, see `Restorer.uncertainty`."""
    num_samples, chunk = request.num_samples, request.chunk
    if num_samples < 1 or chunk < 1:
        raise ValueError(
            f"num_samples and chunk must be at least 1, got {num_samples} and {chunk}."
        )
    request = request._replace(chunk=min(chunk, num_samples))
    program = functools.partial(
        programs.moments, num_samples=num_samples, chunk=request.chunk
    )
    runner = Runner(recipe, choose_tiles, program, noisy_images.finish_moments, request)
    both = runner.run(_as_batch(recipe, images, request))
    mean, variance = both[:, 0], both[:, 1]
    std = np.sqrt(variance).astype(np.float32)
    shape = batches.result_shape(std.shape, images)
    return Uncertainty(batches.like(mean, images), std.reshape(shape))


def check(recipe: Recipe, shape: tuple[int, int, int]) -> None:
    """Raises at once what restoring images [batch, H, W, C] of that shape would raise.

    Args:
        recipe: What restores.
        shape: The number of images, their height and their width.
    """
    jax.eval_shape(
        functools.partial(programs.restore, **recipe.program_options()),
        *abstract_arguments(recipe, (*shape, recipe.image_format.channels)),
    )


def _as_batch(recipe: Recipe, images: np.ndarray, request: Request) -> np.ndarray:
    """Images in the size of their results, see `batches.to_batch`."""
    form = recipe.image_format
    batch = batches.to_batch(images, form.channels)
    if request.enlarged:
        return batch
    return np.stack([enlarge(image, form.scale, form.enlarge) for image in batch])


class Runner(NamedTuple):
    """A program with what it is run for.

    Attributes:
        recipe: What restores.
        choose_tiles: Returns how images of a size are cut.
        program: `programs.restore` or `programs.moments`.
        finish: What makes results of the Denoising process from those of `program`.
        request: How the images are to be restored.
    """

    recipe: Recipe
    choose_tiles: ChooseTiles
    program: Callable[..., Array]
    finish: Finish
    request: Request

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Returns the results of images, [batch, ..., H, W, C].

        Args:
            batch: The images in the size of their results, float32 [batch, H, W, C] in
                [0, 1]. C is 1 or the number of channels of the network.

        Raises:
            ValueError: if an argument of the request is out of range.
        """
        process, given = self.recipe.process, self.request
        channels = self.recipe.image_format.channels
        key = jax.random.key(0) if given.key is None else given.key
        keys = samplers.image_keys(key, len(batch))
        sigma = self.recipe.sampling.sigma if given.sigma is None else given.sigma
        hole = hole_checks.as_holes(self.recipe, given.mask, batch)
        if process.starts_at_input:
            return self._denoise(batch, keys, sigma)
        is_grey = batch.shape[-1] < channels
        if is_grey:
            batch = np.repeat(batch, channels, axis=-1)
        return self._run(batch, keys, sigma, is_grey=is_grey, hole=hole)

    def _denoise(
        self, batch: np.ndarray, keys: PRNGKey, sigma: float | None
    ) -> np.ndarray:
        """`run` for the Denoising process: images of one noise level run together."""
        channels, schedule = self.recipe.image_format.channels, self.recipe.schedule
        noisy = [
            noisy_images.prepare(key, image, sigma, channels, schedule)
            for key, image in zip(keys, batch)
        ]
        restored = [self.finish(image, None) for image in noisy]
        for group in noisy_images.groups(noisy, apart=sigma is None):
            first = noisy[group[0]]
            found = self._run(
                np.stack([noisy[index].pixels for index in group]),
                keys[np.array(group)],
                first.sigma,
                is_grey=first.is_grey,
            )
            for index, result in zip(group, found, strict=True):
                restored[index] = self.finish(noisy[index], result)
        return np.stack(restored)

    def _run(
        self,
        batch: np.ndarray,
        keys: PRNGKey,
        sigma: float | None,
        *,
        is_grey: bool,
        hole: np.ndarray | None = None,
    ) -> np.ndarray:
        """Runs the program on a batch of one noise level, in tiles if need be."""
        recipe, request = self.recipe, self.request
        timesteps = grids.timesteps(recipe, request.num_evals, sigma)
        height, width = batch.shape[1:3]
        together = request.chunk * len(batch)
        tiles = self.choose_tiles(height, width, together, request.num_samples)
        inputs: Any = batch
        size = None
        if tiles is not None:
            inputs, size = _to_canvases(recipe, batch, hole, tiles)
        elif hole is not None:
            inputs = programs.prepare(batch, hole, process=recipe.process)
        restored = self.program(
            recipe.network,
            recipe.schedule,
            keys,
            inputs,
            timesteps,
            size=size,
            is_grey=is_grey,
            **recipe.program_options(request.solver, tiles),
        )
        if size is None:
            return np.asarray(restored)
        shape = (*batch.shape[:-1], 1 if is_grey else batch.shape[-1])
        return tiling.from_canvas(np.asarray(restored), size, shape)


def _to_canvases(
    recipe: Recipe, batch: np.ndarray, hole: np.ndarray | None, tiles: Tiles
) -> tuple[Any, np.ndarray]:
    """Returns what the programs take of images that are cut, and the images' size."""
    if recipe.process.known is None:
        return tiling.to_canvas(batch, tiles)
    # A hole is filled from its neighbours, which a canvas does not know.
    given = jax.device_get(programs.prepare(batch, hole, process=recipe.process))
    on_canvas = [tiling.to_canvas(part, tiles) for part in given]
    canvases, sizes = zip(*on_canvas, strict=True)
    return processes.Given(*canvases), sizes[0]
