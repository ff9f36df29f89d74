"""Denoising of photographs at sigma 25: clean images alone, noise added on the fly.

Trains the paper's U-Net for the Denoising-SDE on a folder of clean images (the paper's
are DIV2K and Flickr2K) and measures it on McMaster. `:blind` learns every level up to
50 and estimates that of a test image; `:small` fits a CPU.
Hardware, hours and what it reached: not run.
"""

import runpy
from pathlib import Path

import ml_collections

_COMMON = runpy.run_path(str(Path(__file__).with_name("_common.py")))


def blind(config: ml_collections.ConfigDict) -> None:
    """No level given: the process learns all, and starts at what it estimates."""
    config.degradation = dict(name="gaussian_noise", sigma=(0.0, 50 / 255))
    config.sampling.sigma = None


def synthetic(config: ml_collections.ConfigDict) -> None:
    """Folders named as for the other tasks: the noise is synthetic anyway."""
    _COMMON["learn_from_photographs"](config)


VARIANTS = {"blind": blind, "synthetic": synthetic} | _COMMON["VARIANTS"]


def get_config(variants: str = "") -> ml_collections.ConfigDict:
    """The paper's experiment, changed by `variants`: names of `VARIANTS`, joined."""
    config = _COMMON["start"]()
    config.task = "denoising"
    config.process = "denoising"
    config.schedule.update(max_sigma=70 / 255, delta=0.04)
    config.degradation.name = "gaussian_noise"
    config.degradation.sigma = config.sampling.sigma = 25 / 255
    # Noise of 25/255 is reached at step 22. Of these 22 steps five suffice, see
    # docs/solvers.md.
    config.sampling.update(solver="mr_ode_2", num_evals=5)
    config.data.train_dir = "datasets/DF2K"
    config.evaluation.dir = "datasets/McMaster"
    config.train.batch_size = 8
    return _COMMON["apply"](config, variants, VARIANTS)
