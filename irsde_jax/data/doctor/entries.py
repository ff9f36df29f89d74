"""The images or pairs at an address, listed so that they can be checked.

Training stops at the first name or file that does not fit. Here, names that do not fit
become findings, and every image or pair that can be read becomes an entry.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from irsde_jax.data import sources
from irsde_jax.data.doctor.inspection import Finding
from irsde_jax.data.image_files import enlarging, images
from irsde_jax.data.image_files.arrays import DataRange
from irsde_jax.data.sources import fitting, pairing
from irsde_jax.data.sources.applied_schemes import Pairing
from irsde_jax.data.sources.pairs import Record


class Content(NamedTuple):
    """The content of the files of an entry.

    Attributes:
        record: The pixels as training reads them, except that the sizes of a pair may
            differ.
        kind: The kind of the files, such as "RGB, 8 bits".
        cropped: A description of how the clean image was cropped, or "" if it was not.
    """

    record: Record
    kind: str
    cropped: str = ""


class Entry(NamedTuple):
    """An image or a pair that can be read.

    Attributes:
        name: The name of the clean image. If it has several degraded images, the name
            of the degraded one is included.
        clean: The name of the clean image.
        read: A function that reads the files and returns their content. It raises the
            errors of reading.
    """

    name: str
    clean: str
    read: Callable[[], Content]


class Listing(NamedTuple):
    """The entries at an address and the findings about their names.

    Attributes:
        entries: The images or pairs that can be read.
        findings: The problems with the names of the files.
        pairing: A description of how the files are paired, or "" for clean images
            alone.
    """

    entries: list[Entry]
    findings: list[Finding]
    pairing: str = ""


def list_entries(address: str, paired: bool | None, **options: Any) -> Listing:
    """Lists the images or pairs at an address and the problems with their names.

    Args:
        address: The address of an existing folder or of a data set, as in `sources`.
        paired: Whether pairs are wanted. False lists clean images alone, and None lists
            what there is.
        **options: The keyword arguments of `sources.open_source`.

    Raises:
        FileNotFoundError: If `address` is a data set that does not exist.
    """
    if not sources.is_folder(address):
        return _list_records(address, paired, options)
    root, pair = Path(address), options["pair"]
    reading = ("channels", "data_range", "scale", "enlarge", "border")
    read = functools.partial(_read_files, **{key: options[key] for key in reading})
    try:
        kind = sources.kind_of_folder(root, paired, pair)
        if kind == sources.MASKS:
            return _list_records(address, paired, options)
        if kind == sources.PAIRS:
            return _list_pairs(root, pairing.find(root, pair), read)
        return _list_clean(root, pairing.clean_paths(root, pair), read)
    except (OSError, ValueError) as error:
        return Listing([], [Finding(True, str(error))])


def _list_records(
    address: str, paired: bool | None, options: dict[str, Any]
) -> Listing:
    """Lists the records of a source that determines its own names."""
    try:
        source = sources.open_source(address, paired, **options)
    except ValueError as error:
        return Listing([], [Finding(True, str(error))])
    found = [
        Entry(name, name, functools.partial(_read_record, source, index))
        for index, name in enumerate(source.names)
    ]
    return Listing(found, [], source.pairing)


def _list_pairs(root: Path, found: Pairing, read: Callable[..., Content]) -> Listing:
    """Lists the pairs of a folder. Images without a partner become findings."""
    several = len({pair.clean for pair in found.pairs}) < len(found.pairs)
    listed = [
        Entry(
            f"{pair.clean} ({pair.other})" if several else pair.clean,
            pair.clean,
            functools.partial(read, root / pair.clean, root / pair.other),
        )
        for pair in found.pairs
    ]
    contested = [f"{other}: {', '.join(owners)}" for other, owners in found.contested]
    text = "images without their partner"
    if found.alone and not found.pairs:
        text = pairing.explain(root, found)
    findings = [
        Finding(True, text, found.alone),
        Finding(True, "images with more than one clean image to match", contested),
        Finding(
            True,
            "names that differ by their ending",
            [*map(" and ".join, found.clashes)],
        ),
        Finding(False, "images that data.pair leaves out", found.unmatched),
        _others(root, [root / name for name in found.files.in_order()]),
    ]
    found_some = [finding for finding in findings if finding.names]
    return Listing(listed, found_some, found.describe())


def _list_clean(
    root: Path, paths: Sequence[Path], read: Callable[..., Content]
) -> Listing:
    """Lists clean images. One folder may contain both 1.png and 1.jpg."""
    names = [path.relative_to(root).as_posix() for path in paths]
    listed = [
        Entry(name, name, functools.partial(read, path))
        for name, path in zip(names, paths)
    ]
    others = _others(root, paths)
    return Listing(listed, [others] if others.names else [])


def _others(root: Path, paths: Iterable[Path]) -> Finding:
    """Returns a finding with the files beside the images that are not images."""
    others = [
        path.relative_to(root).as_posix()
        for folder in sorted({path.parent for path in paths})
        for path in sorted(folder.iterdir())
        if path.is_file()
        and not path.name.startswith(".")
        and path.suffix.lower() not in images.SUFFIXES
    ]
    return Finding(False, "files that are not images", others)


def _read_record(source: sources.Opened, index: int) -> Content:
    """Reads a record of a data set, whose files may be of any kind."""
    record = source[index]
    kind = f"{_colour(record['x0'])}, as they are read"
    return Content(record, kind, source.cropped.get(index, ""))


def _read_files(
    clean: Path,
    degraded: Path | None = None,
    *,
    channels: int,
    data_range: DataRange,
    scale: int,
    enlarge: str,
    border: int,
) -> Content:
    """Reads a clean image or a pair. A pair whose sizes do not fit stays as it is."""
    x0, kind = _read(clean, channels, data_range)
    if degraded is None:
        return Content({"x0": x0}, kind)
    mu, degraded_kind = _read(degraded, channels, data_range)
    if degraded_kind != kind:
        kind = f"{kind} and degraded {degraded_kind}"
    size = x0.shape[0], x0.shape[1]
    part = fitting.find_part(size, (mu.shape[0], mu.shape[1]), scale, border)
    if part is None:
        return Content({"x0": x0, "mu": mu}, kind)
    cropped = fitting.how(part, scale) if part.size != size else ""
    mu = enlarging.enlarge(mu, scale, enlarge)
    return Content({"x0": part.of(x0), "mu": mu}, kind, cropped)


def _read(path: Path, channels: int, data_range: DataRange) -> tuple[np.ndarray, str]:
    """Returns the pixels of a file and a description of its kind."""
    image = images.read_image(path, data_range)
    if image.alpha is not None and (image.alpha < 1).any():
        raise ValueError(f"{path} has transparent pixels: flatten it beforehand.")
    kind = f"{_colour(image.pixels)}, {image.bits} bits"
    return images.to_channels(image.pixels, channels, str(path)), kind


def _colour(pixels: np.ndarray) -> str:
    found = pixels.shape[-1]
    return {1: "grey", 3: "RGB"}.get(found, f"{found} channels")
