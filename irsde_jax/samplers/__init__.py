"""Samplers of the reverse process: step grids, solvers and the sampling loop."""

from irsde_jax.samplers.grids import SPACINGS, timestep_grid
from irsde_jax.samplers.sampling import image_keys, sample
from irsde_jax.samplers.solver import FunctionSolver, Solver, StepInputs, needs_mean
from irsde_jax.samplers.solvers import SOLVERS, find_solver

__all__ = [
    "SOLVERS",
    "SPACINGS",
    "FunctionSolver",
    "Solver",
    "StepInputs",
    "find_solver",
    "image_keys",
    "needs_mean",
    "sample",
    "timestep_grid",
]
