"""The timestep grid of a restoration, and its number of network evaluations."""

from irsde_jax import samplers, sde
from irsde_jax.array_types import Array
from irsde_jax.restoration.recipe import Recipe


def num_evals(recipe: Recipe, sigma: float | None = None) -> int:
    """Returns the number of network evaluations of an image.

    It is the number in `recipe.sampling`. In the Denoising process it is at most the
    number of steps that remain from the noise level on.

    Args:
        recipe: The recipe of the restoration.
        sigma: The noise level in image units. None means the level of
            `recipe.sampling`, or the highest level if it is unset there.
    """
    configured = recipe.sampling.num_evals
    sigma = recipe.sampling.sigma if sigma is None else sigma
    if not recipe.process.starts_at_input or sigma is None:
        return configured
    return min(configured, max(sde.start_step(recipe.schedule, sigma), 1))


def timesteps(recipe: Recipe, number: int | None, sigma: float | None) -> Array | None:
    """Returns the timestep grid of a restoration; None if there is no noise to remove.

    Args:
        recipe: The recipe of the restoration.
        number: The number of network evaluations. None means the number that
            `num_evals` returns.
        sigma: The noise level in image units for the Denoising process, None for all
            other processes.

    Raises:
        ValueError: If a noise level is given and the process takes none, or if an
            argument is out of range.
    """
    start = recipe.schedule.num_steps
    if recipe.process.starts_at_input:
        assert sigma is not None  # it was given, configured or estimated
        start = sde.start_step(recipe.schedule, sigma)
        if start == 0:
            return None
    elif sigma is not None:
        raise ValueError(
            f"sigma={sigma} is for process 'denoising'; these weights are of "
            f"process {recipe.process.name!r}, which takes no noise level."
        )
    return samplers.timestep_grid(
        recipe.schedule,
        num_evals(recipe, sigma) if number is None else number,
        recipe.sampling.spacing,
        start=start,
    )
