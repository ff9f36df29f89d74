"""Finds the image files that `--input` selects: an image, a folder, or a pattern."""

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
        root: The folder whose structure is reproduced in the output.
        paths: The sorted paths of the images. Each path begins with `root`.
        failures: The folders that could not be listed, with the reasons.
    """

    root: Path
    paths: list[Path]
    failures: dict[Path, str]


def find(source: Path, output: Path) -> Inputs:
    """Returns the images of a folder or a pattern, without the results in `output`.

    Args:
        source: A folder, or a pattern such as "trip/**/*.jpg".
        output: The folder of the results, which may be inside the input.

    Raises:
        FileNotFoundError: If there is nothing to restore.
        ValueError: If a folder holds no images.
    """
    if source.is_dir():
        found = folders.open_folder(source, recursive=True)
        if not found.images and not found.failures:
            # This call raises an error that names the reason.
            folders.list_images(source, recursive=True)
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
    # If the output is inside the input, all files in the output are results of earlier
    # runs. If the output contains the input, its files may be originals.
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
    """Returns the images that a pattern matches, each under a single path."""
    parts = pattern.parts
    plain = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    root, wanted = Path(*parts[:plain]), parts[plain:]
    failures: dict[Path, str] = {}
    if "**" in wanted and not any(part.startswith(".") for part in wanted):
        # `glob` follows links in endless loops. `folders.find` does not.
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
        # Links to folders give an image several paths. Only the shortest is kept.
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
    """Returns whether a path matches a pattern.

    Args:
        parts: The parts of the path.
        wanted: The parts of the pattern, in which "**" matches any number of folders.
    """
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
    """Returns the path of a file with linked folders resolved.

    If the file itself is a link, that link is not resolved.
    """
    return Path(os.path.realpath(path.parent), path.name)
