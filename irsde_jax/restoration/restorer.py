"""Restorer: a trained network with its process, as a function from images to images."""

import functools
import logging
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from irsde_jax import configuration, models, processes, samplers, sde
from irsde_jax.array_types import Array, PRNGKey
from irsde_jax.data.image_files import hole_masks
from irsde_jax.data.image_files.enlarging import enlarge
from irsde_jax.restoration import batches, memory, noisy_images, programs, tile_choice
from irsde_jax.restoration.noisy_images import Noisy
from irsde_jax.samplers import tiling
from irsde_jax.samplers.tiling import Tiles

Config: TypeAlias = ml_collections.ConfigDict
Finish: TypeAlias = Callable[[Noisy, np.ndarray | None], np.ndarray]
logger = logging.getLogger(__name__)


class Uncertainty(NamedTuple):
    """What several restorations of the same images say together.

    Attributes:
        mean: of the restorations, type and shape of the images: the estimate of the
            smallest mean squared error.
        std: their standard deviation per pixel and channel, float32, image units.
    """

    mean: np.ndarray
    std: np.ndarray


class _Call(NamedTuple):
    """How images are to be restored: arguments of `Restorer.uncertainty`."""

    key: PRNGKey | None
    solver: str | None
    num_evals: int | None
    sigma: float | None
    mask: np.ndarray | None
    num_samples: int = 1
    chunk: int = 1


