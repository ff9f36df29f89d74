"""How a restored image was made, in one line that is written into its metadata."""

import os

from irsde_jax.restoration.files import marks
from irsde_jax.restoration.restorer import Restorer


def describe(
    restorer: Restorer,
    weights: str | os.PathLike[str] | None,
    seed: int,
    num_samples: int = 1,
) -> str:
    """The mark of a result; see `irsde_jax.restoration.files.marks.describe`.

    Args:
        restorer: The restorer that made the image.
        weights: The name or path of its weights, or None.
        seed: The seed of the sampling noise.
        num_samples: The number of restorations that the image is the mean of.
    """
    solver = restorer.sampling.solver
    return marks.describe(solver, restorer.num_evals(), seed, weights, num_samples)
