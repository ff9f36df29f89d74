"""Weights tried on photographs of scikit-image, degraded by the library itself.

The same weights give the same figures wherever they are tried, to the last digits: the
photographs come with a package, and the keys of degradations and solvers are fixed. The
demo shows what comes out, and the cards of shipped weights state it.
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
"""Task of a configuration -> what to call a case -> `make_degradation`'s arguments."""

_CHECKED = dict(side=128, count=2)  # pixels and photographs: seconds on a CPU


def run(restorer: Restorer, **crops: int) -> Iterator[tuple[str, list[Result]]]:
    """Degrades, restores and measures photographs, in every case of the task.

    Everything is at its default: solver, evaluations, and a noise level that is
    estimated where the weights are told none.

    Args:
        restorer: the weights.
        **crops: arguments of `photographs.UpperCrops`.

    Yields:
        A case, and the result of each photograph.

    Raises:
        ValueError: If `CASES` has none for the task of the weights.
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
    """PSNR (RGB, dB) of restored 128 x 128 crops, as a card has it in "check".

    Returns:
        Case and photograph, as in "light rain: astronaut" -> PSNR.
    """
    return {
        f"{case}: {result.name}": round(result.scores["restored_psnr_rgb"], 3)
        for case, results in run(restorer, **_CHECKED)
        for result in results
    }
