"""How fast training crops are made: decoding, ArrayRecord, the memory cache, workers.

Run as `python -m benchmarks.pipeline`: crops of 128 x 128 in batches of 16 from
photographs of 480 x 320, by every number of threads and of worker processes. All rates
are of one run; "decode" is what reading the same PNG files costs one thread alone.
"""

import argparse
import itertools
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import timing
from irsde_jax.data import photographs, pipeline, sources
from irsde_jax.data.image_files import images
from irsde_jax.data.sources import cache
from irsde_jax.data.sources.pairs import Source

SIZE, BATCH = 128, 16  # pixels, crops
WIDTH, HEIGHT = 480, 320  # pixels, of the photographs
WORKERS = ((0, 0), (1, 0), (2, 0), (1, 1), (1, 2))  # threads, processes


def write_photographs(folder: Path) -> None:
    """Pairs of 480 x 320 in `folder/GT` and `folder/LQ`, cut from photographs."""
    photographs.write_photographs(folder / "whole")
    for path in sorted((folder / "whole").rglob("*.png")):
        with Image.open(path) as image:
            cuts = itertools.product(
                range(0, image.width - WIDTH + 1, WIDTH),
                range(0, image.height - HEIGHT + 1, HEIGHT),
            )
            for left, top in cuts:
                cut = image.crop((left, top, left + WIDTH, top + HEIGHT))
                for part in ("GT", "LQ"):
                    (folder / part).mkdir(exist_ok=True)
                    cut.save(folder / part / f"{path.stem}_{left}_{top}.png")
    shutil.rmtree(folder / "whole")


def decoding_rate(folder: Path) -> float:
    """Pairs per second that one thread decodes, and does nothing else with."""
    paths = images.list_images(folder / "GT") + images.list_images(folder / "LQ")
    began = time.perf_counter()
    for path in paths:
        images.read_image(path)
    return len(paths) / 2 / (time.perf_counter() - began)


def crops_rate(source: Source, threads: int, processes: int, num_batches: int) -> float:
    """Crops per second of the stream, once it runs."""
    dataset = pipeline.training_batches(
        source, seed=0, batch_size=BATCH, crop_size=SIZE
    )
    batches = pipeline.iterate(dataset, num_threads=threads, num_workers=processes)
    warm_up = 2 * len(source) // BATCH + 2  # each image once, and the workers started
    for _ in range(warm_up):
        next(batches)
    began = time.perf_counter()
    for _ in range(num_batches):
        np.asarray(next(batches)["x0"])
    rate = num_batches * BATCH / (time.perf_counter() - began)
    batches.close()
    return rate


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Crops per second.")
    parser.add_argument("--batches", type=int, default=20, help="measured, each way")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_photographs(folder / "manual" / "paired")
        root = folder / "manual" / "paired"
        decode = decoding_rate(root)
        png = sources.open_source(str(root), True)
        record = sources.open_source(
            "tfds:paired/train",
            True,
            tfds_dir=str(folder / "tfds"),
            manual_dir=str(folder / "manual"),
        )
        print(timing.hardware())
        print(
            f"{len(png)} pairs of {WIDTH} x {HEIGHT}; decode alone: {decode:.0f} "
            "pairs/s"
        )
        heading = f"{'threads':>8}{'processes':>10}{'PNG':>8}{'ArrayRecord':>12}"
        print(f"{heading}{'cache':>8}{'cache / PNG':>12}{'PNG / decode':>13}")
        for threads, processes in WORKERS:
            kinds = (png, record, cache.Cached(png, 2**30))
            rates = [
                crops_rate(kind, threads, processes, args.batches) for kind in kinds
            ]
            print(
                f"{threads:8}{processes:10}{rates[0]:8.0f}{rates[1]:12.0f}"
                f"{rates[2]:8.0f}{rates[2] / rates[0]:12.1f}{rates[0] / decode:13.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
