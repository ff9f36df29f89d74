"""Denoising of photographs at sigma 25: clean images alone, noise added on the fly.

Trains the paper's U-Net for the Denoising-SDE on a folder of clean images (the paper's
are DIV2K and Flickr2K); `denoising.py:refusion` trains a NAFNet of 77 M parameters.
Hardware, hours and what it reached: not run.
"""

import runpy
from pathlib import Path

import ml_collections

_DEFAULT = runpy.run_path(str(Path(__file__).with_name("default.py")))


def get_config(variant: str = "unet") -> ml_collections.ConfigDict:
    """The Denoising-SDE with a network: `variant` is "unet" or "refusion"."""
    if variant not in ("unet", "refusion"):
        raise ValueError(f"{variant!r} is not one of ['refusion', 'unet'].")
    config = _DEFAULT["get_config"]()
    config.task = "denoising"
    config.process = "denoising"
    config.schedule.update(max_sigma=70 / 255, delta=0.04)
    config.degradation.name = "gaussian_noise"
    config.degradation.sigma = config.sampling.sigma = 25 / 255
    # Of 22 steps (noise of 25/255 is reached at step 22), five settle: README.md.
    config.sampling.update(solver="mr_ode_1", num_evals=5)
    if variant == "refusion":
        config.model = dict(name="nafnet", channels=3, width=64, middle_blocks=1)
        config.model.update(enc_blocks=(1, 1, 1, 28), dec_blocks=(1, 1, 1, 1))
        config.model.update(dtype="float32", remat=False)
    return config
