"""The data doctor: checks the images of an experiment before a long training run.

`python -m irsde_jax.main --mode=check --config=NAME` reads every image of the training,
validation and test folders or data sets, and prints what they contain and what is
wrong. A problem that would stop or spoil a training run, or invalidate its test, is an
error. Other problems are warnings.
"""

import itertools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeAlias

import ml_collections
import numpy as np

from irsde_jax.data import degradations, sources
from irsde_jax.data.doctor import comparing, entries, inspection, photo_hash
from irsde_jax.data.doctor.entries import Entry
from irsde_jax.data.doctor.inspection import Facts, Finding
from irsde_jax.data.sources import fitting
from irsde_jax.evaluation import figures
from irsde_jax.training.progress import Progress

Config: TypeAlias = ml_collections.ConfigDict

SHEET_NAME = "contact_sheet.png"
_SHEET_COLUMNS, _SHEET_TILES = 4, 8  # the number of tiles per row and per folder
_SHEET_CROP = 240  # pixels, the largest side of a tile


class _Folder(NamedTuple):
    """A folder or data set of the experiment, with the results of its check."""

    part: str
    address: str
    entries: list[Entry]
    facts: list[Facts]
    findings: list[Finding]
    notes: tuple[str, ...] = ()

    @property
    def usable(self) -> list[Facts]:
        return [fact for fact in self.facts if not fact.problem]


def run(
    config: Config, output: str | os.PathLike | None = None, overwrite: bool = False
) -> list[Finding]:
    """Checks the images of an experiment and prints what was found.

    Args:
        config: The configuration. The check uses the addresses of the three sets, the
            group `data`, the degradation, `model.channels` and the sizes of the crops.
        output: The folder for the contact sheet, which is created if it is missing.
            None writes no file.
        overwrite: Whether an existing contact sheet may be replaced.

    Returns:
        The problems. The data can be used for training if no problem `is_error`.

    Raises:
        FileExistsError: If the contact sheet exists and `overwrite` is False.
    """
    sheet_path = Path(output) / SHEET_NAME if output is not None else None
    if sheet_path and sheet_path.exists() and not overwrite:
        raise FileExistsError(
            f"{sheet_path} exists already. Choose another output or allow overwriting."
        )
    folders = []
    paired = config.degradation.name == degradations.PAIRED
    for folder in _check_folders(config, paired):
        folders.append(folder)
        has_pairs = paired or any(fact.pair for fact in folder.facts)
        what = "pairs" if has_pairs else "clean images"
        print(f"{folder.part}: {folder.address}, {len(folder.entries)} {what}")
        lines = inspection.describe(folder.facts) if folder.usable else []
        lines = [*folder.notes, *lines]
        _print_indented([*lines, *_texts(folder.findings)])
    shared = _find_leaks(folders)
    print("Photographs in two of the folders, also turned, mirrored or re-encoded")
    _print_indented(_texts(shared) or ["none"])
    findings = [finding for folder in folders for finding in folder.findings] + shared
    if sheet_path:
        _write_sheet(sheet_path, folders, overwrite)
    num_errors = sum(finding.is_error for finding in findings)
    print(f"errors: {num_errors}, warnings: {len(findings) - num_errors}")
    return findings


def _check_folders(config: Config, paired: bool) -> Iterator[_Folder]:
    """Checks the folders of an experiment, and yields them one after the other."""
    validation = config.validation
    options = ["data_range", "scale", "enlarge", "tfds_dir", "manual_dir"]
    options += ["pair", "border"]
    reading = {key: config.data[key] for key in options}
    reading["channels"] = config.model.channels
    for part, address, crop_size in (
        ("train", config.data.train_dir, config.data.crop_size),
        ("validation", validation.dir, validation.crop_size),
        ("test", config.evaluation.dir, 0),
    ):
        if not address and part != "train":
            continue  # An empty address disables this set.
        try:
            if sources.is_folder(address) and not Path(address).is_dir():
                raise FileNotFoundError(f"there is no folder {address!r}")
            # A test set may have degraded images even if training makes its own.
            wanted = None if part == "test" and not paired else paired
            found, findings, how = entries.list_entries(address, wanted, **reading)
        except FileNotFoundError as error:
            # Training needs no test images, so they may be added later.
            text = str(error)
            if part == "test":
                text += ": it is not known whether its images are trained on"
            yield _Folder(part, address, [], [], [Finding(part != "test", text)])
            continue
        facts = _examine_all(address, found, config.data.num_threads)
        cropped = facts[: validation.num_images] if part == "validation" else facts
        findings += inspection.find_problems(facts)
        findings += inspection.find_small(cropped, crop_size)
        if part == "validation" and 0 < len(facts) < validation.num_images:
            text = f"validation.num_images={validation.num_images}, more than there are"
            findings.append(Finding(True, text))
        notes = [f"pairs: {how}"] if how else []
        if part == "test":
            notes += _crops_of_evaluation(config, facts)
        yield _Folder(
            part, address, found, facts, findings=findings, notes=tuple(notes)
        )


