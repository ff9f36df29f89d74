"""Inpainting of CelebA-HQ faces at 256 x 256, as in the paper.

Trains the paper's U-Net (137 M parameters) on clean faces, with holes drawn on the
device: thin brush strokes, or `:thick` ones, `:half` the image, or all but its middle
(`:expand`). `:filled` starts from smoothly filled holes, in place of the paper's white.
`:synthetic` takes any photographs; `:small` fits a CPU.
Hardware, hours and what it reached: not run.
"""

import runpy
from pathlib import Path

import ml_collections

_COMMON = runpy.run_path(str(Path(__file__).with_name("_common.py")))


def thick(config: ml_collections.ConfigDict) -> None:
    """A few thick strokes."""
    config.degradation.name = "thick_mask"
    config.evaluation.dir = "tfds:celebahq/test_thick"


def half(config: ml_collections.ConfigDict) -> None:
    """One half of the image."""
    config.degradation.name = "half_mask"
    config.evaluation.dir = "tfds:celebahq/test_genhalf"


def expand(config: ml_collections.ConfigDict) -> None:
    """All but the middle."""
    config.degradation.name = "expand_mask"
    config.evaluation.dir = "tfds:celebahq/test_ex64"


def filled(config: ml_collections.ConfigDict) -> None:
    """The process "inpainting" in place of "irsde"; see `irsde_jax.processes`."""
    config.process = "inpainting"


def synthetic(config: ml_collections.ConfigDict) -> None:
    """Any photographs: the holes are drawn anyway."""
    _COMMON["learn_from_photographs"](config)


VARIANTS = {"thick": thick, "half": half, "expand": expand}
VARIANTS |= {"filled": filled, "synthetic": synthetic, **_COMMON["VARIANTS"]}


def get_config(variants: str = "") -> ml_collections.ConfigDict:
    """The paper's experiment, changed by `variants`: names of `VARIANTS`, joined."""
    config = _COMMON["start"]()
    config.task = "inpainting"
    config.schedule.max_sigma = 30 / 255
    config.degradation.name = "thin_mask"
    config.data.train_dir = "tfds:celebahq/train[100:]"
    config.validation.dir = "tfds:celebahq/train[:100]"
    config.evaluation.dir = "tfds:celebahq/test_thin"
    return _COMMON["apply"](config, variants, VARIANTS)
