"""Matching of files to the templates of a layout, which gives splits and pairs."""

import logging
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from irsde_jax.data.image_files import folders, images
from irsde_jax.data.sources.layouts import SPLIT, Layout, Spelling
from irsde_jax.data.sources.templates import Reading, Template

logger = logging.getLogger(__name__)


class Pair(NamedTuple):
    """Two files that belong together.

    Attributes:
        name: The name of the pair, made of the text that the placeholders hold.
        clean: The path of the clean image.
        other: The path of the degraded image or of the mask.
    """

    name: str
    clean: str
    other: str


class Joined(NamedTuple):
    """The result of joining the files of two templates.

    Attributes:
        pairs: The pairs, in the order of the degraded images.
        alone: The files that match a template but have no partner.
        contested: The degraded images that match several clean ones, each with these
            clean images.
    """

    pairs: list[Pair]
    alone: list[str]
    contested: list[tuple[str, list[str]]]


def find_splits(
    layout: Layout, names: Iterable[str], folder: str = ""
) -> dict[str, list[Pair]]:
    """Finds the pairs of each split that exists, sorted by name.

    Args:
        layout: The layout of the data set.
        names: The paths of the files that exist.
        folder: The name of the folder that holds the files. It may match a part of a
            spelling.

    Returns:
        The pairs by split, at least one for each split. The result is empty if nothing
        was found.

    Raises:
        ValueError: If a file lacks its partner, or two files have the same reading.
    """
    found = _only_images(names)
    splits: dict[str, list[Pair]] = {}
    halves: dict[str, str] = {}
    for split, spellings in _expand(layout, found).items():
        for spelling in spellings:
            clean = matches(spelling.clean, found, folder)
            other = matches(spelling.other, found, folder)
            if clean and other:
                pair = _cycle if layout.other == "mask" else _join_all
                splits[split] = pair(split, clean, other)
                halves.pop(split, None)
                break
            if clean and split not in halves:
                halves[split] = (
                    f"{len(clean)} images are {spelling.clean}, but none is "
                    f"{spelling.other}: split {split!r} lacks one half"
                )
    if halves and not splits:
        raise ValueError(f"{next(iter(halves.values()))}.")
    if layout.other == "mu":  # Few users have all kinds of masks.
        for text in halves.values():
            logger.warning("%s and is left out", text)
    return splits


def _expand(layout: Layout, names: list[str]) -> dict[str, tuple[Spelling, ...]]:
    """Returns the splits of a layout, including those that the user's folders name."""
    splits = dict(layout.splits)
    for spelling in splits.pop(SPLIT, ()):
        for (_, split), *_ in sorted(matches(spelling.clean, names)):
            if not re.fullmatch(r"\w+", split) or split.lower() == "all":
                raise ValueError(
                    f"The folder {split!r} cannot name a split: rename it, with "
                    "letters, digits and underscores only, and not 'all'."
                )
            here = Spelling(*(path.replace(SPLIT, split) for path in spelling))
            if here not in splits.get(split, ()):
                splits[split] = (*splits.get(split, ()), here)
    return splits


def matches(pattern: str, names: Iterable[str], folder: str = "") -> dict[Reading, str]:
    """Returns the files that match a pattern, by the text of its placeholders.

    Args:
        pattern: A path of a `Spelling`.
        names: The paths of images.
        folder: The name of the folder that holds the images, as in `find_splits`.

    Raises:
        ValueError: If two files give the same text.
    """
    template = Template(pattern.lstrip("/"))
    from_top, depth = pattern.startswith("/"), pattern.lstrip("/").count("/") + 1
    before = "" if pattern.startswith(("/", SPLIT)) else f"{folder}/"
    found: dict[Reading, str] = {}
    for name in names:
        path = f"{before}{name}".rpartition(".")[0]
        if not from_top:
            path = "/".join(path.split("/")[-depth:])
        for reading in template.readings(path):
            if found.setdefault(reading, name) != name:
                raise ValueError(
                    f"{found[reading]} and {name} are both what {pattern!r} stands "
                    "for. Remove one of them."
                )
    return found


def join(clean: dict[Reading, str], other: dict[Reading, str]) -> Joined:
    """Pairs each degraded image with the clean image that shares its placeholders.

    Args:
        clean: The files that `matches` found for the clean images.
        other: The files that `matches` found for the degraded images.
    """
    placeholders = _placeholders(clean) & _placeholders(other)

    def shared(reading: Reading) -> Reading:
        return tuple(sorted(item for item in reading if item[0] in placeholders))

    owners: dict[Reading, list[str]] = {}
    for reading, name in clean.items():
        owners.setdefault(shared(reading), []).append(name)
    claims: dict[str, dict[str, Reading]] = {name: {} for name in other.values()}
    for reading, name in other.items():
        for owner in owners.get(shared(reading), ()):
            claims[name].setdefault(owner, reading)
    pairs, contested = [], []
    for name, found in claims.items():
        if len(found) == 1:
            [(owner, reading)] = found.items()
            pairs.append(Pair(_name(reading), owner, name))
        elif found:
            contested.append((name, list(found)))
    # The template of clean names may also match degraded images in the same folder.
    used = {owner for found in claims.values() for owner in found}
    used |= {name for name, found in claims.items() if found}
    both = dict.fromkeys([*claims, *clean.values()])
    return Joined(pairs, [name for name in both if name not in used], contested)


def _placeholders(found: dict[Reading, str]) -> set[str]:
    """Returns the placeholders of the template that made the readings."""
    return {name for name, _ in next(iter(found), ())}


def contest(other: str, owners: Sequence[str]) -> str:
    """Describes the problem of a degraded image that matches several clean ones."""
    return (
        f"{other} could belong to {' or to '.join(owners)}: which one is not clear "
        "from the names"
    )


def _join_all(
    split: str, clean: dict[Reading, str], other: dict[Reading, str]
) -> list[Pair]:
    """Returns the sorted pairs of a split.

    Raises:
        ValueError: If a file is left over, or matches several clean images.
    """
    joined = join(clean, other)
    if joined.contested:
        raise ValueError(f"{contest(*joined.contested[0])}. Rename one of them.")
    if joined.alone:
        raise ValueError(
            f"{len(joined.alone)} images of split {split!r} have no partner: "
            f"{folders.shown(sorted(joined.alone))}. Add what is missing or remove "
            "them."
        )
    return sorted(joined.pairs)


def _cycle(
    split: str, clean: dict[Reading, str], masks: dict[Reading, str]
) -> list[Pair]:
    """Pairs each clean image with a mask; the masks are used in turns."""
    del split
    in_turns = sorted(masks.values())
    ordered = sorted((_name(key), name) for key, name in clean.items())
    return [
        Pair(name, path, in_turns[index % len(in_turns)])
        for index, (name, path) in enumerate(ordered)
    ]


def _only_images(names: Iterable[str]) -> list[str]:
    """Returns the images among files and warns of the other files once."""
    names = list(names)
    found = [name for name in names if name.lower().endswith(images.SUFFIXES)]
    others = sorted(set(names) - set(found))
    if others:
        logger.warning(
            "skipped %d files that are not images: %s",
            len(others),
            folders.shown(others),
        )
    return found


def _name(reading: Reading) -> str:
    return "_".join(text for _, text in reading).replace("/", "_")
