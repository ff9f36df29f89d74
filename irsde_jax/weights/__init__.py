"""The weights in the box: one safetensors file each, and a card beside it.

A file NAME.safetensors holds the network and its configuration; NAME.json, the card,
says what it was trained on and what it reached. They are for research use: their
licence is LICENSE.md beside them, not that of the code.
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
"""Suffixes of PyTorch files. What such a file holds is found when it is read."""

CARD = {
    "task": str,  # what is undone, of which images, up to what level
    "licence": str,  # what they may be used for, and whose terms say so
    "default": str,  # solver and evaluations, as in the stored configuration
    "data": str,  # that they were trained on
    "excluded": str,  # from the data, and the test sets that are unseen for it
    "command": str,  # that trained them
    "hardware": str,  # it ran on
    "time": str,  # it took
    "seed": int,
    "figures": dict,  # what was measured -> what came out, as text
    "seconds_per_image": dict,  # size and hardware -> seconds, at the default
    "check": dict,  # of `irsde_jax.demo.trial.check`: a test measures it again
}
"""Key of a card -> the type of its value."""


class Weights(NamedTuple):
    """Weights that the package ships.

    Attributes:
        name: what `irsde_jax.load` and `--weights` take.
        path: of the file.
        card: what NAME.json holds, see `CARD`.
    """

    name: str
    path: Path
    card: dict[str, Any]

    @property
    def megabytes(self) -> float:
        """Size of the file."""
        return self.path.stat().st_size / 1e6

    @property
    def num_parameters(self) -> int:
        """Of the network, by the header of the file."""
        from safetensors import safe_open

        with safe_open(self.path, framework="numpy") as file:
            shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
        return sum(math.prod(shape) for shape in shapes)


def list_weights() -> list[Weights]:
    """What is shipped, by name."""
    return [
        Weights(path.stem, path, _read_card(path.with_suffix(".json")))
        for path in sorted(FOLDER.glob(f"*{SUFFIX}"))
    ]


def find(name: str) -> Path | None:
    """The file of shipped weights; None if there are none of that name."""
    return next((known.path for known in list_weights() if known.name == name), None)


def is_pytorch(source: str | os.PathLike) -> bool:
    """Whether weights are a PyTorch file, by the name: it need not exist."""
    return str(source).lower().endswith(PYTORCH_SUFFIXES) and not Path(source).is_dir()


def _read_card(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
