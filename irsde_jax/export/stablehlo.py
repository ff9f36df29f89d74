"""`--mode export`: a restorer as a program that runs without this package.

The folder holds, for each image size, a StableHLO program (HEIGHTxWIDTH.stablehlo), and
beside them the weights (weights.npz), the configuration (config.json), what the
programs take and return (export.json, README.md), and `restore.py`, which calls them
with jax, numpy and flatbuffers alone. Solver, evaluations and noise level are fixed at
export; the batch is free. A program for super-resolution takes the small image.

Serialization and its guarantees: https://docs.jax.dev/en/latest/export/export.html.
"""

import contextlib
import importlib.util
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import chex
import jax
import jax.export
import jax.numpy as jnp
import ml_collections
import numpy as np
from flax import traverse_util

from irsde_jax import configuration, samplers, weights
from irsde_jax.array_types import Array
from irsde_jax.data import resampling
from irsde_jax.export import readme
from irsde_jax.export.notes import LICENCE, SCRIPT, WEIGHTS, describe
from irsde_jax.restoration import loading, programs
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
    if (scale := restorer.config.data.scale) > 1:
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
    np.savez(folder / WEIGHTS, **_flat(jax.device_get(restorer.params)))
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


def export_program(
    restorer: Restorer, size: Size, platforms: Sequence[str]
) -> jax.export.Exported:
    """The program `(weights, seed, images) -> restored` for images of one size.

    `weights` are the parameters by their flat names; `seed` is uint32, shape []; images
    and result are float32 in [0, 1], shape [batch, H, W, C], for any batch. The result
    is that of `restorer(images, key=jax.random.key(seed))`. For super-resolution the
    images are the small ones, which the program enlarges as `enlarge` does, but
    for rounding: the result is that of `restorer(images, key=..., enlarged=True)` for
    the images that it enlarged.

    Raises:
        ValueError: for the Denoising process without a noise level, or settings that
            `Restorer.check` refuses.
    """
    timesteps = _timesteps(restorer)
    data = restorer.config.data
    height, width = (data.scale * side for side in size)
    restorer.check(1, height, width)
    if restorer.tiles(height, width) is not None:
        raise ValueError(
            f"{height} x {width} pixels would be restored in tiles (sampling.tile="
            f"{restorer.config.sampling.tile}, memory_gigabytes="
            f"{restorer.config.sampling.memory_gigabytes:g}); a program restores whole "
            "images: export it with --config.sampling.tile=0."
        )

    def program(params: dict[str, Array], seed: Array, images: Array) -> Array:
        # Not folded into constants, which would round otherwise than the library does.
        schedule, grid = jax.lax.optimization_barrier((restorer.schedule, timesteps))
        return programs.restore(
            traverse_util.unflatten_dict(params, sep="/"),
            schedule,
            samplers.image_keys(jax.random.key(seed), images.shape[0]),
            resampling.enlarge(images, data.scale, data.enlarge),
            grid,
            **restorer.program_options(),
        )

    (batch,) = jax.export.symbolic_shape("batch")
    with _without_source_paths():
        return jax.export.export(jax.jit(program), platforms=platforms)(
            jax.eval_shape(lambda: _flat(restorer.params)),
            jax.ShapeDtypeStruct((), jnp.uint32),
            jax.ShapeDtypeStruct((batch, *size, restorer.model.channels), jnp.float32),
        )


@contextlib.contextmanager
def _without_source_paths() -> Iterator[None]:
    """Keeps the paths of this machine's Python files out of the programs."""
    name = "jax_traceback_in_locations_limit"
    limit = getattr(jax.config, name)
    jax.config.update(name, 0)
    try:
        yield
    finally:
        jax.config.update(name, limit)


def _timesteps(restorer: Restorer) -> Array:
    """The grid of all images: the noise level, if there is one, is the same for all."""
    sigma = restorer.config.sampling.sigma
    if restorer.process.starts_at_input and sigma is None:
        raise ValueError(
            "a program of the Denoising process is exported for one noise level; "
            "these weights estimate it. Give it in image units (25/255 = 0.098): "
            "--config.sampling.sigma=0.098."
        )
    timesteps = restorer.timesteps(None, sigma)
    if timesteps is None:
        raise ValueError(
            f"sampling.sigma={sigma}: at so low a noise level there is nothing to "
            "remove, and nothing to export."
        )
    return timesteps


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


def _flat(params: chex.ArrayTree) -> dict[str, Any]:
    return traverse_util.flatten_dict(params, sep="/")


def _name(size: Size) -> str:
    return f"{size[0]}x{size[1]}{SUFFIX}"
