"""Learning curves of one or several training runs, drawn into one picture."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from irsde_jax.training import logs

FILE_NAME = "curves.png"

# The name of a scalar -> the title of its panel, and whether the axis is logarithmic.
# Scalars that no run has get no panel.
PANELS = {
    "loss": ("training loss", True),
    "validation_psnr": ("validation PSNR (dB, RGB)", False),
    "validation_ssim": ("validation SSIM (RGB)", False),
    "learning_rate": ("learning rate", False),
    "grad_norm": ("norm of the gradient", True),
    "images_per_s": ("images per second", False),
}
_SMOOTHED = {"loss", "grad_norm"}
_POINTS = 200  # per smoothed curve: more points would not be visible

logger = logging.getLogger(__name__)


def run(
    workdirs: Sequence[str | os.PathLike],
    *,
    output: str | os.PathLike | None = None,
    overwrite: bool = False,
) -> Path:
    """Draws the learning curves of training runs and returns the path of the picture.

    Args:
        workdirs: The work directories of training runs, which may be unfinished.
        output: The file of the picture, or a folder for it. None writes `curves.png`
            into the first work directory and always replaces that file, because it
            can be drawn from the logs again.
        overwrite: Whether an existing picture at `output` may be replaced.

    Raises:
        FileNotFoundError: If a work directory has no logs.
        FileExistsError: If the picture exists and `overwrite` is False.
        ModuleNotFoundError: If matplotlib is not installed.
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
    """Returns the curves of a run by name: (steps, values), each of shape [entries].

    Values that are not finite are skipped.

    Raises:
        FileNotFoundError: If the work directory has no logs.
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
    """Returns means over neighbouring entries: at most 200 points, shapes [points]."""
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
    matplotlib.use("Agg")  # This backend needs no display.
    from matplotlib import pyplot

    return pyplot
