"""Comparison of several restoration methods on the same images.

Each method has an entry, and the degraded images have one, too. Entries are plain data,
from which the tables and the report are written.
"""

import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from irsde_jax.data.degradations import Degradation
from irsde_jax.data.image_files import images
from irsde_jax.data.image_files.arrays import UNIT_RANGE, DataRange
from irsde_jax.data.sources.fitting import Cropping
from irsde_jax.evaluation import scores, sheets
from irsde_jax.evaluation.methods import BASELINE, INPUT, Method
from irsde_jax.evaluation.perceptual import Lpips
from irsde_jax.evaluation.scores import Result
from irsde_jax.metrics import bootstrap

Row = dict[str, Any]
Entry = dict[str, Any]


class TestSet(NamedTuple):
    """The test images for all methods, and how the results are measured.

    Attributes:
        source: The reference images, and the degraded images if `degrade` is None.
        degrade: The function that makes degraded images from the references, or None.
        seed: The seed of the sampling noise.
        crop_border: The number of pixels on every side that metrics ignore.
        lpips: The LPIPS metric, which is computed if it has weights.
        bits: The number of bits of the results: 8 for PNG files, or 32 for floats in
            `.npy` files.
        data_range: The range of the floats in files.
        num_grey: The number of grey images in several channels to which the same noise
            is added in every channel.
    """

    source: Cropping
    degrade: Degradation | None
    seed: int
    crop_border: int
    lpips: Lpips
    bits: int = 8
    data_range: DataRange = UNIT_RANGE
    num_grey: int = 0

    def pictures(self, index: int) -> dict[str, np.ndarray]:
        """Returns the "reference", and the "degraded" image clipped to [0, 1]."""
        name, record = self.source.names[index], self.source[index]
        degraded = scores.degraded_image(record, self.degrade, name)
        return {"reference": record["x0"], "degraded": degraded.clip(0, 1)}

    def file_names(self) -> dict[str, str]:
        """Returns the file name of each result by the name of its image.

        It is the stem of the image's name, or the whole name if two stems are equal.
        """
        names = self.source.names
        suffix = ".png" if self.bits == 8 else ".npy"
        stems = [
            Path(name).stem if Path(name).suffix.lower() in images.SUFFIXES else name
            for name in names
        ]
        unique = stems if len(set(stems)) == len(stems) else names
        return {name: f"{stem}{suffix}" for name, stem in zip(names, unique)}

    def read_result(self, path: Path) -> np.ndarray:
        """Returns the pixels of a file that `run_method` wrote."""
        return images.read_image(path, self.data_range).pixels


class Measured(NamedTuple):
    """The results of `run_method`.

    Attributes:
        rows: The row of every image; empty if the method failed.
        examples: The first few results, with their images.
        failure: The reason why a baseline could not be computed, or "".
    """

    rows: list[Row]
    examples: list[Result]
    failure: str = ""


def run_method(
    method: Method,
    test_set: TestSet,
    paths: Sequence[Path],
    overwrite: bool = False,
    tick: Callable[[], Any] = lambda: None,
) -> Measured:
    """Restores, writes and measures every image.

    Args:
        method: The method. Without a function, it gives no rows.
        test_set: The test images.
        paths: The files of the results, one for each image.
        overwrite: Whether existing files may be replaced.
        tick: The function that is called after each image.

    Raises:
        ValueError: If weights fail on an image. If a baseline fails, its reason is in
            the result instead.
    """
    rows: list[Row] = []
    examples: list[Result] = []
    if method.function is None:
        return Measured(rows, examples)
    results = scores.evaluate_images(
        method.function,
        test_set.source,
        degrade=test_set.degrade,
        seed=test_set.seed,
        crop_border=test_set.crop_border,
        bits=test_set.bits,
    )
    try:
        for path, result in zip(paths, results, strict=True):
            restored = images.ImageFile(
                result.images["restored"],
                None,
                test_set.bits,
                data_range=test_set.data_range,
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            images.write_image(path, restored, overwrite)
            rows.append(result.row() | _lpips(test_set, result))
            examples += [result] if len(examples) < sheets.NUM_ROWS else []
            tick()
    except ValueError as error:
        if method.kind != BASELINE:
            raise
        # Results for some images only cannot be compared: their mean differs.
        shutil.rmtree(paths[0].parent, ignore_errors=True)
        return Measured([], [], str(error).rstrip("."))
    return Measured(rows, examples)


def _lpips(test_set: TestSet, result: Result) -> Row:
    if test_set.lpips.weights is None:
        return {}
    reference, border = result.images["reference"], test_set.crop_border
    return {
        f"{stage}_lpips": test_set.lpips(result.images[stage], reference, border)
        for stage in scores.STAGES
    }


def input_entry(rows: Sequence[Row]) -> Entry:
    """Returns the entry of the degraded images, from the rows of any method."""
    return _entry("degraded", INPUT, rows, "degraded")


def method_entry(method: Method, measured: Measured) -> Entry:
    """Returns the entry of a method, from the results of `run_method`."""
    rows = measured.rows
    entry = _entry(method.name, method.kind, rows, "restored")
    return entry | dict(
        weights=method.weights,
        solver=method.solver,
        num_evals=method.num_evals,
        folder=method.folder if rows else "",
        not_computed=method.not_computed or measured.failure,
    )


def _names_of_metrics(rows: Sequence[Row]) -> tuple[str, ...]:
    """Returns the metrics that rows hold: LPIPS only if it was computed."""
    has_lpips = bool(rows) and "restored_lpips" in rows[0]
    return (*scores.METRICS, "lpips") if has_lpips else scores.METRICS


def _entry(name: str, kind: str, rows: Sequence[Row], stage: str) -> Entry:
    metrics = _names_of_metrics(rows) if rows else ()
    columns = {metric: [row[f"{stage}_{metric}"] for row in rows] for metric in metrics}
    before = {metric: [row[f"degraded_{metric}"] for row in rows] for metric in metrics}
    gains = {
        metric: [_minus(a, b) for a, b in zip(columns[metric], before[metric])]
        for metric in metrics
    }
    interval = bootstrap.mean_and_interval
    warm = [row["seconds"] for row in rows if not row["compiled"]]
    is_input = kind == INPUT
    clock = ("seconds", "compiled")
    return dict(
        name=name,
        kind=kind,
        weights="",
        solver="",
        num_evals=0,
        folder="",
        not_computed="",
        scores={metric: interval(columns[metric]) for metric in metrics},
        gain={} if is_input else {key: interval(gains[key]) for key in metrics},
        fid=None,
        median_seconds=float(np.median(warm)) if warm and not is_input else None,
        images=[
            dict(name=row["name"], height=row["height"], width=row["width"])
            | {metric: row[f"{stage}_{metric}"] for metric in metrics}
            | ({} if is_input else {key: row[key] for key in clock})
            for row in rows
        ],
    )


def _minus(after: float, before: float) -> float:
    """Returns the gain; it is 0, not NaN, if both scores are the same infinity."""
    return 0.0 if math.isinf(after) and after == before else after - before
