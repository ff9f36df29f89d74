"""Problems of images, as pure functions from facts about images to findings.

`irsde_jax.cli.check` reads the files and prints the findings. This module defines which
facts are recorded about an image or a pair, which of them are errors or warnings, and
how they are worded.
"""

import collections
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from irsde_jax.data.doctor import photo_hash
from irsde_jax.data.doctor.comparing import Comparison, Size

_SHOWN_NAMES, _SHOWN_SIZES, _MAX_BARS, _BAR_LENGTH = 10, 4, 12, 40


class Finding(NamedTuple):
    """A problem of a data set.

    Attributes:
        is_error: Whether the problem would stop or spoil training. Otherwise it is a
            warning.
        text: A description of the problem in one line.
        names: The names of the images concerned.
    """

    is_error: bool
    text: str
    names: Sequence[str] = ()


class Facts(NamedTuple):
    """The facts about one image or one pair.

    Attributes:
        name: The name of the clean file.
        problem: The reason why the image cannot be used, with the name of the file. The
            other fields are then unknown. "" means that it can be used.
        size: The height and the width of the clean image.
        kind: The kind of the files, such as "RGB, 8 bits". It names both kinds if the
            files of a pair differ.
        photo: The hash of the clean image, shape [photo_hash.SIDE**2].
        pair: The comparison of the images of a pair, or None for clean images alone.
        clean: The name of the clean file if `name` also names a degraded file, or "".
        cropped: A description of how the clean image was cropped, or "" if it was not.
    """

    name: str
    problem: str = ""
    size: Size = (0, 0)
    kind: str = ""
    photo: np.ndarray = np.zeros(photo_hash.SIDE**2, np.float32)
    pair: Comparison | None = None
    clean: str = ""
    cropped: str = ""

    @property
    def photograph(self) -> str:
        """The name of the clean image."""
        return self.clean or self.name


def find_small(facts: Sequence[Facts], crop_size: int) -> list[Finding]:
    """Finds the images of which one side is shorter than `crop_size` pixels."""
    text = f"images smaller than the crop of {crop_size} x {crop_size}"
    small = [
        f"{fact.name}: {_size(fact.size)}"
        for fact in facts
        if not fact.problem and min(fact.size) < crop_size
    ]
    return [Finding(True, text, small)] if small else []


def find_problems(facts: Sequence[Facts]) -> list[Finding]:
    """Returns all findings about the images or pairs of one folder."""
    bad = [fact.problem for fact in facts if fact.problem]
    usable = [fact for fact in facts if not fact.problem]
    found = [Finding(True, "images that cannot be used", bad)]
    pairs = [(fact, fact.pair) for fact in usable if fact.pair is not None]
    unequal = [
        f"{fact.name}: {_size(fact.size)}, degraded {_size(pair.size)}"
        for fact, pair in pairs
        if fact.size != pair.size
    ]
    found.append(Finding(True, "pairs of unequal size", unequal))
    same = [fact.name for fact, pair in pairs if pair.psnr_rgb == np.inf]
    all_same = len(same) == len(pairs)
    found.append(Finding(all_same, "pairs of identical images", same))
    shifted = [
        f"{fact.name}: by {pair.shift[0]} rows and {pair.shift[1]} columns"
        for fact, pair in pairs
        if pair.shift
    ]
    found.append(Finding(False, "pairs that may be shifted", shifted))
    kinds = collections.Counter(fact.kind for fact in usable).most_common()
    odd = [fact.name for fact in usable if fact.kind != kinds[0][0]]
    found.append(Finding(False, "images of another kind than most", odd))
    repeated = find_repeated(usable)
    found.append(Finding(False, "photographs that are there repeatedly", repeated))
    return [finding for finding in found if finding.names]


def find_shared(first: Sequence[Facts], second: Sequence[Facts]) -> list[str]:
    """Returns the photographs of one folder that another folder has too, as text.

    Each text gives the name in the first folder and the names in the second one.
    """
    first, second = _photographs(first), _photographs(second)
    shared: dict[str, list[str]] = {}
    for i, j in photo_hash.matches(_stack(first), _stack(second)):
        shared.setdefault(first[i].photograph, []).append(second[j].photograph)
    return [f"{name} = {', '.join(others)}" for name, others in shared.items()]


