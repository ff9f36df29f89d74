"""Which solver, with how few network evaluations: PSNR, texture, distance and time.

Run as `python -m benchmarks.solvers`: trains three small networks on photographs (some
minutes each on two CPU cores; a second run finds them trained), restores eight unseen
crops with every solver and number of evaluations (NFE), prints tables, names the
defaults, and writes `solvers.txt`, `solvers.json` and `solvers.png` to `--output`.
Networks of your own: `--weights WORKDIR --crops FOLDER`. `--quick` is a short form.

- energy: squared Laplacian of the restored images over that of the clean ones. 1 is
  ideal, below is blur, above is noise.
- RMSE, in grey levels of 255, to the finest grid from the same start: of `mr_ode_2` for
  the solvers of the ODE, which all approach one end point; of itself for `mean_ode`.
- The rule: an ODE needs the fewest evaluations that end within 1 grey level of the
  finest grid; an SDE the fewest that lie within 0.1 dB and 0.03 of energy of its own
  finest grid. (PSNR alone would reward not sampling.) Of those within reach, fidelity
  is the one of highest PSNR, texture the one of energy nearest 1.
"""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np

from benchmarks import crops, timing
from benchmarks.crops import Task
from irsde_jax import samplers
from irsde_jax.logs import Progress
from irsde_jax.main import set_up_logging

NUM_EVALS = (1, 2, 5, 10, 20, 50, 100)
WANTED = 5  # evaluations
MAX_RMSE, MAX_PSNR_GAP, MAX_ENERGY_GAP = 1.0, 0.1, 0.03  # grey levels, dB, ratio

ODES = ("mr_ode_2", "mr_ode_1", "euler_ode")
REFERENCE = "mr_ode_2"
DETERMINISTIC = (*ODES, "mean_ode")
# `mr_sde_1` is `posterior`. The Denoising process has no `mr_sde_2`, and without its
# noise the drift of its SDE (`mean_ode`) is no restoration.
SOLVERS = (*DETERMINISTIC, "euler_sde", "posterior", "mr_sde_2")
DENOISING_SOLVERS = (*ODES, "euler_sde", "posterior")
BASELINE_SOLVERS = ("mr_ode_2", "euler_sde", "posterior")
SPACED_SOLVERS = ("mr_ode_2", "mr_ode_1", "posterior", "mr_sde_2")


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


def sweep(task: Task, solvers: Sequence[str], num_evals: Sequence[int]) -> list[Row]:
    """Every solver on the uniform grid, and the other grids at WANTED evaluations."""
    settings = [(name, "uniform", n) for name in solvers for n in num_evals]
    if WANTED in num_evals:
        spaced = [name for name in SPACED_SOLVERS if name in solvers]
        others = [spacing for spacing in samplers.SPACINGS if spacing != "uniform"]
        settings += [(name, spacing, WANTED) for name in spaced for spacing in others]
    rows: dict[tuple[str, str, int], Row] = {}
    finest: dict[str, np.ndarray] = {}
    total, size = sum(setting[2] for setting in settings), len(task.clean)
    with Progress(total, unit="evaluation", images_per_step=size) as progress:
        progress.message(f"{task.name}: {len(settings)} settings")
        for setting in sorted(settings, key=lambda setting: -setting[2]):
            restored, seconds = crops.restore(task, *setting, progress.update)
            name, rmse = setting[0], math.nan
            finest.setdefault(name, restored)
            if name in DETERMINISTIC:
                difference = restored - finest[REFERENCE if name in ODES else name]
                rmse = 255 * math.sqrt(np.square(difference).mean())
            scores = crops.scores(restored, task.clean)
            rows[setting] = Row(*setting, *scores, rmse, seconds)
    return [rows[setting] for setting in settings]


def is_settled(row: Row, rows: Sequence[Row]) -> bool:
    """Whether the finest grid would change little: the rule of the module."""
    if row.solver in DETERMINISTIC:
        return row.rmse <= MAX_RMSE
    same = [other for other in rows if other.solver == row.solver]
    finest = max(same, key=lambda other: other.num_evals)
    return (
        abs(row.psnr - finest.psnr) <= MAX_PSNR_GAP
        and abs(row.energy - finest.energy) <= MAX_ENERGY_GAP
    )


def cheapest(rows: Sequence[Row]) -> list[Row]:
    """The settled row of each solver with the fewest evaluations."""
    found: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: row.num_evals):
        if row.solver not in found and is_settled(row, rows):
            found[row.solver] = row
    return list(found.values())


def defaults(rows: Sequence[Row]) -> dict[str, Row]:
    """For fidelity and for texture, within WANTED evaluations if any settles there."""
    settled = cheapest(rows)
    within = [row for row in settled if row.num_evals <= WANTED] or settled
    return {
        "fidelity": max(within, key=lambda row: row.psnr),
        "texture": min(within, key=lambda row: abs(math.log(row.energy))),
    }


