"""Weights as one file that anybody may be given: safetensors, which cannot run code.

Parameters are stored as float16 under their path in the tree; the metadata holds the
configuration, so that a file is enough to restore with.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chex
import ml_collections
import numpy as np
from flax import traverse_util
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from irsde_jax import configuration
from irsde_jax.checkpoints import named_arrays
from irsde_jax.configuration import whole_files

FORMAT = "irsde_jax"
FORMAT_VERSION = "1"
_LARGEST = float(np.finfo(np.float16).max)


def write(
    path: str | os.PathLike,
    params: chex.ArrayTree,
    config: ml_collections.ConfigDict,
    overwrite: bool = False,
) -> Path:
    """Writes weights with their configuration, whole or not at all.

    Args:
        path: of the file, NAME.safetensors.
        params: The parameters of the network, any pytree of floating point arrays.
        config: they were trained with.
        overwrite: whether an existing file is replaced.

    Raises:
        FileExistsError: if the file exists and `overwrite` is False.
        ValueError: if a parameter is not finite, or too large for float16.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; --overwrite replaces it.")
    arrays = {}
    for name, leaf in named_arrays.flatten(params).items():
        if not (np.abs(leaf) <= _LARGEST).all():
            raise ValueError(f"{name} is not finite, or too large for float16.")
        arrays[name] = np.asarray(leaf, np.float16, order="C")
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "config": configuration.to_json(config),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    whole_files.write(path, save(arrays, metadata), overwrite)
    return path


def read(path: str | os.PathLike) -> tuple[Any, ml_collections.ConfigDict]:
    """Returns the parameters as nested dictionaries, float32, and their configuration.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, or was not written by `write`.
    """
    arrays, config = read_arrays(path)
    return traverse_util.unflatten_dict(arrays, sep="/"), config


def read_arrays(
    path: str | os.PathLike,
) -> tuple[dict[str, np.ndarray], ml_collections.ConfigDict]:
    """Returns the parameters by their paths, float32, and their configuration.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, or was not written by `write`.
    """
    with _open(path) as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        config = _config(path, file.metadata())
    return {name: array.astype(np.float32) for name, array in arrays.items()}, config


def read_config(path: str | os.PathLike) -> ml_collections.ConfigDict:
    """The configuration alone; raises what `read` raises."""
    with _open(path) as file:
        return _config(path, file.metadata())


@contextlib.contextmanager
def _open(path: str | os.PathLike) -> Iterator[Any]:
    """The open file; what is wrong with it is said of `path`."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} does not exist.")
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged, or no safetensors: {error}") from error


def _config(
    path: str | os.PathLike, metadata: dict[str, str] | None
) -> ml_collections.ConfigDict:
    """The configuration in the metadata of a file."""
    if metadata is None or metadata.get("format") != FORMAT:
        raise ValueError(
            f"{path} holds no configuration of irsde_jax: --mode=pack does that."
        )
    if metadata["format_version"] != FORMAT_VERSION:
        raise ValueError(
            f"{path} is of format {metadata['format_version']}, this version reads "
            f"{FORMAT_VERSION}: install a newer irsde_jax."
        )
    return configuration.complete(configuration.from_json(metadata["config"]))
