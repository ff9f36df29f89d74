"""Shadow removal on pairs such as those of the NTIRE 2023 challenge or ISTD.

Trains the paper's U-Net (137 M parameters) on pairs in `GT/` and `LQ/` with the
released settings. `:synthetic` casts soft shadows on clean photographs; `:small` fits a
CPU.
Hardware, hours and what it reached: not run.
"""

import runpy
from pathlib import Path

import ml_collections

_COMMON = runpy.run_path(str(Path(__file__).with_name("_common.py")))


def synthetic(config: ml_collections.ConfigDict) -> None:
    """Shadows cast on clean photographs."""
    _COMMON["learn_from_photographs"](config, name="shadow")


VARIANTS = {"synthetic": synthetic} | _COMMON["VARIANTS"]


def get_config(variants: str = "") -> ml_collections.ConfigDict:
    """The paper's experiment, changed by `variants`: names of `VARIANTS`, joined."""
    config = _COMMON["start"]()
    config.task = "shadow removal"
    config.data.train_dir = "datasets/shadow/train"
    config.validation.dir = "datasets/shadow/validation"
    config.evaluation.dir = "datasets/shadow/test"
    return _COMMON["apply"](config, variants, VARIANTS)
