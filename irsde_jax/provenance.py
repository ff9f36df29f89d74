"""How a restored image was made, in one line that is written into its metadata."""

import os
from importlib import metadata
from pathlib import Path

from irsde_jax.restorer import Restorer


def describe(
    restorer: Restorer,
    weights: str | os.PathLike | None,
    seed: int,
    num_samples: int = 1,
) -> str:
    """Names the version, the weights, the solver, its evaluations and the seed.

    Args:
        restorer: The restorer that made the image.
        weights: The name or path of its weights, or None. Only the last part of a path
            is named, because folders tell of the machine and its user.
        seed: The seed of the sampling noise.
        num_samples: The number of restorations that the image is the mean of.
    """
    parts = [
        f"irsde_jax {metadata.version('irsde_jax')}",
        f"solver {restorer.config.sampling.solver}",
        f"{restorer.num_evals()} evaluations",
        f"seed {seed}",
    ]
    if weights is not None:
        parts.insert(1, f"weights {Path(weights).name}")
    if num_samples > 1:
        parts.append(f"mean of {num_samples} samples")
    return ", ".join(parts)
