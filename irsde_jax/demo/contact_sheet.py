"""`make demo`: degrades photographs and restores them with the shipped weights.

Every image is written as a PNG file. The contact sheet shows one photograph for each
case, and a table shows the scores. `--sheet=docs/demo.jpg` makes the README's picture.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from irsde_jax import weights
from irsde_jax.cli.console import set_up_logging
from irsde_jax.data.image_files import images
from irsde_jax.data.photographs import write_photographs
from irsde_jax.demo import trial
from irsde_jax.evaluation import figures, scores, tables
from irsde_jax.evaluation.scores import Result
from irsde_jax.restoration import loading

FOLDER = Path("demo")
SIDE = 256  # The side of the crops of the photographs, in pixels.

# Labels of the versions of an image -> their keys in the images of a `Result`.
_VERSIONS = {"degraded": "degraded", "restored": "restored", "original": "reference"}
_HEADING = (
    "case",
    "weights",
    "degraded dB",
    "restored dB",
    "degraded SSIM",
    "restored SSIM",
    "seconds",
)
_JPEG_QUALITY = 80


class Tried(NamedTuple):
    """The results of one set of weights for one degradation.

    Attributes:
        weights: The name of the weights.
        case: The name of a case in `trial.CASES`.
        results: The result for each photograph.
    """

    weights: str
    case: str
    results: list[Result]


def try_shipped(side: int) -> Iterator[Tried]:
    """Yields the results of all shipped weights, for every case of their tasks."""
    for known in weights.list_weights():
        print(f"{known.name} ...", flush=True)
        for case, results in trial.run(loading.load(known.name), side=side):
            yield Tried(known.name, case, results)


def missing_tasks(tried: Sequence[Tried]) -> list[str]:
    """Returns the tasks of `trial.CASES` without shipped weights."""
    done = {each.case for each in tried}
    return [task for task, cases in trial.CASES.items() if done.isdisjoint(cases)]


def write_images(tried: Sequence[Tried], folder: Path) -> None:
    """Writes `WEIGHTS/CASE/{degraded,restored,original}/NAME.png` in `folder`."""
    for each in tried:
        target = folder / each.weights / each.case.replace(" ", "_")
        for shown, key in _VERSIONS.items():
            (target / shown).mkdir(parents=True, exist_ok=True)
            for result in each.results:
                image = images.ImageFile(result.images[key], None, 8)
                path = target / shown / f"{result.name}.png"
                images.write_image(path, image, overwrite=True)


def contact_sheet(tried: Sequence[Tried], side: int) -> Image.Image:
    """Returns the contact sheet: one row per case, with a different photograph each."""
    rows, captions = [], []
    for index, each in enumerate(tried):
        result = each.results[index % len(each.results)]
        before, after = (result.scores[f"{stage}_psnr_rgb"] for stage in scores.STAGES)
        rows.append([result.images[key] for key in _VERSIONS.values()])
        gain = f"{after:.2f} dB ({after - before:+.2f})"
        captions.append([f"{each.case}: {before:.2f} dB", gain, result.name])
    return figures.comparison_sheet(rows, tuple(_VERSIONS), captions, crop_size=side)


def table(tried: Sequence[Tried]) -> str:
    """Returns a table of the means over the photographs, with one line per case."""
    rows = []
    for each in tried:
        mean = scores.summarise([result.row() for result in each.results])
        cells = [
            tables.number(mean[f"{stage}_{metric}"], metric)
            for metric in ("psnr_rgb", "ssim_rgb")
            for stage in scores.STAGES
        ]
        seconds = tables.number(mean["median_seconds"], "seconds")
        rows.append([each.case, each.weights, *cells, seconds])
    return "\n".join(tables.aligned(_HEADING, rows))


def run(folder: Path, sheet: Path, side: int = SIDE) -> None:
    """Runs the demo: restores photographs, writes the images and prints the scores.

    Args:
        folder: The folder for all images. It is created if necessary.
        sheet: The file of the contact sheet. Its suffix selects the image format.
        side: The side of the crops of the photographs, in pixels.

    Raises:
        ModuleNotFoundError: If scikit-image, which provides the photographs, is not
            installed.
    """
    start = time.perf_counter()
    write_photographs(folder / "photographs", ["test"])
    tried = list(try_shipped(side))
    for task in missing_tasks(tried):
        print(f"{task}: left out, this version ships no weights for it")
    if not tried:
        return
    write_images(tried, folder)
    contact_sheet(tried, side).save(sheet, quality=_JPEG_QUALITY)
    count = len(tried[0].results)
    print(
        f"\n{table(tried)}\nMeans over {count} photographs of {side} x {side} pixels, "
        f"RGB; the whole demo took {time.perf_counter() - start:.0f} s.\n\n"
        f"Look at {sheet}; every image is a file in {folder}.\nYour own images:\n"
        f"  {Path(sys.executable)} -m irsde_jax.main --mode=restore "
        f"--weights={tried[0].weights} --input=PHOTOGRAPH_OR_FOLDER --output=FOLDER"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command `python -m irsde_jax.demo`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    help_text = "of the contact sheet, by default demo/sheet.png"
    parser.add_argument("--sheet", type=Path, help=help_text)
    sheet = parser.parse_args(argv).sheet or FOLDER / "sheet.png"
    set_up_logging(None)
    run(FOLDER, sheet)


if __name__ == "__main__":
    main()
