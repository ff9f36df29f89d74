"""Restoring a test set: how far the result is from the reference, and what it cost.

The protocol: degraded and restored images are clipped and rounded to 8 bits, then
compared with the reference by PSNR and SSIM, in RGB and on the luma (Y), with a stated
border left out. What the network is given is a file as it is, or, where clean images
are degraded here, the degraded image in floating point, neither clipped nor rounded:
this is how Gaussian denoising is measured.
"""

import csv
import functools
import json
import logging
import math
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from PIL import Image

import irsde_jax
from irsde_jax import configuration, figures, metrics, restore, sde
from irsde_jax.array_types import Array
from irsde_jax.data import degradations, images, pairs
from irsde_jax.data.degradations import Degradation
from irsde_jax.data.pairs import Source
from irsde_jax.logs import Progress
from irsde_jax.restorer import Restorer

# A part of the test set, not of the run: another seed restores the same noisy images.
DEGRADATION_SEED = 0

METRICS = ("psnr_rgb", "ssim_rgb", "psnr_y", "ssim_y")
STAGES = ("degraded", "restored")
_SMALLEST_SSIM = 11  # pixels, the window
_SHEET_ROWS = 8

logger = logging.getLogger(__name__)


class Result(NamedTuple):
    """One image of a test set.

    Attributes:
        name: of the image.
        images: "degraded", "restored" and "reference", float32 [H, W, C], 8-bit levels.
        scores: "degraded_psnr_rgb" and so on, each of `STAGES` with each of `METRICS`;
            "rgb" stands for all channels. SSIM is NaN for less than 11 x 11 pixels.
        seconds: that restoring it took.
        compiled: whether `seconds` includes compilation: it is the first of its size.
    """

    name: str
    images: dict[str, np.ndarray]
    scores: dict[str, float]
    seconds: float
    compiled: bool

    def row(self) -> dict[str, Any]:
        """Name, size, scores and time, without the images."""
        height, width = self.images["reference"].shape[:2]
        head = dict(name=self.name, height=height, width=width)
        return {
            **head,
            **self.scores,
            **dict(seconds=self.seconds, compiled=self.compiled),
        }


