"""The trainings of the weights in the box: `--config=shipped:NAME`, for two CPU cores.

NAME is `denoising`, `deraining`, `super_resolution` or `inpainting`; docs/weights.md
says what each reached. They are NAFNets of 0.38 M parameters, for inpainting of 1.9 M.
Those of IR-SDE use v-prediction, and are judged by the clean image that it implies:
a small network that predicts the noise is far off near step T, where the noise says
little of the image.
"""

import runpy
from pathlib import Path

import ml_collections

_FOLDER = Path(__file__).parent


def _task(name: str, variants: str) -> ml_collections.ConfigDict:
    """An experiment of this folder."""
    return runpy.run_path(str(_FOLDER / f"{name}.py"))["get_config"](variants)


def _predict_v(config: ml_collections.ConfigDict) -> None:
    """What the three of IR-SDE have in common."""
    config.prediction = "v"
    config.loss.name = "x0"
    # Larger than the paper's: in units of lambda, streaks and holes are then of size 1.
    config.schedule.max_sigma = 50 / 255
    config.sampling.update(solver="mr_ode_1", num_evals=2)
    config.train.log_every = 200
    config.validation.update(every=2_000, num_images=16, crop_size=128)
    config.optimizer.warmup_steps = 200


def denoising() -> ml_collections.ConfigDict:
    """Any level up to 50, estimated where none is given."""
    config = _task("denoising", "blind,synthetic,small")
    config.train.num_steps = 30_000
    return config


def deraining() -> ml_collections.ConfigDict:
    """Pairs of `python -m benchmarks.rain_pairs`."""
    config = _task("deraining", "small")
    _predict_v(config)
    config.data.train_dir = "datasets/rain_pairs"
    config.data.cache_megabytes = 2048
    config.data.augment = False  # turned by 90 degrees, rain would not fall
    config.sampling.num_evals = 1  # a second one lowers the PSNR on the validation set
    config.validation.dir = "datasets/rain_validation"
    config.train.num_steps = 9_000
    return config


def super_resolution() -> ml_collections.ConfigDict:
    """Photographs reduced by bicubic interpolation."""
    config = _task("super_resolution", "synthetic,small")
    _predict_v(config)
    config.train.num_steps = 7_700
    return config


def inpainting() -> ml_collections.ConfigDict:
    """Strokes of 5 to 24 pixels, and a network that sees further: a level deeper.

    Nothing tells what is in the middle of wider holes, and there is nothing to learn.
    """
    config = _task("inpainting", "filled,synthetic,small")
    _predict_v(config)
    config.schedule.max_sigma = 30 / 255  # the paper's: a smooth hole is off by as much
    config.model.update(enc_blocks=(1, 1, 1, 2), middle_blocks=2)
    config.model.dec_blocks = (1, 1, 1, 1)
    config.data.crop_size = 96
    config.degradation.update(num_strokes=(3, 12), length=(0.1, 0.5))
    config.degradation.width = (0.05, 0.25)
    config.optimizer.learning_rate = 1e-3
    config.train.num_steps = 20_000
    config.sampling.num_evals = 1  # as for rain
    return config


VARIANTS = {
    training.__name__: training
    for training in (denoising, deraining, super_resolution, inpainting)
}


def get_config(name: str = "") -> ml_collections.ConfigDict:
    """The training of that name, a key of `VARIANTS`; "" is the denoiser's."""
    if name and name not in VARIANTS:
        raise ValueError(f"{name!r} is not one of {sorted(VARIANTS)}.")
    return VARIANTS[name or "denoising"]()
