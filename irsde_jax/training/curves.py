"""Learning curves of one or several runs, side by side in a picture."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from irsde_jax.training import logs

FILE_NAME = "curves.png"

# Scalar -> what its axis says, and whether it is logarithmic. A panel for each that
# the runs have.
PANELS = {
    "loss": ("training loss", True),
    "validation_psnr": ("validation PSNR (dB, RGB)", False),
    "validation_ssim": ("validation SSIM (RGB)", False),
    "learning_rate": ("learning rate", False),
    "grad_norm": ("norm of the gradient", True),
    "images_per_s": ("images per second", False),
}
_SMOOTHED = {"loss", "grad_norm"}
_POINTS = 200  # of a smoothed curve: more are not seen

logger = logging.getLogger(__name__)


def run(
    workdirs: Sequence[str | os.PathLike],
    *,
    output: str | os.PathLike | None = None,
    overwrite: bool = False,
) -> Path:
    """Draws the curves of work directories; returns the picture's path.

    Args:
        workdirs: of training runs, finished or not.
        output: the picture, or a folder for it; None is `curves.png` in the first work
            directory, which is replaced: it is drawn from the logs at any time.
        overwrite: whether to replace another picture.

    Raises:
        FileNotFoundError: if a work directory has no logs.
        FileExistsError: if the picture exists and `overwrite` is False.
        ModuleNotFoundError: without matplotlib.
    """
    pyplot = _import_pyplot()
    runs = {str(workdir): read(workdir) for workdir in workdirs}
    path = _target(Path(workdirs[0]), output, overwrite)
    names = [name for name in PANELS if any(name in curves for curves in runs.values())]
    num_columns = min(3, len(names))
    num_rows = -(-len(names) // num_columns)
    figure, axes = pyplot.subplots(
        num_rows,
        num_columns,
        figsize=(5 * num_columns, 3.4 * num_rows),
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    for axis, name in zip(axes.flat, names, strict=False):
        title, logarithmic = PANELS[name]
        for label, curves in runs.items():
            if name in curves:
                steps, values = curves[name]
                if name in _SMOOTHED:
                    steps, values = smooth(steps, values)
                few = len(steps) <= 30
                axis.plot(steps, values, marker="." if few else None, label=label)
        axis.set(title=title, xlabel="step")
        if logarithmic:
            axis.set_yscale("log")
        axis.grid(alpha=0.3)
    if len(runs) > 1:
        axes.flat[0].legend(fontsize="small")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    logger.info("learning curves of %d runs: %s", len(runs), path)
    return path


def read(workdir: str | os.PathLike) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The curves of a run: steps and values, each shape [entries], by name.

    Values that are not finite are left out.

    Raises:
        FileNotFoundError: if the work directory has no logs.
    """
    path = Path(workdir) / "logs" / logs.FILE_NAME
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: is {workdir} the work directory of a training run?"
        )
    points: dict[str, list[tuple[int, float]]] = {}
    for entry in logs.read_metrics(path):
        for name, value in entry.items():
            if name not in ("step", "time") and np.isfinite(value):
                points.setdefault(name, []).append((entry["step"], value))
    return {
        name: (np.array(found)[:, 0].astype(int), np.array(found)[:, 1])
        for name, found in points.items()
    }


def smooth(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over neighbouring entries, at most 200 points; shapes [points]."""
    num_points = min(_POINTS, len(values))
    parts = np.array_split(np.arange(len(values)), num_points)
    means = ([x[part].mean() for part in parts] for x in (steps, values))
    first, second = (np.array(list(m)) for m in means)
    return first, second


def _target(first: Path, output: Any, overwrite: bool) -> Path:
    if output is None:
        return first / FILE_NAME
    path = Path(output)
    path = path if path.suffix else path / FILE_NAME
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; --overwrite replaces it.")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _import_pyplot() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise ModuleNotFoundError(
            "learning curves are drawn by matplotlib: pip install 'irsde_jax[plot]'"
        ) from error
    matplotlib.use("Agg")  # needs no display
    from matplotlib import pyplot

    return pyplot
