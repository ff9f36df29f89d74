"""Detects results of earlier runs, and results that would replace other files."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from irsde_jax.restoration.files import inputs, marks
from irsde_jax.restoration.files.job import Job

logger = logging.getLogger(__name__)


def without_results(jobs: Sequence[Job], has_suffix: bool) -> list[Job]:
    """Returns the jobs of originals, without files that earlier runs wrote.

    Args:
        jobs: The jobs of all files.
        has_suffix: Whether the names of results have a suffix.
    """
    makers: dict[Path, Job] = {}  # path of a result -> its job
    for job in jobs:
        for path in map(inputs.place, (job.target, job.spread)):
            if path != inputs.place(job.source):
                makers.setdefault(path, job)
    originals, results, doubtful = [], [], []
    for job in jobs:
        is_beside = _real(job.target.parent) == _real(job.source.parent)
        maker = makers.get(inputs.place(job.source))
        if (maker and has_suffix) or (
            (maker or is_beside) and marks.is_marked(job.source)
        ):
            results.append(job.name)
        elif maker:
            doubtful.append(f"{job.name} (of {maker.name})")
        else:
            originals.append(job)
    if results:
        logger.info("taken for results, not originals: %s", ", ".join(results))
    if doubtful:
        logger.warning(
            "taken for results of earlier runs, so that they are neither restored nor "
            "replaced: %s. If these files are originals, choose another --output, or a "
            "--suffix.",
            ", ".join(doubtful),
        )
    return originals


def with_problems(
    jobs: Sequence[Job],
    spares_others: bool,
    with_spread: bool,
    mask: str | os.PathLike[str] | None,
) -> list[Job]:
    """Returns the jobs, with the field `problem` set if the names of results conflict.

    Args:
        jobs: The jobs of originals.
        spares_others: Whether existing files beside the originals are protected if
            nothing marks them as results, because they may be originals as well.
        with_spread: Whether maps of uncertainty are written as well.
        mask: The mask file or the folder of masks, or None.
    """
    sources = {_real(job.source) for job in jobs}
    folders = {_real(job.source.parent) for job in jobs}
    makers: dict[str, list[str]] = {}

    def paths(job: Job) -> tuple[Path, ...]:
        return (job.target, job.spread) if with_spread else (job.target,)

    for job in jobs:
        for path in paths(job):
            makers.setdefault(os.path.normcase(path), []).append(job.name)

    def problem(job: Job) -> str:
        if sources & {_real(job.target), _real(job.spread)}:
            return (
                f"the result {job.target} would replace its original, or that of "
                "another image; choose another --output, or a --suffix."
            )
        if any(is_mask(path, mask) for path in (job.target, job.spread)):
            return (
                f"the result {job.target} would lie among the masks, --mask={mask}; "
                "choose another --output, or a --suffix."
            )
        for path in paths(job):
            if len(names := makers[os.path.normcase(path)]) > 1:
                return (
                    f"{', '.join(names)} would all be {path}: leave --format out, or "
                    "restore them to folders of their own."
                )
        if spares_others and _real(job.target.parent) in folders:
            for path in paths(job):
                if os.path.isfile(path) and not marks.is_marked(path):
                    return (
                        f"{path} exists and is not replaced: it may be an original, "
                        "because it does not say that irsde_jax made it. (Results in "
                        "BMP and NPY, and those of --no_metadata, never say it.) "
                        "Remove it, or choose another --output, or a --suffix."
                    )
        return ""

    return [job._replace(problem=problem(job)) for job in jobs]


def is_mask(path: Path, mask: str | os.PathLike[str] | None) -> bool:
    """Returns whether a path is the mask file, or is in the folder of masks."""
    return mask is not None and Path(_real(path)).is_relative_to(_real(Path(mask)))


def _real(path: Path) -> str:
    """Returns the path with all links resolved, even if no such file exists."""
    return os.path.realpath(path)
