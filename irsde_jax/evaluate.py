"""Evaluation of weights on a test folder: images, scores, sheets, a report."""

import json
import logging
import math
import os
import platform
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import jax
import ml_collections

import irsde_jax
from irsde_jax import (
    baselines,
    cases,
    comparison,
    configuration,
    experiment,
    figures,
    intervals,
    methods,
    perceptual,
    report,
    restore,
    scores,
    sheets,
    tables,
)
from irsde_jax.comparison import Entry, Row, TestSet
from irsde_jax.data import degradations, images, sources
from irsde_jax.data.degradations import Degradation
from irsde_jax.data.pairs import Source
from irsde_jax.logs import Progress
from irsde_jax.methods import Method
from irsde_jax.restorer import Restorer

Config: TypeAlias = ml_collections.ConfigDict
logger = logging.getLogger(__name__)


def run(
    config: Config | None,
    workdir: str | os.PathLike | None,
    weights: str | os.PathLike | None = None,
    output: str | os.PathLike | None = None,
    overwrite: bool = False,
    others: Sequence[tuple[str, Config | None]] = (),
) -> dict[str, Any]:
    """Evaluates weights on the test folder of the configuration (`--mode=evaluate`).

    Writes, of the first weights and solver, `restored/*.png`, `metrics.csv` and
    `comparison.png`; of all methods `methods/NAME/*.png`, `summary.csv`,
    `per_image.csv`, `metrics.json` and `report.html`; and prints the tables. All images
    are read before the first is restored, so that a damaged one is found at once.

    Args:
        config: None for the one stored with the weights. Its group `evaluation` says
            what is compared.
        workdir: of the training run, for its weights and the default of `output`.
        weights: used instead of those in `workdir`.
        output: folder of the results, `WORKDIR/evaluation/NAME` by default, NAME being
            that of the test folder.
        overwrite: whether results that are there may be replaced.
        others: more weights for the same images, each with its configuration or None.

    Returns:
        What `metrics.json` holds, NaN and infinity where that has null.

    Raises:
        FileNotFoundError: if there are no weights, no test folder or no LPIPS weights.
        FileExistsError: if `output` is not empty and `overwrite` is False.
        ValueError: if the test folder is empty or holds an image that cannot be used,
            or if other weights take other images than the first.
    """
    restorer = restore.open_restorer(config, workdir, weights)
    config = restorer.config
    settings = config.evaluation
    if settings.num_samples < 0:
        raise ValueError(
            f"evaluation.num_samples must not be negative, got {settings.num_samples}."
        )
    restorers = [(str(workdir if weights is None else weights), restorer)]
    for name, other in others:
        restorers.append((name, restore.open_restorer(other, None, name)))
        _require_same_input(config, restorers[-1][1].config, name)
    compared = methods.restoring_methods(restorers, settings.solvers)
    lpips = perceptual.open_lpips(
        settings.lpips_alexnet, settings.lpips_linear, config.model.channels
    )
    chosen = baselines.choose(settings.baselines, config.task)

    degrade = degradations.make_degradation(**config.degradation)
    source = _open_test_set(config, None if degrade else True)
    if "mu" in source[0]:
        degrade = None  # the test set brings its own degraded images
    target = _prepare_output(output, workdir, settings.dir, overwrite)
    for _, opened in restorers:
        _warn_of_another_noise_level(opened, degrade)
    problem = baselines.make_problem(config, degrade is not None)
    compared += methods.baseline_methods(chosen, problem, compared)
    test_set = TestSet(source, degrade, config.seed, settings.crop_border, lpips)

    files = _result_names(source.names, config.model.channels)
    paths = [[target / method.folder / file for file in files] for method in compared]
    with Progress(len(source) * len(compared), unit="image") as progress:
        measured = [
            comparison.run_method(method, test_set, to, overwrite, progress.update)
            for method, to in zip(compared, paths)
        ]
    rows = measured[0].rows
    entries = [comparison.input_entry(rows)]
    entries += [comparison.method_entry(*pair) for pair in zip(compared, measured)]
    no_fid = _add_fid(entries, test_set, target, config.model.channels)

    found = _report(compared[0], config, rows, entries)
    found["lpips"] = dict(not_computed=lpips.not_computed)
    found["fid"] = dict(not_computed=no_fid)
    if settings.num_samples:
        found["uncertainty"] = sheets.write_uncertainty(
            restorer, source, degrade, target / "uncertainty.png", overwrite
        )
    sheet = sheets.comparison(measured[0].examples, len(rows))
    figures.save_sheet(target / "comparison.png", sheet, overwrite)
    tables.write_csv(target / "metrics.csv", rows)
    tables.write_csv(target / "summary.csv", tables.summary_rows(entries))
    tables.write_csv(target / "per_image.csv", tables.image_rows(entries))
    text = json.dumps(_finite(found), indent=2, allow_nan=False)
    (target / "metrics.json").write_text(text + "\n", encoding="utf-8")
    pictures = cases.choose(entries, test_set, dict(zip(source.names, files)), target)
    page = report.to_html(_finite(found), pictures)
    (target / "report.html").write_text(page, encoding="utf-8")
    print(
        f"{settings.dir}: {len(rows)} images, {found['solver']}, {found['num_evals']} "
        f"evaluations, seed {config.seed}; 8 bits, border {settings.crop_border}\n"
    )
    print(figures.score_table(rows, found["mean"]), end="\n\n")
    print(tables.comparison_table(found))
    logger.info("Results are in %s, to look at: report.html", target)
    return found


