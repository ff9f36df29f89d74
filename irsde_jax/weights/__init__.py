"""The weights in the box: one safetensors file each, and a card beside it.

A file NAME.safetensors holds the network and its configuration; NAME.json, the card,
says what it was trained on and what it reached.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent
SUFFIX = ".safetensors"


class Weights(NamedTuple):
    """Weights that the package ships.

    Attributes:
        name: what `irsde_jax.load` and `--weights` take.
        path: of the file.
        card: task, licence, data, command, hardware and figures, as in NAME.json.
    """

    name: str
    path: Path
    card: dict[str, Any]


def list_weights() -> list[Weights]:
    """What is shipped, by name."""
    return [
        Weights(path.stem, path, _read_card(path.with_suffix(".json")))
        for path in sorted(FOLDER.glob(f"*{SUFFIX}"))
    ]


def find(name: str) -> Path | None:
    """The file of shipped weights; None if there are none of that name."""
    return next((known.path for known in list_weights() if known.name == name), None)


def table() -> str:
    """The shipped weights as text, a line each and their figures below."""
    lines = []
    for known in list_weights():
        megabytes = known.path.stat().st_size / 1e6
        card = known.card
        lines.append(
            f"{known.name}  {card.get('task', '')}, {megabytes:.2f} MB, licence: "
            f"{card.get('licence', 'unknown')}"
        )
        lines.append(f"    default: {card.get('default', 'see its configuration')}")
        lines += [f"    {what}: {x}" for what, x in card.get("figures", {}).items()]
    return "\n".join(lines) or "no weights are shipped with this version"


def _read_card(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
