"""Restores an image of an exported size: python restore.py IMAGE RESULT [SEED].

This file lies beside what `--mode=export` wrote and needs jax, numpy and flatbuffers
alone. IMAGE and RESULT are .npy files or, with Pillow, images, which are taken as RGB
of 8 bits, upright, without transparency.
"""

import sys
from pathlib import Path

import jax.export
import numpy as np

FOLDER = Path(__file__).parent


def restore(images: np.ndarray, seed: int = 0) -> np.ndarray:
    """uint8, or float in [0, 1], [H, W, C] or [batch, H, W, C]; the same comes back."""
    known = images.dtype == np.uint8 or images.dtype.kind == "f"
    if images.ndim not in (3, 4) or not known:
        raise ValueError(f"{images.dtype} {images.shape} is not uint8 or float, H W C.")
    path = FOLDER / "{}x{}.stablehlo".format(*images.shape[-3:-1])
    if not path.is_file():
        sizes = ", ".join(sorted(path.stem for path in FOLDER.glob("*.stablehlo")))
        raise ValueError(f"{path.stem}: no such size was exported. There are: {sizes}.")
    program = jax.export.deserialize(bytearray(path.read_bytes()))
    weights = dict(np.load(FOLDER / "weights.npz"))
    scale = 255 if images.dtype == np.uint8 else 1
    batch = (images.astype(np.float32) / scale).reshape(-1, *images.shape[-3:])
    restored = np.asarray(program.call(weights, np.uint32(seed), batch)) * scale
    restored = restored.round() if scale == 255 else restored
    return restored.astype(images.dtype).reshape(images.shape)


if __name__ == "__main__":
    source, target, *rest = sys.argv[1:]
    if source.endswith(".npy"):
        np.save(target, restore(np.load(source), *map(int, rest)))
    else:
        from PIL import Image, ImageOps

        image = np.asarray(ImageOps.exif_transpose(Image.open(source)).convert("RGB"))
        Image.fromarray(restore(image, *map(int, rest))).save(target)
