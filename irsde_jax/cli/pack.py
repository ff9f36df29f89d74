"""`--mode pack`: the EMA weights of a run as one small file to keep or to give away."""

import logging
import os
from pathlib import Path

import jax
import ml_collections

from irsde_jax.checkpoints import weights_file
from irsde_jax.restoration import loading

logger = logging.getLogger(__name__)


def run(
    config: ml_collections.ConfigDict | None,
    source: str | os.PathLike,
    output: str | os.PathLike,
    overwrite: bool = False,
) -> Path:
    """Writes the weights of `source` to a safetensors file; returns its path.

    Args:
        config: see `restore.load`.
        source: what `restore.load` takes, such as a work directory.
        output: NAME.safetensors.
        overwrite: whether an existing file is replaced.

    Raises:
        ValueError: if `output` has another suffix.
        FileExistsError: if the file exists and `overwrite` is False.
    """
    path = Path(output)
    if path.suffix != ".safetensors":
        raise ValueError(f"--output={path}: the name of the file ends in .safetensors.")
    restorer = loading.load(source, config)
    params = jax.device_get(restorer.params)
    weights_file.write(path, params, restorer.config, overwrite)
    logger.info("%s: %.2f MB", path, path.stat().st_size / 1e6)
    return path
