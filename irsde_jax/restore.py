"""Restoring image files: the formats, names and whatever belongs to them kept."""

import errno
import logging
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import jax
import ml_collections
import numpy as np
from tqdm import tqdm

from irsde_jax import costs, filling, hole_jobs, processes
from irsde_jax.array_types import PRNGKey
from irsde_jax.data import images
from irsde_jax.data.hole_masks import HoleMask
from irsde_jax.data.images import ImageFile
from irsde_jax.jobs import Job, check_quality, plan
from irsde_jax.loading import load, open_restorer
from irsde_jax.restorer import Restorer

__all__ = ["Restorer", "file_key", "load", "open_restorer", "restore_file", "run"]

Config: TypeAlias = ml_collections.ConfigDict
logger = logging.getLogger(__name__)

SPREAD_GAIN = 10.0
"""A map of uncertainty shows this many times the standard deviation."""

# Million pixels x evaluations, below which a run is over before its time is measured.
_SHORT = 5.0


def file_key(seed: int, name: str) -> PRNGKey:
    """The key of a file: of the seed and its relative path alone."""
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))


def run(
    config: Config | None,
    workdir: str | os.PathLike | None,
    weights: str | os.PathLike | None,
    input: str | os.PathLike,
    output: str | os.PathLike,
    seed: int = 0,
    overwrite: bool = False,
    *,
    suffix: str = "",
    kind: str | None = None,
    quality: int | None = None,
    num_samples: int = 1,
    mask: str | os.PathLike | None = None,
    mask_keep: bool = False,
) -> list[Path]:
    """`--mode restore`: restores an image file, a folder, or what a pattern matches.

    A result has the format, the bit depth, the transparency, the EXIF data and the
    colour profile of its original (`data.metadata` says what TIFF cannot keep); grey
    images go through a colour network as grey. It depends on the seed, the image's
    relative path and how it is cut into tiles. Results that exist are finished and
    skipped: the same command continues a run that was stopped. A file that cannot be
    restored does not stop the others.

    Args:
        config: see `load`.
        workdir: of the run whose weights are used, if `weights` is None.
        weights: what `load` takes.
        input: see `jobs.plan`, as for `output`, `suffix` and `kind`.
        output: a folder, made if it is missing; for a single image also a file.
        seed: of the sampling noise.
        overwrite: whether existing results are replaced, rather than skipped.
        suffix: what the names of the results end in.
        kind: format of the results.
        quality: of JPEG and WebP, see `data.codecs.encode`.
        num_samples: restorations an image. Of several the mean is written, and beside
            it NAME.uncertainty.png: SPREAD_GAIN times their standard deviation.
        mask: For weights that fill holes, an image in which white marks what is filled,
            or a folder of such images, named as those of the input
            (`hole_masks.match`). None: holes are painted into the images in white, or
            erased.
        mask_keep: Whether white in the masks marks what is kept.

    Returns:
        The results written, without maps.

    Raises:
        OSError: if the disk is full or read-only; what was finished stays.
        ValueError: see `jobs.plan`; or, after all others were restored, if some images
            could not be.
    """
    if num_samples < 1:
        raise ValueError(f"--num_samples={num_samples} must be at least 1.")
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError(f"--quality={quality} must lie in 1..100.")
    jobs = hole_jobs.without_masks(plan(input, output, suffix, kind), mask)
    check_quality(quality, jobs)
    todo = [job for job in jobs if overwrite or not _is_done(job, num_samples)]
    if len(todo) < len(jobs):
        logger.info(
            "skipping %d of %d images whose results exist (--overwrite replaces them)",
            len(jobs) - len(todo),
            len(jobs),
        )
    if not todo:
        return []
    restorer = open_restorer(config, workdir, weights)
    if num_samples > 1:
        _require_noise(restorer)
    masks = hole_jobs.find_masks(todo, mask, mask_keep)
    if masks and not fills(restorer):
        raise ValueError(
            f"--mask={mask}: these weights are of process {restorer.config.process!r}, "
            "which fills no holes. Leave --mask out, or take weights of process "
            "'inpainting', such as --weights=inpainting-small."
        )
    sized, failures = _measure(restorer, todo, num_samples)
    _announce(restorer, sized, num_samples)
    if fills(restorer):
        unfit = hole_jobs.tell([size.job for size in sized], masks, mask)
        sized = [size for size in sized if size.job.name not in unfit]
        failures += unfit.values()
    written = []
    for job in _with_progress(sized):
        try:
            job.target.parent.mkdir(parents=True, exist_ok=True)
            key, hole_mask = file_key(seed, job.name), masks.get(job.name)
            if num_samples == 1:
                restore_file(
                    *(restorer, job.source, job.target, key, overwrite),
                    quality=quality,
                    mask=hole_mask,
                )
            else:
                _restore_samples(
                    *(restorer, job, key, num_samples, quality, overwrite, hole_mask)
                )
            written.append(job.target)
        except (ValueError, OSError) as error:
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EROFS):
                raise
            failures.append(f"{job.name}: {error}")
        except (MemoryError, jax.errors.JaxRuntimeError) as error:
            reason = (str(error).splitlines() or ["out of memory"])[0]
            failures.append(
                f"{job.name}: {reason} (a smaller --config.sampling.memory_gigabytes "
                "or --config.sampling.tile needs less memory)."
            )
    logger.info("restored %d of %d images to %s", len(written), len(todo), output)
    if failures:
        raise ValueError(
            f"{len(failures)} of {len(todo)} images were not restored. "
            + " ".join(failures)
        )
    return written


