"""Figures 6 and 9: the reverse path, and how good its implied clean image is."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from benchmarks import crops
from benchmarks.crops import Task
from benchmarks.paper import pictures, runs
from benchmarks.paper.runs import Setting
from irsde_jax import metrics
from irsde_jax.evaluation import figures

NUM_COLUMNS = 6  # of the strip
SHOWN = 2  # the crop in the strip
EDGE = 8  # pixels of it that are left out


class Trace(NamedTuple):
    """What is kept of a reverse process.

    Attributes:
        t: steps, falling, shape [steps].
        psnr: of x0_hat, mean over the crops, shape [steps].
        ssim: likewise.
        strip: some steps, each with the state and the implied image of one crop.
    """

    t: np.ndarray
    psnr: np.ndarray
    ssim: np.ndarray
    strip: list[tuple[int, np.ndarray, np.ndarray]]


# Title -> run, solver.
PATHS = {
    "IR-SDE, inpainting": ("inpainting_irsde", "posterior"),
    "IR-SDE, sigma 25": ("irsde", "posterior"),
    "Denoising-SDE, sigma 25": ("denoising", "posterior"),
    "Denoising-ODE, sigma 25": ("denoising", "euler_ode"),
}
STRIPS = ("IR-SDE, inpainting", "Denoising-ODE, sigma 25")


def follow(task: Task, solver: str) -> Trace:
    """Every step of the reverse process: scores of x0_hat, and some pictures."""
    wanted = set(np.linspace(task.start, 0, NUM_COLUMNS).round().astype(int).tolist())
    scores, strip = [], []
    for t, x, x0_hat in crops.walk(task, solver, "uniform", task.start):
        implied = np.asarray(x0_hat).clip(0, 1)
        psnr, ssim = (f(implied, task.clean).mean() for f in _METRICS)
        scores.append((t, float(psnr), float(ssim)))
        if t in wanted:
            shown = min(SHOWN, len(implied) - 1)
            strip.append((t, *(_inner(image[shown]) for image in (x, implied))))
    return Trace(*np.array(scores).T, strip)


_METRICS = (metrics.psnr, metrics.ssim)


def _inner(image: ArrayLike) -> np.ndarray:
    """An image without its edge, in [0, 1]."""
    return np.asarray(image)[EDGE:-EDGE, EDGE:-EDGE].clip(0, 1)


def figure6_9(setting: Setting) -> None:
    """The strip and the two curves."""
    paths = {
        title: follow(runs.load_tasks(run, setting)[0], solver)
        for title, (run, solver) in PATHS.items()
    }
    rows, captions = [], []
    for title in STRIPS:
        path = paths[title]
        names = [f"t = {t}" for t, *_ in path.strip]
        rows += [[x for _, x, _ in path.strip], [x0 for *_, x0 in path.strip]]
        captions += [[f"{title}: x"] + names[1:], ["implied x0"] + names[1:]]
    headings = ["start", *[""] * (NUM_COLUMNS - 2), "end"]
    sheet = figures.comparison_sheet(
        rows,
        headings,
        captions,
        crop_size=2 * (crops.SIZE - 2 * EDGE),
        max_rows=len(rows),
    )
    pictures.save_sheet(setting.output / "figure6.jpg", sheet, quality=60)

    figure, axes = pictures.panels(2)
    table = []
    for title, path in paths.items():
        for axis, values in zip(axes, (path.psnr, path.ssim)):
            axis.plot(path.t, values, label=title)
        best = int(path.psnr.argmax())
        ends = [f"{path.psnr[0]:.2f}", f"{path.psnr[best]:.2f} at {path.t[best]:.0f}"]
        ends += [f"{path.psnr[-1]:.2f}", f"{path.ssim[0]:.3f}", f"{path.ssim[-1]:.3f}"]
        table.append([title, f"{path.t[0]:.0f}", *ends])
    for axis, name, unit in zip(axes, ("PSNR", "SSIM"), (", dB", "")):
        axis.set(title=f"{name} of the implied clean image{unit}", xlabel="step t")
        axis.invert_xaxis()
    axes[0].legend(fontsize="small")
    pictures.save_plot(setting.output / "figure9.png", figure)
    columns = ("process", "start", "PSNR there", "best PSNR", "at 0")
    columns += ("SSIM at the start", "at 0")
    pictures.save_table(setting.output / "figure9.md", columns, table)
