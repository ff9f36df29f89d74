"""Evaluates weights on test images: restored images, scores, sheets and a report."""

import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import ml_collections

from irsde_jax import configuration
from irsde_jax.evaluation import (
    baselines,
    comparison,
    figures,
    methods,
    outputs,
    perceptual,
    record,
    sheets,
    test_sets,
)
from irsde_jax.evaluation.comparison import Entry, TestSet
from irsde_jax.evaluation.methods import Method
from irsde_jax.evaluation.scores import Result
from irsde_jax.restoration import loading
from irsde_jax.restoration.restorer import Restorer
from irsde_jax.training.progress import Progress

Config: TypeAlias = ml_collections.ConfigDict
logger = logging.getLogger(__name__)


def run(
    config: Config | None,
    workdir: str | os.PathLike | None,
    weights: str | os.PathLike | None = None,
    *,
    output: str | os.PathLike | None = None,
    overwrite: bool = False,
    others: Sequence[tuple[str, Config | None]] = (),
) -> dict[str, Any]:
    """Evaluates weights on the test images of the configuration (`--mode=evaluate`).

    Writes `restored/*.png`, `metrics.csv` and `comparison.png` for the first weights
    and solver, and `methods/NAME/*.png`, `summary.csv`, `per_image.csv`, `metrics.json`
    and `report.html` for all methods; prints the tables. Images that are not grey or
    RGB, or have another `data.data_range`, are measured as floats and written as `.npy`
    files. All images are read before the first is restored, so that damaged files are
    found at once.

    Args:
        config: The configuration, or None for the one that is stored with the weights.
            Its group `evaluation` selects what is compared.
        workdir: The training run with the weights, and the default place of `output`.
        weights: The weights to use instead of those in `workdir`.
        output: The folder of the results; by default `WORKDIR/evaluation/NAME`, where
            NAME is the name of the test set.
        overwrite: Whether existing results may be replaced.
        others: More weights for the same images, each with its configuration or None.

    Returns:
        The contents of `metrics.json`, but with NaN and infinity instead of null.

    Raises:
        FileNotFoundError: If weights, the test folder or the LPIPS weights are missing.
        FileExistsError: If `output` is not empty and `overwrite` is False.
        ValueError: If a test image cannot be used, if there are no test images, or if
            other weights need other images than the first.
    """
    name = str(workdir if weights is None else weights)
    restorers = [(name, loading.open_restorer(config, workdir, weights))]
    config = restorers[0][1].config
    restorers += _open_others(config, others)
    compared, test_set = _plan(config, restorers)
    target = outputs.prepare(output, workdir, config.evaluation.dir, overwrite)
    for _, restorer in restorers:
        test_sets.warn_of_another_noise_level(restorer, test_set.degrade)
    found, examples = _compare(config, compared, test_set, target, overwrite)
    if config.evaluation.num_samples:
        path = target / "uncertainty.png"
        source, degrade = test_set.source, test_set.degrade
        found["uncertainty"] = sheets.write_uncertainty(
            restorers[0][1], source, degrade, path, overwrite
        )
    sheet = sheets.comparison(examples, len(found["images"]))
    figures.save_sheet(target / "comparison.png", sheet, overwrite)
    outputs.write(found, test_set, target)
    outputs.show(found, config.evaluation.crop_border)
    logger.info("Results are in %s, to look at: report.html", target)
    return found


def _open_others(
    config: Config, others: Sequence[tuple[str, Config | None]]
) -> list[tuple[str, Restorer]]:
    """Opens the weights that are compared with the first ones.

    Args:
        config: The configuration of the first weights.
        others: The other weights, each with its configuration or None.

    Raises:
        ValueError: If they take other images than the first weights, or if
            `evaluation.num_samples` is negative.
    """
    if config.evaluation.num_samples < 0:
        raise ValueError(
            "evaluation.num_samples must not be negative, got "
            f"{config.evaluation.num_samples}."
        )
    opened = []
    for name, other in others:
        opened.append((name, loading.open_restorer(other, None, name)))
        _require_same_input(config, opened[-1][1].config, name)
    return opened


def _require_same_input(first: Config, other: Config, name: str) -> None:
    """Raises ValueError if weights take other images than the first weights."""
    differences = configuration.differences(
        first,
        other,
        ("model.channels", "data.scale", "data.enlarge", "data.data_range"),
    )
    if differences:
        raise ValueError(
            f"{name} takes other images than the first weights, so that they cannot be "
            f"compared: {'; '.join(differences)}."
        )


def _plan(
    config: Config, restorers: Sequence[tuple[str, Restorer]]
) -> tuple[list[Method], TestSet]:
    """Returns the methods to compare, and the test images for all of them."""
    settings = config.evaluation
    compared = methods.restoring_methods(restorers, settings.solvers)
    lpips = perceptual.open_lpips(
        settings.lpips_alexnet, settings.lpips_linear, config.model.channels
    )
    chosen = baselines.choose(settings.baselines, config.task)
    test_set = test_sets.open_test_set(config, lpips)
    problem = baselines.make_problem(config, test_set.degrade is not None)
    compared += methods.baseline_methods(chosen, problem, compared)
    return compared, test_set


def _compare(
    config: Config,
    compared: Sequence[Method],
    test_set: TestSet,
    target: Path,
    overwrite: bool,
) -> tuple[dict[str, Any], list[Result]]:
    """Restores all images with all methods; returns the record and images to show."""
    files = test_set.file_names().values()
    paths = [[target / method.folder / file for file in files] for method in compared]
    total = len(test_set.source) * len(compared)
    with Progress(total, unit="image") as progress:
        measured = [
            comparison.run_method(method, test_set, to, overwrite, progress.update)
            for method, to in zip(compared, paths)
        ]
    rows = measured[0].rows
    entries = [comparison.input_entry(rows)]
    entries += [comparison.method_entry(*pair) for pair in zip(compared, measured)]
    no_fid = _add_fid(entries, test_set, target, config.model.channels)
    found = record.of_evaluation(compared[0], config, test_set, rows, entries)
    lpips, source = test_set.lpips, test_set.source
    found["lpips"] = dict(not_computed=lpips.not_computed, origin=lpips.origin)
    found["fid"] = dict(not_computed=no_fid)
    found |= dict(pairing=source.pairing, cropping=source.describe_cropping())
    return found, measured[0].examples


def _add_fid(
    entries: Sequence[Entry], test_set: TestSet, target: Path, channels: int
) -> str:
    """Sets the FID of every entry with images; returns "" or why there is no FID."""
    reason = perceptual.why_no_fid(channels, test_set.bits)
    if reason:
        return reason
    with tempfile.TemporaryDirectory() as folder:
        given = {key: Path(folder, key) for key in ("reference", "degraded")}
        for index in range(len(test_set.source)):
            for key, pixels in test_set.pictures(index).items():
                perceptual.write_image(given[key], index, pixels)
        for entry in entries:
            if entry["not_computed"]:
                continue
            is_input = entry["kind"] == methods.INPUT
            where = given["degraded"] if is_input else target / entry["folder"]
            entry["fid"], reason = perceptual.fid(where, given["reference"])
            if reason:
                return reason
    return ""
