"""The weights shipped with the package: a safetensors file and a model card for each.

NAME.safetensors contains the network and its configuration. NAME.json, the model card,
describes the training data and the results. The weights are for research use: they are
licensed under LICENSE.md in this folder, not under the licence of the code.
"""

import json
import math
import os
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent
LICENCE = Path(__file__).with_name("LICENSE.md")
SUFFIX = ".safetensors"
PYTORCH_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".pth.tar")
"""Suffixes of PyTorch files. The format of the contents is detected when reading."""

CARD = {
    "task": str,  # the degradation to remove, the kind of images, the range of levels
    "licence": str,  # the permitted use, and whose terms require this
    "default": str,  # the default solver and number of evaluations
    "data": str,  # the training data
    "excluded": str,  # the images excluded from it, and the unseen test sets
    "command": str,  # the command of the training
    "hardware": str,  # the hardware of the training
    "time": str,  # the duration of the training
    "seed": int,
    "figures": dict,  # measured quantity -> value as text
    "seconds_per_image": dict,  # size and hardware -> seconds with the default
    "check": dict,  # the result of `irsde_jax.demo.trial.check`, which a test repeats
}
"""The keys of a model card and the types of their values."""


class Weights(NamedTuple):
    """Weights that the package ships.

    Attributes:
        name: The name for `irsde_jax.load` and `--weights`.
        path: The path of the safetensors file.
        card: The model card, with the keys of `CARD`.
    """

    name: str
    path: Path
    card: dict[str, Any]

    @property
    def megabytes(self) -> float:
        """The size of the file, in megabytes."""
        return self.path.stat().st_size / 1e6

    @property
    def num_parameters(self) -> int:
        """The number of parameters of the network, from the header of the file."""
        from safetensors import safe_open

        with safe_open(self.path, framework="numpy") as file:
            shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
        return sum(math.prod(shape) for shape in shapes)


def list_weights() -> list[Weights]:
    """Returns the shipped weights, sorted by name."""
    return [
        Weights(path.stem, path, _read_card(path.with_suffix(".json")))
        for path in sorted(FOLDER.glob(f"*{SUFFIX}"))
    ]


def find(name: str) -> Path | None:
    """Returns the file of shipped weights, or None if there are none of that name."""
    return next((known.path for known in list_weights() if known.name == name), None)


def is_pytorch(source: str | os.PathLike) -> bool:
    """Returns whether a path names a PyTorch file. The file does not have to exist."""
    return str(source).lower().endswith(PYTORCH_SUFFIXES) and not Path(source).is_dir()


def _read_card(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
