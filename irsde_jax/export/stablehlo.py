"""`--mode export`: a restorer as a program that runs without this package.

The folder holds, for each image size, a StableHLO program (HEIGHTxWIDTH.stablehlo), and
beside them the weights (weights.npz), the configuration (config.json), what the
programs take and return (export.json, README.md), and `restore.py`, which calls them
with jax, numpy and flatbuffers alone. Solver, evaluations and noise level are fixed at
export; the batch is free. A program for super-resolution takes the small image.

Serialization and its guarantees: https://docs.jax.dev/en/latest/export/export.html.
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
    """Reads "256x256,512x768" as heights and widths.

    Raises:
        ValueError: for anything else, or a size that is given twice.
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
    """Reads "cpu,tpu" as names of `PLATFORMS`.

    Raises:
        ValueError: for another name, or one that is given twice.
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
    """Writes the programs of a restorer and what belongs to them; returns the folder.

    Args:
        config: see `restore.load`; its group `sampling` is what is exported.
        source: the weights: what `restore.load` takes.
        output: a folder: new, empty or, with `overwrite`, of an earlier export, whose
            files are replaced.
        sizes: heights and widths of the images, one program for each.
        platforms: that the programs run on, of `PLATFORMS`.
        overwrite: whether an earlier export is replaced.

    Raises:
        FileExistsError: if `output` is not empty and `overwrite` is False, or if it
            holds anything but an export.
        ModuleNotFoundError: without flatbuffers.
        ValueError: for the Denoising process without a noise level.
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
        # The manifest goes first and comes last: with it the folder is whole.
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
    """Whether `restore.load` takes the weights from those of the package."""
    path = Path(source)
    by_name = not path.is_dir() and weights.find(source) is not None
    return by_name or path.resolve().parent == weights.FOLDER.resolve()


def _claim(folder: Path, overwrite: bool) -> list[str]:
    """The files of an earlier export in the folder, which are to be replaced."""
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
    if importlib.util.find_spec("flatbuffers") is None:
        raise ModuleNotFoundError(
            "exported programs are serialized by flatbuffers: pip install "
            "'irsde_jax[export]'"
        )


def _name(size: Size) -> str:
    return f"{size[0]}x{size[1]}{SUFFIX}"
