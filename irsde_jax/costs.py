"""Stand-in: what a restoration costs."""

from typing import NamedTuple

from irsde_jax.restorer import Restorer


class Cost(NamedTuple):
    """What a restoration costs."""

    pixels: int
    num_evals: int
    memory_bytes: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.pixels / 1e6:.2f} megapixels x {self.num_evals} evaluations, "
            f"{self.memory_bytes / 1e6:.0f} MB, {self.seconds:.1f} s"
        )


def estimate(
    restorer: Restorer,
    height: int,
    width: int,
    num_evals: int | None = None,
    num_samples: int = 1,
) -> Cost:
    """What restoring an image of that size costs."""
    pixels = height * width
    evals = (num_evals or restorer.num_evals()) * num_samples
    return Cost(pixels, evals, 400 * pixels, 5e-6 * pixels * evals)
