"""A trial of weights on photographs of scikit-image with synthetic degradations.

The photographs come from a package, and the random keys of the degradations and solvers
are fixed. The same weights therefore give the same scores on every machine, except for
rounding errors. The demo shows the results, and the model cards of the shipped weights
contain the scores.
"""

from collections.abc import Iterator
from typing import Any

from irsde_jax.data import degradations
from irsde_jax.data.photographs import UpperCrops
from irsde_jax.evaluation import scores
from irsde_jax.evaluation.scores import Result
from irsde_jax.restoration.restorer import Restorer

CASES: dict[str, dict[str, dict[str, Any]]] = {
    "denoising": {"noise of sigma 25": dict(name="gaussian_noise", sigma=25 / 255)},
    "deraining": {
        "light rain": dict(name="light_rain"),
        "heavy rain": dict(name="heavy_rain"),
    },
    "super-resolution": {"bicubic x4": dict(name="bicubic", factor=4)},
    "inpainting": {"thin strokes": dict(name="thin_mask")},
}
"""Task of a configuration -> name of a case -> arguments of `make_degradation`."""

# 2 crops of 128 x 128 pixels take only seconds on a CPU.
_CHECKED = dict(side=128, count=2)


def run(restorer: Restorer, **crops: int) -> Iterator[tuple[str, list[Result]]]:
    """Degrades, restores and scores photographs for every case of the task.

    The solver and the number of evaluations are the defaults of the weights. Where they
    need a noise level, it is estimated from the image.

    Args:
        restorer: The restorer with the weights to try.
        **crops: The arguments of `photographs.UpperCrops`.

    Yields:
        The name of a case and the results for its photographs.

    Raises:
        ValueError: If `CASES` does not contain the task of the weights.
    """
    task = restorer.config.task
    if task not in CASES:
        raise ValueError(
            f"weights of task={task!r} cannot be tried: trial.CASES knows how to "
            f"degrade photographs for {sorted(CASES)} alone."
        )
    for case, options in CASES[task].items():
        degrade = degradations.make_degradation(**options)
        source = UpperCrops(**crops)
        yield case, [*scores.evaluate_images(restorer, source, degrade=degrade)]


def check(restorer: Restorer) -> dict[str, float]:
    """Returns the PSNR of restored 128 x 128 crops, the "check" of a model card.

    Returns:
        A dictionary from case and photograph, such as "light rain: astronaut", to the
        PSNR in dB over all RGB channels.
    """
    return {
        f"{case}: {result.name}": round(result.scores["restored_psnr_rgb"], 3)
        for case, results in run(restorer, **_CHECKED)
        for result in results
    }
