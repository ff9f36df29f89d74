"""The experiments of the IR-SDE paper, at a scale that two CPU cores bear.

    python -m benchmarks.paper --experiment table4

One small network a run, minutes of training, twelve crops of 128 x 128: what is
compared is compared under equal conditions, and no figure is the paper's. docs/paper.md
shows what came out. Trained networks are kept in `--workdir` and shared between the
experiments; pictures and tables (Markdown) go to `--output`.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import timing
from benchmarks.paper import learning, path, runs, tables, variance
from benchmarks.paper.runs import Setting
from irsde_jax.cli.console import set_up_logging

EXPERIMENTS: dict[str, Callable[[Setting], None]] = {
    "table4": tables.table4,
    "table5": tables.table5,
    "figure6_9": path.figure6_9,
    "figure10": learning.figure10,
    "figure11": learning.figure11,
    "figure12": variance.figure12,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the experiments that were named."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.paper",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--experiment", nargs="+", choices=EXPERIMENTS, required=True)
    add("--data", type=Path, help="clean photographs to train on; else scikit-image's")
    add("--test", type=Path, nargs="+", help="of twelve unseen ones, as --data")
    add("--workdir", type=Path, default=Path("build/paper"))
    add("--output", type=Path, help="else WORKDIR/results")
    add("--steps", type=int, default=1500, help="of each training")
    args = parser.parse_args(argv)
    set_up_logging(None)
    photographs, test = args.data, args.test
    if photographs is None or test is None:
        defaults = runs.write_default_images(args.workdir / "photographs")
        photographs, test = photographs or defaults[0], test or [defaults[1]]
    output = args.output or args.workdir / "results"
    setting = Setting(photographs, tuple(test), args.workdir, output, args.steps)
    print(timing.hardware(), flush=True)
    for name in args.experiment:
        EXPERIMENTS[name](setting)


if __name__ == "__main__":
    main()