def restore_file(
    restorer: Restorer,
    source: Path,
    target: Path,
    key: PRNGKey,
    overwrite: bool = False,
    *,
    quality: int | None = None,
    mask: HoleMask | None = None,
) -> None:
    """Restores one image file, of any size, grey or colour, with or without alpha.

    For super-resolution it is enlarged first, as the images of the training were. Where
    holes are filled, the rest of the image comes back to the bit.

    Args:
        restorer: What restores.
        source: The image file.
        target: The file of the result.
        key: The key of the sampling noise.
        overwrite: Whether `target` may exist.
        quality: The quality of JPEG and WebP, 1 to 100.
        mask: The holes to fill; None: those that are painted into the image.
    """
    image, pixels = _read(restorer, source, target)
    if not fills(restorer):
        result = _like(image, restorer(pixels, key=key))
    else:
        holes = filling.find(image, source, mask)
        restored = pixels
        if holes.hole.any():
            restored = restorer(pixels, key=key, mask=holes.unknown)
        result = filling.put_back(holes, image, _like(image, restored))
    images.write_image(target, result, overwrite=overwrite, quality=quality)


def _restore_samples(
    restorer: Restorer,
    job: Job,
    key: PRNGKey,
    num_samples: int,
    quality: int | None,
    overwrite: bool,
    mask: HoleMask | None,
) -> None:
    """Writes the mean of several restorations and the map of their spread."""
    image, pixels = _read(restorer, job.source, job.target)
    holes = filling.find(image, job.source, mask) if fills(restorer) else None
    unknown = None if holes is None else holes.unknown
    found = restorer.uncertainty(pixels, num_samples=num_samples, key=key, mask=unknown)
    spread = (SPREAD_GAIN * found.std.mean(axis=-1, keepdims=True)).clip(0, 1)
    if overwrite or not job.target.exists():  # else a run was stopped between the two
        result = _like(image, found.mean)
        if holes is not None:
            result = filling.put_back(holes, image, result)
        images.write_image(job.target, result, overwrite=overwrite, quality=quality)
    images.write_image(job.spread, ImageFile(spread, None, 8), overwrite=overwrite)


