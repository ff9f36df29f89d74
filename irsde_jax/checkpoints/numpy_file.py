"""A reader of pickled dictionaries of NumPy arrays that runs no code."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from irsde_jax.checkpoints import pickled
from irsde_jax.checkpoints.placeholders import NumpyArray


def read_arrays(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Returns the arrays of nested dictionaries, by their keys joined with "/".

    Args:
        path: The file that `pickle.dump` wrote.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If the file is damaged or holds anything but such dictionaries.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > pickled.MAX_BYTES:
            raise ValueError(
                f"it has {size} bytes; at most {pickled.MAX_BYTES} are read."
            )
        saved, _ = pickled.load(path.read_bytes())
        return _flat(saved, "")
    except OSError:
        raise
    except Exception as error:  # A damaged pickle can raise any error.
        raise ValueError(
            f"{str(path)!r} cannot be read as NumPy arrays: {error}"
        ) from error


def _flat(value: Any, name: str) -> dict[str, np.ndarray]:
    if isinstance(value, NumpyArray) and value.shape is not None:
        return {name: value.array()}
    if not isinstance(value, dict) or name.count("/") > 10:
        raise ValueError(f"{name or 'the file'} is neither an array nor a dictionary.")
    found: dict[str, np.ndarray] = {}
    for key, item in value.items():
        found |= _flat(item, f"{name}/{key}" if name else str(key))
    return found
