"""Describes how a restored image was made, as one line for its metadata."""

import os

from irsde_jax.restoration.files import marks
from irsde_jax.restoration.restorer import Restorer


def describe(
    restorer: Restorer,
    weights: str | os.PathLike[str] | None,
    seed: int,
    num_samples: int = 1,
) -> str:
    """Returns the mark of a result, in the format of `marks.describe`.

    Args:
        restorer: The restorer that made the image.
        weights: The name or path of its weights, or None.
        seed: The seed of the sampling noise.
        num_samples: The number of restorations whose mean the image is.
    """
    solver = restorer.sampling.solver
    return marks.describe(solver, restorer.num_evals(), seed, weights, num_samples)
