"""Deraining of photographs: rainy and clean images in pairs, as in the paper.

Trains the paper's U-Net (137 M parameters) on Rain100H's 1800 training pairs with the
released settings; `deraining.py:refusion` trains Refusion's NAFNet (77 M) instead.
Hardware, hours and what it reached: not run.
"""

import runpy
from pathlib import Path

import ml_collections

_DEFAULT = runpy.run_path(str(Path(__file__).with_name("default.py")))


def get_config(network: str = "unet") -> ml_collections.ConfigDict:
    """The paper's experiment with `network`: "unet" or "refusion"."""
    if network not in ("unet", "refusion"):
        raise ValueError(f"network {network!r} is not one of ['refusion', 'unet'].")
    config = _DEFAULT["get_config"]()
    config.task = "deraining"
    config.data.train_dir = "datasets/Rain100H/train"
    config.validation.dir = "datasets/Rain100H/validation"
    config.evaluation.dir = "datasets/Rain100H/test"
    config.evaluation.crop_border = 4  # pixels, as in the released test script
    config.train.batch_size = 4
    if network == "refusion":
        config.model = dict(name="nafnet", channels=3, width=64, middle_blocks=1)
        config.model.update(enc_blocks=(1, 1, 1, 28), dec_blocks=(1, 1, 1, 1))
        config.model.update(dtype="float32", remat=False)
        config.optimizer.update(name="lion", learning_rate=4e-5, decay="cosine")
    return config