def _require_same_input(first: Config, other: Config, name: str) -> None:
    """Raises if weights would be given other images than the first ones."""
    differences = configuration.differences(
        first, other, ("model.channels", "data.scale", "data.enlarge")
    )
    if differences:
        raise ValueError(
            f"{name} takes other images than the first weights, so that they cannot be "
            f"compared: {'; '.join(differences)}."
        )


def _add_fid(
    entries: Sequence[Entry], test_set: TestSet, target: Path, channels: int
) -> str:
    """Sets the FID of every entry with images; returns why there is none, or ""."""
    reason = perceptual.why_no_fid(channels)
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


def _open_test_set(config: Config, paired: bool | None) -> Source:
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


def _result_names(names: Sequence[str], channels: int) -> list[str]:
    """A file for each image: its stem, or its whole name where stems are not unique."""
    suffix = ".png" if channels in (1, 3) else ".npy"
    stems = [
        Path(name).stem if Path(name).suffix.lower() in images.SUFFIXES else name
        for name in names
    ]
    unique = stems if len(set(stems)) == len(stems) else names
    return [f"{stem}{suffix}" for stem in unique]


def _report(
    first: Method, config: Config, rows: Sequence[Row], entries: Sequence[Entry]
) -> dict[str, Any]:
    """What `metrics.json` holds."""
    has_baseline = any(entry["kind"] == methods.BASELINE for entry in entries)
    no_baselines = f"none is known for task {config.task!r}"
    if not any(config.evaluation.baselines):
        no_baselines = "none were asked for (evaluation.baselines)"
    return {
        "folder": config.evaluation.dir,
        "solver": first.solver,
        "num_evals": first.num_evals,
        "seed": config.seed,
        "degradation_seed": scores.DEGRADATION_SEED,
        "crop_border": config.evaluation.crop_border,
        "bits": 8,
        "mean": scores.summarise(rows),
        "images": list(rows),
        "confidence": dict(
            level=intervals.LEVEL,
            method="percentile bootstrap of the mean over images",
            num_resamples=intervals.NUM_RESAMPLES,
            seed=intervals.SEED,
        ),
        "methods": list(entries),
        "no_baselines": "" if has_baseline else no_baselines,
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
