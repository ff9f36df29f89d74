"""The mark of a result: a line of its metadata that says how it was made."""

import mmap
import os
import re
from pathlib import Path

import irsde_jax

# This pattern matches the text that `describe` returns, anywhere in a file. The name of
# the weights is the name of a file, so it may contain any characters.
_FORM = re.compile(
    rb"irsde_jax \d[^\0]{0,1000}?, solver [^,\0]{1,99}, \d+ evaluations, seed "
)


def describe(
    solver: str,
    num_evals: int,
    seed: int,
    weights: str | os.PathLike[str] | None = None,
    num_samples: int = 1,
) -> str:
    """Returns the version, weights, solver, number of evaluations and seed as one line.

    Args:
        solver: The name of the solver.
        num_evals: The number of network evaluations.
        seed: The seed of the sampling noise.
        weights: The name or path of the weights, or None. Only the last part of a path
            is included, because folders reveal details about the machine and its user.
        num_samples: The number of restorations whose mean the image is.
    """
    parts = [
        f"irsde_jax {irsde_jax.__version__}",
        f"solver {solver}",
        f"{num_evals} evaluations",
        f"seed {seed}",
    ]
    if weights is not None:
        parts.insert(1, f"weights {Path(weights).name}")
    if num_samples > 1:
        parts.append(f"mean of {num_samples} samples")
    return ", ".join(parts)


def is_marked(path: Path) -> bool:
    """Returns whether a file contains the mark of a result.

    The answer is False for files that cannot be read.
    """
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return _FORM.search(content) is not None
    except (OSError, ValueError):  # an empty file cannot be mapped
        return False
