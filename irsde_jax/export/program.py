"""Exports a restorer as a StableHLO program for images of one size."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import jax
import jax.export
import jax.numpy as jnp

from irsde_jax import samplers
from irsde_jax.array_types import Array
from irsde_jax.checkpoints import named_arrays
from irsde_jax.data import resampling
from irsde_jax.restoration import grids, programs
from irsde_jax.restoration.restorer import Restorer

Size: TypeAlias = tuple[int, int]


def export_program(
    restorer: Restorer, size: Size, platforms: Sequence[str]
) -> jax.export.Exported:
    """Returns the program `(weights, seed, images) -> restored` for images of one size.

    `weights` is a dictionary of the parameters by their flat names, and `seed` is
    uint32 of shape []. `images` and `restored` are float32 in [0, 1], shape [batch, H,
    W, C], for any batch size. The result equals that of `restorer(images,
    key=jax.random.key(seed))`. For super-resolution, the program takes small images and
    enlarges them as `Restorer.enlarge` does, except for rounding. The result then
    equals that of `restorer(images, key=..., enlarged=True)` for the enlarged images.

    Args:
        restorer: The restorer to export.
        size: The height and width of the images in pixels, before enlargement.
        platforms: The platforms that the program runs on.

    Raises:
        ValueError: If the process is Denoising and no noise level is set, if the images
            would be restored in tiles, or if `Restorer.check` rejects the settings.
    """
    timesteps = _timesteps(restorer)
    recipe, form = restorer.recipe, restorer.image_format
    height, width = (form.scale * side for side in size)
    restorer.check(1, height, width)
    if restorer.tiles(height, width) is not None:
        raise ValueError(
            f"{height} x {width} pixels would be restored in tiles (sampling.tile="
            f"{restorer.sampling.tile}, memory_gigabytes="
            f"{restorer.sampling.memory_gigabytes:g}); a program restores whole "
            "images: export it with --config.sampling.tile=0."
        )

    def program(params: dict[str, Array], seed: Array, images: Array) -> Array:
        # The barrier prevents constant folding, which would round differently from the
        # library.
        schedule, grid = jax.lax.optimization_barrier((restorer.schedule, timesteps))
        return programs.restore(
            _network_with(restorer, params),
            schedule,
            samplers.image_keys(jax.random.key(seed), images.shape[0]),
            resampling.enlarge(images, form.scale, form.enlarge),
            grid,
            **recipe.program_options(),
        )

    (batch,) = jax.export.symbolic_shape("batch")
    with _without_source_paths():
        return jax.export.export(jax.jit(program), platforms=platforms)(
            jax.eval_shape(lambda: weights_of(restorer)),
            jax.ShapeDtypeStruct((), jnp.uint32),
            jax.ShapeDtypeStruct((batch, *size, form.channels), jnp.float32),
        )


@contextlib.contextmanager
def _without_source_paths() -> Iterator[None]:
    """Omits the paths of this machine's Python files from programs exported inside."""
    name = "jax_traceback_in_locations_limit"
    limit = getattr(jax.config, name)
    jax.config.update(name, 0)
    try:
        yield
    finally:
        jax.config.update(name, limit)


def _timesteps(restorer: Restorer) -> Array:
    """Returns the timestep grid, which is the same for all images.

    Raises:
        ValueError: If the noise level of the Denoising process is unset, or too low.
    """
    sigma = restorer.sampling.sigma
    if restorer.process.starts_at_input and sigma is None:
        raise ValueError(
            "a program of the Denoising process is exported for one noise level; "
            "these weights estimate it. Give it in image units (25/255 = 0.098): "
            "--config.sampling.sigma=0.098."
        )
    timesteps = grids.timesteps(restorer.recipe, None, sigma)
    if timesteps is None:
        raise ValueError(
            f"sampling.sigma={sigma}: at so low a noise level there is nothing to "
            "remove, and nothing to export."
        )
    return timesteps


def weights_of(restorer: Restorer) -> dict[str, Any]:
    """Returns the arrays of the network by their paths.

    Args:
        restorer: The restorer with the network.
    """
    network = restorer.recipe.network
    of_one = len(network.args) == 1 and not network.keywords
    tree = network.args[0] if of_one else (network.args, network.keywords)
    return named_arrays.flatten(tree)


def _network_with(
    restorer: Restorer, weights: dict[str, Array]
) -> jax.tree_util.Partial:
    """Returns the network of a restorer with the given arrays.

    Args:
        restorer: The restorer with the network.
        weights: The arrays by the names that `weights_of` gives them.
    """
    leaves = [weights[name] for name in weights_of(restorer)]
    structure = jax.tree.structure(restorer.recipe.network)
    network: jax.tree_util.Partial = jax.tree.unflatten(structure, leaves)
    return network
