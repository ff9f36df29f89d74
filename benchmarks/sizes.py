"""Images of any size: the memory of a large photograph, and a folder of 60 sizes.

Run as `python -m benchmarks.sizes`. It restores, with the weights that are shipped and
noise of sigma 25,

- a photograph of 24 megapixels (one that scikit-image ships, enlarged) by the command
  line, in a process of its own whose peak memory it prints beside the limit that the
  process was given; the process's libraries and files come on top of that limit;
- 60 images of 60 sizes from 100 to 600 pixels, in tiles: how many programs that
  compiles, and how long the second pass takes over the sum of its forward passes.

`--megapixels` and `--images` make it shorter.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from benchmarks import timing
from irsde_jax import Restorer, configuration, load
from irsde_jax.data.photographs import write_photographs
from irsde_jax.restoration import costs
from irsde_jax.samplers import tiling

SIGMA = 25 / 255
WEIGHTS = "denoising-small"
TILE = 128  # pixels, for the folder
COMPILED = "/jax/core/compile/backend_compile_duration"


def noisy_photograph(folder: Path, height: int, width: int) -> np.ndarray:
    """A photograph of that size with noise, uint8."""
    write_photographs(folder)
    with Image.open(folder / "test" / "coffee.png") as image:
        large = image.resize((width, height), Image.Resampling.BICUBIC)
        pixels = np.asarray(large, np.float32)
    noise = np.random.default_rng(0).standard_normal(pixels.shape, np.float32)
    return np.rint(pixels + 255 * SIGMA * noise).clip(0, 255).astype(np.uint8)


def restore_large(folder: Path, megapixels: float, gigabytes: float) -> None:
    """Restores a large photograph by the command line; prints time and memory."""
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    width = round(1.5 * height)
    source, output = folder / "large.png", folder / "restored"
    Image.fromarray(noisy_photograph(folder, height, width)).save(source)
    command = [
        *(sys.executable, "-m", "irsde_jax.main", "--mode=restore"),
        *(f"--weights={WEIGHTS}", f"--input={source}", f"--output={output}"),
        "--overwrite",
        f"--config.sampling.sigma={SIGMA}",
        f"--config.sampling.memory_gigabytes={gigabytes}",
    ]
    began = time.perf_counter()
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
    print(
        f"{height} x {width}, {height * width / 1e6:.1f} megapixels: "
        f"{costs.duration(seconds)}, peak memory of the process {peak:.2f} GB, "
        f"memory_gigabytes={gigabytes:g}"
    )


def restore_folder(folder: Path, count: int) -> None:
    """Restores images of as many sizes; prints compilations and times."""
    restorer = load(WEIGHTS)
    settings = [f"--config.sampling.tile={TILE}", f"--config.sampling.sigma={SIGMA}"]
    config = configuration.override(restorer.config, settings)
    restorer = Restorer.from_config(config, restorer.params, restorer.network)
    rng = np.random.default_rng(0)
    sizes: set[tuple[int, ...]] = set()
    while len(sizes) < count:
        sizes.add(tuple(rng.integers(100, 600, 2).tolist()))
    photograph = noisy_photograph(folder, 600, 600)
    images = [photograph[:height, :width] for height, width in sorted(sizes)]
    compilations: list[float] = []

    def listen(event: str, seconds: float, **_: object) -> None:
        if event == COMPILED:
            compilations.append(seconds)

    jax.monitoring.register_event_duration_secs_listener(listen)
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        for image in images:
            restorer(image)
        seconds.append(time.perf_counter() - began)
    programs = {tiling.canvas_shape((1, *x.shape), TILES) for x in images}
    forward = (
        costs.seconds_per_pixel(restorer)
        * restorer.num_evals()
        * sum(costs.worked_on(TILES, *x.shape[:2]) for x in images)
    )
    print(
        f"{count} images of {count} sizes in tiles of {TILE}: {len(programs)} programs "
        f"for {len(programs)} canvases ({len(compilations)} compilations of all kinds, "
        f"{sum(compilations):.1f} s), first pass {seconds[0]:.1f} s, second "
        f"{seconds[1]:.1f} s; its forward passes alone {forward:.1f} s, "
        f"ratio {seconds[1] / forward:.2f}"
    )


TILES = tiling.make_tiles(TILE)


def main() -> None:
    """Prints both."""
    parser = argparse.ArgumentParser(description="Images of any size.")
    parser.add_argument("--megapixels", type=float, default=24.0)
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--images", type=int, default=60)
    args = parser.parse_args()
    print(timing.hardware())
    with tempfile.TemporaryDirectory() as folder:
        if args.images:
            restore_folder(Path(folder), args.images)
        if args.megapixels:
            restore_large(Path(folder), args.megapixels, args.gigabytes)


if __name__ == "__main__":
    main()
