"""Small data sets in the layouts of the real ones, for the tests that read them."""

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 16  # pixels

# Data set -> folder -> names of its images and their side.
FILES = {
    "rain100h": {
        "RainTrainH": (["norain-1", "norain-2", "rain-1", "rain-2"], SIDE),
        "Rain100H": (["norain-001", "rain-001"], SIDE),
    },
    "rain100l": {
        "RainTrainL": (["norain-1", "norain-2", "rain-1", "rain-2"], SIDE),
        "Rain100L": (["norain-001", "rain-001"], SIDE),
    },
    "gopro": {
        f"GOPRO_Large/{split}/GOPR0{i}/{kind}": (["000001", "000002"], SIDE)
        for i, split in enumerate(("train", "test"))
        for kind in ("sharp", "blur")
    },
    "sots": {
        "indoor/gt": (["1400"], SIDE + 20),
        "indoor/hazy": (["1400_1", "1400_2"], SIDE),
    },
    "celebahq": {
        "trainHQ": (["1", "2"], SIDE),
        "testHQ": (["3"], SIDE),
        **{
            f"gt_keep_masks/{kind}": (["000000"], SIDE)
            for kind in ("thin", "thick", "genhalf", "ex64")
        },
    },
    "div2k": {
        "DIV2K_train_HR": (["0001", "0002"], SIDE),
        "DIV2K_train_LR_bicubic/X4": (["0001x4", "0002x4"], SIDE // 4),
        "DIV2K_valid_HR": (["0801"], SIDE),
        "DIV2K_valid_LR_bicubic/X4": (["0801x4"], SIDE // 4),
    },
}


def make(dataset: str, folder: Path) -> None:
    """Writes a miniature of a data set into `folder`."""
    for part, (names, side) in FILES[dataset].items():
        (folder / part).mkdir(parents=True)
        for seed, name in enumerate(names):
            smooth_image(seed, side).save(folder / part / f"{name}.png")


def smooth_image(seed: int, side: int) -> Image.Image:
    """Coarse random colours, enlarged: something with structure."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
