"""The samplers: grids of steps, solvers, and the one `lax.scan` that runs them."""

from irsde_jax.samplers.sampling import SPACINGS, image_keys, sample, timestep_grid
from irsde_jax.samplers.solvers import SOLVERS, Solver

__all__ = [
    "SOLVERS",
    "SPACINGS",
    "Solver",
    "image_keys",
    "sample",
    "timestep_grid",
]