def evaluate_images(
    restorer: Callable[..., np.ndarray],
    source: Source,
    *,
    degrade: Degradation | None = None,
    seed: int = 0,
    crop_border: int = 0,
    **sampling: Any,
) -> Iterator[Result]:
    """Restores and measures images one by one, each as a whole.

        source = pairs.ArrayPairs(clean_images, degraded_images)
        rows = [result.row() for result in evaluate_images(restorer, source)]

    Args:
        restorer: a `Restorer`, or any function `(image, key=key) -> image` of float
            [H, W, C].
        source: reference images "x0" and, without `degrade`, degraded ones "mu".
        degrade: makes the degraded images instead, with a key that depends on the name
            of the image alone.
        seed: of the sampling noise; an image's key is of the seed and its name.
        crop_border: pixels left out of the metrics on every side.
        **sampling: handed to `restorer`, such as `num_evals=5`.

    Yields:
        A `Result` for each image. Where no two images have one size, the last one is
        restored twice, so that its time is without compilation.

    Raises:
        ValueError: for an image that the border leaves nothing of, that has no degraded
            version, or whose restored version is not finite; it is named.
    """
    seen: set[tuple[int, ...]] = set()
    any_warm = False
    for index, name in enumerate(source.names):
        record = source[index]
        x0, mu = record["x0"], _degraded(record, degrade, name)
        if min(x0.shape[:2]) <= 2 * crop_border:
            raise ValueError(
                f"{name}: crop_border={crop_border} leaves nothing of an image of "
                f"{x0.shape[0]} x {x0.shape[1]}."
            )
        call = functools.partial(
            restorer, mu, key=restore.file_key(seed, name), **sampling
        )
        restored, seconds = _timed(call)
        compiled = mu.shape not in seen
        if compiled and not any_warm and index == len(source) - 1:
            (restored, seconds), compiled = _timed(call), False
        seen.add(mu.shape)
        any_warm |= not compiled
        found = dict(degraded=mu, restored=restored, reference=x0)
        try:
            rounded = {key: _to_8_bits(image) for key, image in found.items()}
        except ValueError as error:
            raise ValueError(f"{name} restored: {error}.") from error
        scores = _score(rounded, crop_border)
        yield Result(name, rounded, scores, seconds, compiled)


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The mean of each score, and the median of the seconds without compilation.

    SSIM is the mean over the images that are large enough for it; NaN if none is.
    """
    summary = {}
    for name in (f"{stage}_{metric}" for stage in STAGES for metric in METRICS):
        values = [row[name] for row in rows if not math.isnan(row[name])]
        summary[name] = float(np.mean(values)) if values else math.nan
    warm = [row["seconds"] for row in rows if not row["compiled"]]
    summary["median_seconds"] = float(np.median(warm)) if warm else math.nan
    return summary


def run(
    config: ml_collections.ConfigDict | None,
    workdir: str | os.PathLike | None,
    weights: str | os.PathLike | None = None,
    output: str | os.PathLike | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Evaluates weights on the test folder of the configuration (`--mode=evaluate`).

    Writes `restored/*.png`, `metrics.csv`, `metrics.json` and `comparison.png`, and
    prints the table. All images are read before the first is restored, so that a
    damaged one is found at once.

    Args:
        config: None for the one stored with the weights.
        workdir: of the training run, for its weights and the default of `output`.
        weights: used instead of those in `workdir`.
        output: folder of the results, `WORKDIR/evaluation/NAME` by default, NAME being
            that of the test folder.
        overwrite: whether results that are there may be replaced.

    Returns:
        What `metrics.json` holds, NaN and infinity where that has null.

    Raises:
        FileNotFoundError: if there are no weights or no test folder.
        FileExistsError: if `output` is not empty and `overwrite` is False.
        ValueError: if the test folder is empty or holds an image that cannot be used.
    """
    restorer = restore.open_restorer(config, workdir, weights)
    config = restorer.config
    folder = Path(config.evaluation.dir)
    degrade = degradations.make_degradation(**config.degradation)
    source = _open_test_set(folder, degrade is None, config.model.channels)
    target = _prepare_output(output, workdir, folder, overwrite)
    _warn_of_another_noise_level(restorer, degrade)
    border = config.evaluation.crop_border
    results = evaluate_images(
        restorer, source, degrade=degrade, seed=config.seed, crop_border=border
    )
    paths = _restored_paths(target / "restored", source.names, config.model.channels)
    rows: list[dict[str, Any]] = []
    examples: list[Result] = []
    with Progress(len(source), unit="image") as progress:
        for path, result in zip(paths, results, strict=True):
            restored = images.ImageFile(result.images["restored"], None, 8)
            images.write_image(path, restored, overwrite)
            rows.append(result.row())
            examples += [result] if len(examples) < _SHEET_ROWS else []
            progress.update()
    report = _report(restorer, folder, rows)
    _write_csv(target / "metrics.csv", rows)
    text = json.dumps(_finite(report), indent=2, allow_nan=False)
    (target / "metrics.json").write_text(text + "\n", encoding="utf-8")
    sheet = _comparison(examples, len(rows) - len(examples))
    figures.save_sheet(target / "comparison.png", sheet, overwrite)
    print(
        f"{folder}: {len(rows)} images, {report['solver']}, {report['num_evals']} "
        f"evaluations, seed {config.seed}; 8 bits, border {border}\n"
    )
    print(figures.score_table(rows, report["mean"]))
    logger.info("Results are in %s", target)
    return report


def _degraded(
    record: pairs.Record, degrade: Degradation | None, name: str
) -> np.ndarray:
    """The degraded image of a record, or the one made from its clean image."""
    if degrade is not None:
        key = restore.file_key(DEGRADATION_SEED, name)
        return np.asarray(degrade(key, jnp.asarray(record["x0"])))
    if "mu" not in record:
        raise ValueError(f"{name} has no degraded image: pass `degrade` to make one.")
    return record["mu"]


