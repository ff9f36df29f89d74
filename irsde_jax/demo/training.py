"""`make demo-train`: trains a small denoiser and evaluates it on unseen photographs.

The photographs come with scikit-image, so nothing is downloaded. Training takes minutes
on two CPU cores. If the demo was interrupted, run it again to continue.
"""

import shlex
import sys
from pathlib import Path

from irsde_jax import configuration
from irsde_jax.cli.console import set_up_logging
from irsde_jax.data.photographs import write_photographs
from irsde_jax.evaluation import evaluate
from irsde_jax.training import loop

FOLDER = Path("demo")


def main() -> None:
    """Trains the network, evaluates it and prints where the results are."""
    set_up_logging(None)
    photographs, workdir = FOLDER / "photographs", FOLDER / "run"
    write_photographs(photographs)
    overrides = [
        f"--config.data.train_dir={photographs / 'train'}",
        f"--config.validation.dir={photographs / 'validation'}",
        f"--config.evaluation.dir={photographs / 'test'}",
    ]
    command = ["--config=quickstart", f"--workdir={workdir}", *overrides]
    print("python -m irsde_jax.main", shlex.join(command), flush=True)
    config = configuration.load("quickstart", overrides)
    loop.train(config, workdir)
    print(
        f"\npython -m irsde_jax.main --mode=evaluate --workdir={workdir}\n", flush=True
    )
    report = evaluate.run(None, workdir, overwrite=True)
    mean = report["mean"]
    gain = mean["restored_psnr_rgb"] - mean["degraded_psnr_rgb"]
    results = workdir / "evaluation" / "test"
    print(
        f"\nOn {len(report['images'])} photographs it has not seen, the network gained "
        f"{gain:.2f} dB.\nLook at {results / 'comparison.png'}.\nYour own images:\n"
        f"  {Path(sys.executable)} -m irsde_jax.main --mode=restore "
        f"--workdir={workdir} --input=PHOTOGRAPH_OR_FOLDER --output=FOLDER"
    )


if __name__ == "__main__":
    main()
