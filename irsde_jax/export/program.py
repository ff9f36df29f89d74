"""A restorer as one program of StableHLO, for images of one size."""

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
    """The program `(weights, seed, images) -> restored` for images of one size.

    `weights` are the parameters by their flat names; `seed` is uint32, shape []; images
    and result are float32 in [0, 1], shape [batch, H, W, C], for any batch. The result
    is that of `restorer(images, key=jax.random.key(seed))`. For super-resolution the
    images are the small ones, which the program enlarges as `images.enlarge` does, but
    for rounding: the result is that of `restorer(images, key=..., enlarged=True)` for
    the images that it enlarged.

    Raises:
        ValueError: for the Denoising process without a noise level, or settings that
            `Restorer.check` refuses.
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
        # Not folded into constants, which would round otherwise than the library does.
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
    """Keeps the paths of this machine's Python files out of the programs."""
    name = "jax_traceback_in_locations_limit"
    limit = getattr(jax.config, name)
    jax.config.update(name, 0)
    try:
        yield
    finally:
        jax.config.update(name, limit)


def _timesteps(restorer: Restorer) -> Array:
    """The grid of all images: the noise level, if there is one, is the same for all."""
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
    """Returns the arrays of the network by their paths."""
    network = restorer.recipe.network
    of_one = len(network.args) == 1 and not network.keywords
    tree = network.args[0] if of_one else (network.args, network.keywords)
    return named_arrays.flatten(tree)


def _network_with(
    restorer: Restorer, weights: dict[str, Array]
) -> jax.tree_util.Partial:
    """The network of a restorer with arrays that `weights_of` named."""
    leaves = [weights[name] for name in weights_of(restorer)]
    structure = jax.tree.structure(restorer.recipe.network)
    network: jax.tree_util.Partial = jax.tree.unflatten(structure, leaves)
    return network
