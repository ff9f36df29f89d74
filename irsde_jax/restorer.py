"""Restorer: a trained network with its process, as a function from images to images."""

import functools
from typing import TypeAlias

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from irsde_jax import models, processes, samplers, sde
from irsde_jax.array_types import Array, PRNGKey
from irsde_jax.processes import Process
from irsde_jax.sde import Schedule

Config: TypeAlias = ml_collections.ConfigDict


class Restorer:
    """A trained network with its process: call it on images.

        restore = irsde_jax.load("runs/deraining")
        restored = restore(images)

    Args:
        model: a network of `irsde_jax.models`.
        params: its parameters.
        config: the configuration they were trained with; its groups `process`,
            `schedule` and `sampling` are used.
    """

    def __init__(self, model: nn.Module, params: chex.ArrayTree, config: Config):
        self.model = model
        self.params = params
        self.config = config
        self.process = processes.make_process(config.process)
        self.schedule = sde.make_schedule(**config.schedule)
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
    ) -> np.ndarray:
        """Restores images.

        Args:
            images: uint8, or floating point in [0, 1], shape [H, W, C] or
                [batch, H, W, C]; the C of the network. Noise beyond [0, 1] may stay.
            key: of the sampling noise, shape [] or [batch]; None is `key(0)`, so that
                the same call gives the same result.
            solver: a key of `samplers.SOLVERS`; None: the configuration's.
            num_evals: network evaluations; None: the configuration's, or as many as
                there are steps to a lower noise level.
            sigma: noise level of the images in image units, for the Denoising process;
                None: the configuration's.

        Returns:
            The restored images, type and shape of `images`, clipped to [0, 1].

        Raises:
            ValueError: for images of another type, rank or number of channels, or an
                argument out of range.
        """
        images = np.asarray(images)
        batch = self._as_batch(images)
        timesteps = self._timesteps(num_evals, sigma)
        if timesteps is None:
            return images.copy()
        restored = _restore(
            self.params,
            self.schedule,
            jax.random.key(0) if key is None else key,
            batch,
            timesteps,
            model=self.model,
            process=self.process,
            solver=self.config.sampling.solver if solver is None else solver,
        )
        return _as_type(np.asarray(restored), images)

    def _as_batch(self, images: np.ndarray) -> np.ndarray:
        """float32 [batch, H, W, C] in [0, 1]."""
        channels = self.model.channels
        if images.ndim not in (3, 4) or images.shape[-1] != channels or not images.size:
            raise ValueError(
                f"images have shape {images.shape}; this network takes [H, W, "
                f"{channels}] or [batch, H, W, {channels}], at least one pixel each."
            )
        if images.dtype == np.uint8:
            images = images.astype(np.float32) / 255
        elif np.issubdtype(images.dtype, np.floating):
            images = images.astype(np.float32)
        else:
            raise ValueError(
                f"images are {images.dtype}; allowed are uint8 in 0..255 and floating "
                "point in [0, 1]."
            )
        return images if images.ndim == 4 else images[None]

    def _timesteps(self, num_evals: int | None, sigma: float | None) -> Array | None:
        """The grid of this call; None where there is nothing to remove."""
        sampling, start = self.config.sampling, self.schedule.num_steps
        if self.process.starts_at_input:
            sigma = sampling.sigma if sigma is None else sigma
            if sigma is None:
                raise ValueError(
                    "the Denoising process starts at the noise level of the image: "
                    "pass sigma=25/255, say, or set config.sampling.sigma."
                )
            start = sde.start_step(self.schedule, sigma)
            if start == 0:
                return None
        elif sigma is not None:
            raise ValueError(
                f"sigma={sigma} is for process 'denoising'; these weights are of "
                f"process {self.config.process!r}, which takes no noise level."
            )
        if num_evals is None:
            num_evals = min(sampling.num_evals, start)
        return samplers.timestep_grid(
            self.schedule, num_evals, sampling.spacing, start=start
        )


@functools.partial(jax.jit, static_argnames=("model", "process", "solver"))
def _restore(
    params: chex.ArrayTree,
    schedule: Schedule,
    key: PRNGKey,
    images: Array,
    timesteps: Array,
    *,
    model: nn.Module,
    process: Process,
    solver: str,
) -> Array:
    """One program per network, solver, shape and number of evaluations."""

    def network(x, mu, t):
        return model.apply({"params": params}, x, mu, t)

    restored = processes.restore(
        key, process, schedule, network, images, solver=solver, timesteps=timesteps
    )
    return restored.clip(0.0, 1.0)


def _as_type(restored: np.ndarray, images: np.ndarray) -> np.ndarray:
    """`restored` in the type and shape of `images`."""
    if images.dtype == np.uint8:
        restored = np.round(restored * 255)
    return restored.astype(images.dtype).reshape(images.shape)


def make_model(config: Config) -> nn.Module:
    """The network of a configuration; its process decides what the network sees."""
    process = processes.make_process(config.process)
    return models.make_model(conditional=process.conditional, **config.model)


def abstract_params(model: nn.Module) -> chex.ArrayTree:
    """Shapes and types of the network's parameters, without computing any."""
    return jax.eval_shape(functools.partial(init_params, model), jax.random.key(0))


def init_params(model: nn.Module, key: PRNGKey) -> chex.ArrayTree:
    """Fresh parameters; no parameter's shape depends on the size of the images."""
    x = jnp.zeros((1, 16, 16, model.channels))
    # Jitted: operation by operation it takes ten times as long.
    return jax.jit(model.init)(key, x, x, jnp.zeros(1))["params"]
