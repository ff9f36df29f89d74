"""Weights as a single safetensors file, which is safe to share: it cannot run code.

Parameters are stored as float16 under their path in the tree. The metadata holds the
configuration, so a file is all that is needed to restore images.
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
    """Writes weights with their configuration atomically, and returns the path.

    Args:
        path: The file, NAME.safetensors.
        params: The parameters of the network, any pytree of floating point arrays.
        config: The configuration with which the parameters were trained.
        overwrite: Whether an existing file may be replaced.

    Raises:
        FileExistsError: If the file exists and `overwrite` is False.
        ValueError: If a parameter is not finite, or is too large for float16.
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
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is damaged, or `write` did not write it.
    """
    arrays, config = read_arrays(path)
    return traverse_util.unflatten_dict(arrays, sep="/"), config


def read_arrays(
    path: str | os.PathLike,
) -> tuple[dict[str, np.ndarray], ml_collections.ConfigDict]:
    """Returns the parameters by their paths, float32, and their configuration.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is damaged, or `write` did not write it.
    """
    with _open(path) as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        config = _config(path, file.metadata())
    return {name: array.astype(np.float32) for name, array in arrays.items()}, config


def read_config(path: str | os.PathLike) -> ml_collections.ConfigDict:
    """Returns only the configuration; raises the same errors as `read`."""
    with _open(path) as file:
        return _config(path, file.metadata())


@contextlib.contextmanager
def _open(path: str | os.PathLike) -> Iterator[Any]:
    """Opens the file; error messages mention `path`."""
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
    """Returns the configuration in the metadata of a file."""
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
