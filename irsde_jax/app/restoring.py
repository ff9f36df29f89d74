"""What visitors of the page ask for: an upload's cost, and its restoration.

Nothing here knows of Gradio, of sessions or of the network: paths and settings go in,
files, pictures and words come out, and what cannot be done is a `ValueError` or an
`OSError` that says so to a person.
"""

import contextlib
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from irsde_jax.app import painting, pictures
from irsde_jax.app.choices import Limits, Settings, draws_noise, tuned
from irsde_jax.data.image_files import images
from irsde_jax.data.image_files.hole_masks import HoleMask
from irsde_jax.restoration import costs, noise_keys
from irsde_jax.restoration.costs import Cost
from irsde_jax.restoration.files import filling, one_file, provenance
from irsde_jax.restoration.files.filling import Filling
from irsde_jax.restoration.restorer import Restorer

_MOST_PROGRAMS = 32  # that are kept compiled
_COMPILED: set[tuple[int, int, str, int]] = set()


class Look(NamedTuple):
    """An upload before it is restored.

    Attributes:
        picture: uint8 [H, W, 3], for the page.
        height: pixels of the result.
        width: pixels of the result.
        note: What will be filled unless something is painted over it, in sentences.
    """

    picture: np.ndarray
    height: int
    width: int
    note: str = ""


class Result(NamedTuple):
    """An upload after it was restored.

    Attributes:
        file: the result, as the library wrote it.
        before: uint8 [H, W, 3], for the page.
        after: of the same shape.
        spread: uint8 [H, W, 3], where the samples differ; None where none were asked
            for, or where they cannot differ.
        white: the standard deviation that the lightest colour of `spread` stands for,
            in image units.
        seconds: that it took.
        estimated: seconds that it was to take.
        note: What was filled, in sentences.
        mask: The mask file that says what was filled; None where nothing was painted.
    """

    file: Path
    before: np.ndarray
    after: np.ndarray
    spread: np.ndarray | None
    white: float
    seconds: float
    estimated: float
    note: str = ""
    mask: Path | None = None


def look(restorer: Restorer, upload: Path, limits: Limits) -> Look:
    """Reads an upload, and sees to it that it can be restored.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is too large, damaged or no image of these weights.
    """
    pixels = restorer.enlarge(_read(restorer, upload, limits).pixels)
    note = ""
    if one_file.fills(restorer):
        try:
            note = _sentences(_filling(restorer, upload, None, limits))
        except ValueError as error:
            note = str(error)
    height, width = pixels.shape[:2]
    return Look(pictures.to_picture(pixels), height, width, note)


def cost(
    restorer: Restorer, height: int, width: int, settings: Settings, limits: Limits
) -> Cost:
    """What restoring an image costs, the samples of the uncertainty map included.

    Args:
        restorer: the weights.
        height: pixels of the result.
        width: pixels of the result.
        settings: how it is to be restored.
        limits: what is too much.

    Raises:
        ValueError: if the settings are out of range, or the work is beyond the limits.
    """
    if not 0 <= settings.num_samples <= limits.samples:
        raise ValueError(
            f"{settings.num_samples} samples: an uncertainty map is made of at most "
            f"{limits.samples}."
        )
    if settings.num_evals < 1:
        raise ValueError("a restoration takes at least one evaluation.")
    num_evals = tuned(restorer, settings).num_evals()
    num_samples = 1 + _num_samples(restorer, settings)
    # Of `restorer`, which remembers what it found out of a size.
    found = costs.estimate(restorer, height, width, num_evals, num_samples)
    work = found.pixels * found.num_evals / 1e6
    if work > limits.work:
        raise ValueError(
            f"{height} x {width} pixels with {found.num_evals} evaluations are "
            f"{work:.0f} million pixels x evaluations; at most {limits.work:g} are "
            "allowed here. Take fewer evaluations or samples, or a smaller photograph."
        )
    if found.seconds > limits.seconds:
        raise ValueError(
            f"that would take about {costs.duration(found.seconds)}; at most "
            f"{costs.duration(limits.seconds)} are allowed here. Take fewer "
            "evaluations or samples, or a smaller photograph."
        )
    return found


