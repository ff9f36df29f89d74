"""Motion deblurring on GoPro (Nah et al. 2017), as in the paper.

Trains the paper's U-Net (137 M parameters) on GoPro's 2103 training pairs with the
released settings. `:synthetic` learns from sharp photographs alone, blurred on the
device along random camera paths; `:small` fits a CPU.
Hardware, hours and what it reached: not run.
"""

import runpy
from pathlib import Path

import ml_collections

_COMMON = runpy.run_path(str(Path(__file__).with_name("_common.py")))


def synthetic(config: ml_collections.ConfigDict) -> None:
    """Random camera shake on sharp photographs."""
    _COMMON["learn_from_photographs"](config, name="motion_blur")


VARIANTS = {"synthetic": synthetic} | _COMMON["VARIANTS"]


def get_config(variants: str = "") -> ml_collections.ConfigDict:
    """The paper's experiment, changed by `variants`: names of `VARIANTS`, joined."""
    config = _COMMON["start"]()
    config.task = "deblurring"
    config.data.train_dir = "tfds:gopro/train[100:]"
    config.validation.dir = "tfds:gopro/train[:100]"
    config.evaluation.dir = "tfds:gopro/test"
    return _COMMON["apply"](config, variants, VARIANTS)
