"""Deraining of photographs: rainy and clean images in pairs, as in the paper.

Trains the paper's U-Net (137 M parameters) on Rain100H's 1800 training pairs with the
released settings; `:light` on Rain100L's 200. `:synthetic` learns from clean
photographs alone, with streaks drawn on the device; `:small` fits a CPU.
Hardware, hours and what it reached: not run.
"""

import runpy
from pathlib import Path

import ml_collections

_COMMON = runpy.run_path(str(Path(__file__).with_name("_common.py")))


def light(config: ml_collections.ConfigDict) -> None:
    """Rain100L in place of Rain100H."""
    config.data.train_dir = "tfds:rain100l/train[20:]"
    config.validation.dir = "tfds:rain100l/train[:20]"
    config.evaluation.dir = "tfds:rain100l/test"


def synthetic(config: ml_collections.ConfigDict) -> None:
    """Streaks as light or as heavy as the test set's, on clean photographs."""
    heavy = "rain100h" in config.evaluation.dir
    _COMMON["learn_from_photographs"](
        config, name="heavy_rain" if heavy else "light_rain"
    )


VARIANTS = {"light": light, "synthetic": synthetic} | _COMMON["VARIANTS"]


def get_config(variants: str = "") -> ml_collections.ConfigDict:
    """The paper's experiment, changed by `variants`: names of `VARIANTS`, joined."""
    config = _COMMON["start"]()
    config.task = "deraining"
    config.data.train_dir = "tfds:rain100h/train[100:]"
    config.validation.dir = "tfds:rain100h/train[:100]"
    config.evaluation.dir = "tfds:rain100h/test"
    config.evaluation.crop_border = 4  # pixels, as in the released test script
    return _COMMON["apply"](config, variants, VARIANTS)
