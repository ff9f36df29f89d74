"""Restores image files and folders of them: `--mode=restore`."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import ml_collections

from irsde_jax import processes
from irsde_jax.data.image_files import images
from irsde_jax.data.image_files.hole_masks import HoleMask
from irsde_jax.restoration import costs, noise_keys
from irsde_jax.restoration.files import hole_jobs, turns
from irsde_jax.restoration.files.jobs import Job, check_quality, plan
from irsde_jax.restoration.files.one_file import (
    Writing,
    fills,
    restore_one,
    restore_samples,
)
from irsde_jax.restoration.files.provenance import describe as provenance_of
from irsde_jax.restoration.files.turns import Sized
from irsde_jax.restoration.loading import open_restorer
from irsde_jax.restoration.restorer import Restorer

Config: TypeAlias = ml_collections.ConfigDict
logger = logging.getLogger(__name__)

# Million pixels x evaluations, below which a run is over before its time is measured.
_SHORT = 5.0


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
    max_megapixels: float | None = None,
    provenance: bool = True,
    mask: str | os.PathLike | None = None,
    mask_keep: bool = False,
) -> list[Path]:
    """`--mode restore`: restores an image file, a folder, or what a pattern matches.

    A result has the format, the bit depth, the transparency and the metadata of its
    original (`data.metadata` says what each format holds; a warning names the file
    whose metadata are not all preserved), and its metadata say how it was made. Grey
    images go through a colour network as grey. It depends on the seed, the image's
    relative path and how it is cut into tiles. Results that exist are finished and
    skipped: the same command continues a run that was stopped, and several processes
    may share a folder. A file that cannot be restored does not stop the others.

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
        quality: of JPEG, AVIF and WebP, see `data.codecs.encode`.
        num_samples: restorations an image. Of several the mean is written, and beside
            it NAME.uncertainty.png: SPREAD_GAIN times their standard deviation.
        max_megapixels: The largest image that is read, in millions of pixels; None
            means `data.formats.DEFAULT_MEGAPIXELS`.
        provenance: Whether the metadata of a result say how it was made: see
            `provenance.describe`.
        mask: For weights that fill holes, an image in which white marks what is filled,
            or a folder of such images, named as those of the input
            (`hole_masks.match`). None: holes are painted into the images in white, or
            erased.
        mask_keep: Whether white in the masks marks what is kept.

    Returns:
        The results written, without maps.

    Raises:
        OSError: if the disk is full or read-only. Finished results stay.
        ValueError: if an argument is out of range; or, after all others were restored,
            if some images could not be.
    """
    if num_samples < 1:
        raise ValueError(f"--num_samples={num_samples} must be at least 1.")
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError(f"--quality={quality} must lie in 1..100.")
    if max_megapixels is not None and not max_megapixels > 0:
        raise ValueError(f"--max_megapixels={max_megapixels} must be positive.")
    jobs = plan(
        *(input, output, suffix, kind),
        overwrite=overwrite,
        with_spread=num_samples > 1,
        mask=mask,
    )
    check_quality(quality, jobs)
    todo = [
        job
        for job in jobs
        if job.problem or overwrite or not turns.is_done(job, num_samples > 1)
    ]
    if len(todo) < len(jobs):
        logger.info(
            "skipping %d of %d images whose results exist (--overwrite replaces them)",
            len(jobs) - len(todo),
            len(jobs),
        )
    outcome = turns.Outcome(
        failures={job.name: job.problem for job in todo if job.problem}
    )
    ready = [job for job in todo if not job.problem]
    if ready:
        restorer = open_restorer(config, workdir, weights)
        if num_samples > 1:
            _require_noise(restorer)
        masks = hole_jobs.find_masks(ready, mask, mask_keep)
        if masks and not fills(restorer):
            raise ValueError(
                f"--mask={mask}: these weights are of process "
                f"{restorer.config.process!r}, which fills no holes. Leave --mask out, "
                "or take weights of process 'inpainting', such as "
                "--weights=inpainting-small."
            )
        writing = Writing(
            overwrite=overwrite, quality=quality, max_megapixels=max_megapixels
        )
        if provenance:
            name = workdir if weights is None else weights
            made_by = provenance_of(restorer, name, seed, num_samples)
            writing = writing._replace(made_by=made_by)
        sized = _look(restorer, ready, outcome, num_samples, max_megapixels)
        sized = _tell_holes(restorer, sized, outcome, masks, mask, max_megapixels)

        def restore_job(job: Job) -> None:
            key, hole_mask = noise_keys.file_key(seed, job.name), masks.get(job.name)
            if num_samples == 1:
                restore_one(restorer, job, key, writing, hole_mask)
            else:
                restore_samples(
                    *(restorer, job, key, writing, hole_mask), num_samples=num_samples
                )

        turns.take(
            *(sized, restore_job, outcome),
            overwrite=overwrite,
            with_spread=num_samples > 1,
        )
    if todo:
        logger.info(outcome.describe(len(todo), output))
    if outcome.failures:
        raise ValueError(outcome.report(len(todo)))
    return outcome.written


def _look(
    restorer: Restorer,
    jobs: Sequence[Job],
    outcome: turns.Outcome,
    num_samples: int,
    max_megapixels: float | None,
) -> list[Sized]:
    """Measures the images and announces what they cost; `outcome` takes failures."""
    sized, failures = _measure(restorer, jobs, num_samples, max_megapixels)
    outcome.failures |= failures
    _announce(restorer, sized, num_samples)
    return sized


def _tell_holes(
    restorer: Restorer,
    sized: list[Sized],
    outcome: turns.Outcome,
    masks: Mapping[str, HoleMask],
    mask: str | os.PathLike | None,
    max_megapixels: float | None,
) -> list[Sized]:
    """Logs what will be filled; returns the images that can be filled."""
    if not fills(restorer):
        return sized
    unfit = hole_jobs.tell(
        [size.job for size in sized],
        *(masks, mask),
        data_range=restorer.config.data.data_range,
        max_megapixels=max_megapixels,
    )
    outcome.failures |= unfit
    return [size for size in sized if size.job.name not in unfit]


def _require_noise(restorer: Restorer) -> None:
    """Raises if several restorations of an image would all be the same."""
    solver = restorer.config.sampling.solver
    if not processes.draws_noise(restorer.process, solver):
        raise ValueError(
            f"--num_samples: with sampling.solver={solver} every restoration is the "
            "same, because this solver draws no noise in the process 'denoising'. Use "
            "--config.sampling.solver=posterior --config.sampling.num_evals=22."
        )


def _measure(
    restorer: Restorer,
    jobs: Sequence[Job],
    num_samples: int,
    max_megapixels: float | None,
) -> tuple[list[Sized], dict[str, str]]:
    """The jobs with their sizes, by the headers; and what is wrong with the others."""
    scale = restorer.scale
    sized, failures = [], {}
    for job in jobs:
        try:
            size = images.read_size(job.source, max_megapixels)
            height, width = (scale * side for side in size)
            images.check_size(job.target, height, width)
            restorer.tiles(height, width, num_samples=num_samples)
            sized.append(Sized(job, height, width))
        except (ValueError, OSError) as error:
            failures[job.name] = str(error)
    return sized, failures


def _announce(restorer: Restorer, sized: Sequence[Sized], num_samples: int) -> None:
    """Logs what the run will cost: pixels, evaluations, memory, and a long time."""
    if not sized:
        return
    if (scale := restorer.scale) > 1:
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
