"""Which solver, with how few network evaluations: PSNR, texture, distance and time.

Run as `python -m benchmarks.solvers`: trains three small networks on photographs (ten
minutes each on two CPU cores; a second run finds them trained), restores eight unseen
crops with every solver and number of evaluations (NFE), prints tables, names the
defaults, and writes `solvers.txt`, `solvers.json` and `solvers.png` to `--output`.
Networks of your own: `--weights WORKDIR --crops FOLDER`. `--clip` clips the image that
each prediction implies. `--quick` is a short form, in a folder of its own.

- energy: squared Laplacian of the restored images over that of the clean ones. 1 is
  ideal, below is blur, above is noise.
- RMSE, in grey levels of 255, to the finest grid from the same start: of `mr_ode_2` for
  the solvers of the ODE, which all approach one end point; of itself for `mean_ode`.
- The rule: an ODE needs the fewest evaluations that end within 1 grey level of the
  finest grid; an SDE the fewest that lie within 0.1 dB and 0.03 of energy of its own
  finest grid. (PSNR alone would reward not sampling.) Of the cheapest of these, that of
  highest PSNR is for fidelity, that of energy nearest 1 for texture.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks import crops, solvers_report, timing
from benchmarks.crops import Task
from benchmarks.solvers_report import MAX_RMSE, Row
from irsde_jax import samplers
from irsde_jax.cli.console import set_up_logging
from irsde_jax.training.progress import Progress

NUM_EVALS = (1, 2, 5, 10, 20, 50, 100)
SPACED_EVALS = (5, 10)  # those of the grids that are not uniform in t
WANTED = 5  # evaluations
MAX_PSNR_GAP, MAX_ENERGY_GAP = 0.1, 0.03  # dB, ratio

ODES = ("mr_ode_2", "mr_ode_1", "euler_ode")
REFERENCE = "mr_ode_2"
DETERMINISTIC = (*ODES, "mean_ode")
# `mr_sde_1` is `posterior`. The Denoising process has no `mr_sde_2`, and without its
# noise the drift of its SDE (`mean_ode`) is no restoration.
SOLVERS = (*DETERMINISTIC, "euler_sde", "posterior", "mr_sde_2")
DENOISING_SOLVERS = (*ODES, "euler_sde", "posterior")
BASELINE_SOLVERS = ("mr_ode_2", "euler_sde", "posterior")
SPACED_SOLVERS = ("mr_ode_2", "mr_ode_1", "posterior", "mr_sde_2")


def sweep(
    task: Task, solvers: Sequence[str], num_evals: Sequence[int], clip: bool
) -> list[Row]:
    """Every solver on the uniform grid, and the other grids at SPACED_EVALS."""
    settings = [(name, "uniform", n) for name in solvers for n in num_evals]
    spaced = [name for name in SPACED_SOLVERS if name in solvers]
    others = [spacing for spacing in samplers.SPACINGS if spacing != "uniform"]
    for n in (n for n in SPACED_EVALS if n in num_evals[:-1]):
        settings += [(name, spacing, n) for name in spaced for spacing in others]
    rows: dict[tuple[str, str, int], Row] = {}
    finest: dict[str, np.ndarray] = {}
    total, size = sum(setting[2] for setting in settings), len(task.clean)
    with Progress(total, unit="evaluation", images_per_step=size) as progress:
        progress.message(f"{task.name}: {len(settings)} settings")
        for setting in sorted(settings, key=lambda setting: -setting[2]):
            restored, seconds = crops.restore(task, *setting, progress.update, clip)
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
    """For fidelity and for texture, of the cheapest that settle; WANTED is cheap."""
    settled = cheapest(rows)
    limit = max(WANTED, min(row.num_evals for row in settled))
    within = [row for row in settled if row.num_evals <= limit]
    return {
        "fidelity": max(within, key=lambda row: row.psnr),
        "texture": min(within, key=lambda row: abs(math.log(row.energy))),
    }


def main() -> None:
    """Prints the tables and writes them, the numbers and the plot."""
    parser = argparse.ArgumentParser(description="Solvers against evaluations.")
    parser.add_argument("--output", type=Path, default=Path("runs/benchmark_solvers"))
    parser.add_argument("--steps", type=int, default=6000, help="of each training")
    parser.add_argument("--weights", type=Path, help="a network instead of training")
    parser.add_argument("--crops", type=Path, help="images for it: clean, or GT and LQ")
    parser.add_argument("--clip", action="store_true", help="clip what is predicted")
    parser.add_argument("--quick", action="store_true", help="a short form")
    args = parser.parse_args()
    if (args.weights is None) != (args.crops is None):
        parser.error("--weights and --crops go together.")
    set_up_logging(None)
    limit = 10 if args.quick else NUM_EVALS[-1]
    output = args.output / "quick" if args.quick else args.output
    tasks: Iterator[Task]
    if args.weights:
        tasks = iter([crops.load_task(args.weights.name, args.weights, args.crops)])
    else:
        crops.write_images(output / "photographs")
        steps = 10 if args.quick else args.steps
        tasks = (crops.train_task(name, output, steps) for name in crops.TASKS)
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
        rows = results[task.name] = sweep(task, solvers, num_evals, args.clip)
        if task.name == crops.BASELINE:
            texts.append(solvers_report.comparison(results))
        else:
            settled = {row for row in rows if is_settled(row, rows)}
            texts.append(solvers_report.table(task, rows, settled, defaults(rows)))
        print(texts[-1], flush=True)
        solvers_report.save(output, results, texts)


if __name__ == "__main__":
    main()