def _read(
    restorer: Restorer, source: Path, target: Path
) -> tuple[ImageFile, np.ndarray]:
    """An image, its alpha as large as the result, and what the network is given.

    Raises at once what writing the result to `target` would raise.
    """
    channels, data = restorer.model.channels, restorer.config.data
    image = images.read_image(source, data.data_range, with_metadata=True)
    images.check_writable(target, image.pixels.shape[-1], image.alpha is not None)
    pixels = images.to_channels(image.pixels, channels, str(source))
    pixels = images.enlarge(pixels, data.scale, data.enlarge)
    if image.alpha is not None:
        alpha = images.enlarge(image.alpha, data.scale, data.enlarge).clip(0, 1)
        image = image._replace(alpha=alpha)
    return image, pixels


def _like(image: ImageFile, restored: np.ndarray) -> ImageFile:
    """The restored pixels in place of those of the image: grey where it is grey."""
    if image.pixels.shape[-1] == 1:
        restored = restored.mean(axis=-1, keepdims=True, dtype=np.float32)
    return image._replace(pixels=restored)


def fills(restorer: Restorer) -> bool:
    """Whether the weights fill holes of images of the same size."""
    return restorer.process.known is not None and restorer.config.data.scale == 1


def _is_done(job: Job, num_samples: int) -> bool:
    return job.target.exists() and (num_samples == 1 or job.spread.exists())


def _require_noise(restorer: Restorer) -> None:
    """Raises if several restorations of an image would all be the same."""
    solver = restorer.config.sampling.solver
    if not processes.draws_noise(restorer.process, restorer.schedule, solver):
        raise ValueError(
            f"--num_samples: with sampling.solver={solver} every restoration is the "
            "same, for nothing is drawn in process 'denoising'; take one that draws "
            "noise, --config.sampling.solver=posterior --config.sampling.num_evals=22."
        )


class _Sized(NamedTuple):
    """A job, and the pixels that its result will have."""

    job: Job
    height: int
    width: int


def _measure(
    restorer: Restorer, jobs: Sequence[Job], num_samples: int
) -> tuple[list[_Sized], list[str]]:
    """The jobs with their sizes, by the headers; and what is wrong with the others."""
    scale = restorer.config.data.scale
    sized, failures = [], []
    for job in jobs:
        try:
            height, width = (scale * side for side in images.read_size(job.source))
            restorer.tiles(height, width, num_samples=num_samples)
            sized.append(_Sized(job, height, width))
        except (ValueError, OSError) as error:
            failures.append(f"{job.name}: {error}")
    return sized, failures


def _announce(restorer: Restorer, sized: Sequence[_Sized], num_samples: int) -> None:
    """Logs what the run will cost: pixels, evaluations, memory, and a long time."""
    if not sized:
        return
    if (scale := restorer.config.data.scale) > 1:
        logger.info("super-resolution: the results are %d times as large", scale)
    each = restorer.num_evals()
    evals = num_samples * each
    megapixels = sum(size.height * size.width for size in sized) / 1e6
    largest = max(sized, key=lambda size: size.height * size.width)
    of_largest = (largest.height, largest.width)
    tiles = restorer.tiles(*of_largest, num_samples=num_samples)
    needed = restorer.memory(*of_largest, tiles, num_samples=num_samples)
    time = ""
    if megapixels * evals > _SHORT:
        seconds = sum(
            costs.estimate(restorer, height, width, each, num_samples).seconds
            for _, height, width in sized
        )
        time = f", about {costs.duration(seconds)}"
    logger.info(
        "%d image(s), %.3g megapixels x %d evaluations; the largest, %d x %d, needs "
        "%.2g GB%s%s",
        *(len(sized), megapixels, evals, largest.height, largest.width),
        *(needed / 1e9, f" in tiles of {tiles.side}" if tiles else "", time),
    )


def _with_progress(sized: Sequence[_Sized]) -> Iterator[Job]:
    """The jobs, with a bar that counts pixels and tells the time left."""
    total = sum(size.height * size.width for size in sized)
    with tqdm(
        total=total, desc="restore", unit="px", unit_scale=True, disable=not sized
    ) as bar:
        for size in sized:
            yield size.job
            bar.update(size.height * size.width)
