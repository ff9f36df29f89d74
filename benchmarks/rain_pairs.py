"""Pairs to learn deraining from: clean photographs, under real and synthetic rain.

    python -m benchmarks.rain_pairs --clean BSDS500/train BSDS500/test \\
        --pairs RainTrainH --tested Rain100/GT --output pairs

Each photograph becomes four pairs: twice under the streaks of a published pair, which
are what its rainy image has more than its clean one, once under the library's heavy
rain, and once under its light rain. Photographs that a test set holds, by content, are
left out.
"""

import argparse
from pathlib import Path

import jax
import numpy as np
from PIL import Image
from tqdm import tqdm

from irsde_jax.data.degradations import make_degradation
from irsde_jax.data.doctor import photo_hash
from irsde_jax.data.image_files import images

# Of the streaks that are borrowed: their size and their brightness, as factors.
SIZES = (0.75, 1.3)
STRENGTHS = (0.5, 1.15)
SECOND_LAYER = 0.5  # how often a second layer lies over the first


def read_layers(folder: Path) -> list[np.ndarray]:
    """The streaks of each pair of GT/ and LQ/ in `folder`, grey, shape [H, W].

    Where the rainy image is saturated they are darker than they were.
    """
    layers = []
    for path in images.list_images(folder / "GT"):
        rainy = images.read_image(folder / "LQ" / path.name).pixels
        added = (rainy - images.read_image(path).pixels).mean(axis=-1)
        layers.append(added.clip(0, 1))
    return layers


def borrow(
    random: np.random.Generator, layers: list[np.ndarray], shape: tuple[int, int]
) -> np.ndarray:
    """A layer of streaks of that shape: cut, resized and mirrored at random."""
    layer = layers[random.integers(len(layers))]
    height, width = shape
    scale = random.uniform(*SIZES)
    resized = Image.fromarray(layer.astype(np.float32)).resize(
        (round(layer.shape[1] * scale), round(layer.shape[0] * scale)),
        Image.Resampling.BICUBIC,
    )
    layer = np.asarray(resized).clip(0, 1)
    # Repeated by its mirror image where it is too small.
    rows, columns = (max(0, n - m) for n, m in zip(shape, layer.shape))
    layer = np.pad(layer, ((0, rows), (0, columns)), mode="symmetric")
    top = random.integers(layer.shape[0] - height + 1)
    left = random.integers(layer.shape[1] - width + 1)
    layer = layer[top : top + height, left : left + width]
    layer = layer[:, :: random.choice((1, -1))] * random.uniform(*STRENGTHS)
    return layer


def under_borrowed_rain(
    random: np.random.Generator, clean: np.ndarray, layers: list[np.ndarray]
) -> np.ndarray:
    """The photograph [H, W, C] with one or two layers of streaks added."""
    streaks = borrow(random, layers, clean.shape[:2])
    if random.random() < SECOND_LAYER:
        streaks = streaks + borrow(random, layers, clean.shape[:2])
    return np.clip(clean + streaks[..., None], 0, 1)


def write(path: Path, pixels: np.ndarray) -> None:
    """An image [H, W, C] in [0, 1] as a file of 8 bits."""
    images.write_image(path, images.ImageFile(pixels, alpha=None, bits=8))


def without(
    paths: list[Path], pixels: list[np.ndarray], tested: list[np.ndarray]
) -> list[int]:
    """Indices of the photographs that no test image shows; the others are counted."""
    ours = np.stack([photo_hash.photo_hash(photograph) for photograph in pixels])
    theirs = np.stack([photo_hash.photo_hash(photograph) for photograph in tested])
    shared = {i for i, _ in photo_hash.matches(ours, theirs)}
    print(f"{len(shared)} of {len(paths)} photographs are in the test set: left out")
    return [i for i in range(len(paths)) if i not in shared]


def main() -> None:
    """Writes GT/ and LQ/."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clean", nargs="+", type=Path, help="folders", required=True)
    parser.add_argument("--pairs", type=Path, help="holds GT/ and LQ/", required=True)
    parser.add_argument("--tested", nargs="+", type=Path, default=[], help="folders")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.output.exists():
        raise SystemExit(f"{arguments.output} exists: name another folder.")
    paths = [path for folder in arguments.clean for path in images.list_images(folder)]
    photographs = [images.read_image(path).pixels for path in paths]
    kept = list(range(len(paths)))
    if arguments.tested:
        tested = [
            images.read_image(path).pixels
            for folder in arguments.tested
            for path in images.list_images(folder)
        ]
        kept = without(paths, photographs, tested)
    layers = read_layers(arguments.pairs)
    random = np.random.default_rng(arguments.seed)
    heavy, light = (jax.jit(make_degradation(f"{x}_rain")) for x in ("heavy", "light"))
    for folder in ("GT", "LQ"):
        (arguments.output / folder).mkdir(parents=True)
    for index in tqdm(kept, unit="photograph"):
        clean = photographs[index]
        key = jax.random.fold_in(jax.random.key(arguments.seed), index)
        heavy_key, light_key = jax.random.split(key)
        rainy = {
            "borrowed1": under_borrowed_rain(random, clean, layers),
            "borrowed2": under_borrowed_rain(random, clean, layers),
            "heavy": heavy(heavy_key, clean),
            "light": light(light_key, clean),
        }
        for kind, image in rainy.items():
            name = f"{paths[index].parent.name}_{paths[index].stem}_{kind}.png"
            write(arguments.output / "GT" / name, clean)
            write(arguments.output / "LQ" / name, np.asarray(image))


if __name__ == "__main__":
    main()
