"""The networks of the experiments: how they are trained, on what they are judged.

All are `configs/*.py:small`: the same NAFNet, crops, batch, optimizer and number of
steps. A run is a work directory of the library's own training, so a network that two
experiments need is trained once, and a command that was stopped goes on.
"""

from pathlib import Path
from typing import Any, NamedTuple

import ml_collections
from PIL import Image

from benchmarks import crops
from benchmarks.crops import Task
from irsde_jax import configuration
from irsde_jax.data.photographs import write_photographs
from irsde_jax.training import loop

NUM_CROPS = 12
NUM_POINTS = 5  # of a learning curve
CROP_SIZE = 48  # pixels, in training and on the learning curve
# Photograph, top, left: twelve of 128 x 128, four of each, none of them trained on.
CROPS = (
    *crops.CROPS,
    *(("astronaut", 200, 352), ("chelsea", 10, 310), ("chelsea", 165, 20)),
    ("coffee", 20, 450),
)

_IRSDE = {
    "process": "irsde",
    "schedule.max_sigma": 10 / 255,
    "schedule.delta": 0.005,
    "sampling.sigma": None,
}
# Masks are drawn in shares of a crop: nearer to the size that they are judged at.
_LARGER_CROPS = {"data.crop_size": 72, "train.batch_size": 2}

RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "denoising": ("denoising:small", {}),
    "irsde": ("denoising:small", _IRSDE),
    "irsde_noise": ("denoising:small", _IRSDE | {"loss.name": "noise"}),
    "irsde_euler": ("denoising:small", _IRSDE | {"loss.name": "max_likelihood_euler"}),
    "irsde_linear": ("denoising:small", _IRSDE | {"schedule.thetas": "linear"}),
    "irsde_constant": ("denoising:small", _IRSDE | {"schedule.thetas": "constant"}),
    "ddpm": ("denoising:small,ddpm", {}),
    "inpainting_irsde": ("inpainting:small,synthetic", _LARGER_CROPS),
    "inpainting_ddpm": ("inpainting:small,ddpm,synthetic", _LARGER_CROPS),
}
"""Name -> configuration, and what differs from it."""


class Setting(NamedTuple):
    """What the experiments share.

    Attributes:
        photographs: folder of clean photographs to train on.
        tests: folders of clean photographs to judge on, the first for the pictures.
        workdir: of the trained networks, one folder each.
        output: of pictures and tables.
        steps: of each training.
    """

    photographs: Path
    tests: tuple[Path, ...]
    workdir: Path
    output: Path
    steps: int


def write_default_images(folder: Path) -> tuple[Path, Path]:
    """scikit-image's photographs to train on, and the twelve crops; their folders."""
    write_photographs(folder)
    target = folder / "crops"
    target.mkdir(exist_ok=True)
    for photograph, top, left in CROPS:
        with Image.open(folder / "test" / f"{photograph}.png") as image:
            box = (left, top, left + crops.SIZE, top + crops.SIZE)
            image.crop(box).save(target / f"{photograph}_{top}_{left}.png")
    return folder / "train", target


def configure(name: str, setting: Setting) -> ml_collections.ConfigDict:
    """The configuration of a run: its own, and what all runs share."""
    source, changes = RUNS[name]
    config = configuration.load(source)
    steps = setting.steps
    changes = changes | {
        "data.train_dir": str(setting.photographs),
        "train.num_steps": steps,
        "train.ema_decay": 0.995,
        "train.keep_best": 0,  # nothing is chosen by the curve: it is of the test crops
        "train.checkpoint_every": max(1, steps // 2),
        "validation.dir": str(setting.tests[0]),
        "validation.num_images": NUM_CROPS,
        "validation.crop_size": CROP_SIZE,
        "validation.every": max(1, steps // NUM_POINTS),
        "sampling.solver": "posterior",
        "sampling.num_evals": config.schedule.num_steps,
    }
    config.update_from_flattened_dict({"data.crop_size": CROP_SIZE} | changes)
    return config


def train_run(name: str, setting: Setting) -> Path:
    """Trains a network of `RUNS`, or finds it trained; returns its work directory.

    Raises:
        ValueError: if the folder holds a run on other photographs.
    """
    config = configure(name, setting)
    workdir = setting.workdir / f"{name}_{setting.steps}_steps"
    if configuration.has_stored(workdir):
        found = configuration.read_stored(workdir).data.train_dir
        if found != config.data.train_dir:
            raise ValueError(
                f"{workdir} was trained on {found}, not on {config.data.train_dir}: "
                "choose another --workdir."
            )
    loop.train(config, workdir)
    return workdir


def load_tasks(name: str, setting: Setting) -> list[Task]:
    """The trained network of `RUNS` with the crops of each test folder."""
    workdir = train_run(name, setting)
    return [
        crops.load_task(folder.name, workdir, folder, NUM_CROPS)
        for folder in setting.tests
    ]
