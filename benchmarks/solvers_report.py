"""What `benchmarks.solvers` found: tables, numbers and the plot."""

import json
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

from benchmarks import crops
from benchmarks.crops import Task

MAX_RMSE = 1.0
"""Grey levels of 255: the distance to the finest grid within which an ODE settled."""


class Row(NamedTuple):
    """What a solver reached; `rmse` is NaN for an SDE, `seconds` are of one image."""

    solver: str
    spacing: str
    num_evals: int
    psnr: float
    ssim: float
    energy: float
    rmse: float
    seconds: float


_HEADING = (
    f"{'solver':12}{'grid':>10}{'NFE':>5}{'PSNR':>8}{'SSIM':>8}{'energy':>8}"
    f"{'RMSE':>8}{'s/image':>9}"
)


def table(
    task: Task, rows: Sequence[Row], settled: Collection[Row], defaults: dict[str, Row]
) -> str:
    """The rows of a task, those that settled marked, and the defaults they give."""
    degraded = task.degraded.clip(0, 1)
    before = "PSNR {:.2f}, SSIM {:.4f}, energy {:.3f}".format(
        *crops.scores(degraded, task.clean)
    )
    lines = [
        f"\n{task.name}: {len(degraded)} crops of {crops.SIZE} x {crops.SIZE}, from "
        f"step {task.start} of {task.restorer.schedule.num_steps}; degraded: {before}",
        "* marks what settled: the finest grid would change little",
        _HEADING,
        *(_line(row) + " *" * (row in settled) for row in rows),
    ]
    for purpose, row in defaults.items():
        chosen = f"{row.solver}, {row.num_evals} evaluations, {row.spacing} grid"
        lines.append(f"default for {purpose}: {chosen}")
    return "\n".join(lines)


def comparison(results: dict[str, list[Row]]) -> str:
    """The Denoising process against IR-SDE with its finest grid, at one noise level."""
    denoising = [
        row
        for row in results["denoising"]
        if row.spacing == "uniform" and row.solver != "euler_sde"
    ]
    finest = max(row.num_evals for row in denoising)
    kept = [row for row in denoising if row.num_evals in (5, finest)]
    return "\n".join(
        [
            "\nThe Denoising process, from the step of its noise level",
            _HEADING,
            *(_line(row) for row in kept),
            "IR-SDE on the same noisy crops, from its last step",
            *(_line(row) for row in results[crops.BASELINE]),
        ]
    )


def _line(row: Row) -> str:
    rmse = "-" if math.isnan(row.rmse) else f"{row.rmse:.2f}"
    return (
        f"{row.solver:12}{row.spacing:>10}{row.num_evals:5}{row.psnr:8.2f}"
        f"{row.ssim:8.4f}{row.energy:8.3f}{rmse:>8}{row.seconds:9.2f}"
    )


def plot(results: dict[str, list[Row]], path: Path) -> None:
    """A row of panels for each task: PSNR, energy and distance against evaluations."""
    matplotlib.use("Agg")  # needs no display
    from matplotlib import pyplot

    size = (12.0, 3.6 * len(results) + 0.5)
    figure, grid = pyplot.subplots(
        len(results), 3, figsize=size, squeeze=False, layout="constrained"
    )
    names = list(dict.fromkeys(row.solver for rows in results.values() for row in rows))
    lines: dict[str, Any] = {}
    for (task, rows), panels in zip(results.items(), grid):
        uniform = [row for row in rows if row.spacing == "uniform"]
        last = max(row.num_evals for row in uniform)
        found_evals = {row.num_evals for row in uniform}
        ticks = sorted(n for n in found_evals if n == last or 1.2 * n < last)
        for panel, field in zip(panels, ("psnr", "energy", "rmse")):
            for name in dict.fromkeys(row.solver for row in uniform):
                found = [row for row in uniform if row.solver == name]
                values = [getattr(row, field) or math.nan for row in found]
                marker = "s--" if math.isnan(found[0].rmse) else "o-"
                (lines[name],) = panel.plot(
                    [row.num_evals for row in found],
                    values,
                    marker,
                    color=f"C{names.index(name)}",
                    ms=4,
                )
            panel.set(xscale="log", xlabel="network evaluations")
            panel.set_xticks(ticks, ticks, minor=False)
            panel.minorticks_off()
            panel.grid(alpha=0.3)
        best = max(row.psnr for row in uniform)
        panels[0].set(title=f"{task}: PSNR, dB", ylim=(best - 6, best + 0.3))
        panels[1].set(title="energy, restored / clean", yscale="log", ylim=(0.01, 5))
        panels[1].axhline(1, color="black", linestyle=":")
        panels[2].set(title="RMSE to the finest grid, grey levels", yscale="log")
        panels[2].set_ylim(0.1, 50)
        panels[2].axhline(MAX_RMSE, color="black", linestyle=":")
        for panel in panels[1:]:
            panel.yaxis.set_major_formatter("{x:g}")
    handles = [lines[name] for name in names if name in lines]
    shown = [name for name in names if name in lines]
    figure.legend(handles, shown, loc="outside upper center", ncols=len(shown))
    # No metadata: the same figures give the same file.
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def save(folder: Path, results: dict[str, list[Row]], texts: Sequence[str]) -> None:
    """`solvers.txt`, `solvers.json` (null for no RMSE) and `solvers.png`, so far."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "solvers.txt").write_text("\n".join(texts) + "\n")
    numbers = {
        task: [
            {k: None if v != v else v for k, v in row._asdict().items()} for row in rows
        ]
        for task, rows in results.items()
    }
    (folder / "solvers.json").write_text(json.dumps(numbers, indent=1) + "\n")
    plotted = {task: rows for task, rows in results.items() if task != crops.BASELINE}
    plot(plotted, folder / "solvers.png")
