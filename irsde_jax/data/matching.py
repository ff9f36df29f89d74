"""Which of the files that are there make a split of a layout, and which a pair."""

import logging
import re
from collections.abc import Iterable
from typing import NamedTuple

from irsde_jax.data import images
from irsde_jax.data.layouts import SPLIT, Layout, Spelling

logger = logging.getLogger(__name__)


class Pair(NamedTuple):
    """Two files that belong together.

    Attributes:
        name: of the pair: what the placeholders hold.
        clean: path of the clean image.
        other: path of the degraded image, or of the mask.
    """

    name: str
    clean: str
    other: str


def find_splits(
    layout: Layout, names: Iterable[str], folder: str = ""
) -> dict[str, list[Pair]]:
    """The pairs of each split that is there, in order of their names.

    Args:
        layout: what to look for.
        names: paths of the files that are there.
        folder: name of the folder that holds them, which may be part of a spelling.

    Returns:
        Split -> pairs, at least one each; empty if nothing was found.

    Raises:
        ValueError: if a file lacks its partner, or two claim the same place.
    """
    found = _only_images(names)
    splits: dict[str, list[Pair]] = {}
    halves: dict[str, str] = {}
    for split, spellings in _expand(layout, found).items():
        for spelling in spellings:
            clean = _matches(spelling.clean, found, folder)
            other = _matches(spelling.other, found, folder)
            if clean and other:
                pair = _cycle if layout.other == "mask" else _join
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
    if layout.other == "mu":  # of masks, few have all kinds
        for text in halves.values():
            logger.warning("%s and is left out", text)
    return splits


_Key = tuple[tuple[str, str], ...]
"""What the placeholders of a path hold: (placeholder, text)."""


def _expand(layout: Layout, names: list[str]) -> dict[str, tuple[Spelling, ...]]:
    """The splits of a layout, with those that the user's folders name."""
    splits = dict(layout.splits)
    for spelling in splits.pop(SPLIT, ()):
        for (_, split), *_ in sorted(_matches(spelling.clean, names, "")):
            if not re.fullmatch(r"\w+", split) or split.lower() == "all":
                raise ValueError(
                    f"The folder {split!r} cannot name a split: rename it, with "
                    "letters, digits and underscores only, and not 'all'."
                )
            here = Spelling(*(path.replace(SPLIT, split) for path in spelling))
            if here not in splits.get(split, ()):
                splits[split] = (*splits.get(split, ()), here)
    return splits


def _matches(pattern: str, names: list[str], folder: str) -> dict[_Key, str]:
    """What the placeholders of a pattern hold -> the file, for those that match."""
    path = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(pattern.lstrip("/")))
    endings = "|".join(re.escape(suffix) for suffix in images.SUFFIXES)
    before = "" if pattern.startswith("/") else "(?:.*/)?"
    expression = re.compile(f"{before}{path}(?:{endings})", re.IGNORECASE)
    from_top = pattern.startswith(("/", SPLIT))
    found: dict[_Key, str] = {}
    for name in names:
        match = expression.fullmatch(name if from_top else f"{folder}/{name}")
        if match is None:
            continue
        key = tuple(match.groupdict().items())
        if key in found:
            raise ValueError(
                f"{found[key]} and {name} are both what {pattern!r} stands for. "
                "Remove one of them."
            )
        found[key] = name
    return found


def _join(split: str, clean: dict[_Key, str], other: dict[_Key, str]) -> list[Pair]:
    """Each degraded image with the clean one whose placeholders it shares."""
    shared = {placeholder for placeholder, _ in next(iter(clean))}
    pairs, alone, used = [], [], set()
    for key, name in other.items():
        clean_key = tuple(item for item in key if item[0] in shared)
        if clean_key in clean:
            used.add(clean_key)
            pairs.append(Pair(_name(key), clean[clean_key], name))
        else:
            alone.append(name)
    alone += [name for key, name in clean.items() if key not in used]
    if alone:
        raise ValueError(
            f"{len(alone)} images of split {split!r} have no partner: "
            f"{_shown(sorted(alone))}. Add what is missing or remove them."
        )
    return sorted(pairs)


def _cycle(split: str, clean: dict[_Key, str], masks: dict[_Key, str]) -> list[Pair]:
    """Each clean image with a mask, in turns."""
    del split
    in_turns = sorted(masks.values())
    ordered = sorted((_name(key), name) for key, name in clean.items())
    return [
        Pair(name, path, in_turns[index % len(in_turns)])
        for index, (name, path) in enumerate(ordered)
    ]


def _only_images(names: Iterable[str]) -> list[str]:
    """The images among files; the others are named in one warning."""
    names = list(names)
    found = [name for name in names if name.lower().endswith(images.SUFFIXES)]
    others = sorted(set(names) - set(found))
    if others:
        logger.warning(
            "skipped %d files that are not images: %s", len(others), _shown(others)
        )
    return found


def _name(key: _Key) -> str:
    return "_".join(text for _, text in key)


def _shown(names: list[str]) -> str:
    """The first ten names, for a message."""
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
