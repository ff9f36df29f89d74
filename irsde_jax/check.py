"""The data doctor: looks at the images of an experiment before a week goes into them.

`python -m irsde_jax.main --mode=check --config=NAME` reads every image of the training,
validation and test folders and says what is in them and what is wrong. An error is what
would stop or ruin a training, or make its test worthless; anything else odd is a
warning.
"""

import itertools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeAlias

import ml_collections
import numpy as np

from irsde_jax import figures
from irsde_jax.data import (
    degradations,
    images,
    inspection,
    pairs,
    photo_hash,
    sources,
)
from irsde_jax.data.inspection import Facts, Finding
from irsde_jax.logs import Progress

Config: TypeAlias = ml_collections.ConfigDict

SHEET_NAME = "contact_sheet.png"
_SHEET_COLUMNS, _SHEET_TILES = 4, 8  # tiles in a row, and of each folder
_SHEET_CROP = 240  # pixels: side of a tile

_PAIR_FOLDERS = f"{pairs.CLEAN_FOLDER} (clean) and {pairs.DEGRADED_FOLDER} (degraded)"

Entry = tuple[Path, Path | None]
"""The clean file and, of a pair, the degraded one."""


class _Folder(NamedTuple):
    """A folder of the experiment and what was found in it."""

    part: str
    path: Path
    entries: list[Entry]
    facts: list[Facts]
    findings: list[Finding]

    @property
    def usable(self) -> list[Facts]:
        return [fact for fact in self.facts if not fact.problem]


def run(
    config: Config, output: str | os.PathLike | None = None, overwrite: bool = False
) -> list[Finding]:
    """Checks the images of an experiment and prints what was found.

    Args:
        config: see `configs/default.py`: its three folders, `degradation.name` (pairs,
            or clean images to degrade), `model.channels` and the sizes of the crops.
        output: folder for the contact sheet, made if missing; None: no file is written.
        overwrite: whether an existing sheet is replaced.

    Returns:
        What is wrong. The data can be trained on if none of it `is_error`.

    Raises:
        FileExistsError: if there is a contact sheet already and `overwrite` is False.
    """
    sheet_path = Path(output) / SHEET_NAME if output is not None else None
    if sheet_path and sheet_path.exists() and not overwrite:
        raise FileExistsError(
            f"{sheet_path} exists already. Choose another output or allow overwriting."
        )
    folders = []
    paired = config.degradation.name == degradations.PAIRED
    what = "pairs" if paired else "clean images"
    for folder in _check_folders(config, paired):
        folders.append(folder)
        print(f"{folder.part}: {folder.path}, {len(folder.entries)} {what}")
        lines = inspection.describe(folder.facts) if folder.usable else []
        _print_indented([*lines, *_texts(folder.findings)])
    shared = _find_leaks(folders)
    print("Photographs in two of the folders, also turned, mirrored or re-encoded")
    _print_indented(_texts(shared) or ["none"])
    findings = [finding for folder in folders for finding in folder.findings] + shared
    if sheet_path:
        _write_sheet(sheet_path, folders, config.model.channels, overwrite)
    num_errors = sum(finding.is_error for finding in findings)
    print(f"errors: {num_errors}, warnings: {len(findings) - num_errors}")
    return findings


def _check_folders(config: Config, paired: bool) -> Iterator[_Folder]:
    """The folders of an experiment, one after the other."""
    validation = config.validation
    for part, path, crop_size in (
        ("train", config.data.train_dir, config.data.crop_size),
        ("validation", validation.dir, validation.crop_size),
        ("test", config.evaluation.dir, 0),
    ):
        if not path and part != "train":
            continue  # that is how a training goes without
        folder = Path(path)
        if sources.is_dataset(path):
            text = (
                f"{path} is checked when it is prepared; its content is not looked at"
            )
            yield _Folder(part, folder, [], [], [Finding(False, text)])
            continue
        if not path or not folder.is_dir():
            # Only an evaluation needs test images, and it may come later.
            text = f"there is no folder {path!r}"
            if part == "test":
                text += ": it is not known whether its images are trained on"
            yield _Folder(part, folder, [], [], [Finding(part != "test", text)])
            continue
        entries, findings = _list_entries(folder, paired)
        facts = _examine_all(folder, entries, config)
        cropped = facts[: validation.num_images] if part == "validation" else facts
        findings += inspection.find_problems(facts)
        findings += inspection.find_small(cropped, crop_size)
        if part == "validation" and 0 < len(facts) < validation.num_images:
            text = f"validation.num_images={validation.num_images}, more than there are"
            findings.append(Finding(True, text))
        yield _Folder(part, folder, entries, facts, findings)


