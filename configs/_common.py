"""What the experiments share: the default settings, and the variants of all tasks.

A variant is a function that changes a configuration; an experiment lists its own in
`VARIANTS` beside these. Several are joined by commas: `deraining.py:small,synthetic`.
"""

import runpy
from pathlib import Path

import ml_collections

_DEFAULT = runpy.run_path(str(Path(__file__).with_name("default.py")))


def start() -> ml_collections.ConfigDict:
    """What the tasks have in common: default.py and the solver of docs/solvers.md.

    The released options (github.com/Algolzw/image-restoration-sde, files
    codes/config/*/options/train/*.yml) are those of default.py but for a batch of 4.
    """
    config = _DEFAULT["get_config"]()
    config.train.batch_size = 4
    config.sampling.update(solver="mr_sde_2", num_evals=10)
    return config


def refusion(config: ml_collections.ConfigDict) -> None:
    """Refusion's NAFNet, 77 M parameters, and its released training."""
    config.model = dict(name="nafnet", channels=3, width=64, middle_blocks=1)
    config.model.update(enc_blocks=(1, 1, 1, 28), dec_blocks=(1, 1, 1, 1))
    config.model.update(dtype="float32", remat=False)
    config.optimizer.update(name="lion", learning_rate=4e-5, decay="cosine")
    if config.process == "irsde":
        config.schedule.max_sigma = 50 / 255


def ddpm(config: ml_collections.ConfigDict) -> None:
    """The conditional DDPM of the paper's Table 5, with the same network."""
    config.process = "ddpm"
    # images are in [-1, 1]: variance-preserving
    config.schedule.update(max_sigma=1.0, delta=0.005)
    config.loss.name = "noise"
    config.sampling.update(solver="posterior", num_evals=100, sigma=None)


def small(config: ml_collections.ConfigDict) -> None:
    """A NAFNet of 0.4 M parameters, trained in half an hour on two CPU cores.

    Many small batches: near step T an error of the noise is 1/delta times as large in
    the image, and steps reduce it more than examples do.
    """
    config.model = dict(name="nafnet", channels=3, width=16, middle_blocks=1)
    config.model.update(enc_blocks=(1, 1, 2), dec_blocks=(1, 1, 1))
    config.model.update(dtype="float32", remat=False)
    config.data.crop_size = config.validation.crop_size = 64
    config.optimizer.update(name="adam", learning_rate=2e-3, decay="cosine")
    config.optimizer.warmup_steps = 50
    config.train.update(batch_size=4, num_steps=10_000, ema_decay=0.999)
    config.train.update(log_every=100, checkpoint_every=1_000)
    config.validation.update(every=1_000, num_images=4)


VARIANTS = {"refusion": refusion, "ddpm": ddpm, "small": small}


def learn_from_photographs(
    config: ml_collections.ConfigDict, **degradation: str | int
) -> None:
    """Folders of clean photographs, degraded on the device while they are learnt."""
    config.degradation.update(degradation)
    config.data.train_dir = "datasets/photographs"
    config.validation.dir = "datasets/validation"


def apply(
    config: ml_collections.ConfigDict, given: str, variants: dict
) -> ml_collections.ConfigDict:
    """Applies the variants named in `given`, in the order of the table.

    Raises:
        ValueError: if there is none of that name, or one is given twice.
    """
    names = given.split(",") if given else []
    for name in names:
        if name not in variants:
            raise ValueError(f"{name!r} is not one of {sorted(variants)}.")
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is given twice.")
    for name, change in variants.items():
        if name in names:
            change(config)
    return config
