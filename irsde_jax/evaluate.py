"""Evaluation of weights on a test folder: images, a table of scores and a sheet."""

import csv
import json
import logging
import math
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import ml_collections
import numpy as np
from PIL import Image

import irsde_jax
from irsde_jax import (
    configuration,
    experiment,
    figures,
    metrics,
    restore,
    scores,
)
from irsde_jax.data import degradations, images, sources
from irsde_jax.data.degradations import Degradation
from irsde_jax.data.pairs import Source
from irsde_jax.logs import Progress
from irsde_jax.restorer import Restorer
from irsde_jax.scores import Result

_UNCERTAINTY_ROWS = 4
_SHEET_ROWS = 8

logger = logging.getLogger(__name__)


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
    if config.evaluation.num_samples < 0:
        raise ValueError(
            "evaluation.num_samples must not be negative, got "
            f"{config.evaluation.num_samples}."
        )
    address = config.evaluation.dir
    degrade = degradations.make_degradation(**config.degradation)
    source = _open_test_set(config, None if degrade else True)
    if "mu" in source[0]:
        degrade = None  # the test set brings its own degraded images
    target = _prepare_output(output, workdir, address, overwrite)
    _warn_of_another_noise_level(restorer, degrade)
    border = config.evaluation.crop_border
    results = scores.evaluate_images(
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
    report = _report(restorer, address, rows)
    if config.evaluation.num_samples:
        report["uncertainty"] = _write_uncertainty(
            restorer, source, degrade, target / "uncertainty.png", overwrite
        )
    _write_csv(target / "metrics.csv", rows)
    text = json.dumps(_finite(report), indent=2, allow_nan=False)
    (target / "metrics.json").write_text(text + "\n", encoding="utf-8")
    sheet = _comparison(examples, len(rows) - len(examples))
    figures.save_sheet(target / "comparison.png", sheet, overwrite)
    print(
        f"{address}: {len(rows)} images, {report['solver']}, {report['num_evals']} "
        f"evaluations, seed {config.seed}; 8 bits, border {border}\n"
    )
    print(figures.score_table(rows, report["mean"]))
    logger.info("Results are in %s", target)
    return report


def _write_uncertainty(
    restorer: Restorer,
    source: Source,
    degrade: degradations.Degradation | None,
    path: Path,
    overwrite: bool,
) -> list[dict[str, Any]]:
    """The mean of several restorations and where they differ, of the first images."""
    config, rows, entries = restorer.config, [], []
    captions = []
    for index in range(min(len(source), _UNCERTAINTY_ROWS)):
        name, record = source.names[index], source[index]
        degraded = scores.degraded_image(record, degrade, name)
        mean, std = restorer.uncertainty(
            degraded,
            num_samples=config.evaluation.num_samples,
            key=restore.file_key(config.seed, name),
        )
        spread = std.mean(axis=-1, keepdims=True)
        error = np.abs(mean - record["x0"]).mean(axis=-1, keepdims=True)
        white = max(float(np.percentile([spread, error], 98)), 1 / 255)
        psnr = float(metrics.psnr(np.round(mean * 255) / 255, record["x0"]))
        rows.append([degraded.clip(0, 1), mean, spread / white, error / white])
        grey = f"white: {255 * white:.1f} grey levels"
        captions.append([name, f"{psnr:.2f} dB", grey, grey])
        entries.append(
            dict(
                name=name,
                num_samples=config.evaluation.num_samples,
                psnr_rgb_of_mean=psnr,
                mean_std=float(std.mean()),
            )
        )
    columns = ("degraded", "mean", "standard deviation", "error of the mean")
    rows = [[cell.clip(0, 1) for cell in row] for row in rows]
    figures.save_sheet(
        path, figures.comparison_sheet(rows, columns, captions), overwrite
    )
    return entries


def _open_test_set(config: ml_collections.ConfigDict, paired: bool | None) -> Source:
    """The images of the test set, each of which has been read once."""
    address = config.evaluation.dir
    if not sources.is_dataset(address) and not Path(address).is_dir():
        raise FileNotFoundError(
            f"evaluation.dir={address!r}: there is no such folder. Name the test "
            "images by --config.evaluation.dir=DIR."
        )
    source = experiment.open_source(config, address, paired)
    for index in range(len(source)):
        source[index]
    return source


def _warn_of_another_noise_level(
    restorer: Restorer, degrade: Degradation | None
) -> None:
    added = restorer.config.degradation.get("sigma")
    told = restorer.config.sampling.sigma
    is_told = restorer.process.starts_at_input and told is not None
    if degrade is not None and is_told and added != told:
        logger.warning(
            "degradation.sigma=%s is added, but the process is told sampling.sigma=%s.",
            added,
            told,
        )


def _prepare_output(
    output: str | os.PathLike | None,
    workdir: str | os.PathLike | None,
    address: str,
    overwrite: bool,
) -> Path:
    """The folder of the results, made and, unless `overwrite`, empty."""
    if output is None and workdir is None:
        raise ValueError(
            "there is no folder for the results: give output or a workdir."
        )
    is_folder = not sources.is_dataset(address)
    folder = Path(address).resolve()
    # "tfds:rain100h/test[:10]" becomes rain100h_test_10
    words = re.findall(r"\w+", address)[1:]
    target = Path(
        workdir or "", "evaluation", folder.name if is_folder else "_".join(words)
    )
    target = target if output is None else Path(output)
    if is_folder and target.resolve().is_relative_to(folder):
        raise ValueError(
            f"the results would go to {target}, inside the test folder {address}, and "
            "be test images themselves next time. Choose another --output."
        )
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
    restorer: Restorer, address: str, rows: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """What `metrics.json` holds."""
    config = restorer.config
    return {
        "folder": address,
        "solver": config.sampling.solver,
        "num_evals": restorer.num_evals(),
        "seed": config.seed,
        "degradation_seed": scores.DEGRADATION_SEED,
        "crop_border": config.evaluation.crop_border,
        "bits": 8,
        "mean": scores.summarise(rows),
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
    for result in examples:
        degraded, restored = (
            result.scores[f"{stage}_psnr_rgb"] for stage in scores.STAGES
        )
        gain = restored - degraded
        captions.append(
            [f"{degraded:.2f} dB", f"{restored:.2f} dB ({gain:+.2f})", result.name]
        )
    return figures.comparison_sheet(
        [[result.images[column] for column in columns] for result in examples],
        columns,
        captions,
        num_omitted=num_omitted,
    )
