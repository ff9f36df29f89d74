"""`make demo`: trains a small denoiser on photographs, then judges it on unseen ones.

The photographs are those that scikit-image ships, so nothing is downloaded. Training
takes minutes on two CPU cores; run again, the demo goes on where it stopped.
"""

import shlex
import sys
from pathlib import Path

from PIL import Image

from irsde_jax import configuration, evaluate, train
from irsde_jax.main import set_up_logging

FOLDER = Path("demo")

# No photograph is in two of the folders, nor another view of one.
PHOTOGRAPHS = {
    "train": (
        *("rocket.jpg", "motorcycle_left.png", "hubble_deep_field.jpg", "ihc.png"),
        *("retina.jpg", "brick.png", "grass.png", "gravel.png", "moon.png"),
    ),
    "validation": ("camera.png", "coins.png"),
    "test": ("astronaut.png", "chelsea.png", "coffee.png"),
}


def write_photographs(folder: Path) -> None:
    """Copies the photographs of scikit-image into folders of `folder`, as PNG files."""
    try:
        import skimage
    except ImportError as error:
        raise SystemExit(
            "the demo needs the photographs of scikit-image: pip install scikit-image"
        ) from error
    source = Path(skimage.__file__).parent / "data"
    for part, names in PHOTOGRAPHS.items():
        (folder / part).mkdir(parents=True, exist_ok=True)
        for name in names:
            target = folder / part / f"{Path(name).stem}.png"
            if not target.exists():
                Image.open(source / name).convert("RGB").save(target)


def main() -> None:
    """Trains, evaluates, and says where to look."""
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
    train.train(config, workdir)
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
