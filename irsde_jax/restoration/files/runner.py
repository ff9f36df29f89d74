"""Restores image files and folders of them: `--mode=restore`."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import ml_collections

from irsde_jax import processes
from irsde_jax.data.image_files import images
from irsde_jax.data.image_files.hole_masks import HoleMask
from irsde_jax.restoration import costs, noise_keys
from irsde_jax.restoration.files import hole_jobs, turns
from irsde_jax.restoration.files.job import Job
from irsde_jax.restoration.files.jobs import check_quality, plan
from irsde_jax.restoration.files.one_file import (
    Writing,
    fills,
    restore_one,
    restore_samples,
)
from irsde_jax.restoration.files.options import Options
from irsde_jax.restoration.files.provenance import describe as provenance_of
from irsde_jax.restoration.files.turns import Sized
from irsde_jax.restoration.loading import open_restorer
from irsde_jax.restoration.restorer import Restorer

Config: TypeAlias = ml_collections.ConfigDict
logger = logging.getLogger(__name__)

# Runs below this number of million pixels x evaluations are too short to be timed.
_SHORT = 5.0


def run(
    config: Config | None,
    workdir: str | os.PathLike[str] | None,
    weights: str | os.PathLike[str] | None,
    input: str | os.PathLike[str],
    output: str | os.PathLike[str],
    **options: Any,
) -> list[Path]:
    """Restores an image file, a folder or the matches of a pattern: `--mode restore`.

    A result has the format, bit depth, transparency and metadata of its original.
    `image_files.metadata` lists what each format can store; a warning names files whose
    metadata are not fully preserved. Colour networks restore grey images as grey. A
    result depends on the seed, the relative path of the image and its tiles. Existing
    finished results are skipped, so the same command continues a stopped run, and
    several processes may share a folder. Images that cannot be restored are reported at
    the end.

    Args:
        config: The configuration, as for `load`.
        workdir: The run whose weights are used if `weights` is None.
        weights: The weights, as for `load`.
        input: The images, as for `jobs.plan`.
        output: A folder, which is created if it is missing, or a file for one image.
        **options: The fields of `Options`.

    Returns:
        The paths of the results, without maps of uncertainty.

    Raises:
        OSError: If the disk is full or read-only. Finished results are kept.
        ValueError: If an argument is out of range, or if some images could not be
            restored, after all others were restored.
    """
    given = Options(**options)
    given.check()
    todo = _plan(input, output, given)
    outcome = turns.Outcome(
        failures={job.name: job.problem for job in todo if job.problem}
    )
    ready = [job for job in todo if not job.problem]
    if ready:
        restorer = open_restorer(config, workdir, weights)
        _restore(restorer, ready, outcome, given, weights or workdir)
    if todo:
        logger.info(outcome.describe(len(todo), output))
    if outcome.failures:
        raise ValueError(outcome.report(len(todo)))
    return outcome.written


def _plan(
    input: str | os.PathLike[str], output: str | os.PathLike[str], options: Options
) -> list[Job]:
    """Returns the jobs to do, without those whose results exist."""
    with_spread = options.num_samples > 1
    jobs = plan(
        input,
        output,
        options.suffix,
        options.kind,
        overwrite=options.overwrite,
        with_spread=with_spread,
        mask=options.mask,
    )
    check_quality(options.quality, jobs)
    todo = [
        job
        for job in jobs
        if job.problem or options.overwrite or not turns.is_done(job, with_spread)
    ]
    if len(todo) < len(jobs):
        logger.info(
            "skipping %d of %d images whose results exist (--overwrite replaces them)",
            len(jobs) - len(todo),
            len(jobs),
        )
    return todo


def _restore(
    restorer: Restorer,
    jobs: Sequence[Job],
    outcome: turns.Outcome,
    options: Options,
    name: str | os.PathLike[str] | None,
) -> None:
    """Restores the images, and records results and failures in `outcome`."""
    num_samples = options.num_samples
    if num_samples > 1:
        _require_noise(restorer)
    masks = hole_jobs.find_masks(jobs, options.mask, options.mask_keep)
    if masks and not fills(restorer):
        raise ValueError(
            f"--mask={options.mask}: these weights are of process "
            f"{restorer.recipe.process.name!r}, which fills no holes. Leave --mask "
            "out, or take weights of process 'inpainting', such as "
            "--weights=inpainting-small."
        )
    writing = Writing(
        overwrite=options.overwrite,
        quality=options.quality,
        max_megapixels=options.max_megapixels,
    )
    if options.provenance:
        made_by = provenance_of(restorer, name, options.seed, num_samples)
        writing = writing._replace(made_by=made_by)
    sized, failures = _measure(restorer, jobs, num_samples, options.max_megapixels)
    outcome.failures |= failures
    _announce(restorer, sized, num_samples)
    sized = _tell_holes(restorer, sized, outcome, masks, options)

    def restore_job(job: Job) -> None:
        key = noise_keys.file_key(options.seed, job.name)
        mask = masks.get(job.name)
        if num_samples == 1:
            restore_one(restorer, job, key, writing, mask)
        else:
            restore_samples(restorer, job, key, writing, mask, num_samples=num_samples)

    turns.take(
        sized,
        restore_job,
        outcome,
        overwrite=options.overwrite,
        with_spread=num_samples > 1,
    )


def _tell_holes(
    restorer: Restorer,
    sized: list[Sized],
    outcome: turns.Outcome,
    masks: Mapping[str, HoleMask],
    options: Options,
) -> list[Sized]:
    """Logs what will be filled, and returns the images that can be filled."""
    if not fills(restorer):
        return sized
    unfit = hole_jobs.tell(
        [size.job for size in sized],
        masks,
        options.mask,
        data_range=restorer.image_format.data_range,
        max_megapixels=options.max_megapixels,
    )
    outcome.failures |= unfit
    return [size for size in sized if size.job.name not in unfit]


def _require_noise(restorer: Restorer) -> None:
    """Raises ValueError if several restorations of an image would all be equal."""
    solver = restorer.sampling.solver
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
    """Returns the jobs with the sizes of their results, and the failures of others."""
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
    """Logs the cost of the run: pixels, evaluations, memory, and time if it is long."""
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
    needed = restorer.memory.peak((1, *of_largest), tiles, num_samples)
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
        len(sized),
        megapixels,
        evals,
        largest.height,
        largest.width,
        needed / 1e9,
        f" in tiles of {tiles.side}" if tiles else "",
        time,
    )
