"""The images that a report shows: those that gained most, and those that gained least.

They are read back from the files of the results, so that an evaluation of any length
holds a few images in memory.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from irsde_jax.data.image_files import images
from irsde_jax.evaluation.comparison import Entry, TestSet
from irsde_jax.evaluation.methods import INPUT

_MOST = 3  # of either kind
_SIDE = 320  # pixels of the part that is shown


class Version(NamedTuple):
    """An image as one method left it.

    Attributes:
        name: of the method, or "reference".
        psnr: of the whole image, RGB, in dB; None for the reference.
        pixels: the part that is shown, uint8 [h, w, 3].
    """

    name: str
    psnr: float | None
    pixels: np.ndarray


class Case(NamedTuple):
    """An image of the test set in all its versions.

    Attributes:
        name: of the image.
        kind: "best" or "worst".
        gain: PSNR in RGB of the first method minus that of the input, in dB.
        shape: height and width of the whole image.
        versions: the input, every method, the reference.
    """

    name: str
    kind: str
    gain: float
    shape: tuple[int, int]
    versions: list[Version]


def choose(
    entries: Sequence[Entry],
    test_set: TestSet,
    files: Mapping[str, str],
    folder: Path,
) -> list[Case]:
    """The best and the worst images of the first method, by their gain in PSNR.

    What is shown of them is where the first method errs most.

    Args:
        entries: the input, the first method, and any others.
        test_set: the images they are of.
        files: image name -> name of the results' files.
        folder: of the evaluation.
    """
    before, after = (_psnr(entry) for entry in entries[:2])
    names = test_set.source.names
    gains = [_gain(before[name], after[name]) for name in names]
    order = sorted(range(len(names)), key=lambda index: -gains[index])
    count = min(_MOST, len(order) // 2)
    chosen = [("best", index) for index in order[: max(count, 1)]]
    chosen += [("worst", index) for index in order[::-1][:count]]
    found = []
    for kind, index in chosen:
        name = names[index]
        versions = test_set.pictures(index)
        reference = versions["reference"]
        shown: list[tuple[str, float | None, np.ndarray]] = []
        shown.append(("degraded", before[name], versions["degraded"]))
        for entry in entries:
            if entry["kind"] != INPUT and not entry["not_computed"]:
                path = folder / entry["folder"] / files[name]
                pixels = test_set.read_result(path)
                shown.append((entry["name"], _psnr(entry)[name], pixels))
        inside = worst_window((shown[1][2] - reference) ** 2, _SIDE)
        shown.append(("reference", None, reference))
        found.append(
            Case(
                name,
                kind,
                gains[index],
                reference.shape[:2],
                [Version(label, psnr, _to_rgb(x[inside])) for label, psnr, x in shown],
            )
        )
    return found


def worst_window(error: np.ndarray, side: int) -> tuple[slice, slice]:
    """The square of at most `side` pixels where an error [H, W, C] has most."""
    total = np.pad(error.sum(axis=-1, dtype=np.float64), ((1, 0), (1, 0)))
    total = total.cumsum(axis=0).cumsum(axis=1)
    height, width = (min(side, size) for size in error.shape[:2])
    sums = total[height:, width:] - total[:-height, width:]
    sums = sums - total[height:, :-width] + total[:-height, :-width]
    top, left = np.unravel_index(np.argmax(sums), sums.shape)
    return slice(int(top), int(top) + height), slice(int(left), int(left) + width)


def _psnr(entry: Entry) -> dict[str, float]:
    return {image["name"]: image["psnr_rgb"] for image in entry["images"]}


def _gain(before: float, after: float) -> float:
    return 0.0 if before == after else after - before  # both may be infinite


def _to_rgb(pixels: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3]; of other numbers of channels the mean is shown."""
    if pixels.shape[-1] != 3:
        pixels = pixels.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    return images.to_uint8(pixels)
