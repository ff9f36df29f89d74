"""Evaluation of weights on a test folder: images, scores, sheets, a report."""

import json
import logging
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import ml_collections

from irsde_jax import configuration
from irsde_jax.data import degradations, sources
from irsde_jax.data.degradations import Degradation
from irsde_jax.data.image_files import file_names
from irsde_jax.data.image_files.arrays import UNIT_RANGE
from irsde_jax.data.sources.fitting import Cropping, ToMultiples
from irsde_jax.evaluation import (
    baselines,
    comparison,
    figures,
    methods,
    perceptual,
    record,
    sheets,
    tables,
)
from irsde_jax.evaluation.comparison import Entry, TestSet
from irsde_jax.evaluation.report import document, highlights
from irsde_jax.restoration import grey, loading
from irsde_jax.restoration.restorer import Restorer
from irsde_jax.training import experiment
from irsde_jax.training.logs import Progress

Config: TypeAlias = ml_collections.ConfigDict
logger = logging.getLogger(__name__)

# Half of the third decimal: 25/255 may be written as 0.098.
_ROUNDING = 0.0005 + 1e-9


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
    `per_image.csv`, `metrics.json` and `report.html`; and prints the tables. Images
    that are not grey or RGB, or have a `data.data_range` of their own, are measured as
    floats and written as `.npy`. All images are read before the first is restored, so
    that a damaged one is found at once.

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
    restorer = loading.open_restorer(config, workdir, weights)
    config = restorer.config
    settings = config.evaluation
    if settings.num_samples < 0:
        raise ValueError(
            f"evaluation.num_samples must not be negative, got {settings.num_samples}."
        )
    restorers = [(str(workdir if weights is None else weights), restorer)]
    for name, other in others:
        restorers.append((name, loading.open_restorer(other, None, name)))
        _require_same_input(config, restorers[-1][1].config, name)
    compared = methods.restoring_methods(restorers, settings.solvers)
    lpips = perceptual.open_lpips(
        settings.lpips_alexnet, settings.lpips_linear, config.model.channels
    )
    chosen = baselines.choose(settings.baselines, config.task)

    degrade = degradations.make_degradation(**config.degradation)
    source, num_grey = _open_test_set(config, None if degrade else True)
    if "mu" in source[0]:
        degrade = None  # the test set brings its own degraded images
    if degrade is None or not degradations.adds_noise(config.degradation.name):
        num_grey = 0
    else:
        degrade = grey.in_one_channel(degrade)
    target = _prepare_output(output, workdir, settings.dir, overwrite)
    for _, opened in restorers:
        _warn_of_another_noise_level(opened, degrade)
    problem = baselines.make_problem(config, degrade is not None)
    compared += methods.baseline_methods(chosen, problem, compared)
    test_set = TestSet(
        source,
        degrade,
        config.seed,
        settings.crop_border,
        lpips,
        _result_bits(config),
        config.data.data_range,
        num_grey,
    )

    files = test_set.file_names()
    paths = [
        [target / method.folder / file for file in files.values()]
        for method in compared
    ]
    with Progress(len(source) * len(compared), unit="image") as progress:
        measured = [
            comparison.run_method(method, test_set, to, overwrite, progress.update)
            for method, to in zip(compared, paths)
        ]
    rows = measured[0].rows
    entries = [comparison.input_entry(rows)]
    entries += [comparison.method_entry(*pair) for pair in zip(compared, measured)]
    no_fid = _add_fid(entries, test_set, target, config.model.channels)

    found = record.of_evaluation(compared[0], config, test_set, rows, entries)
    found["lpips"] = dict(not_computed=lpips.not_computed, origin=lpips.origin)
    found["fid"] = dict(not_computed=no_fid)
    found |= dict(pairing=source.pairing, cropping=source.describe_cropping())
    if settings.num_samples:
        found["uncertainty"] = sheets.write_uncertainty(
            restorer, source, degrade, target / "uncertainty.png", overwrite
        )
    sheet = sheets.comparison(measured[0].examples, len(rows))
    figures.save_sheet(target / "comparison.png", sheet, overwrite)
    tables.write_csv(target / "metrics.csv", rows)
    tables.write_csv(target / "summary.csv", tables.summary_rows(entries))
    tables.write_csv(target / "per_image.csv", tables.image_rows(entries))
    text = json.dumps(record.finite(found), indent=2, allow_nan=False)
    (target / "metrics.json").write_text(text + "\n", encoding="utf-8")
    pictures = highlights.choose(entries, test_set, files, target)
    page = document.to_html(record.finite(found), pictures)
    (target / "report.html").write_text(file_names.escaped(page), encoding="utf-8")
    print(
        f"{settings.dir}: {len(rows)} images, {found['solver']}, {found['num_evals']} "
        f"evaluations, seed {config.seed}; {found['bits']} bits, border "
        f"{settings.crop_border}; degraded images: {found['degraded']}\n"
    )
    print(figures.score_table(rows, found["mean"]), end="\n\n")
    print(tables.comparison_table(found))
    logger.info("Results are in %s, to look at: report.html", target)
    return found


def _require_same_input(first: Config, other: Config, name: str) -> None:
    """Raises if weights would be given other images than the first ones."""
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


def _add_fid(
    entries: Sequence[Entry], test_set: TestSet, target: Path, channels: int
) -> str:
    """Sets the FID of every entry with images; returns why there is none, or ""."""
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


def _open_test_set(config: Config, paired: bool | None) -> tuple[Cropping, int]:
    """The images of the test set, each of which has been read once.

    Clean images that a degradation makes smaller are cropped to a multiple of its
    factor first, as papers do.

    Returns:
        The images, and how many of them are grey in several equal channels.
    """
    address = config.evaluation.dir
    if not sources.is_dataset(address) and not Path(address).is_dir():
        raise FileNotFoundError(
            f"evaluation.dir={address!r}: there is no such folder. Name the test "
            "images by --config.evaluation.dir=DIR."
        )
    source: Cropping = experiment.open_source(config, address, paired)
    if "mu" not in source[0]:
        factor = degradations.shrinking_factor(**config.degradation)
        source = ToMultiples(source, factor)
    clean = (source[index]["x0"] for index in range(len(source)))
    return source, sum(x0.shape[-1] > 1 and grey.is_grey(x0) for x0 in clean)


def _warn_of_another_noise_level(
    restorer: Restorer, degrade: Degradation | None
) -> None:
    added = restorer.config.degradation.get("sigma")
    told = restorer.sampling.sigma
    if degrade is None or told is None or not restorer.process.starts_at_input:
        return
    is_same = isinstance(added, float | int) and abs(added - told) <= _ROUNDING
    if not is_same:
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


def _result_bits(config: Config) -> int:
    """8, as published figures are of; 32, floats, where no format of 8 bits fits."""
    has_picture = config.model.channels in (1, 3)
    return 8 if has_picture and config.data.data_range == UNIT_RANGE else 32
