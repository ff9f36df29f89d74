"""Deraining of photographs: rainy and clean images in pairs, as in the paper.

Trains the paper's U-Net (137 M parameters) on Rain100H's 1800 training pairs with the
released settings; `deraining.py:refusion` trains Refusion's NAFNet (77 M) instead,
`deraining.py:ddpm` the conditional DDPM of the paper's Table 5 with the same U-Net.
Hardware, hours and what it reached: not run.
"""

import runpy
from pathlib import Path

import ml_collections

_DEFAULT = runpy.run_path(str(Path(__file__).with_name("default.py")))


def get_config(variant: str = "unet") -> ml_collections.ConfigDict:
    """The paper's experiment: `variant` is "unet", "refusion" or "ddpm"."""
    if variant not in ("unet", "refusion", "ddpm"):
        raise ValueError(f"{variant!r} is not one of ['ddpm', 'refusion', 'unet'].")
    config = _DEFAULT["get_config"]()
    config.task = "deraining"
    config.data.train_dir = "datasets/Rain100H/train"
    config.validation.dir = "datasets/Rain100H/validation"
    config.evaluation.dir = "datasets/Rain100H/test"
    config.evaluation.crop_border = 4  # pixels, as in the released test script
    config.train.batch_size = 4
    if variant == "ddpm":
        config.process = "ddpm"
        config.schedule.max_sigma = 1.0  # images are in [-1, 1]: variance-preserving
        config.loss.name = "noise"
    if variant == "refusion":
        config.model = dict(name="nafnet", channels=3, width=64, middle_blocks=1)
        config.model.update(enc_blocks=(1, 1, 1, 28), dec_blocks=(1, 1, 1, 1))
        config.model.update(dtype="float32", remat=False)
        config.optimizer.update(name="lion", learning_rate=4e-5, decay="cosine")
    return config
