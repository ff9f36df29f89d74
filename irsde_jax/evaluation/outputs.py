"""The folder of an evaluation, and the tables and the report that it contains."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from irsde_jax.data import sources
from irsde_jax.data.image_files import file_names
from irsde_jax.evaluation import figures, record, tables
from irsde_jax.evaluation.comparison import TestSet
from irsde_jax.evaluation.report import document, highlights


def prepare(
    output: str | os.PathLike | None,
    workdir: str | os.PathLike | None,
    address: str,
    overwrite: bool,
) -> Path:
    """Creates the folder of the results and returns it.

    Args:
        output: The folder; None means WORKDIR/evaluation/NAME.
        workdir: The work directory of the weights, if they have one.
        address: The address of the test images.
        overwrite: Whether the folder may contain files, which are then replaced.

    Raises:
        FileExistsError: If the folder is not empty and `overwrite` is False, or if a
            file has its name.
        ValueError: If neither `output` nor `workdir` is given, or if the folder lies
            inside the folder of the test images.
    """
    if output is None and workdir is None:
        raise ValueError(
            "there is no folder for the results: give output or a workdir."
        )
    is_folder = sources.is_folder(address)
    folder = Path(address).resolve()
    # For example, "tfds:rain100h/test[:10]" becomes rain100h_test_10.
    words = re.findall(r"\w+", address.removeprefix("tfds:"))
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


def write(found: Mapping[str, Any], test_set: TestSet, target: Path) -> None:
    """Writes the tables and the report of an evaluation.

    Args:
        found: The record of the evaluation, from `record.of_evaluation`.
        test_set: The test images.
        target: The folder of the results, which holds the restored images.
    """
    entries = found["methods"]
    tables.write_csv(target / "metrics.csv", found["images"])
    tables.write_csv(target / "summary.csv", tables.summary_rows(entries))
    tables.write_csv(target / "per_image.csv", tables.image_rows(entries))
    text = json.dumps(record.finite(found), indent=2, allow_nan=False)
    (target / "metrics.json").write_text(text + "\n", encoding="utf-8")
    pictures = highlights.choose(entries, test_set, test_set.file_names(), target)
    page = document.to_html(record.finite(found), pictures)
    (target / "report.html").write_text(file_names.escaped(page), encoding="utf-8")


def show(found: Mapping[str, Any], crop_border: int) -> None:
    """Prints the tables of an evaluation."""
    print(
        f"{found['folder']}: {len(found['images'])} images, {found['solver']}, "
        f"{found['num_evals']} evaluations, seed {found['seed']}; {found['bits']} "
        f"bits, border {crop_border}; degraded images: {found['degraded']}\n"
    )
    print(figures.score_table(found["images"], found["mean"]), end="\n\n")
    print(tables.comparison_table(found))
