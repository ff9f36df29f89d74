"""The compiled programs of a restorer: a batch, and the moments of many tries.

They are jitted here, once for the Python process: every `Restorer` of the same network
shares what was compiled, with other parameters too.
"""

import functools
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from irsde_jax import processes
from irsde_jax.array_types import Array, NoiseFn, PRNGKey
from irsde_jax.processes import Given, Process
from irsde_jax.samplers import tiling
from irsde_jax.samplers.tiling import Tiles
from irsde_jax.sde import Schedule

Moments: TypeAlias = tuple[Array, Array, Array]  # count, mean, sum of squares

_STATIC = ("channels", "process", "solver", "debias", "clip", "tiles", "is_grey")


@functools.partial(jax.jit, static_argnames="process")
def prepare(
    images: Array | Given, hole: Array | None = None, *, process: Process
) -> Given:
    """`processes.prepare`, of images that are not prepared yet."""
    if isinstance(images, Given):
        return images
    return processes.prepare(process, images, hole)


@functools.partial(jax.jit, static_argnames=_STATIC)
def restore(
    network: jax.tree_util.Partial,
    schedule: Schedule,
    keys: PRNGKey,
    images: Array | Given,
    timesteps: Array | None,
    *,
    size: Array | None = None,
    channels: int,
    process: Process,
    solver: str,
    debias: bool,
    clip: bool = False,
    tiles: Tiles | None = None,
    is_grey: bool = False,
) -> Array:
    """Restores a batch; a program per network, solver, shape, number of evaluations.

    Args:
        network: The network, see `noise_functions.as_argument`.
        schedule: SDE coefficients.
        keys: one per image, shape [batch].
        images: degraded, in [0, 1], shape [batch, H, W, C]; with `tiles` canvases of
            `tiling.to_canvas`. What a process has prepared of them may be given too.
        timesteps: the grid, shape [num_evals + 1]; None restores nothing.
        size: with `tiles`, the height and width that belong to the canvases.
        channels: The number of channels of the network.
        process: a value of `processes.PROCESSES`.
        solver: a key of `samplers.SOLVERS`.
        debias: see `processes.restore`.
        clip: see `processes.restore`.
        tiles: how the images are cut; None for whole images.
        is_grey: Whether the mean over channels is returned, as the images are grey.

    Returns:
        Shape of `images`, clipped to [0, 1]. With `is_grey`, C is 1.
    """
    given = prepare(images, process=process)
    if timesteps is None:
        restored = process.decode(given.state).clip(0.0, 1.0)
        return _mean_over_channels(restored, channels) if is_grey else restored

    predict: NoiseFn = network
    if tiles is not None:
        assert size is not None
        predict = tiling.on_tiles(network, tiles, size, channels)
    restored = processes.restore(
        keys,
        process,
        schedule,
        predict,
        given,
        solver=solver,
        timesteps=timesteps,
        debias=debias,
        clip=clip,
    )
    restored = restored.clip(0.0, 1.0)
    return _mean_over_channels(restored, channels) if is_grey else restored


def _mean_over_channels(images: Array, channels: int) -> Array:
    """Of images [..., H, W, C], or of canvases [..., length], that become shorter."""
    whole = images.shape[-1] // channels  # a canvas may end within a pixel
    images = images[..., : whole * channels]
    return images.reshape(*images.shape[:-1], whole, channels).mean(axis=-1)


@functools.partial(jax.jit, static_argnames=(*_STATIC, "num_samples", "chunk"))
def moments(
    network: jax.tree_util.Partial,
    schedule: Schedule,
    keys: PRNGKey,
    images: Array | Given,
    timesteps: Array | None,
    *,
    size: Array | None = None,
    process: Process,
    num_samples: int,
    chunk: int,
    **static: Any,
) -> Array:
    """Mean and variance over samples, shape [batch, 2, H, W, C], `chunk` at a time.

    Sample i of an image has the key `fold_in(its key, i)`. Samples past `num_samples`
    in the last chunk are drawn and left out. The other arguments are `restore`'s.
    """
    given = prepare(images, process=process)
    static |= dict(process=process, size=size)

    def restore_sample(index: Array | int) -> Array:
        sample_keys = jax.vmap(jax.random.fold_in, (0, None))(keys, index)
        restored: Array = restore(
            network, schedule, sample_keys, given, timesteps, **static
        )
        return restored

    def add_chunk(moments: Moments, first: Array) -> tuple[Moments, None]:
        """Chan et al. (1979): joins the moments of a chunk to those so far."""
        count, mean, squares = moments
        indices = first + jnp.arange(chunk)
        samples = jax.vmap(restore_sample)(indices)
        used = (indices < num_samples).astype(samples.dtype)
        new = used.sum()
        used = used[:, None, None, None, None]
        new_mean = (samples * used).sum(0) / new
        new_squares = (jnp.square(samples - new_mean) * used).sum(0)
        total, shift = count + new, new_mean - mean
        mean = mean + shift * new / total
        squares = squares + new_squares + jnp.square(shift) * count * new / total
        return (total, mean, squares), None

    zeros = jnp.zeros(jax.eval_shape(restore_sample, 0).shape, jnp.float32)
    firsts = jnp.arange(0, num_samples, chunk)
    (count, mean, squares), _ = jax.lax.scan(
        add_chunk, (jnp.float32(0), zeros, zeros), firsts
    )
    variance = squares / jnp.maximum(count - 1, 1)
    return jnp.stack([mean, variance], axis=1)
