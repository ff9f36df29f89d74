"""IR-SDE in JAX: image restoration with mean-reverting SDEs.

    >>> import irsde_jax
    >>> restore = irsde_jax.load("runs/deraining")  # doctest: +SKIP
    >>> restored = restore(images)  # doctest: +SKIP

The names in `__all__` are imported when they are first used, because the mathematics
(`irsde_jax.sde`, `irsde_jax.samplers`, `irsde_jax.losses`) does not need a
neural-network library and restoring images does not need the input pipeline.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from irsde_jax.restoration.loading import load
    from irsde_jax.restoration.restorer import Restorer
    from irsde_jax.restoration.settings import ImageFormat, Sampling
    from irsde_jax.samplers import SOLVERS, sample, timestep_grid
    from irsde_jax.sde import Schedule, make_schedule
    from irsde_jax.weights import list_weights

__version__ = "0.1.0"

__all__ = [
    "SOLVERS",
    "ImageFormat",
    "Restorer",
    "Sampling",
    "Schedule",
    "__version__",
    "list_weights",
    "load",
    "make_schedule",
    "sample",
    "timestep_grid",
]

_MODULE_OF = {
    "ImageFormat": "irsde_jax.restoration.settings",
    "Restorer": "irsde_jax.restoration.restorer",
    "Sampling": "irsde_jax.restoration.settings",
    "list_weights": "irsde_jax.weights",
    "load": "irsde_jax.restoration.loading",
    "SOLVERS": "irsde_jax.samplers",
    "sample": "irsde_jax.samplers",
    "timestep_grid": "irsde_jax.samplers",
    "Schedule": "irsde_jax.sde",
    "make_schedule": "irsde_jax.sde",
}


# These modules are imported on first use too, so that `irsde_jax.sde.make_schedule()`
# works after `import irsde_jax` alone.
_MODULES = (
    "checkpoints",
    "data",
    "losses",
    "metrics",
    "models",
    "processes",
    "registry",
    "samplers",
    "sde",
)


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"irsde_jax.{name}")
    else:
        raise AttributeError(f"module 'irsde_jax' has no attribute {name!r}")
    globals()[name] = value  # Later accesses no longer call this function.
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
