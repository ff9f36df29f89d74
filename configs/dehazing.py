"""Dehazing, measured on the indoor images of RESIDE's SOTS, as in the paper.

Trains the paper's U-Net (137 M parameters) on pairs, such as RESIDE's indoor training
set, in `GT/` and `LQ/`. `:synthetic` draws haze of a smooth random depth over clean
photographs; `:small` fits a CPU.
Hardware, hours and what it reached: not run.
"""

import runpy
from pathlib import Path

import ml_collections

_COMMON = runpy.run_path(str(Path(__file__).with_name("_common.py")))


def synthetic(config: ml_collections.ConfigDict) -> None:
    """Haze drawn over clean photographs."""
    _COMMON["learn_from_photographs"](config, name="haze")


VARIANTS = {"synthetic": synthetic} | _COMMON["VARIANTS"]


def get_config(variants: str = "") -> ml_collections.ConfigDict:
    """The paper's experiment, changed by `variants`: names of `VARIANTS`, joined."""
    config = _COMMON["start"]()
    config.task = "dehazing"
    config.data.train_dir = "datasets/RESIDE/train"
    config.validation.dir = "datasets/RESIDE/validation"
    config.evaluation.dir = "tfds:sots/test"
    return _COMMON["apply"](config, variants, VARIANTS)
