"""What tiles change: distance to the whole image, by overlap, and along the seams.

Run as `python -m benchmarks.tiles`: restores three photographs with noise (sigma 25) as
wholes and in tiles, by the NAFNet that is shipped and by a small U-Net, which it trains
first (ten minutes on two CPU cores; a second run finds it trained). Prints a
table, and writes `tiles.txt` and `gradient.png` to `--output`: a flat grey gradient
whole, in tiles, and what the tiles changed. `--quick` is a short form.

- PSNR to whole: of the tiled against the whole restoration, both unrounded.
- seams: RMSE of their difference within two pixels of the middle of an overlap, where
  one tile gives way to the next, over the RMSE elsewhere. 1 means: no seam.
- PSNR: against the clean photograph; that of the whole restoration is in the first row.
"""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from benchmarks import timing
from irsde_jax import configuration, load, metrics
from irsde_jax.cli.console import set_up_logging
from irsde_jax.data.image_files import images
from irsde_jax.data.photographs import write_photographs
from irsde_jax.restoration.restorer import Restorer
from irsde_jax.samplers import tiling
from irsde_jax.samplers.tiling import Tiles
from irsde_jax.training import loop

SIGMA = 25 / 255
SIDE = 128  # pixels, of a tile
# Overlap and blend, in pixels.
CUTS = ((8, 2), (8, 4), (16, 2), (16, 8), (32, 2), (32, 16), (32, 32), (64, 32))


class Row(NamedTuple):
    """A line of the table; see the module."""

    cut: str
    to_whole: float
    seams: float
    psnr: float


def train_unet(folder: Path, steps: int) -> Path:
    """A U-Net of 1.2 M parameters that removes noise; its work directory."""
    config = configuration.load("denoising:small")
    config.model = dict(name="unet", channels=3, features=8, depth=3)
    config.model.update(dtype="float32", remat=False)
    config.optimizer.learning_rate = 1e-3
    config.optimizer.warmup_steps = min(50, steps // 4)
    config.data.train_dir = str(folder / "photographs" / "train")
    config.validation.dir = ""
    config.train.num_steps = steps
    workdir = folder / f"unet_{steps}_steps"
    loop.train(config, workdir)
    return workdir


def cut_into(restorer: Restorer, tiles: Tiles | None) -> Restorer:
    """The restorer with those tiles, or with none."""
    config = restorer.config.copy_and_resolve_references()
    config.sampling.sigma = SIGMA
    config.sampling.tile = 0
    if tiles is not None:
        side, overlap, blend = tiles
        config.sampling.update(tile=side, overlap=overlap, blend=blend)
    return Restorer.from_config(config, restorer.params, restorer.network)


def middles(tiles: Tiles, size: int) -> np.ndarray:
    """Where, along an axis, one tile gives way to the next, in pixels."""
    starts = [
        int(tiling.place(tiles, index, size))
        for index in range(int(tiling.count(tiles, size)))
    ]
    return np.array([(a + tiles.side + b) / 2 for a, b in itertools.pairwise(starts)])


def is_seam(tiles: Tiles, height: int, width: int) -> np.ndarray:
    """Which pixels [H, W] lie within two of a seam."""
    near = [
        (np.abs(np.arange(size)[:, None] + 0.5 - middles(tiles, size)) < 2).any(axis=1)
        for size in (height, width)
    ]
    return near[0][:, None] | near[1]


def rows(restorer: Restorer, photographs: list[np.ndarray]) -> Iterator[Row]:
    """The whole images, then every cut."""
    noisy = [
        x + SIGMA * np.random.default_rng(i).standard_normal(x.shape, np.float32)
        for i, x in enumerate(photographs)
    ]

    def psnr(restored: list[np.ndarray]) -> float:
        pairs = zip(restored, photographs)
        return float(np.mean([metrics.psnr(a, b) for a, b in pairs]))

    wholes = [cut_into(restorer, None)(x) for x in noisy]
    yield Row("whole", np.inf, np.nan, psnr(wholes))
    for overlap, blend in CUTS:
        tiles = tiling.make_tiles(SIDE, overlap, blend)
        restore = cut_into(restorer, tiles)
        tiled = [restore(x) for x in noisy]
        errors = [np.square(a - b).mean(-1) for a, b in zip(tiled, wholes)]
        along = [is_seam(tiles, *x.shape[:2]) for x in noisy]
        seam = np.concatenate([e[mask] for e, mask in zip(errors, along)]).mean()
        rest = np.concatenate([e[~mask] for e, mask in zip(errors, along)]).mean()
        to_whole = -10 * np.log10(np.mean([e.mean() for e in errors]))
        ratio = float(np.sqrt(seam / rest))
        yield Row(f"overlap {overlap}, blend {blend}", to_whole, ratio, psnr(tiled))


def write_gradient(restorer: Restorer, path: Path) -> None:
    """Three pictures side by side: whole, tiled, and their difference 16 times."""
    ramp = np.linspace(0.3, 0.7, 384, dtype=np.float32)
    clean = np.broadcast_to(ramp[None, :, None], (256, 384, 3))
    noise = np.random.default_rng(0).standard_normal(clean.shape, np.float32)
    noisy = clean + SIGMA * noise
    whole, tiled = (
        cut_into(restorer, tiles)(noisy) for tiles in (None, tiling.make_tiles(SIDE))
    )
    sheet = np.concatenate([whole, tiled, 0.5 + 16 * (tiled - whole)], axis=1)
    images.write_image(path, images.ImageFile(sheet, None, 8), overwrite=True)


def main() -> None:
    """Prints the table and writes it, and the pictures of the gradient."""
    parser = argparse.ArgumentParser(description="Tiles against whole images.")
    parser.add_argument("--output", type=Path, default=Path("runs/benchmark_tiles"))
    parser.add_argument("--steps", type=int, default=1000, help="of the training")
    parser.add_argument("--quick", action="store_true", help="a short form")
    args = parser.parse_args()
    set_up_logging(None)
    output = args.output / "quick" if args.quick else args.output
    write_photographs(output / "photographs")
    unet = train_unet(output, 10 if args.quick else args.steps)
    paths = sorted((output / "photographs" / "test").glob("*.png"))
    photographs = [images.read_image(path).pixels for path in paths]
    if args.quick:
        photographs = [photographs[0][:200, :300]]
    lines = [timing.hardware(), f"tiles of {SIDE} x {SIDE}, sigma 25, 5 evaluations"]
    for name, source in (("NAFNet", "denoising-small"), ("U-Net", unet)):
        restorer = load(source)
        size = sum(leaf.size for leaf in jax.tree.leaves(restorer.params)) / 1e6
        lines.append(f"\n{name}, {size:.2f} M parameters: {source}")
        lines.append(f"{'':24} {'PSNR to whole':>14} {'seams':>6} {'PSNR':>6}")
        for row in rows(restorer, photographs):
            lines.append(
                f"{row.cut:24} {row.to_whole:14.1f} {row.seams:6.2f} {row.psnr:6.2f}"
            )
            print(lines[-1], flush=True)
        write_gradient(restorer, output / f"gradient_{name.lower()}.png")
    text = "\n".join(lines)
    (output / "tiles.txt").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
