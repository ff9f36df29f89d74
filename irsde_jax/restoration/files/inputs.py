"""Which image files `--input` names: an image, a folder, or a pattern."""

import fnmatch
import glob
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from irsde_jax.data.image_files import folders

logger = logging.getLogger(__name__)


class Inputs(NamedTuple):
    """The images of a folder or a pattern.

    Attributes:
        root: The folder that the output mirrors.
        paths: The images, each path beginning with `root`, sorted.
        failures: The folders that could not be listed, each with the reason.
    """

    root: Path
    paths: list[Path]
    failures: dict[Path, str]


def find(source: Path, output: Path) -> Inputs:
    """The images of a folder or a pattern, without the results in `output`.

    Args:
        source: A folder, or a pattern such as "trip/**/*.jpg".
        output: The folder of the results, which may lie in the input.

    Raises:
        FileNotFoundError: if there is nothing to restore.
        ValueError: if a folder holds no images.
    """
    if source.is_dir():
        found = folders.open_folder(source, recursive=True)
        if not found.images and not found.failures:
            folders.list_images(source, recursive=True)  # raises, with the reason
        inputs = Inputs(source, found.images, found.failures)
    elif glob.has_magic(str(source)):
        inputs = _match(source)
    elif os.path.lexists(source):
        raise FileNotFoundError(
            f"--input={source} is {folders.why_not_regular(source)}; give an image, a "
            "folder of images or a pattern such as 'trip/*.jpg'."
        )
    else:
        raise FileNotFoundError(
            f"--input={source} does not exist; give an image, a folder of images or a "
            "pattern such as 'trip/*.jpg'."
        )
    # Results of an earlier run in a folder inside the input are not originals. An
    # output that contains the input holds the originals as well.
    inside, root = output.resolve(), inputs.root.resolve()
    if not root.is_relative_to(inside):
        paths = [p for p in inputs.paths if not place(p).is_relative_to(inside)]
        inputs = inputs._replace(paths=paths)
    if not inputs.paths and not inputs.failures:
        raise FileNotFoundError(
            f"--input={source} holds only results of --output={output}. Give the "
            "folder of the originals."
        )
    return inputs


def _match(pattern: Path) -> Inputs:
    """The images that a pattern matches, each by one path."""
    parts = pattern.parts
    plain = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    root, wanted = Path(*parts[:plain]), parts[plain:]
    failures: dict[Path, str] = {}
    if "**" in wanted and not any(part.startswith(".") for part in wanted):
        # `glob` would walk through loops of links; `folders.find` does not.
        found = folders.find(root, recursive=True)
        failures = found.failures if root.is_dir() else {}
        paths = [p for p in found.images if _fits(p.relative_to(root).parts, wanted)]
    else:
        matches = sorted(Path(match) for match in glob.glob(str(pattern)))
        images = [p for p in matches if p.suffix.lower() in folders.SUFFIXES]
        odd = [p for p in images if folders.why_not_regular(p) and not p.is_dir()]
        if odd:
            reasons = [f"{p} ({folders.why_not_regular(p)})" for p in odd]
            logger.warning("skipped what is no image: %s", folders.shown(reasons))
        # A link to a folder gives its images more paths: the shortest is enough.
        files = [p for p in images if p.is_file()]
        files.sort(key=lambda path: -len(path.parts))
        paths = sorted({place(p): p for p in files}.values())
    if not paths and not failures:
        raise FileNotFoundError(
            f"--input={pattern} matches no images; a pattern in quotes is such as "
            "'trip/**/*.jpg'."
        )
    return Inputs(root, paths, failures)


def _fits(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether a path fits a pattern, in which "**" is any number of folders."""
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return any(_fits(parts[i:], wanted[1:]) for i in range(len(parts) + 1))
    return (
        bool(parts)
        and fnmatch.fnmatch(parts[0], wanted[0])
        and _fits(parts[1:], wanted[1:])
    )


def place(path: Path) -> Path:
    """The place of a file, which may itself be a link, without linked folders."""
    return Path(os.path.realpath(path.parent), path.name)
