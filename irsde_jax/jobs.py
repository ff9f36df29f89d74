"""Which image files are to be restored, and what their results are called."""

import glob
import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from irsde_jax.data import codecs, images

logger = logging.getLogger(__name__)


class Job(NamedTuple):
    """One image.

    Attributes:
        name: path relative to the input, with "/": with the seed it decides the noise.
        source: the file.
        target: its result.
    """

    name: str
    source: Path
    target: Path

    @property
    def spread(self) -> Path:
        """Where several samples differ: the map beside the result."""
        return self.target.with_name(f"{self.target.name}.uncertainty.png")


def plan(
    source: str | os.PathLike,
    output: str | os.PathLike,
    suffix: str = "",
    kind: str | None = None,
) -> list[Job]:
    """What is to be done for `--input` and `--output`.

    Args:
        source: an image file, a folder, or a pattern such as "trip/**/*.jpg". Folders
            and patterns are mirrored in the output.
        output: a folder, or for a single image also the name of a file.
        suffix: what the names of the results end in, before the format. With one, they
            may lie beside their originals: a file that is called as the result of
            another is taken for that, and is no input.
        kind: format of the results, such as "png"; None: that of each original.

    Raises:
        FileNotFoundError: if there is nothing to restore.
        FileExistsError: if `output` is a file where a folder is needed.
        ValueError: if a result would replace an original, if two results would have
            the same name, or if `output` is one file and contradicts the others.
    """
    source, output = Path(source), Path(output)
    if kind is not None and f".{kind.lower()}" not in images.SUFFIXES:
        kinds = ", ".join(known.removeprefix(".") for known in images.SUFFIXES)
        raise ValueError(f"--format={kind} is not one of {kinds}.")
    if source.is_file():
        target = _target_of_one(source, output, suffix, kind)
        jobs = [Job(source.name, source, target)]
    else:
        root, found = _find(source, output)
        _require_folder(source, output)
        names = [path.relative_to(root) for path in found]
        jobs = [
            Job(n.as_posix(), root / n, output / _renamed(n, suffix, kind))
            for n in names
        ]
    if suffix:  # results beside their originals, of a run that goes on
        made = {path for job in jobs for path in (job.target, job.spread)}
        originals = [job for job in jobs if job.source not in made]
        if len(originals) < len(jobs):
            left_out = [job.name for job in jobs if job.source in made]
            logger.info("taken for results, not originals: %s", ", ".join(left_out))
        jobs = originals
    _check_targets(jobs)
    return jobs


def _require_folder(source: Path, output: Path) -> None:
    """Raises if the output of several images is, or is called as, an image file."""
    if output.is_file():
        raise FileExistsError(f"--output={output} is a file; give a folder.")
    if output.suffix.lower() in images.SUFFIXES and not output.is_dir():
        raise ValueError(
            f"--output={output} names one image, but --input={source} may be several; "
            "give a folder. For a folder of that name, make it first."
        )


def _find(source: Path, output: Path) -> tuple[Path, list[Path]]:
    """The folder that the output mirrors, and the images in it."""
    if source.is_dir():
        root, found = source, images.list_images(source, recursive=True)
    elif glob.has_magic(str(source)):
        parts = source.parts
        plain = next(i for i, part in enumerate(parts) if glob.has_magic(part))
        root = Path(*parts[:plain])
        matches = glob.glob(str(source), recursive=True)
        paths = sorted(Path(match) for match in matches)
        found = [
            p for p in paths if p.suffix.lower() in images.SUFFIXES and p.is_file()
        ]
        # A link to a folder, or a loop, gives its images more paths: one is enough.
        longest_first = sorted(found, key=lambda path: -len(path.parts))
        unique = {path.parent.resolve() / path.name: path for path in longest_first}
        found = sorted(unique.values())
        if not found:
            raise FileNotFoundError(
                f"--input={source} matches no images; a pattern in quotes is such as "
                "'trip/**/*.jpg'."
            )
    else:
        raise FileNotFoundError(
            f"--input={source} does not exist; give an image, a folder of images or a "
            "pattern such as 'trip/*.jpg'."
        )
    # Results of an earlier run in a folder inside the input are not originals.
    inside = output.resolve()
    if inside != root.resolve() and inside.is_relative_to(root.resolve()):
        found = [p for p in found if not p.resolve().is_relative_to(inside)]
    if not found:
        raise FileNotFoundError(f"--input={source} holds results of --output alone.")
    return root, found


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


def _check_targets(jobs: Sequence[Job]) -> None:
    """Raises if a result would take the place of an original, or of another result."""
    originals = {job.source.resolve() for job in jobs}
    for job in jobs:
        if originals & {job.target.resolve(), job.spread.resolve()}:
            raise ValueError(
                f"the result {job.target} would replace its original, or that of "
                "another image; choose another --output, or a --suffix."
            )
    counts = Counter(job.target for job in jobs)
    for job in jobs:
        if counts[job.target] > 1:
            same = [other.name for other in jobs if other.target == job.target]
            raise ValueError(
                f"{', '.join(same)} would all be {job.target}: leave --format out, or "
                "restore them to folders of their own."
            )
