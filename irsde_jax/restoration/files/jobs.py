"""What the results of the images are called, and which of them cannot be written."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from irsde_jax.data.image_files import codecs, images
from irsde_jax.restoration.files import inputs, marks

logger = logging.getLogger(__name__)


class Job(NamedTuple):
    """One image.

    Attributes:
        name: path relative to the input, with "/": with the seed it decides the noise.
        source: the file.
        target: its result.
        problem: Why it cannot be restored, as far as its names tell. "" if it can.
    """

    name: str
    source: Path
    target: Path
    problem: str = ""

    @property
    def spread(self) -> Path:
        """Where several samples differ: the map beside the result."""
        return self.target.with_name(f"{self.target.name}.uncertainty.png")


def plan(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    suffix: str = "",
    kind: str | None = None,
    *,
    overwrite: bool = False,
    with_spread: bool = False,
    mask: str | os.PathLike[str] | None = None,
) -> list[Job]:
    """What is to be done for `--input` and `--output`.

    Results may lie among their originals, with a suffix or in another format. A file
    that has the name of the result of another image is then taken for that result: it
    is not restored itself. No result replaces an original.

    Args:
        source: an image file, a folder, or a pattern such as "trip/**/*.jpg". Folders
            and patterns are mirrored in the output.
        output: a folder, or for a single image also the name of a file.
        suffix: what the names of the results end in, before the format.
        kind: format of the results, such as "png"; None: that of each original.
        overwrite: Whether existing results are going to be replaced.
        with_spread: Whether the maps of uncertainty are going to be written as well.
        mask: The mask file or the folder of masks, which may lie among the images:
            masks are not restored, and no result replaces one. None: there is none.

    Returns:
        A job for each image. Those that cannot be done have a `problem`.

    Raises:
        FileNotFoundError: if there is nothing to restore.
        FileExistsError: if `output` is a file where a folder is needed.
        ValueError: if the format or the name of the output is unknown, or if `output`
            is one file and contradicts the others.
    """
    source, output = Path(source), Path(output)
    if kind is not None and f".{kind.lower()}" not in images.SUFFIXES:
        kinds = ", ".join(known.removeprefix(".") for known in images.SUFFIXES)
        raise ValueError(f"--format={kind} is not one of {kinds}.")
    if source.is_file():
        target = _target_of_one(source, output, suffix, kind)
        jobs = [Job(source.name, source, target)]
        # A single file is an original, and one that --output names may be replaced.
        is_named = target == output
        spares_others = overwrite and not suffix and not is_named
        return _with_problems(jobs, spares_others, with_spread, mask)
    found = inputs.find(source, output)
    _require_folder(source, output)
    # With the masks as the input, which is a mistake, all of them stay.
    paths = [p for p in found.paths if not _is_mask(p, mask)] or found.paths
    names = [path.relative_to(found.root) for path in paths]
    jobs = [
        Job(n.as_posix(), found.root / n, output / _renamed(n, suffix, kind))
        for n in names
    ]
    jobs = _without_results(jobs, bool(suffix))
    if not jobs and not found.failures:
        raise FileNotFoundError(
            f"--input={source} holds results of earlier runs alone; to restore them "
            "again, choose another --output."
        )
    jobs = _with_problems(jobs, overwrite and not suffix, with_spread, mask)
    for path, reason in found.failures.items():
        name = path.relative_to(found.root)
        text = f"the folder cannot be listed: {reason}."
        jobs.append(Job(name.as_posix(), path, output / name, text))
    return jobs


def _renamed(name: Path, suffix: str, kind: str | None) -> Path:
    ending = name.suffix if kind is None else f".{kind.lower()}"
    return name.with_name(f"{name.stem}{suffix}{ending}")


def _target_of_one(source: Path, output: Path, suffix: str, kind: str | None) -> Path:
    """Where the result of a single image goes: `output`, or a file in it."""
    if output.is_dir() or not output.suffix:
        return output / _renamed(Path(source.name), suffix, kind)
    if output.suffix.lower() not in images.SUFFIXES:
        raise ValueError(
            f"--output={output} ends in {output.suffix}; an image ends in one of "
            f"{', '.join(images.SUFFIXES)}. For a folder of that name, make it first."
        )
    if suffix:
        raise ValueError(
            f"--suffix={suffix} has no effect where --output={output} names the "
            "result; leave --suffix out, or give a folder."
        )
    if kind is not None and _format(f".{kind}") != _format(output.suffix):
        raise ValueError(
            f"--format={kind} contradicts --output={output}; leave --format out, or "
            "give a folder."
        )
    return output


def _format(suffix: str) -> str:
    """The file format of a suffix: .jpg and .jpeg are the same."""
    return codecs.FORMATS.get(suffix.lower(), suffix.lower())


def check_quality(quality: int | None, jobs: Sequence[Job]) -> None:
    """Checks that `--quality` has an effect.

    Args:
        quality: The quality of lossy formats, or None.
        jobs: The jobs of the run.

    Raises:
        ValueError: if no result has a format with a quality.
    """
    if quality is None or not jobs:
        return
    lossy = [suffix for suffix in codecs.FORMATS if codecs.has_quality(suffix)]
    if not any(job.target.suffix.lower() in lossy for job in jobs):
        raise ValueError(
            f"--quality={quality} has no effect on {jobs[0].target.name}: only "
            f"{', '.join(lossy)} have a quality. Leave --quality out, or give such a "
            "--format."
        )


def _require_folder(source: Path, output: Path) -> None:
    """Raises if the output of several images is, or is called as, an image file."""
    if os.path.lexists(output) and not output.is_dir():
        raise FileExistsError(f"--output={output} is not a folder; give a folder.")
    if output.suffix.lower() in images.SUFFIXES and not output.is_dir():
        raise ValueError(
            f"--output={output} names one image, but --input={source} may be several; "
            "give a folder. For a folder of that name, make it first."
        )


def _without_results(jobs: Sequence[Job], has_suffix: bool) -> list[Job]:
    """The jobs of originals: without files that earlier runs made among them."""
    makers: dict[Path, Job] = {}  # the job whose result has that name
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


def _with_problems(
    jobs: Sequence[Job],
    spares_others: bool,
    with_spread: bool,
    mask: str | os.PathLike[str] | None,
) -> list[Job]:
    """The jobs, with what is wrong with the names of their results.

    Args:
        jobs: The jobs of originals.
        spares_others: Whether existing results would be replaced, and files among the
            originals may be originals as well.
        with_spread: Whether the maps of uncertainty count.
        mask: The mask file or the folder of masks.
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
        if any(_is_mask(path, mask) for path in (job.target, job.spread)):
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


def _is_mask(path: Path, mask: str | os.PathLike[str] | None) -> bool:
    """Whether a path is the mask file, or lies in the folder of masks."""
    return mask is not None and Path(_real(path)).is_relative_to(_real(Path(mask)))


def _real(path: Path) -> str:
    """The place that a path leads to, also if nothing is there."""
    return os.path.realpath(path)
