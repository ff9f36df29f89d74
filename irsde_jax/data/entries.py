"""What an address holds, image by image, for whoever wants to know what is wrong.

A training stops at the first name or file that does not fit. Here names that do not fit
become findings, and every image or pair that can be read at all is an entry.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from irsde_jax.data import images, pairs, sources
from irsde_jax.data.arrays import DataRange
from irsde_jax.data.inspection import Finding
from irsde_jax.data.pairs import Record, Source

_PAIR_FOLDERS = f"{pairs.CLEAN_FOLDER} (clean) and {pairs.DEGRADED_FOLDER} (degraded)"


class Entry(NamedTuple):
    """An image, or a pair.

    Attributes:
        name: of the clean image.
        read: its pixels as training reads them (but that of a pair the sizes may
            differ), and what kind of files they are of; raises as reading does.
    """

    name: str
    read: Callable[[], tuple[Record, str]]


def list_entries(
    address: str, paired: bool | None, **options: Any
) -> tuple[list[Entry], list[Finding]]:
    """The images or pairs at an address, and what is wrong with their names.

    Args:
        address: of a folder that exists, or of a data set, see `sources`.
        paired: whether pairs are wanted, or clean images; None takes what there is.
        **options: see `sources.open_source`.

    Raises:
        FileNotFoundError: for a data set that is not there.
    """
    root = Path(address)
    has_halves = (root / pairs.CLEAN_FOLDER).is_dir()
    if paired is None and not sources.is_dataset(address):
        paired = has_halves
    has_masks = has_halves and (root / pairs.MASK_FOLDER).is_dir()
    if sources.is_dataset(address) or (paired and has_masks):
        return _list_records(address, paired, options)
    reading = ("channels", "data_range", "scale", "enlarge")
    read = functools.partial(_read_files, **{key: options[key] for key in reading})
    if paired:
        return _list_pairs(root, read)
    folder = root / pairs.CLEAN_FOLDER if has_halves else root
    found, findings = _list_images(root, folder, by_stem=False)
    return [
        Entry(_name(path, root), functools.partial(read, path))
        for path in found.values()
    ], findings


def _list_records(
    address: str, paired: bool | None, options: dict[str, Any]
) -> tuple[list[Entry], list[Finding]]:
    """What a source gives that knows its names by itself."""
    try:
        source = sources.open_source(address, paired, **options)
    except ValueError as error:
        return [], [Finding(True, str(error))]
    return [
        Entry(name, functools.partial(_read_record, source, index))
        for index, name in enumerate(source.names)
    ], []


def _list_pairs(
    root: Path, read: Callable[..., tuple[Record, str]]
) -> tuple[list[Entry], list[Finding]]:
    """The pairs of a folder; an image without its partner is no entry."""
    clean, findings = _list_images(root, root / pairs.CLEAN_FOLDER, by_stem=True)
    degraded, others = _list_images(root, root / pairs.DEGRADED_FOLDER, by_stem=True)
    findings += others
    if clean and degraded:
        alone = [
            _name((clean.get(key) or degraded[key]), root)
            for key in sorted(clean.keys() ^ degraded.keys())
        ]
        if alone:
            findings.append(Finding(True, "images without their partner", alone))
    return [
        Entry(_name(path, root), functools.partial(read, path, degraded[key]))
        for key, path in clean.items()
        if key in degraded
    ], findings


def _list_images(
    root: Path, folder: Path, by_stem: bool
) -> tuple[dict[str, Path], list[Finding]]:
    """Images by name or, those of pairs, by stem, and what is wrong with the names."""
    try:
        paths = images.list_images(folder)
    except (OSError, ValueError) as error:
        hint = f" Pairs are in {_PAIR_FOLDERS} of {root}." if by_stem else ""
        return {}, [Finding(True, f"{error}{hint}")]
    found: dict[str, Path] = {}
    clashes = []
    for path in paths:
        # Only pairs are matched by stem: a clean folder may hold 1.png and 1.jpg.
        other = found.setdefault(path.stem if by_stem else path.name, path)
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


def _read_record(source: Source, index: int) -> tuple[Record, str]:
    """An image of a data set, whose files may be of any kind."""
    record = source[index]
    return record, f"{_colour(record['x0'])}, as they are read"


def _read_files(
    clean: Path,
    degraded: Path | None = None,
    *,
    channels: int,
    data_range: DataRange,
    scale: int,
    enlarge: str,
) -> tuple[Record, str]:
    """A clean image, or a pair; a degraded image that is not `scale` smaller stays."""
    x0, kind = _read(clean, channels, data_range)
    if degraded is None:
        return {"x0": x0}, kind
    mu, degraded_kind = _read(degraded, channels, data_range)
    if x0.shape[:2] == (scale * mu.shape[0], scale * mu.shape[1]):
        mu = images.enlarge(mu, scale, enlarge)
    if degraded_kind != kind:
        kind = f"{kind} and degraded {degraded_kind}"
    return {"x0": x0, "mu": mu}, kind


def _read(path: Path, channels: int, data_range: DataRange) -> tuple[np.ndarray, str]:
    """The pixels of a file, and what kind of file it is."""
    image = images.read_image(path, data_range)
    if image.alpha is not None and (image.alpha < 1).any():
        raise ValueError(f"{path} has transparent pixels: flatten it beforehand.")
    kind = f"{_colour(image.pixels)}, {image.bits} bits"
    return images.to_channels(image.pixels, channels, str(path)), kind


def _colour(pixels: np.ndarray) -> str:
    found = pixels.shape[-1]
    return {1: "grey", 3: "RGB"}.get(found, f"{found} channels")


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