class Restorer:
    """A trained network with its process: call it on images.

        restore = irsde_jax.load("runs/deraining")
        restored = restore(images)

    Args:
        model: a network of `irsde_jax.models`.
        params: its parameters.
        config: the configuration they were trained with; its groups `process`,
            `schedule`, `loss` and `sampling` are used.
    """

    def __init__(self, model: nn.Module, params: chex.ArrayTree, config: Config):
        self.model = model
        self.params = params
        self.config = config
        self.schedule = configuration.call_with(sde.make_schedule, config, "schedule")
        self.process = processes.make_process(
            config.process, self.schedule, config.prediction
        )
        debias = config.sampling.debias
        by_loss = config.loss.name == "max_likelihood_euler"
        self.debias = by_loss if debias is None else debias
        self._memory: dict[tuple, int] = {}  # what was estimated before
        if config.sampling.solver not in samplers.SOLVERS:
            raise ValueError(
                f"sampling.solver={config.sampling.solver!r} is not one of "
                f"{sorted(samplers.SOLVERS)}."
            )

    def __call__(
        self,
        images: np.ndarray,
        *,
        key: PRNGKey | None = None,
        solver: str | None = None,
        num_evals: int | None = None,
        sigma: float | None = None,
        enlarged: bool = False,
        mask: np.ndarray | None = None,
    ) -> np.ndarray:
        """Restores images of any size, in tiles where memory asks for it: see `tiles`.

        Weights of super-resolution enlarge: from [H, W, C] they make [scale H, scale W,
        C], by the `data.scale` of the configuration.

        Args:
            images: uint8, uint16, or floating point in [0, 1]; noise beyond [0, 1] may
                stay. The shape is [H, W] (grey), [H, W, C] or [batch, H, W, C]. C is
                the number of channels of the network, or 1: a network for RGB restores
                grey images too. An array with three axes is always one image; for a
                batch of grey images pass [batch, H, W, 1].
            key: The key of the sampling noise, shape [] or [batch]; None is `key(0)`,
                so that the same call gives the same result.
            solver: a key of `samplers.SOLVERS`; None: the configuration's.
            num_evals: network evaluations; None: the configuration's, or as many as
                there are steps to a lower noise level.
            sigma: noise level of the images in image units, for the Denoising process;
                None: the configuration's, or else estimated from each image.
            enlarged: Whether the images have been enlarged already, see `enlarge`.
            mask: The holes to fill, for the inpainting process: bool, or uint8 of 0 and
                255, shape [H, W] for all images or [batch, H, W]. True and 255 mark
                what is filled. All other pixels come back as they are, white ones too.
                None: a pixel that is exactly white in all channels is a hole.

        Returns:
            The restored images in the type and the layout of `images`, clipped to [0,
            1]. `irsde_jax.restoration.noisy_images` says what happens to grey images
            and to images without noise in the Denoising process.

        Raises:
            ValueError: for images of another type, rank or number of channels, or an
                argument out of range.
        """
        images, call = np.asarray(images), _Call(key, solver, num_evals, sigma, mask)
        finish = noisy_images.finish
        restored = self._map(programs.restore, finish, images, call, enlarged)
        return batches.like(restored, images)

    def uncertainty(
        self,
        images: np.ndarray,
        *,
        num_samples: int = 8,
        chunk: int = 1,
        key: PRNGKey | None = None,
        solver: str | None = None,
        num_evals: int | None = None,
        sigma: float | None = None,
        enlarged: bool = False,
        mask: np.ndarray | None = None,
    ) -> Uncertainty:
        """The mean and the spread of `num_samples` restorations of each image.

        They run in one compiled call that keeps the running mean and variance only.

        Args:
            images: see `__call__`.
            num_samples: restorations of each image, at least 1.
            chunk: how many of them run side by side: memory grows with it.
            key: see `__call__`, as the arguments below.
            solver: a key of `samplers.SOLVERS`.
            num_evals: network evaluations of each restoration.
            sigma: noise level, for the Denoising process.
            enlarged: Whether the images have been enlarged already.
            mask: The holes to fill, for the inpainting process.

        Raises:
            ValueError: see `__call__`; also if `num_samples` or `chunk` is below 1.
        """
        if num_samples < 1 or chunk < 1:
            raise ValueError(
                f"num_samples and chunk must be at least 1, got {num_samples} and "
                f"{chunk}."
            )
        images, chunk = np.asarray(images), min(chunk, num_samples)
        moments = functools.partial(
            programs.moments, num_samples=num_samples, chunk=chunk
        )
        call = _Call(key, solver, num_evals, sigma, mask, num_samples, chunk)
        finish = noisy_images.finish_moments
        both = self._map(moments, finish, images, call, enlarged)
        mean, variance = both[:, 0], both[:, 1]
        std = np.sqrt(variance).astype(np.float32)
        shape = batches.result_shape(std.shape, images)
        return Uncertainty(batches.like(mean, images), std.reshape(shape))

    @property
    def scale(self) -> int:
        """How many times as high and as wide as an image its result is."""
        return self.config.data.scale

    def enlarge(self, image: np.ndarray) -> np.ndarray:
        """An image [H, W, C] in the size of its result, as the network is given it."""
        return enlarge(image, self.scale, self.config.data.enlarge)

    def tiles(
        self, height: int, width: int, batch: int = 1, num_samples: int = 1
    ) -> Tiles | None:
        """How images of that size are cut; None where they are restored whole.

        `sampling.tile` of the configuration decides: a side in pixels, or 0 for whole
        images always. Unset, images are whole where `sampling.memory_gigabytes`
        suffice for it, and else cut into the largest tiles for which they do.

        Raises:
            ValueError: if it does not suffice for the smallest tiles.
        """
        return tile_choice.choose(
            self.config.sampling,
            (batch, height, width),
            lambda tiles: self.memory(height, width, tiles, batch, num_samples),
        )

    def memory(
        self,
        height: int,
        width: int,
        tiles: Tiles | None,
        batch: int = 1,
        num_samples: int = 1,
    ) -> int:
        """Bytes that restoring images of that size takes: see `memory.peak_bytes`.

        Args:
            height: of the images, in pixels.
            width: of the images, in pixels.
            tiles: how they are cut.
            batch: of images, or of samples of one image, that are worked on together.
            num_samples: of each image; of several, mean and variance are kept as well.
        """
        whole: tuple[int, ...] = (batch, height, width, self.model.channels)
        shape, size = whole, None
        if tiles is not None:
            shape, size = tiling.canvas_shape(whole, tiles), np.zeros(2, np.int32)
        program: Callable[..., Array] = programs.restore
        options = self.program_options(tiles=tiles)
        if num_samples > 1:
            program, options = programs.moments, options | dict(num_samples=2, chunk=1)
        key = (program, shape, tiles)
        if key not in self._memory:
            self._memory[key] = memory.peak_bytes(
                functools.partial(program, **options),
                *self._abstract_arguments(shape, prepared=tiles is not None),
                size,
            )
        if tiles is None or self.process.known is None:
            return self._memory[key]
        return max(self._memory[key], self._memory_to_prepare(whole))

    def _map(
        self,
        program: Callable[..., Array],
        finish: Finish,
        images: np.ndarray,
        call: "_Call",
        enlarged: bool,
    ) -> np.ndarray:
        """What a program makes of images, [batch, ..., H, W, C].

        Args:
            program: One of `programs`, but for its arguments.
            finish: See `noisy_images`; for the Denoising process.
            images: What `batches.to_batch` takes.
            call: The other arguments.
            enlarged: Whether the images have been enlarged already.
        """
        channels = self.model.channels
        batch = batches.to_batch(images, channels)
        if not enlarged:
            batch = np.stack([self.enlarge(image) for image in batch])
        key = jax.random.key(0) if call.key is None else call.key
        keys = samplers.image_keys(key, len(batch))
        if call.sigma is None:
            call = call._replace(sigma=self.config.sampling.sigma)
        hole = self._as_holes(call.mask, batch)
        if self.process.starts_at_input:
            return self._denoise(program, finish, batch, keys, call)
        is_grey = batch.shape[-1] < channels
        if is_grey:
            batch = np.repeat(batch, channels, axis=-1)
        return self._run(program, batch, keys, call, call.sigma, is_grey, hole)

    def _denoise(
        self,
        program: Callable[..., Array],
        finish: Finish,
        batch: np.ndarray,
        keys: PRNGKey,
        call: "_Call",
    ) -> np.ndarray:
        """`_map` for the Denoising process: images of one noise level run together."""
        noisy = [
            noisy_images.prepare(
                key, image, call.sigma, self.model.channels, self.schedule
            )
            for key, image in zip(keys, batch)
        ]
        restored = [finish(image, None) for image in noisy]
        for group in noisy_images.groups(noisy, apart=call.sigma is None):
            first = noisy[group[0]]
            pixels = np.stack([noisy[index].pixels for index in group])
            found = self._run(
                program, pixels, keys[np.array(group)], call, first.sigma, first.is_grey
            )
            for index, result in zip(group, found, strict=True):
                restored[index] = finish(noisy[index], result)
        return np.stack(restored)

    def _run(
        self,
        program: Callable[..., Array],
        batch: np.ndarray,
        keys: PRNGKey,
        call: "_Call",
        sigma: float | None,
        is_grey: bool,
        hole: np.ndarray | None = None,
    ) -> np.ndarray:
        """What a program makes of a batch of one noise level, in tiles if need be."""
        timesteps = self.timesteps(call.num_evals, sigma)
        height, width = batch.shape[1:3]
        together = call.chunk * len(batch)
        tiles = self.tiles(height, width, together, call.num_samples)
        inputs: Any = batch
        size = None
        if tiles is not None:
            inputs, size = self._to_canvases(batch, hole, tiles)
        elif hole is not None:
            inputs = programs.prepare(batch, hole, process=self.process)
        restored = program(
            *(self.params, self.schedule, keys, inputs, timesteps),
            size=size,
            is_grey=is_grey,
            **self.program_options(solver=call.solver, tiles=tiles),
        )
        if size is None:
            return np.asarray(restored)
        shape = (*batch.shape[:-1], 1 if is_grey else batch.shape[-1])
        return tiling.from_canvas(np.asarray(restored), size, shape)

    def _to_canvases(
        self, batch: np.ndarray, hole: np.ndarray | None, tiles: Tiles
    ) -> tuple[Any, np.ndarray]:
        """What the programs take of images that are cut, and the size of these."""
        if self.process.known is None:
            return tiling.to_canvas(batch, tiles)
        # A hole is filled from its neighbours, which a canvas does not know.
        given = jax.device_get(programs.prepare(batch, hole, process=self.process))
        on_canvas = [tiling.to_canvas(part, tiles) for part in given]
        canvases, sizes = zip(*on_canvas, strict=True)
        return processes.Given(*canvases), sizes[0]

    def program_options(
        self, solver: str | None = None, tiles: Tiles | None = None
    ) -> dict[str, Any]:
        """What a program of `irsde_jax.restoration.programs` is compiled for."""
        return dict(
            model=self.model,
            process=self.process,
            solver=self.config.sampling.solver if solver is None else solver,
            debias=self.debias,
            clip=self.config.sampling.clip,
            tiles=tiles,
        )

    def _memory_to_prepare(self, shape: tuple[int, ...]) -> int:
        """Bytes that it takes to prepare images of that shape for their canvases."""
        key = (programs.prepare, shape)
        if key not in self._memory:
            self._memory[key] = memory.peak_bytes(
                functools.partial(programs.prepare, process=self.process),
                jax.ShapeDtypeStruct(shape, jnp.float32),
            )
        return self._memory[key]

    def _abstract_arguments(
        self, shape: tuple[int, ...], prepared: bool = False
    ) -> tuple[Any, ...]:
        """Of `programs.restore`, for images of that shape, up to the grid."""
        images: Any = jax.ShapeDtypeStruct(shape, jnp.float32)
        if prepared and self.process.known is not None:
            prepare = functools.partial(programs.prepare, process=self.process)
            images = jax.eval_shape(prepare, images)
        sigma = self.config.sampling.sigma
        if self.process.starts_at_input and sigma is None:
            sigma = 0.5 * float(self.schedule.max_sigma)  # any: it will be estimated
        return (
            jax.eval_shape(lambda: self.params),
            self.schedule,
            jax.random.split(jax.random.key(0), shape[0]),
            images,
            self.timesteps(None, sigma),
        )

    def _as_holes(
        self, mask: np.ndarray | None, batch: np.ndarray
    ) -> np.ndarray | None:
        """The holes that a mask marks, bool [batch, H, W]; None without a mask."""
        if mask is None:
            self._warn_of_nothing_to_do(batch)
            return None
        if self.process.known is None:
            raise ValueError(
                f"a mask was given, and these weights are of process "
                f"{self.config.process!r}, which fills no holes. Leave the mask out, "
                "or use weights of process 'inpainting', such as 'inpainting-small'."
            )
        return hole_masks.from_array(mask, batch.shape[:3])

    def _warn_of_nothing_to_do(self, batch: np.ndarray) -> None:
        """Warns of images that are known to be clean already, and come back as such."""
        if self.process.known is None:
            return
        for index, image in enumerate(batch):
            if self.process.known(image[None]).all():
                logger.warning(
                    "image %d of %d has no hole, and stays as it is. A hole is white, "
                    "exactly 255 (or 1.0) in all channels: PNG keeps that, JPEG does "
                    "not.",
                    *(index + 1, len(batch)),
                )

    def num_evals(self, sigma: float | None = None) -> int:
        """The configuration's evaluations an image.

        In the Denoising process there are no more than steps from the noise level
        `sigma` on (None: the configuration's, or, if that is unset, the highest).
        """
        configured = self.config.sampling.num_evals
        sigma = self.config.sampling.sigma if sigma is None else sigma
        if not self.process.starts_at_input or sigma is None:
            return configured
        return min(configured, max(sde.start_step(self.schedule, sigma), 1))

    def check(self, batch: int, height: int, width: int) -> None:
        """Raises at once what restoring images of that shape would raise."""
        jax.eval_shape(
            functools.partial(programs.restore, **self.program_options()),
            *self._abstract_arguments((batch, height, width, self.model.channels)),
        )

    def timesteps(self, num_evals: int | None, sigma: float | None) -> Array | None:
        """The grid of a call; None where there is nothing to remove.

        Args:
            num_evals: see `__call__`.
            sigma: the noise level, for the Denoising process; else None.
        """
        sampling, start = self.config.sampling, self.schedule.num_steps
        if self.process.starts_at_input:
            assert sigma is not None  # given, configured or estimated
            start = sde.start_step(self.schedule, sigma)
            if start == 0:
                return None
        elif sigma is not None:
            raise ValueError(
                f"sigma={sigma} is for process 'denoising'; these weights are of "
                f"process {self.config.process!r}, which takes no noise level."
            )
        if num_evals is None:
            num_evals = self.num_evals(sigma)
        return samplers.timestep_grid(
            self.schedule, num_evals, sampling.spacing, start=start
        )


def make_model(config: Config) -> nn.Module:
    """The network of a configuration; its process decides what the network sees."""
    process = processes.make_process(config.process)
    return configuration.call_with(
        models.make_model, config, "model", conditional=process.conditional
    )
