"""The images that a report shows: those with the largest and the smallest gain.

They are read back from the files of the results, so that even a long evaluation holds
only a few images in memory.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from irsde_jax.data.image_files import images
from irsde_jax.evaluation.comparison import Entry, TestSet
from irsde_jax.evaluation.methods import INPUT

_MOST = 3  # the largest number of "best" images, and of "worst" images
_SIDE = 320  # pixels, the largest side of the part that is shown


class Version(NamedTuple):
    """One version of an image: degraded, restored by a method, or the reference.

    Attributes:
        name: The name of the method, "degraded" or "reference".
        psnr: The PSNR of the whole image in RGB, in dB; None for the reference.
        pixels: The part that is shown, uint8 [h, w, 3].
    """

    name: str
    psnr: float | None
    pixels: np.ndarray


class Case(NamedTuple):
    """An image of the test set in all its versions.

    Attributes:
        name: The name of the image.
        kind: The kind, "best" or "worst".
        gain: The PSNR of the first method minus that of the input, in RGB, in dB.
        shape: The height and the width of the whole image.
        versions: The versions: the input, every method, the reference.
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
    """Returns the images with the best and the worst gain in PSNR of the first method.

    The part of an image that is shown is where the first method has the largest error.

    Args:
        entries: The entries of the input, the first method, and any other methods.
        test_set: The test images.
        files: The names of the results' files, by the names of the images.
        folder: The folder of the evaluation.
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
    """Returns the square of at most `side` pixels with the largest sum of an error.

    Args:
        error: The error of each pixel, shape [H, W, C].
        side: The side of the square in pixels; it is cut to the size of the image.
    """
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
    return 0.0 if before == after else after - before  # Both may be infinite.


def _to_rgb(pixels: np.ndarray) -> np.ndarray:
    """Converts to uint8 [H, W, 3]; other numbers of channels are averaged."""
    if pixels.shape[-1] != 3:
        pixels = pixels.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    return images.to_uint8(pixels)
