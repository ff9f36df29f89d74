"""A first run on a laptop: a small NAFNet that denoises photographs at sigma 25.

Trains the Denoising-SDE on any folder of clean images, in minutes on a CPU.
Hardware, minutes and what it reached: not run.
"""

import runpy
from pathlib import Path

import ml_collections

_DEFAULT = runpy.run_path(str(Path(__file__).with_name("default.py")))


def get_config() -> ml_collections.ConfigDict:
    """The settings of `denoising.py` at the size of a CPU."""
    config = _DEFAULT["get_config"]()
    config.task = config.process = "denoising"
    config.schedule.update(max_sigma=70 / 255, delta=0.04)
    config.model = dict(name="nafnet", channels=3, width=16, middle_blocks=1)
    config.model.update(enc_blocks=(1, 1, 2), dec_blocks=(1, 1, 1))
    config.model.update(dtype="float32", remat=False)
    config.degradation.name = "gaussian_noise"
    config.degradation.sigma = config.sampling.sigma = 25 / 255
    config.data.crop_size = config.validation.crop_size = 64
    config.optimizer.update(learning_rate=1e-3, decay="cosine", warmup_steps=50)
    config.train.update(batch_size=8, num_steps=600, ema_decay=0.99, log_every=20)
    config.train.checkpoint_every = config.validation.every = 200
    config.validation.num_images = 2
    config.sampling.update(solver="mr_ode_1", num_evals=5)
    return config
