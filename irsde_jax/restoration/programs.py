"""The compiled programs of a restorer: restoring a batch, and moments over samples.

They are jitted at module level, once for the Python process. All `Restorer` objects
with the same network therefore share the compiled programs, even if their parameters
differ.
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
    """Returns the prepared images; images that are prepared already are unchanged.

    Args:
        images: The images, shape [batch, H, W, C], or what `processes.prepare`
            returned.
        hole: The pixels to fill, bool [batch, H, W], or None.
        process: The process of the network.
    """
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
    """Restores a batch; compiled per network, solver, shape, number of evaluations.

    Args:
        network: The network as `noise_functions.as_argument` returns it.
        schedule: The SDE coefficients.
        keys: The keys of the images, shape [batch].
        images: The degraded images in [0, 1], shape [batch, H, W, C], or their canvases
            (`tiling.to_canvas`) if `tiles` is given; also as `prepare` returned them.
        timesteps: The grid, shape [num_evals + 1]. None restores nothing.
        size: The height and width that belong to the canvases, if `tiles` is given.
        channels: The number of channels of the network.
        process: The process, such as a value of `processes.PROCESSES`.
        solver: A key of `samplers.SOLVERS`.
        debias: Whether to remove the bias of the euler loss.
        clip: Whether to clip each predicted clean image to [0, 1].
        tiles: The tiles that the images are cut into. None means whole images.
        is_grey: Whether to return the mean over channels, for grey images.

    Returns:
        The images, same shape as `images`, clipped to [0, 1]. C is 1 if `is_grey`.
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
    """Returns the mean over the channels of images or of canvases.

    Images have shape [..., H, W, C]. Canvases have shape [..., length] and become
    shorter.
    """
    # A canvas may end within a pixel, so only whole pixels are used.
    whole = images.shape[-1] // channels
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
    """Returns mean and variance over samples, shape [batch, 2, H, W, C].

    `num_samples` samples are drawn for each image, `chunk` of them at a time. Sample i
    has the key `fold_in(key of the image, i)`. If the last chunk contains more samples
    than needed, the surplus is drawn and ignored. The other arguments are those of
    `restore`.
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
        """Adds the moments of a chunk to the running ones (Chan et al., 1979)."""
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
