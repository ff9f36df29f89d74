"""Exports a restorer as programs that run without this package: `--mode export`.

The folder contains a StableHLO program for each image size (HEIGHTxWIDTH.stablehlo). It
also contains the weights (weights.npz), the configuration (config.json), descriptions
of what the programs take and return (export.json, README.md), and `restore.py`. This
script calls the programs and needs only jax, numpy and flatbuffers. The solver, the
number of evaluations and the noise level are fixed at export; the batch size is free. A
program for super-resolution takes small images.

The serialization and its guarantees are described at
https://docs.jax.dev/en/latest/export/export.html.
"""

import importlib.util
import json
import logging
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import jax
import ml_collections
import numpy as np

from irsde_jax import configuration, weights
from irsde_jax.export import readme
from irsde_jax.export.notes import LICENCE, SCRIPT, WEIGHTS, describe
from irsde_jax.export.program import export_program, weights_of
from irsde_jax.restoration import loading
from irsde_jax.restoration.restorer import Restorer

__all__ = ["describe", "export_program", "parse_platforms", "parse_sizes", "run"]

Config: TypeAlias = ml_collections.ConfigDict
Size: TypeAlias = tuple[int, int]
logger = logging.getLogger(__name__)

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
DEFAULT_PLATFORMS = "cpu,cuda,tpu"
DEFAULT_SIZES = "256x256"

MANIFEST, README = "export.json", "README.md"
SUFFIX = ".stablehlo"


def parse_sizes(text: str) -> list[Size]:
    """Returns the heights and widths in a text such as "256x256,512x768".

    Raises:
        ValueError: If the text has another form, or if a size is given twice.
    """
    sizes = []
    for item in text.split(","):
        match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", item.strip())
        if not match:
            raise ValueError(
                f"--sizes={text}: {item!r} is no HEIGHTxWIDTH in pixels, such as "
                "256x256."
            )
        sizes.append((int(match[1]), int(match[2])))
    return _unique(sizes, f"--sizes={text}")


def parse_platforms(text: str) -> list[str]:
    """Returns the names of platforms in a text such as "cpu,tpu".

    Raises:
        ValueError: If a name is not in `PLATFORMS`, or is given twice.
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in PLATFORMS:
            raise ValueError(
                f"--platforms={text}: {name!r} is not one of {', '.join(PLATFORMS)}"
                f"{configuration.nearest(name, PLATFORMS)}."
            )
    return _unique(names, f"--platforms={text}")


def _unique(values: list, given: str) -> list:
    """Returns the values, or raises ValueError if one of them occurs twice."""
    if len(set(values)) < len(values):
        raise ValueError(f"{given} names one of them twice. Remove one.")
    return values


def run(
    config: Config | None,
    source: str | os.PathLike,
    output: str | os.PathLike,
    sizes: Sequence[Size],
    platforms: Sequence[str],
    *,
    overwrite: bool = False,
) -> Path:
    """Writes the programs of a restorer with their other files, and returns the folder.

    Args:
        config: The configuration, as for `irsde_jax.load`. Its group `sampling`
            determines what is exported.
        source: The weights, as for `irsde_jax.load`.
        output: The output folder. It must be new or empty or, with `overwrite`, contain
            an earlier export, whose files are replaced.
        sizes: The heights and widths of the images, in pixels. A program is written for
            each size.
        platforms: The platforms that the programs run on, from `PLATFORMS`.
        overwrite: Whether an earlier export is replaced.

    Raises:
        FileExistsError: If `output` is not empty and `overwrite` is False, or if it
            contains anything other than an export.
        ModuleNotFoundError: If flatbuffers is not installed.
        ValueError: If a program cannot be exported; `export_program` lists reasons.
    """
    folder = Path(output).absolute()
    stale = _claim(folder, overwrite)
    _require_flatbuffers()
    restorer = loading.load(source, config)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    temporary.mkdir(parents=True)
    try:
        _write(temporary, restorer, os.fspath(source), sizes, platforms)
        folder.mkdir(exist_ok=True)
        # The manifest is deleted first and written last, so a folder that contains it
        # is complete.
        for name in (MANIFEST, *stale):
            (folder / name).unlink(missing_ok=True)
        names = sorted(path.name for path in temporary.iterdir())
        for name in sorted(names, key=MANIFEST.__eq__):
            (temporary / name).replace(folder / name)
    finally:
        shutil.rmtree(temporary)
    if (scale := restorer.scale) > 1:
        logger.info("super-resolution: the results are %d times as large", scale)
    logger.info("python %s IMAGE RESULT", folder / SCRIPT)
    return folder


def _write(
    folder: Path,
    restorer: Restorer,
    source: str,
    sizes: Sequence[Size],
    platforms: Sequence[str],
) -> None:
    """Writes all files of an export into an empty folder."""
    np.savez(folder / WEIGHTS, **jax.device_get(weights_of(restorer)))
    shutil.copy(Path(__file__).with_name("standalone.py"), folder / SCRIPT)
    configuration.write(restorer.config, folder)
    for size in sizes:
        program = export_program(restorer, size, platforms)
        (folder / _name(size)).write_bytes(program.serialize())
        logger.info("%s", _name(size))
    is_shipped = _is_shipped(source)
    if is_shipped:
        shutil.copy(weights.LICENCE, folder / LICENCE)
    programs_of = {_name(size): size for size in sizes}
    manifest = describe(restorer, programs_of, platforms, source)
    text = readme.readme(manifest, is_shipped)
    (folder / README).write_text(text, encoding="utf-8")
    text = json.dumps(manifest, indent=2) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def _is_shipped(source: str) -> bool:
    """Returns whether `irsde_jax.load` finds these weights in the package."""
    path = Path(source)
    by_name = not path.is_dir() and weights.find(source) is not None
    return by_name or path.resolve().parent == weights.FOLDER.resolve()


def _claim(folder: Path, overwrite: bool) -> list[str]:
    """Returns the names of files of an earlier export that must be deleted.

    Raises:
        FileExistsError: If the folder must not be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"--output={folder} is a file; an export is a folder.")
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    if found and not (folder / MANIFEST).is_file():
        raise FileExistsError(
            f"--output={folder} is not empty and holds no export; give another folder."
        )
    if found and not overwrite:
        raise FileExistsError(
            f"{folder} holds an export; choose another --output, or replace it with "
            "--overwrite."
        )
    text = folder / README
    if text.is_file() and readme.TITLE not in text.read_text("utf-8", "replace"):
        raise FileExistsError(
            f"{text} was not written by an export, which would replace it. Move it, or "
            "choose another --output."
        )
    names = [path.name for path in found]
    return [name for name in names if name.endswith(SUFFIX) or name == LICENCE]


def _require_flatbuffers() -> None:
    """Raises ModuleNotFoundError if flatbuffers is not installed."""
    if importlib.util.find_spec("flatbuffers") is None:
        raise ModuleNotFoundError(
            "exported programs are serialized by flatbuffers: pip install "
            "'irsde_jax[export]'"
        )


def _name(size: Size) -> str:
    """Returns the file name of the program for images of that height and width."""
    return f"{size[0]}x{size[1]}{SUFFIX}"
