"""Super-resolution x4 on DIV2K, as in the paper.

Trains the paper's U-Net (137 M parameters) on DIV2K's 800 photographs and their bicubic
reductions, enlarged again before the network sees them. `:synthetic` makes the
reductions on the device from any photographs; `:small` fits a CPU.
Hardware, hours and what it reached: not run.
"""

import runpy
from pathlib import Path

import ml_collections

_COMMON = runpy.run_path(str(Path(__file__).with_name("_common.py")))


def synthetic(config: ml_collections.ConfigDict) -> None:
    """Photographs reduced and enlarged on the device."""
    _COMMON["learn_from_photographs"](config, name="bicubic", factor=4)


VARIANTS = {"synthetic": synthetic} | _COMMON["VARIANTS"]


def get_config(variants: str = "") -> ml_collections.ConfigDict:
    """The paper's experiment, changed by `variants`: names of `VARIANTS`, joined."""
    config = _COMMON["start"]()
    config.task = "super-resolution"
    config.schedule.max_sigma = 30 / 255  # the paper; the released options say 10/255
    config.data.update(train_dir="tfds:div2k/train[20:]", scale=4)
    config.validation.dir = "tfds:div2k/train[:20]"
    config.evaluation.dir = "tfds:div2k/valid"
    config.evaluation.crop_border = 4  # pixels, as in the released test script
    return _COMMON["apply"](config, variants, VARIANTS)
