"""What a visitor may choose, and the weights tuned to it."""

import functools
from typing import NamedTuple

from irsde_jax import configuration, processes, samplers
from irsde_jax.restoration.restorer import Restorer


class Limits(NamedTuple):
    """What one visitor may ask for: the group `app` of a configuration.

    Attributes:
        megabytes: of an uploaded file.
        megapixels: of a result.
        work: million pixels x evaluations, over all samples.
        samples: restorations for an uncertainty map.
        queue: requests that wait; another one is told to come back.
        seconds: that a restoration may take, by the estimate.
    """

    megabytes: float
    megapixels: float
    work: float
    samples: int
    queue: int
    seconds: float


class Settings(NamedTuple):
    """How an upload is to be restored.

    Attributes:
        solver: one of `allowed_solvers`.
        num_evals: network evaluations; a low noise level may leave fewer steps.
        seed: of the sampling noise.
        sigma: noise level in image units, for the Denoising process; None: the one of
            the configuration, or else estimated.
        num_samples: restorations for the uncertainty map; 0: no map.
        as_png: whether the result is a PNG, rather than of the format of the upload.
    """

    solver: str
    num_evals: int
    seed: int = 0
    sigma: float | None = None
    num_samples: int = 0
    as_png: bool = True


class Values(NamedTuple):
    """The values of the page's controls, in their order.

    Attributes:
        solver: One of `allowed_solvers`.
        num_evals: The number of network evaluations.
        seed: The seed; None if the field is empty.
        estimated: Whether the noise level is estimated.
        level: The noise level in grey levels of 255.
        num_samples: The number of restorations for the uncertainty map.
        as_png: Whether the result is a PNG.
    """

    solver: str
    num_evals: int
    seed: int | None
    estimated: bool
    level: float
    num_samples: int
    as_png: bool


def settings_of(restorer: Restorer, values: Values) -> Settings:
    """Returns the settings that the values of the page's controls stand for."""
    given = restorer.process.starts_at_input and not values.estimated
    return Settings(
        solver=values.solver,
        num_evals=int(values.num_evals),
        seed=int(values.seed or 0),
        sigma=values.level / 255 if given else None,
        num_samples=int(values.num_samples),
        as_png=values.as_png,
    )


def allowed_solvers(restorer: Restorer) -> list[str]:
    """The solvers that its process has, in the order of `samplers.SOLVERS`."""
    return [s for s in samplers.SOLVERS if processes.allows(restorer.process, s)]


@functools.cache
def draws_noise(restorer: Restorer, solver: str) -> bool:
    """Whether two restorations of an image can differ with this solver."""
    return processes.draws_noise(restorer.process, solver)


def overrides(settings: Settings) -> list[str]:
    """The settings as a command line of `--mode=restore` has them."""
    values = {"solver": settings.solver, "num_evals": settings.num_evals}
    if settings.sigma is not None:
        values["sigma"] = repr(settings.sigma)
    return [f"--config.sampling.{name}={value}" for name, value in values.items()]


def tuned(restorer: Restorer, settings: Settings) -> Restorer:
    """The same weights with the solver, evaluations and noise level of the settings."""
    config = configuration.override(restorer.config, overrides(settings))
    return Restorer.from_config(config, restorer.params, restorer.network)
