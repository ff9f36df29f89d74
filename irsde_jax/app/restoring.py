"""What visitors of the page ask for: an upload's cost, and its restoration.

Nothing here knows of Gradio, of sessions or of the network: paths and settings go in,
files, pictures and words come out, and what cannot be done is a `ValueError` or an
`OSError` that says so to a person.
"""

import time
import uuid
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from irsde_jax.app import painting, pictures, uploads
from irsde_jax.app.choices import Limits, Settings, draws_noise, tuned
from irsde_jax.array_types import PRNGKey
from irsde_jax.data.image_files import images
from irsde_jax.data.image_files.hole_masks import HoleMask
from irsde_jax.restoration import costs, noise_keys
from irsde_jax.restoration.costs import Cost
from irsde_jax.restoration.files import one_file, provenance
from irsde_jax.restoration.files.filling import Filling
from irsde_jax.restoration.restorer import Restorer

_MOST_PROGRAMS = 32  # that are kept compiled
_COMPILED: set[tuple[int, int, str, int]] = set()


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
    *,
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
        ValueError: see `uploads.look` and `cost`.
    """
    chosen = tuned(restorer, settings)
    given = uploads.read(chosen, upload, limits)
    before = restorer.enlarge(given.pixels)
    height, width = before.shape[:2]
    expected = cost(restorer, height, width, settings, limits)
    start = time.perf_counter()
    suffix = ".png" if settings.as_png else upload.suffix.lower()
    target = folder / uuid.uuid4().hex / f"{upload.stem}_restored{suffix}"
    target.parent.mkdir(parents=True)
    key = noise_keys.file_key(settings.seed, upload.name)
    mask = None
    if paint is not None and one_file.fills(restorer):
        mask = HoleMask(target.with_name(f"{upload.stem}_mask.png"))
        painting.write_mask(paint, height, width, mask.path)
    made_by = provenance.describe(chosen, name, settings.seed)
    with uploads.names_alone(upload, target, target.parent):
        after, filled = _write(
            chosen, upload, target, limits, key=key, mask=mask, made_by=made_by
        )
    _forget_old_programs((height, width, settings.solver, settings.num_evals))
    unknown = None if filled is None else filled.unknown
    spread, white = _spread(chosen, given, settings, key, unknown)
    return Result(
        file=target,
        before=pictures.to_picture(before),
        after=pictures.to_picture(after),
        spread=spread,
        white=white,
        seconds=time.perf_counter() - start,
        estimated=expected.seconds,
        note="" if filled is None else uploads.sentences(filled),
        mask=None if mask is None else mask.path,
    )


def _write(
    restorer: Restorer,
    upload: Path,
    target: Path,
    limits: Limits,
    *,
    key: PRNGKey,
    mask: HoleMask | None,
    made_by: str,
) -> tuple[np.ndarray, Filling | None]:
    """Writes the result; returns its pixels, and what was filled in it, if any."""
    one_file.restore_file(
        restorer,
        upload,
        target,
        key,
        max_megapixels=limits.megapixels,
        made_by=made_by,
        mask=mask,
    )
    filled = None
    if one_file.fills(restorer):
        filled = uploads.find_filling(restorer, upload, mask, limits)
    data_range = restorer.image_format.data_range
    return images.read_image(target, data_range, max_megapixels=np.inf).pixels, filled


def _spread(
    restorer: Restorer,
    given: one_file.Given,
    settings: Settings,
    key: PRNGKey,
    unknown: np.ndarray | None,
) -> tuple[np.ndarray | None, float]:
    """The map of uncertainty, None if there is none, and what its lightest colour is.

    Args:
        restorer: The weights, tuned to the settings.
        given: What the restorer was given.
        settings: What the visitor chose.
        key: The key of the restoration.
        unknown: The pixels that the network is not shown, see `Filling`.
    """
    num_samples = _num_samples(restorer, settings)
    if not num_samples:
        return None, 0.0
    found = restorer.uncertainty(
        given.pixels,
        num_samples=num_samples,
        key=key,
        sigma=given.sigma,
        mask=unknown,
    )
    return pictures.to_map(found.std)


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