def _list_entries(folder: Path, paired: bool) -> tuple[list[Entry], list[Finding]]:
    """The images or pairs of a folder, and what is wrong with their names."""
    if not paired:
        found, findings = _list_images(folder, folder)
        return [(path, None) for path in found.values()], findings
    clean, findings = _list_images(folder, folder / pairs.CLEAN_FOLDER)
    degraded, others = _list_images(folder, folder / pairs.DEGRADED_FOLDER)
    findings += others
    if clean and degraded:
        alone = [
            _name((clean.get(key) or degraded[key]), folder)
            for key in sorted(clean.keys() ^ degraded.keys())
        ]
        if alone:
            findings.append(Finding(True, "images without their partner", alone))
    both: list[Entry] = [
        (path, degraded[key]) for key, path in clean.items() if key in degraded
    ]
    return both, findings


def _list_images(root: Path, folder: Path) -> tuple[dict[str, Path], list[Finding]]:
    """Images by name, those of pairs by stem, and what is wrong with the names."""
    try:
        paths = images.list_images(folder)
    except (OSError, ValueError) as error:
        hint = "" if folder == root else f" Pairs are in {_PAIR_FOLDERS} of {root}."
        return {}, [Finding(True, f"{error}{hint}")]
    found: dict[str, Path] = {}
    clashes = []
    for path in paths:
        # Only pairs are matched by stem: a clean folder may hold 1.png and 1.jpg.
        other = found.setdefault(path.name if folder == root else path.stem, path)
        if other is not path:
            clashes.append(f"{_name(other, root)} and {_name(path, root)}")
    others = [
        _name(path, root)
        for path in sorted(folder.iterdir())
        if path.is_file()
        and not path.name.startswith(".")
        and path.suffix.lower() not in images.SUFFIXES
    ]
    findings = [
        Finding(True, "names that differ by their ending", clashes),
        Finding(False, "files that are not images", others),
    ]
    return found, [finding for finding in findings if finding.names]


def _examine_all(folder: Path, entries: Sequence[Entry], config: Config) -> list[Facts]:
    """The facts of every image or pair, in order."""
    facts = []
    with (
        ThreadPoolExecutor(max(1, config.data.num_threads)) as pool,
        Progress(len(entries), unit="image") as progress,
    ):
        for fact in pool.map(
            lambda entry: _examine(folder, entry, config.model.channels), entries
        ):
            facts.append(fact)
            progress.update()
    return facts


def _examine(folder: Path, entry: Entry, channels: int) -> Facts:
    """Reads one image or pair."""
    clean, degraded = entry
    name = _name(clean, folder)
    try:
        x0, kind = _read(clean, channels)
        pair = None
        if degraded is not None:
            mu, degraded_kind = _read(degraded, channels)
            pair = inspection.compare(x0, mu)
            if degraded_kind != kind:
                kind = f"{kind} and degraded {degraded_kind}"
    except (OSError, ValueError) as error:
        return Facts(name, " ".join(str(error).replace(f"{folder}/", "").split()))
    size = x0.shape[0], x0.shape[1]
    return Facts(name, "", size, kind, photo_hash.photo_hash(x0), pair)


def _read(path: Path, channels: int) -> tuple[np.ndarray, str]:
    """The pixels of a file as training reads them, and what kind of file it is."""
    image = images.read_image(path)
    if image.alpha is not None and (image.alpha < 1).any():
        raise ValueError(f"{path} has transparent pixels: flatten it beforehand.")
    found = image.pixels.shape[-1]
    kind = {1: "grey", 3: "RGB"}.get(found, f"{found} channels")
    pixels = images.to_channels(image.pixels, channels, str(path))
    return pixels, f"{kind}, {image.bits} bits"


def _find_leaks(folders: Sequence[_Folder]) -> list[Finding]:
    """Photographs that are in two folders: an error between train and test."""
    findings = []
    for first, second in itertools.combinations(folders, 2):
        names = inspection.find_shared(first.usable, second.usable)
        text = f"photographs of {first.part} that are in {second.part} as well"
        is_error = (first.part, second.part) == ("train", "test")
        findings.append(Finding(is_error, text, names))
    return [finding for finding in findings if finding.names]


def _write_sheet(
    path: Path, folders: Sequence[_Folder], channels: int, overwrite: bool
) -> None:
    """The first images of each folder; pairs that may be shifted before the others."""
    rows, captions, num_shown = [], [], 0
    paired = any(fact.pair for folder in folders for fact in folder.facts)
    for folder in folders:
        shown = [
            item for item in zip(folder.facts, folder.entries) if not item[0].problem
        ]
        shown.sort(key=lambda item: not (item[0].pair and item[0].pair.shift))
        shown = shown[: _SHEET_TILES // (2 if paired else 1)]
        num_shown += len(shown)
        files = [file for _, entry in shown for file in entry if file is not None]
        tiles = [_read(file, channels)[0] for file in files]
        texts = [f"{folder.part}: {_name(file, folder.path)}" for file in files]
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


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _texts(findings: Sequence[Finding]) -> list[str]:
    return [line for finding in findings for line in inspection.to_text(finding)]


def _print_indented(lines: Sequence[str]) -> None:
    print("\n".join(f"  {line}" for line in lines) + "\n", flush=True)
