"""`--mode=pack`: writes the EMA weights of a run to one small file for sharing."""

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
    """Writes the weights of `source` to a safetensors file, and returns its path.

    Args:
        config: The configuration of the weights. None uses the one stored with them.
        source: The weights in any form that `irsde_jax.load` accepts, such as a work
            directory.
        output: The file, NAME.safetensors.
        overwrite: Whether an existing file may be replaced.

    Raises:
        ValueError: If `output` has another suffix.
        FileExistsError: If the file exists and `overwrite` is False.
    """
    path = Path(output)
    if path.suffix != ".safetensors":
        raise ValueError(f"--output={path}: the name of the file ends in .safetensors.")
    restorer = loading.load(source, config)
    params = jax.device_get(restorer.params)
    weights_file.write(path, params, restorer.config, overwrite)
    logger.info("%s: %.2f MB", path, path.stat().st_size / 1e6)
    return path
