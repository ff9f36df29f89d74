"""A first run on a laptop: a small NAFNet that denoises photographs at sigma 25.

Trains the Denoising-SDE on any folder of clean images, in minutes on a CPU: what
`make demo-train` runs; docs/getting_started.md has its figures.
"""

import runpy
from pathlib import Path

import ml_collections

_DENOISING = runpy.run_path(str(Path(__file__).with_name("denoising.py")))


def get_config() -> ml_collections.ConfigDict:
    """The settings of `denoising.py:small`, for minutes instead of hours."""
    config = _DENOISING["get_config"]("small")
    config.data.train_dir = "datasets/train"
    config.evaluation.dir = "datasets/test"
    config.optimizer.learning_rate = 1e-3
    config.train.update(batch_size=8, num_steps=600, ema_decay=0.99, log_every=20)
    config.train.checkpoint_every = config.validation.every = 200
    config.validation.num_images = 2
    return config
