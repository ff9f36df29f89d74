"""What the weights in the box reach on the test sets of the papers.

    python -m benchmarks.shipped denoising-small --data DATA

DATA holds the sets as folders: CBSD68 and Kodak24 (clean), Rain100 (GT, LQ_L and LQ_H),
Set5 (GT, LQ_x4), CelebA-HQ (clean, brought to 256 x 256) and masks (thin, thick). Whole
images, 8 bits; the baselines are those of `--mode evaluate`. Energy is that of
benchmarks/solvers.py: 1 is the texture of the clean images, less is blur. LPIPS needs
`pip install "irsde_jax[lpips]"`.
"""

import argparse
import functools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from PIL import Image
from tqdm import tqdm

import irsde_jax
from benchmarks import crops
from irsde_jax import configuration, metrics
from irsde_jax.data import degradations
from irsde_jax.data.image_files import images
from irsde_jax.evaluation import baselines, methods, perceptual, scores
from irsde_jax.processes import holes
from irsde_jax.training import experiment

SIDE = 256  # of the faces


class TestSet(NamedTuple):
    """A test set of some weights.

    Attributes:
        name: as tables show it.
        clean: folder of the clean images.
        other: folder of the degraded images or of the masks; "" where they are made.
        borders: pixels that are left out on every side, a table each.
    """

    name: str
    clean: str
    other: str = ""
    borders: tuple[int, ...] = (0,)

    @property
    def has_masks(self) -> bool:
        """Whether `other` is a folder of masks."""
        return self.other.startswith("masks")


class Plan(NamedTuple):
    """What is measured of some weights.

    Attributes:
        sets: the test sets.
        solvers: as in `evaluation.solvers`.
        overrides: of their configuration.
    """

    sets: tuple[TestSet, ...]
    solvers: str
    overrides: tuple[str, ...] = ()


_SIGMA = 25 / 255
_RAIN = (0, 4)  # the released test script leaves out 4

PLANS = {
    "denoising-small": Plan(
        (TestSet("CBSD68", "CBSD68"), TestSet("Kodak24", "Kodak24")),
        "mr_ode_2@1,mr_ode_2@5,euler_ode@21,posterior@5,posterior@21",
        (f"--config.degradation.sigma={_SIGMA}", f"--config.sampling.sigma={_SIGMA}"),
    ),
    "deraining-small": Plan(
        (
            TestSet("Rain100L", "Rain100/GT", "Rain100/LQ_L", _RAIN),
            TestSet("Rain100H", "Rain100/GT", "Rain100/LQ_H", _RAIN),
        ),
        "",
    ),
    "super-resolution-x4-small": Plan(
        (TestSet("Set5 x4", "Set5/GT", "Set5/LQ_x4", _RAIN),),
        "mr_ode_1@1,mr_ode_1@2,mr_ode_1@5,mr_ode_2@10,posterior@20",
    ),
    "inpainting-small": Plan(
        (
            TestSet("CelebA-HQ thin", "CelebA-HQ", "masks/thin"),
            TestSet("CelebA-HQ thick", "CelebA-HQ", "masks/thick"),
        ),
        "mr_ode_1@1,mr_ode_1@2,mr_ode_1@5",
    ),
}


def prepare(test_set: TestSet, data: Path, target: Path) -> Path:
    """The set in `target` as the library reads it; faces and masks in pairs."""
    clean = images.list_images(data / test_set.clean)
    if not test_set.other:
        return data / test_set.clean
    others = images.list_images(data / test_set.other)[: len(clean)]
    is_mask = test_set.has_masks
    kind = "mask" if is_mask else "LQ"
    for folder in ("GT", kind):
        (target / folder).mkdir(parents=True)
    for path, other in zip(clean, others, strict=True):
        name = f"{path.stem}.png"
        os.symlink(other.resolve(), target / kind / name)
        if is_mask:
            with Image.open(path) as image:
                small = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            small.save(target / "GT" / name)
        else:
            os.symlink(path.resolve(), target / "GT" / name)
    return target


_METRICS = {
    name: jax.jit(function, static_argnames=("luma", "crop_border"))
    for name, function in (("PSNR", metrics.psnr), ("SSIM", metrics.ssim))
}


