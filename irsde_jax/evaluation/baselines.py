"""The baselines of an evaluation: their names, what they assume, what they need.

The methods themselves are in `classical`. `missing` says what to install for one. None
is tuned to the test set; `LABELS` says what a method assumes of the degradation.
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
"""Names in `evaluation.baselines`."""

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

# Modules that a baseline imports, and what installs them.
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
    """What to install for a baseline, as a sentence; "" where nothing is missing."""
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
    """The baselines that `evaluation.baselines` names; "auto": those of the task.

    Raises:
        ValueError: for an unknown name.
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
    """Those for a task; none for rain, haze and shadows, which no library removes."""
    if task == "inpainting":
        return ("biharmonic" if missing("telea") else "telea", "harmonic")
    return {
        "super-resolution": ("bicubic",),
        "denoising": DENOISERS,
        "deblurring": ("richardson_lucy",),
    }.get(task, ())


def label(name: str, problem: Problem) -> str:
    """The name that tables show, with what the method assumes."""
    if name == "bicubic" and problem.enlarge == "bicubic":
        return "bicubic (the degraded input)"
    return LABELS[name].format(**problem._asdict())


def make_problem(config: Any, is_degraded_here: bool) -> Problem:
    """What the configuration says of the degradation.

    Args:
        config: of the weights.
        is_degraded_here: whether the group `degradation` makes the test images.
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
