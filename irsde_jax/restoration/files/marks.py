"""The mark of a result: one line of its metadata that says how it was made."""

import mmap
import os
import re
from pathlib import Path

import irsde_jax

# What `describe` returns, wherever a format puts it. The name of the weights, which is
# the name of a file, may contain anything.
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
    """Names the version, the weights, the solver, its evaluations and the seed.

    Args:
        solver: The name of the solver.
        num_evals: The number of evaluations of the network.
        seed: The seed of the sampling noise.
        weights: The name or path of the weights, or None. Only the last part of a path
            is named, because folders tell of the machine and its user.
        num_samples: The number of restorations that the image is the mean of.
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
    """Whether a file says that it is a result. False where it cannot be read."""
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return _FORM.search(content) is not None
    except (OSError, ValueError):  # an empty file cannot be mapped
        return False