def measure(
    result: scores.Result,
    stage: str,
    border: int,
    lpips: perceptual.Lpips,
    has_holes: bool,
) -> dict[str, float]:
    """The scores of one image; inside the holes too, if the test set has masks."""
    restored, clean = result.images[stage], result.images["reference"]
    found = {
        f"{name} {channels}": result.scores[f"{stage}_{name}_{channels}".lower()]
        if border == 0  # that is what `evaluate_images` measured
        else float(function(restored, clean, luma=channels == "Y", crop_border=border))
        for channels in ("RGB", "Y")
        for name, function in _METRICS.items()
    }
    if lpips.weights is not None:
        found["LPIPS"] = lpips(restored, clean, border)
    energies = [crops.laplacian_energy(image) for image in (restored, clean)]
    found["energy"] = energies[0] / energies[1]
    if has_holes:
        masked = holes.find(result.images["degraded"])
        error = np.square(restored - clean)[masked].mean()
        found["PSNR in holes"] = float(-10 * np.log10(error))
    return found


def rows_of(
    test_set: TestSet, plan: Plan, weights: str, folder: Path, limit: int
) -> Iterator[tuple[int, str, dict[str, float]]]:
    """(border, method, mean scores): the degraded images first."""
    restorer = irsde_jax.load(weights)
    config = configuration.override(
        restorer.config, [*plan.overrides, f"--config.evaluation.dir={folder}"]
    )
    restorer = irsde_jax.Restorer.from_config(config, restorer.params, restorer.network)
    degrade = None
    if not test_set.other:
        degrade = degradations.make_degradation(**config.degradation)
    source = experiment.open_source(config, str(folder), bool(test_set.other))
    compared = methods.restoring_methods([(weights, restorer)], plan.solvers)
    problem = baselines.make_problem(config, degrade is not None)
    chosen = baselines.choose(("auto",), config.task)
    compared += methods.baseline_methods(chosen, problem, compared)
    lpips = perceptual.open_lpips()
    if lpips.not_computed:
        print(f"LPIPS: {lpips.not_computed}")
    measured = functools.partial(measure, lpips=lpips, has_holes=test_set.has_masks)
    for number, method in enumerate(compared):
        if method.function is None:
            print(f"{method.name}: {method.not_computed}")
            continue
        results = scores.evaluate_images(method.function, source, degrade=degrade)
        found: dict[tuple[int, str], list[dict[str, float]]] = {}
        seconds = []
        for _, result in zip(range(limit), tqdm(results, method.name, len(source))):
            seconds += [] if result.compiled else [result.seconds]
            for border in test_set.borders:
                if number == 0:
                    entry = measured(result, "degraded", border)
                    found.setdefault((border, "degraded"), []).append(entry)
                entry = measured(result, "restored", border)
                found.setdefault((border, method.name), []).append(entry)
        for (border, name), entries in found.items():
            mean = {
                key: float(np.mean([e[key] for e in entries if key in e]))
                for key in dict.fromkeys(key for e in entries for key in e)
            }
            if name == method.name and seconds:
                mean["seconds"] = float(np.median(seconds))
            yield border, name, mean


_DIGITS = {"SSIM": 4, "LPIP": 3}


def print_table(rows: list[tuple[str, dict[str, float]]]) -> None:
    """In Markdown."""
    columns = list(dict.fromkeys(key for _, row in rows for key in row))
    print(f"| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name, row in rows:
        cells = [
            f"{row[key]:.{_DIGITS.get(key[:4], 2)}f}" if key in row else "-"
            for key in columns
        ]
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    """A table for each test set and border."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=PLANS)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", help="in place of those that are shipped")
    parser.add_argument("--solvers", help="in place of the plan's")
    parser.add_argument("--limit", type=int, default=10**9, help="images of each set")
    parser.add_argument("--sets", nargs="+", help="names of some of the sets")
    arguments = parser.parse_args()
    plan = PLANS[arguments.name]
    if arguments.solvers is not None:
        plan = plan._replace(solvers=arguments.solvers)
    for test_set in plan.sets:
        if arguments.sets and test_set.name not in arguments.sets:
            continue
        with tempfile.TemporaryDirectory() as folder:
            where = prepare(test_set, arguments.data, Path(folder) / "set")
            weights = arguments.weights or arguments.name
            rows = list(rows_of(test_set, plan, weights, where, arguments.limit))
        for border in test_set.borders:
            print(f"\n{test_set.name}, border {border}\n")
            print_table([(name, row) for at, name, row in rows if at == border])


if __name__ == "__main__":
    main()
