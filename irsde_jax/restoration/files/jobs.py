"""Plans the names of results, and reports results that cannot be written."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from irsde_jax.data.image_files import codecs, images
from irsde_jax.restoration.files import conflicts, inputs
from irsde_jax.restoration.files.job import Job


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
    """Returns a job for each image that `--input` selects.

    Results may be written beside their originals if they have a suffix or another
    format. A file with the name of another image's result is then taken for that result
    and is not restored. A result never replaces an original.

    Args:
        source: An image file, a folder, or a pattern such as "trip/**/*.jpg". The
            structure of folders is reproduced in the output.
        output: The output folder. For a single image it may also be a file.
        suffix: The text that is added to the names of the results before the format.
        kind: The format of the results, such as "png". None means the format of each
            original.
        overwrite: Whether existing results are going to be replaced.
        with_spread: Whether maps of uncertainty are going to be written as well.
        mask: The mask file or the folder of masks, or None. Masks may be among the
            images: they are not restored, and no result replaces them.

    Returns:
        A list with a job for each image. Jobs that cannot be done have a `problem`.

    Raises:
        FileNotFoundError: If there is nothing to restore.
        FileExistsError: If `output` is a file although a folder is needed.
        ValueError: If the format or the name of the output is unknown, or if `output`
            is a file and contradicts the other arguments.
    """
    source, output = Path(source), Path(output)
    if kind is not None and f".{kind.lower()}" not in images.SUFFIXES:
        kinds = ", ".join(known.removeprefix(".") for known in images.SUFFIXES)
        raise ValueError(f"--format={kind} is not one of {kinds}.")
    if source.is_file():
        target = _target_of_one(source, output, suffix, kind)
        jobs = [Job(source.name, source, target)]
        # A single input file is always an original. A result that --output names
        # explicitly may be replaced.
        is_named = target == output
        spares_others = overwrite and not suffix and not is_named
        return conflicts.with_problems(jobs, spares_others, with_spread, mask)
    return _plan_several(
        source,
        output,
        lambda name: _renamed(name, suffix, kind),
        bool(suffix),
        overwrite=overwrite,
        with_spread=with_spread,
        mask=mask,
    )


def _plan_several(
    source: Path,
    output: Path,
    rename: Callable[[Path], Path],
    has_suffix: bool,
    *,
    overwrite: bool,
    with_spread: bool,
    mask: str | os.PathLike[str] | None,
) -> list[Job]:
    """Returns the jobs for a folder or a pattern.

    Args:
        source: A folder or a pattern.
        output: The output folder.
        rename: The function that returns the relative path of the result of an image.
        has_suffix: Whether the names of results have a suffix.
        overwrite: Whether existing results are going to be replaced.
        with_spread: Whether maps of uncertainty are going to be written as well.
        mask: The mask file or the folder of masks, or None.
    """
    found = inputs.find(source, output)
    _require_folder(source, output)
    # If all images are masks, the input was probably chosen by mistake. They are then
    # all kept.
    paths = [p for p in found.paths if not conflicts.is_mask(p, mask)] or found.paths
    names = [path.relative_to(found.root) for path in paths]
    jobs = [Job(n.as_posix(), found.root / n, output / rename(n)) for n in names]
    jobs = conflicts.without_results(jobs, has_suffix)
    if not jobs and not found.failures:
        raise FileNotFoundError(
            f"--input={source} holds results of earlier runs alone; to restore them "
            "again, choose another --output."
        )
    jobs = conflicts.with_problems(
        jobs, overwrite and not has_suffix, with_spread, mask
    )
    for path, reason in found.failures.items():
        name = path.relative_to(found.root)
        text = f"the folder cannot be listed: {reason}."
        jobs.append(Job(name.as_posix(), path, output / name, text))
    return jobs


def _renamed(name: Path, suffix: str, kind: str | None) -> Path:
    """Returns the relative path of the result of an image."""
    ending = name.suffix if kind is None else f".{kind.lower()}"
    return name.with_name(f"{name.stem}{suffix}{ending}")


def _target_of_one(source: Path, output: Path, suffix: str, kind: str | None) -> Path:
    """Returns the path of the result of a single image: `output`, or a file in it."""
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
    """Returns the file format of a suffix, which is the same for .jpg and .jpeg."""
    return codecs.FORMATS.get(suffix.lower(), suffix.lower())


def check_quality(quality: int | None, jobs: Sequence[Job]) -> None:
    """Checks that `--quality` has an effect.

    Args:
        quality: The quality of lossy formats, or None.
        jobs: The jobs of the run.

    Raises:
        ValueError: If no result has a format that supports a quality.
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
    """Raises an error if the output of several images is a file, or named like one."""
    if os.path.lexists(output) and not output.is_dir():
        raise FileExistsError(f"--output={output} is not a folder; give a folder.")
    if output.suffix.lower() in images.SUFFIXES and not output.is_dir():
        raise ValueError(
            f"--output={output} names one image, but --input={source} may be several; "
            "give a folder. For a folder of that name, make it first."
        )