def find_repeated(facts: Sequence[Facts]) -> list[str]:
    """Returns the photographs that a folder has repeatedly, with all their names."""
    facts = _photographs(facts)
    hashes = _stack(facts)
    repeats: dict[int, list[str]] = {}
    first_of: dict[int, int] = {}
    for i, j in photo_hash.matches(hashes, hashes):
        if i < j and j not in first_of:
            first_of[j] = first_of.get(i, i)
            repeats.setdefault(first_of[j], []).append(facts[j].photograph)
    return [
        f"{facts[i].photograph} = {', '.join(names)}" for i, names in repeats.items()
    ]


def _photographs(facts: Sequence[Facts]) -> list[Facts]:
    """Returns the facts of each clean image once, although it may be in many pairs."""
    distinct: dict[str, Facts] = {}
    for fact in facts:
        distinct.setdefault(fact.photograph, fact)
    return list(distinct.values())


def _stack(facts: Sequence[Facts]) -> np.ndarray:
    """Stacks the hashes of images in an array of shape [N, SIDE * SIDE]."""
    return np.array([fact.photo for fact in facts]).reshape(-1, photo_hash.SIDE**2)


def describe(facts: Sequence[Facts]) -> list[str]:
    """Returns lines about sizes, kinds and, for pairs, the PSNR with a histogram."""
    usable = [fact for fact in facts if not fact.problem]
    lines = []
    for title, values in (
        ("height x width", [_size(fact.size) for fact in usable]),
        ("files", [fact.kind for fact in usable]),
    ):
        counts = collections.Counter(values).most_common()
        shown = [f"{value} ({count})" for value, count in counts[:_SHOWN_SIZES]]
        if len(counts) > _SHOWN_SIZES:
            shown.append(f"{len(counts) - _SHOWN_SIZES} more")
        lines.append(f"{title}: {', '.join(shown) or '-'}")
    for how, count in collections.Counter(fact.cropped for fact in usable).items():
        if how:
            lines.append(f"clean images cropped {how}: {count} of {len(usable)}")
    scores = [fact.pair[1:3] for fact in usable if fact.pair is not None]
    finite = np.array([pair for pair in scores if np.isfinite(pair).all()])
    if len(finite):
        rgb, luma = finite.mean(axis=0)
        lines.append(
            f"degraded against clean, mean of {len(finite)}: PSNR {rgb:.2f} dB RGB, "
            f"{luma:.2f} dB Y; of RGB:"
        )
        lines += [f"  {line}" for line in histogram(finite[:, 0])]
    return lines


def histogram(values: Iterable[float]) -> list[str]:
    """Returns a text histogram in dB, whose intervals have a round width."""
    values = np.asarray(list(values))
    widths = (1, 2, 5, 10, 20, 50)
    width = next((w for w in widths if np.ptp(values) / w < _MAX_BARS - 1), 100)
    bins = np.floor(values / width).astype(int)
    counts = np.bincount(bins - bins.min())
    scale = min(1.0, _BAR_LENGTH / int(np.max(counts)))
    return [
        f"{left * width:4d} to {(left + 1) * width:3d} dB {count:6d} "
        f"{'#' * int(np.ceil(count * scale))}".rstrip()
        for left, count in enumerate(counts, start=bins.min())
    ]


def to_text(finding: Finding) -> list[str]:
    """Formats a finding as lines: a description, then at most ten names."""
    level = "ERROR" if finding.is_error else "warning"
    count = f" ({len(finding.names)})" if finding.names else ""
    lines = [f"{level}: {finding.text}{count}"]
    lines += [f"    {name}" for name in finding.names[:_SHOWN_NAMES]]
    if len(finding.names) > _SHOWN_NAMES:
        lines.append(f"    ... and {len(finding.names) - _SHOWN_NAMES} more")
    return lines


def _size(size: Size) -> str:
    return f"{size[0]} x {size[1]}"