def _timed(call: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    start = time.perf_counter()
    restored = np.asarray(call())
    return restored, time.perf_counter() - start


def _to_8_bits(image: np.ndarray) -> np.ndarray:
    """Clipped to [0, 1] and rounded to 8-bit levels, float32."""
    return images.to_uint8(image).astype(np.float32) / np.float32(255)


def _score(found: dict[str, np.ndarray], crop_border: int) -> dict[str, float]:
    """Every metric of the degraded and of the restored image."""
    inside = min(found["reference"].shape[:2]) - 2 * crop_border
    names = [name for name in METRICS if "psnr" in name or inside >= _SMALLEST_SSIM]
    both = np.stack([found[stage] for stage in STAGES])
    values = _measure(both, found["reference"], tuple(names), crop_border)
    return {
        f"{stage}_{name}": float(values[name][index]) if name in values else math.nan
        for index, stage in enumerate(STAGES)
        for name in METRICS
    }


@functools.partial(jax.jit, static_argnames=("names", "crop_border"))
def _measure(
    both: Array, reference: Array, names: tuple[str, ...], crop_border: int
) -> dict[str, Array]:
    """The named metrics of two images [2, H, W, C]: one program per size."""
    functions = {"psnr": metrics.psnr, "ssim": metrics.ssim}
    reference = jnp.broadcast_to(reference, both.shape)
    return {
        name: functions[name[:4]](both, reference, name.endswith("_y"), crop_border)
        for name in names
    }


def _open_test_set(folder: Path, paired: bool, channels: int) -> Source:
    """The images of the test folder, each of which has been read once."""
    if not folder.is_dir():
        raise FileNotFoundError(
            f"evaluation.dir={str(folder)!r}: there is no such folder. Name the test "
            "images by --config.evaluation.dir=DIR."
        )
    source = pairs.open_source(folder, paired, channels)
    for index in range(len(source)):
        source[index]
    return source


def _warn_of_another_noise_level(
    restorer: Restorer, degrade: Degradation | None
) -> None:
    added = restorer.config.degradation.get("sigma")
    told = restorer.config.sampling.sigma
    if degrade is not None and restorer.process.starts_at_input and added != told:
        logger.warning(
            "degradation.sigma=%s is added, but the process is told sampling.sigma=%s.",
            added,
            told,
        )


def _prepare_output(
    output: str | os.PathLike | None,
    workdir: str | os.PathLike | None,
    folder: Path,
    overwrite: bool,
) -> Path:
    """The folder of the results, made and, unless `overwrite`, empty."""
    if output is None and workdir is None:
        raise ValueError(
            "there is no folder for the results: give output or a workdir."
        )
    target = Path(workdir or "", "evaluation", folder.resolve().name)
    target = target if output is None else Path(output)
    if target.exists() and not target.is_dir():
        raise FileExistsError(f"{target} is a file; the results need a folder.")
    if target.is_dir() and any(target.iterdir()) and not overwrite:
        raise FileExistsError(
            f"{target} is not empty. Choose another output or allow overwriting."
        )
    (target / "restored").mkdir(parents=True, exist_ok=True)
    return target


def _restored_paths(folder: Path, names: Sequence[str], channels: int) -> list[Path]:
    """A file for each image: its stem, or its whole name where stems are not unique."""
    suffix = ".png" if channels in (1, 3) else ".npy"
    stems = [
        Path(name).stem if Path(name).suffix.lower() in images.SUFFIXES else name
        for name in names
    ]
    unique = stems if len(set(stems)) == len(stems) else names
    return [folder / f"{stem}{suffix}" for stem in unique]


def _report(
    restorer: Restorer, folder: Path, rows: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """What `metrics.json` holds."""
    config = restorer.config
    num_evals = config.sampling.num_evals
    if restorer.process.starts_at_input:
        start = sde.start_step(restorer.schedule, config.sampling.sigma)
        num_evals = min(num_evals, start)
    return {
        "folder": str(folder),
        "solver": config.sampling.solver,
        "num_evals": num_evals,
        "seed": config.seed,
        "degradation_seed": DEGRADATION_SEED,
        "crop_border": config.evaluation.crop_border,
        "bits": 8,
        "mean": summarise(rows),
        "images": list(rows),
        "device": jax.devices()[0].device_kind,
        "versions": {
            "irsde_jax": irsde_jax.__version__,
            "jax": jax.__version__,
            "python": platform.python_version(),
        },
        "config": json.loads(configuration.to_json(config)),
    }


def _finite(value: Any) -> Any:
    """None in place of what JSON has no number for: NaN and infinity."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def _comparison(examples: Sequence[Result], num_omitted: int) -> Image.Image:
    """The first images: degraded, restored, reference."""
    columns = ("degraded", "restored", "reference")
    captions = []
    for name, _, scores, *_ in examples:
        degraded, restored = (scores[f"{stage}_psnr_rgb"] for stage in STAGES)
        gain = restored - degraded
        captions.append(
            [f"{degraded:.2f} dB", f"{restored:.2f} dB ({gain:+.2f})", name]
        )
    return figures.comparison_sheet(
        [[result.images[column] for column in columns] for result in examples],
        columns,
        captions,
        num_omitted=num_omitted,
    )
