"""The baselines of an evaluation: their names, assumptions and required packages.

The methods themselves are in `classical`. `missing` returns how to install the packages
of a method. No method is tuned to the test set; its entry in `LABELS` names what it
assumes about the degradation.
"""

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from irsde_jax.evaluation import classical
from irsde_jax.evaluation.classical import Problem

Baseline = Callable[[np.ndarray, Problem], np.ndarray]

BASELINES: dict[str, Baseline] = {
    "bicubic": classical.bicubic,
    "nl_means": classical.non_local_means,
    "wavelet": classical.wavelet,
    "bm3d": classical.bm3d,
    "richardson_lucy": classical.richardson_lucy,
    "telea": classical.telea,
    "biharmonic": classical.biharmonic,
    "harmonic": classical.harmonic,
}
"""The baselines by the names that `evaluation.baselines` accepts."""

DENOISERS = ("nl_means", "wavelet", "bm3d")
"""The baselines that remove noise."""

LABELS = {
    "bicubic": "bicubic",
    "nl_means": "non-local means",
    "wavelet": "wavelet (BayesShrink)",
    "bm3d": "BM3D",
    "richardson_lucy": "Richardson-Lucy (Gaussian kernel, std {blur_std:g} px)",
    "telea": "Telea inpainting",
    "biharmonic": "biharmonic inpainting",
    "harmonic": "harmonic inpainting",
}

# The modules that baselines import -> the packages that install them.
_PACKAGES = {
    "skimage": "scikit-image",
    "pywt": "PyWavelets",
    "cv2": "opencv-python-headless",
    "bm3d": "bm3d",
}
_MODULES: dict[str, tuple[str, ...]] = {
    "bicubic": (),
    "nl_means": ("skimage",),
    "wavelet": ("skimage", "pywt"),
    "bm3d": ("bm3d",),
    "richardson_lucy": ("skimage",),
    "telea": ("cv2",),
    "biharmonic": ("skimage",),
    "harmonic": (),
}


def missing(name: str) -> str:
    """Returns the command that installs the packages of a baseline.

    The text is empty if no package is missing.
    """
    absent = [
        _PACKAGES[module]
        for module in _MODULES[name]
        if importlib.util.find_spec(module) is None
    ]
    if not absent:
        return ""
    terms = " (free for non-commercial use only)" if "bm3d" in absent else ""
    return f"pip install {' '.join(absent)}{terms}"


def choose(names: Sequence[str], task: str) -> list[str]:
    """Returns the names of the baselines that `evaluation.baselines` selects.

    Args:
        names: The value of the setting: names of baselines, which may be joined by
            commas. The name "auto" stands for the baselines of the task.
        task: The task of the configuration, such as "denoising".

    Raises:
        ValueError: If a name is unknown.
    """
    chosen: list[str] = []
    for name in (part.strip() for item in names for part in item.split(",")):
        if name == "auto":
            chosen += _of_task(task)
        elif name and name not in BASELINES:
            raise ValueError(
                f"evaluation.baselines: {name!r} is not one of "
                f"{['auto', *sorted(BASELINES)]}."
            )
        elif name:
            chosen.append(name)
    return list(dict.fromkeys(chosen))


def _of_task(task: str) -> tuple[str, ...]:
    """Returns the baselines of a task.

    There are none for rain, haze and shadows, because no library removes them.
    """
    if task == "inpainting":
        return ("biharmonic" if missing("telea") else "telea", "harmonic")
    return {
        "super-resolution": ("bicubic",),
        "denoising": DENOISERS,
        "deblurring": ("richardson_lucy",),
    }.get(task, ())


def label(name: str, problem: Problem) -> str:
    """Returns the name that tables show, with the assumptions of the method."""
    if name == "bicubic" and problem.enlarge == "bicubic":
        return "bicubic (the degraded input)"
    return LABELS[name].format(**problem._asdict())


def make_problem(config: Any, is_degraded_here: bool) -> Problem:
    """Returns what the configuration tells about the degradation.

    Args:
        config: The configuration of the weights.
        is_degraded_here: Whether the group `degradation` makes the degraded test
            images, instead of files.
    """
    given = dict(config.degradation) if is_degraded_here else {}
    name = given.get("name", "")
    told = given.get("sigma") if name == "gaussian_noise" else None
    sigma = told if isinstance(told, float) else config.sampling.sigma
    if config.process != "denoising" and name != "gaussian_noise":
        sigma = None
    scale, enlarge = config.data.scale, config.data.enlarge
    if name in ("bicubic", "nearest"):
        scale, enlarge = given.get("factor", 4), name
    std = given.get("std") if name == "gaussian_blur" else None
    std = std if isinstance(std, int | float) else Problem().blur_std
    return Problem(sigma, scale, enlarge, float(std))