def report(task: Task, rows: Sequence[Row]) -> str:
    """The tables of a task and what the rule makes of them."""
    degraded = task.degraded.clip(0, 1)
    before = "PSNR {:.2f}, SSIM {:.4f}, energy {:.3f}".format(
        *crops.scores(degraded, task.clean)
    )
    uniform = [row for row in rows if row.spacing == "uniform"]
    lines = [
        f"\n{task.name}: {len(degraded)} crops of {crops.SIZE} x {crops.SIZE}, from "
        f"step {task.start} of {task.restorer.schedule.num_steps}; degraded: {before}",
        _HEADING,
        *(_line(row, rows) for row in uniform),
    ]
    if len(uniform) < len(rows):
        spaced = {row.solver for row in rows if row.spacing != "uniform"}
        lines += [f"\nGrids at {WANTED} evaluations", _HEADING]
        at_wanted = [r for r in rows if r.num_evals == WANTED and r.solver in spaced]
        at_wanted.sort(key=lambda row: SOLVERS.index(row.solver))
        lines += [_line(row, rows) for row in at_wanted]
        lines += ["\nFewest evaluations that settle (*)", _HEADING]
        lines += [_line(row, rows) for row in cheapest(rows)]
        for purpose, row in defaults(rows).items():
            chosen = f"{row.solver}, {row.num_evals} evaluations, {row.spacing} grid"
            lines.append(f"default for {purpose}: {chosen}")
    return "\n".join(lines)


_HEADING = (
    f"{'solver':12}{'grid':>10}{'NFE':>5}{'PSNR':>8}{'SSIM':>8}{'energy':>8}"
    f"{'RMSE':>8}{'s/image':>9}"
)


def _line(row: Row, rows: Sequence[Row]) -> str:
    rmse = "-" if math.isnan(row.rmse) else f"{row.rmse:.2f}"
    return (
        f"{row.solver:12}{row.spacing:>10}{row.num_evals:5}{row.psnr:8.2f}"
        f"{row.ssim:8.4f}{row.energy:8.3f}{rmse:>8}{row.seconds:9.2f}"
        f"{' *' if is_settled(row, rows) else ''}"
    )


def plot(results: dict[str, list[Row]], path: Path) -> None:
    """A row of panels for each task: PSNR, energy and distance against evaluations."""
    matplotlib.use("Agg")  # needs no display
    from matplotlib import pyplot

    size = (12.0, 3.6 * len(results) + 0.5)
    figure, grid = pyplot.subplots(
        len(results), 3, figsize=size, squeeze=False, layout="constrained"
    )
    lines: dict[str, Any] = {}
    for (task, rows), panels in zip(results.items(), grid):
        uniform = [row for row in rows if row.spacing == "uniform"]
        for panel, field in zip(panels, ("psnr", "energy", "rmse")):
            for name in dict.fromkeys(row.solver for row in uniform):
                found = [row for row in uniform if row.solver == name]
                values = [getattr(row, field) or math.nan for row in found]
                marker = "o-" if name in DETERMINISTIC else "s--"
                color = f"C{SOLVERS.index(name)}"
                (lines[name],) = panel.plot(
                    [row.num_evals for row in found], values, marker, color=color, ms=4
                )
            panel.set(xscale="log", xlabel="network evaluations")
            panel.set_xticks(NUM_EVALS, NUM_EVALS, minor=False)
            panel.minorticks_off()
            panel.set_xlim(0.9, 1.1 * max(row.num_evals for row in uniform))
            panel.grid(alpha=0.3)
        best = max(row.psnr for row in uniform)
        panels[0].set(title=f"{task}: PSNR, dB", ylim=(best - 6, best + 0.3))
        panels[1].set(title="energy, restored / clean", yscale="log", ylim=(0.02, 5))
        panels[1].axhline(1, color="black", linestyle=":")
        panels[2].set(title="RMSE to the finest grid, grey levels", yscale="log")
        panels[2].set_ylim(0.1, 50)
        panels[2].axhline(MAX_RMSE, color="black", linestyle=":")
        for panel in panels[1:]:
            panel.yaxis.set_major_formatter("{x:g}")
    names = [name for name in SOLVERS if name in lines]
    handles = [lines[name] for name in names]
    figure.legend(handles, names, loc="outside upper center", ncols=len(names))
    figure.savefig(path, dpi=110)
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


def main() -> None:
    """Prints the tables and writes them, the numbers and the plot."""
    parser = argparse.ArgumentParser(description="Solvers against evaluations.")
    parser.add_argument("--output", type=Path, default=Path("runs/benchmark_solvers"))
    parser.add_argument("--steps", type=int, default=600, help="of each training")
    parser.add_argument("--weights", type=Path, help="a network instead of training")
    parser.add_argument("--crops", type=Path, help="images for it: clean, or GT and LQ")
    parser.add_argument("--quick", action="store_true", help="a short form")
    args = parser.parse_args()
    if (args.weights is None) != (args.crops is None):
        parser.error("--weights and --crops go together.")
    set_up_logging(None)
    limit = 10 if args.quick else NUM_EVALS[-1]
    tasks: Iterator[Task]
    if args.weights:
        tasks = iter([crops.load_task(args.weights.name, args.weights, args.crops)])
    else:
        crops.write_images(args.output / "photographs")
        steps = 10 if args.quick else args.steps
        tasks = (crops.train_task(name, args.output, steps) for name in crops.TASKS)
    results: dict[str, list[Row]] = {}
    texts = [timing.hardware()]
    for task in tasks:
        finest = min(task.start, limit)
        num_evals = [n for n in NUM_EVALS if n < finest] + [finest]
        solvers: Sequence[str] = SOLVERS
        if task.restorer.process.starts_at_input:
            solvers = DENOISING_SOLVERS
        if task.name == crops.BASELINE:
            solvers, num_evals = BASELINE_SOLVERS, [finest]
        results[task.name] = sweep(task, solvers, num_evals)
        texts.append(report(task, results[task.name]))
        print(texts[-1], flush=True)
        save(args.output, results, texts)


if __name__ == "__main__":
    main()