def _crops_of_evaluation(config: Config, facts: Sequence[Facts]) -> list[str]:
    """Describes how an evaluation crops clean images before it makes them smaller."""
    factor = degradations.shrinking_factor(**config.degradation)
    usable = [fact for fact in facts if not fact.problem]
    odd = [fact for fact in usable if any(side % factor for side in fact.size)]
    if not odd or any(fact.pair for fact in usable):
        return []
    how = fitting.how(fitting.Part(0, 0, odd[0].size), factor)
    return [f"an evaluation crops {len(odd)} of {len(usable)} clean images {how}"]


def _examine_all(address: str, found: Sequence[Entry], num_threads: int) -> list[Facts]:
    """Returns the facts of every image or pair, in order."""
    facts = []
    with (
        ThreadPoolExecutor(max(1, num_threads)) as pool,
        Progress(len(found), unit="image") as progress,
    ):
        for fact in pool.map(lambda entry: _examine(address, entry), found):
            facts.append(fact)
            progress.update()
    return facts


def _examine(address: str, entry: Entry) -> Facts:
    """Reads one image or pair and returns its facts, or why it cannot be read."""
    try:
        record, kind, cropped = entry.read()
    except (OSError, ValueError) as error:
        problem = " ".join(str(error).replace(f"{Path(address)}/", "").split())
        return Facts(entry.name, problem)
    x0 = record["x0"]
    pair = comparing.compare(x0, record["mu"]) if "mu" in record else None
    size = x0.shape[0], x0.shape[1]
    return Facts(
        name=entry.name,
        size=size,
        kind=kind,
        photo=photo_hash.photo_hash(x0),
        pair=pair,
        clean=entry.clean,
        cropped=cropped,
    )


def _find_leaks(folders: Sequence[_Folder]) -> list[Finding]:
    """Finds photographs that are in two folders.

    They are an error for the training and the test set, otherwise a warning.
    """
    findings = []
    for first, second in itertools.combinations(folders, 2):
        names = inspection.find_shared(first.usable, second.usable)
        text = f"photographs of {first.part} that are in {second.part} as well"
        is_error = (first.part, second.part) == ("train", "test")
        findings.append(Finding(is_error, text, names))
    return [finding for finding in findings if finding.names]


def _write_sheet(path: Path, folders: Sequence[_Folder], overwrite: bool) -> None:
    """Writes a sheet with images of each folder, and first the pairs with a shift."""
    rows, captions, num_shown = [], [], 0
    paired = any(fact.pair for folder in folders for fact in folder.facts)
    for folder in folders:
        shown = [
            item for item in zip(folder.facts, folder.entries) if not item[0].problem
        ]
        shown.sort(key=lambda item: not (item[0].pair and item[0].pair.shift))
        shown = shown[: _SHEET_TILES // (2 if paired else 1)]
        num_shown += len(shown)
        tiles, texts = [], []
        for _, entry in shown:
            record = entry.read().record
            tiles.append(record["x0"])
            texts.append(f"{folder.part}: {entry.name}")
            if paired:
                tiles.append(record.get("mu", np.ones_like(record["x0"])))
                texts.append(texts[-1] if "mu" in record else "made in training")
        while len(tiles) % _SHEET_COLUMNS:
            tiles.append(np.ones_like(tiles[0]))
            texts.append("")
        for start in range(0, len(tiles), _SHEET_COLUMNS):
            rows.append(tiles[start : start + _SHEET_COLUMNS])
            captions.append(texts[start : start + _SHEET_COLUMNS])
    if not rows:
        return
    headings = ("clean", "degraded") if paired else ("clean", "clean")
    sheet = figures.comparison_sheet(
        rows,
        headings * (_SHEET_COLUMNS // 2),
        captions,
        crop_size=_SHEET_CROP,
        max_rows=len(rows),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figures.save_sheet(path, sheet, overwrite)
    print(f"Contact sheet of {num_shown} images or pairs: {path}")


def _texts(findings: Sequence[Finding]) -> list[str]:
    return [line for finding in findings for line in inspection.to_text(finding)]


def _print_indented(lines: Sequence[str]) -> None:
    print("\n".join(f"  {line}" for line in lines) + "\n", flush=True)
