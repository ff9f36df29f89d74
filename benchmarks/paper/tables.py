"""Table 4, the denoisers at sigma 25, and Table 5, the DDPM baseline against ours."""

import math
from typing import NamedTuple

import numpy as np

from benchmarks import crops
from benchmarks.crops import Task
from benchmarks.paper import pictures, runs
from benchmarks.paper.runs import Setting
from irsde_jax.evaluation import figures

NUM_SHOWN = 3  # crops in a picture: one of each photograph


class Method(NamedTuple):
    """A row of a table: a network of `runs.RUNS` and how it is sampled."""

    name: str
    run: str
    solver: str
    num_evals: int
    clip: bool = False


TABLE_4 = (
    Method("IR-SDE", "irsde", "posterior", 100),
    Method("IR-SDE, Euler-Maruyama", "irsde", "euler_sde", 100),
    Method("Denoising-SDE", "denoising", "posterior", 22),
    Method("Denoising-SDE, Euler-Maruyama", "denoising", "euler_sde", 22),
    Method("Denoising-ODE", "denoising", "euler_ode", 22),
    Method("Denoising-ODE, second order", "denoising", "mr_ode_2", 5),
)
SHOWN_4 = ("IR-SDE", "Denoising-SDE", "Denoising-ODE")

TABLE_5 = {
    "denoising": (
        Method("DDPM", "ddpm", "posterior", 100),
        Method("DDPM, clipped", "ddpm", "posterior", 100, clip=True),
        Method("IR-SDE", "irsde", "posterior", 100),
        Method("Denoising-ODE", "denoising", "euler_ode", 22),
    ),
    "inpainting": (
        Method("DDPM", "inpainting_ddpm", "posterior", 100),
        Method("DDPM, clipped", "inpainting_ddpm", "posterior", 100, clip=True),
        Method("IR-SDE", "inpainting_irsde", "posterior", 100),
    ),
}
SHOWN_5 = ("DDPM", "DDPM, clipped", "IR-SDE")

_COLUMNS = ("crops", "method", "evaluations", "PSNR", "SSIM", "energy")


def table4(setting: Setting) -> None:
    """IR-SDE with 100 steps against the Denoising-SDE and -ODE with 22."""
    rows = _compare("denoising", TABLE_4, SHOWN_4, setting, "table4")
    pictures.save_table(setting.output / "table4.md", _COLUMNS, rows)


def table5(setting: Setting) -> None:
    """The conditional DDPM against ours: one network, one budget, two tasks."""
    rows = []
    for task, methods in TABLE_5.items():
        found = _compare(task, methods, SHOWN_5, setting, f"table5_{task}")
        rows += [[task, *row] for row in found]
    columns = ("task", *_COLUMNS, "PSNR where degraded")
    rows = [row + ["-"] * (len(columns) - len(row)) for row in rows]
    pictures.save_table(setting.output / "table5.md", columns, rows)


def _compare(
    task_name: str,
    methods: tuple[Method, ...],
    shown: tuple[str, ...],
    setting: Setting,
    picture: str,
) -> list[list[str]]:
    """The rows of all test sets, and a picture of the first set's."""
    names = dict.fromkeys(m.run for m in methods)
    loaded = {name: runs.load_tasks(name, setting) for name in names}
    rows = []
    for index, folder in enumerate(setting.tests):
        first = loaded[methods[0].run][index]
        inside = task_name == "inpainting"
        rows.append(_row(folder.name, "degraded", "-", first, first.degraded, inside))
        results = {}
        for m in methods:
            task = loaded[m.run][index]
            restored, _ = crops.restore(
                task, m.solver, "uniform", m.num_evals, clip=m.clip
            )
            results[m.name] = restored
            evals = str(m.num_evals)
            rows.append(_row(folder.name, m.name, evals, task, restored, inside))
            print(" ".join(rows[-1]), flush=True)
        if index == 0:
            places = _places(len(first.clean))
            columns = [first.degraded, *(results[name] for name in shown), first.clean]
            sheet = figures.comparison_sheet(
                [[column[i].clip(0, 1) for column in columns] for i in places],
                ["degraded", *shown, "clean"],
                crop_size=2 * crops.SIZE,
            )
            pictures.save_sheet(setting.output / f"{picture}.jpg", sheet)
    return rows


def _places(num_crops: int) -> np.ndarray:
    """Crops that are shown: spread over all."""
    return np.linspace(0, num_crops - 1, NUM_SHOWN).astype(int)


def _row(
    folder: str, name: str, evals: str, task: Task, restored: np.ndarray, inside: bool
) -> list[str]:
    """What is told of a method."""
    psnr, ssim, energy = crops.scores(restored.clip(0, 1), task.clean)
    row = [folder, name, evals, f"{psnr:.2f}", f"{ssim:.3f}", f"{energy:.2f}"]
    if inside:
        inner = psnr_where_degraded(restored, task.clean, task.degraded)
        row.append(f"{inner:.2f}")
    return row


def psnr_where_degraded(
    restored: np.ndarray, clean: np.ndarray, degraded: np.ndarray
) -> float:
    """PSNR over the pixels that were changed, such as holes, of all crops together."""
    changed = (degraded != clean).any(axis=-1)
    error = np.square(restored.clip(0, 1) - clean)[changed].mean()
    return -10 * math.log10(error)