def restore_upload(
    restorer: Restorer,
    upload: Path,
    settings: Settings,
    limits: Limits,
    folder: Path,
    name: str | None = None,
    paint: np.ndarray | None = None,
) -> Result:
    """Restores an uploaded file: what `--mode=restore` writes for it, bit for bit.

    Args:
        restorer: the weights.
        upload: an image file; its name and the seed decide the noise, as they do in
            `restore.run`.
        settings: how.
        limits: what is too much.
        folder: the result goes to a folder of its own in it.
        name: The name of the weights, which the metadata of the result mention.
        paint: Where a visitor painted, bool [h, w], for weights that fill holes: a mask
            of it decides. None: the holes are those of the upload.

    Raises:
        OSError: if the upload is gone, or the disk full.
        ValueError: see `look` and `cost`.
    """
    chosen = tuned(restorer, settings)
    given = _read(chosen, upload, limits)
    before = restorer.enlarge(given.pixels)
    height, width = before.shape[:2]
    expected = cost(restorer, height, width, settings, limits)
    start = time.perf_counter()
    suffix = ".png" if settings.as_png else upload.suffix.lower()
    target = folder / uuid.uuid4().hex / f"{upload.stem}_restored{suffix}"
    target.parent.mkdir(parents=True)
    key = noise_keys.file_key(settings.seed, upload.name)
    mask, unknown, note = None, None, ""
    if paint is not None and one_file.fills(restorer):
        mask = HoleMask(target.with_name(f"{upload.stem}_mask.png"))
        painting.write_mask(paint, height, width, mask.path)
    with _names_alone(upload, target, target.parent):
        made_by = provenance.describe(chosen, name, settings.seed)
        one_file.restore_file(
            *(chosen, upload, target, key),
            max_megapixels=limits.megapixels,
            made_by=made_by,
            mask=mask,
        )
        if one_file.fills(restorer):
            filled = _filling(chosen, upload, mask, limits)
            unknown, note = filled.unknown, _sentences(filled)
        data_range = chosen.config.data.data_range
        after = images.read_image(target, data_range, max_megapixels=np.inf).pixels
    _forget_old_programs((height, width, settings.solver, settings.num_evals))
    spread, white = None, 0.0
    if num_samples := _num_samples(restorer, settings):
        std = chosen.uncertainty(
            given.pixels,
            num_samples=num_samples,
            key=key,
            sigma=given.sigma,
            mask=unknown,
        ).std
        spread, white = pictures.to_map(std)
    return Result(
        target,
        pictures.to_picture(before),
        pictures.to_picture(after),
        spread,
        white,
        seconds=time.perf_counter() - start,
        estimated=expected.seconds,
        note=note,
        mask=None if mask is None else mask.path,
    )


def _filling(
    restorer: Restorer, upload: Path, mask: HoleMask | None, limits: Limits
) -> Filling:
    """What will be filled in an upload.

    Raises:
        ValueError: if the mask does not fit, or if nothing of the image is known.
    """
    return filling.read(
        *(upload, mask),
        data_range=restorer.image_format.data_range,
        max_megapixels=limits.megapixels,
    )


def _sentences(filled: Filling) -> str:
    """What will be filled, with warnings, in sentences."""
    return " ".join((f"{filled}.", *filled.warnings))


def _forget_old_programs(program: tuple[int, int, str, int]) -> None:
    """Each size, solver and number of evaluations compiles; visitors try many."""
    _COMPILED.add(program)
    if len(_COMPILED) > _MOST_PROGRAMS:
        jax.clear_caches()
        _COMPILED.clear()


def _num_samples(restorer: Restorer, settings: Settings) -> int:
    """Restorations for the map: none where all of them would be the same."""
    if settings.num_samples and draws_noise(restorer, settings.solver):
        return max(settings.num_samples, 2)
    return 0


def _read(restorer: Restorer, upload: Path, limits: Limits) -> one_file.Given:
    """What the restorer is given of an upload."""
    if upload.suffix.lower() not in images.SUFFIXES:
        raise ValueError(
            f"{upload.name} is not a photograph: its name ends in none of "
            f"{', '.join(images.SUFFIXES)}."
        )
    megabytes = upload.stat().st_size / 2**20
    if megabytes > limits.megabytes:
        raise ValueError(
            f"{upload.name} has {megabytes:.1f} MB; at most {limits.megabytes:g} are "
            "allowed here."
        )
    with _names_alone(upload):
        _check_size(upload, restorer.scale, limits)
        image = images.read_image(
            *(upload, restorer.image_format.data_range),
            max_megapixels=limits.megapixels,
        )
        return one_file.as_given(restorer, image, upload.name)


@contextlib.contextmanager
def _names_alone(*paths: Path) -> Iterator[None]:
    """Errors without folders: visitors have no business with those of this machine."""
    try:
        yield
    except (ValueError, OSError) as error:
        message = str(error)
        for path in paths:
            message = message.replace(str(path), path.name)
        kind = OSError if isinstance(error, OSError) else ValueError
        raise kind(message) from error


def _check_size(upload: Path, scale: int, limits: Limits) -> None:
    """Raises if the header promises too many pixels, before any of them is decoded."""
    height, width = images.read_size(upload)
    megapixels = height * width * scale**2 / 1e6
    if megapixels > limits.megapixels:
        raise ValueError(
            f"{upload.name}: the result would have {height * scale} x {width * scale} "
            f"pixels, {megapixels:.1f} million; at most {limits.megapixels:g} are "
            "allowed here."
        )
