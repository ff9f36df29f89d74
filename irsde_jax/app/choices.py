"""The settings that a visitor can choose, their limits, and weights that use them."""

import functools
from typing import NamedTuple

from irsde_jax import configuration, processes, samplers
from irsde_jax.restoration.restorer import Restorer


class Limits(NamedTuple):
    """The limits for each visitor: the group `app` of a configuration.

    Attributes:
        megabytes: The largest size of an uploaded file, in units of 2^20 bytes.
        megapixels: The largest size of a result, in millions of pixels.
        work: The largest number of million pixels x evaluations, over all samples.
        samples: The largest number of restorations for an uncertainty map.
        queue: The largest number of waiting requests. Further requests are rejected.
        seconds: The longest estimated time of a restoration, in seconds.
    """

    megabytes: float
    megapixels: float
    work: float
    samples: int
    queue: int
    seconds: float


class Settings(NamedTuple):
    """The settings of a restoration of an upload.

    Attributes:
        solver: One of `allowed_solvers`.
        num_evals: The number of network evaluations. A low noise level may leave fewer
            steps.
        seed: The seed of the sampling noise.
        sigma: The noise level in image units, for the Denoising process. None means the
            level of the configuration, or an estimate if it is unset there.
        num_samples: The number of restorations for the uncertainty map. 0 means no map.
        as_png: Whether the result is a PNG file, instead of the format of the upload.
    """

    solver: str
    num_evals: int
    seed: int = 0
    sigma: float | None = None
    num_samples: int = 0
    as_png: bool = True


class Values(NamedTuple):
    """The values of the page's controls, in the order of the controls.

    Attributes:
        solver: One of `allowed_solvers`.
        num_evals: The number of network evaluations.
        seed: The seed of the sampling noise. None means that the field is empty.
        estimated: Whether the noise level is estimated.
        level: The noise level in grey levels of 255.
        num_samples: The number of restorations for the uncertainty map.
        as_png: Whether the result is a PNG file.
    """

    solver: str
    num_evals: int
    seed: int | None
    estimated: bool
    level: float
    num_samples: int
    as_png: bool


def settings_of(restorer: Restorer, values: Values) -> Settings:
    """Returns the settings that correspond to the values of the page's controls.

    Args:
        restorer: The restorer, whose process decides whether a noise level is used.
        values: The values of the controls.
    """
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
    """Returns the solvers that the process allows, ordered as `samplers.SOLVERS`."""
    return [s for s in samplers.SOLVERS if processes.allows(restorer.process, s)]


@functools.cache
def draws_noise(restorer: Restorer, solver: str) -> bool:
    """Returns whether two restorations of an image can differ with this solver."""
    return processes.draws_noise(restorer.process, solver)


def overrides(settings: Settings) -> list[str]:
    """Returns the settings as flags of a `--mode=restore` command line."""
    values = {"solver": settings.solver, "num_evals": settings.num_evals}
    if settings.sigma is not None:
        values["sigma"] = repr(settings.sigma)
    return [f"--config.sampling.{name}={value}" for name, value in values.items()]


def tuned(restorer: Restorer, settings: Settings) -> Restorer:
    """Returns a restorer with the same weights and other settings.

    Args:
        restorer: The restorer with the weights.
        settings: The settings, of which the solver, the number of evaluations and the
            noise level are used.
    """
    config = configuration.override(restorer.config, overrides(settings))
    return Restorer.from_config(config, restorer.params, restorer.network)
