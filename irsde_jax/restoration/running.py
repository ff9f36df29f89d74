"""Runs a compiled program on a batch of images.

Images are restored whole or in tiles. In the Denoising process, images of the same
noise level run together.
"""

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
"""The type of `noisy_images.finish` and `noisy_images.finish_moments`."""

ChooseTiles: TypeAlias = Callable[[int, int, int, int], Tiles | None]
"""A function `(height, width, batch, num_samples) -> tiles`, as `Restorer.tiles`."""


class Request(NamedTuple):
    """The options of one call; `Restorer.uncertainty` describes them."""

    key: PRNGKey | None
    solver: str | None
    num_evals: int | None
    sigma: float | None
    mask: np.ndarray | None
    enlarged: bool = False
    num_samples: int = 1
    chunk: int = 1


class Uncertainty(NamedTuple):
    """The mean and the spread of several restorations of the same images.

    Attributes:
        mean: The mean of the restorations, in the type and shape of the images. It
            estimates the image with the smallest mean squared error.
        std: The standard deviation of the restorations per pixel and channel, float32,
            in image units.
    """

    mean: np.ndarray
    std: np.ndarray


def restore(
    recipe: Recipe, choose_tiles: ChooseTiles, images: np.ndarray, request: Request
) -> np.ndarray:
    """Returns the restored images, as `Restorer.__call__` does.

    Args:
        recipe: The recipe of the restoration.
        choose_tiles: The function that chooses tiles for images of a given size.
        images: The images as the user gave them.
        request: The options of the call.
    """
    runner = Runner(
        recipe, choose_tiles, programs.restore, noisy_images.finish, request
    )
    return batches.like(runner.run(_as_batch(recipe, images, request)), images)


def moments(
    recipe: Recipe, choose_tiles: ChooseTiles, images: np.ndarray, request: Request
) -> Uncertainty:
    """Returns the mean and the spread of restorations, as `Restorer.uncertainty` does.

    Args:
        recipe: The recipe of the restoration.
        choose_tiles: The function that chooses tiles for images of a given size.
        images: The images as the user gave them.
        request: The options of the call.

    Raises:
        ValueError: If `num_samples` or `chunk` is below 1, or another option is out of
            range.
    """
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
    """Raises the errors of restoring images of that shape, without restoring them.

    Args:
        recipe: The recipe of the restoration.
        shape: The number of images, their height and their width.
    """
    jax.eval_shape(
        functools.partial(programs.restore, **recipe.program_options()),
        *abstract_arguments(recipe, (*shape, recipe.image_format.channels)),
    )


def _as_batch(recipe: Recipe, images: np.ndarray, request: Request) -> np.ndarray:
    """Returns images as a batch for the network, in the size of their results."""
    form = recipe.image_format
    batch = batches.to_batch(images, form.channels)
    if request.enlarged:
        return batch
    return np.stack([enlarge(image, form.scale, form.enlarge) for image in batch])


class Runner(NamedTuple):
    """A program and the options that it is run with.

    Attributes:
        recipe: The recipe of the restoration.
        choose_tiles: The function that chooses tiles for images of a given size.
        program: The program, `programs.restore` or `programs.moments`.
        finish: The function that converts outputs of `program` to results, for the
            Denoising process.
        request: The options of the call.
    """

    recipe: Recipe
    choose_tiles: ChooseTiles
    program: Callable[..., Array]
    finish: Finish
    request: Request

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Returns the results for images, shape [batch, ..., H, W, C].

        Args:
            batch: The images in the size of their results, float32 [batch, H, W, C] in
                [0, 1]. C is 1 or the number of channels of the network.

        Raises:
            ValueError: If an option of the call is out of range.
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
        """Returns the results of the Denoising process.

        Images of the same noise level run together if the level was given.
        """
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
        """Runs the program on a batch of one noise level, in tiles if necessary."""
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
    """Returns the inputs of the programs for tiled images, and the images' size."""
    if recipe.process.known is None:
        return tiling.to_canvas(batch, tiles)
    # A hole is filled from its neighbours. They are not known on a canvas, so images
    # are prepared first.
    given = jax.device_get(programs.prepare(batch, hole, process=recipe.process))
    on_canvas = [tiling.to_canvas(part, tiles) for part in given]
    canvases, sizes = zip(*on_canvas, strict=True)
    return processes.Given(*canvases), sizes[0]
