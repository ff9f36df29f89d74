"""The output of `--mode=weights`: the shipped weights and their model cards."""

import textwrap
from typing import Any

from irsde_jax import weights
from irsde_jax.evaluation import tables


def weights_table() -> str:
    """Returns a table of the shipped weights as text, followed by their model cards."""
    shipped = weights.list_weights()
    if not shipped:
        return "no weights are shipped with this version"
    rows = [
        [
            known.name,
            f"{known.num_parameters / 1e6:.2f} M",
            f"{known.megabytes:.2f} MB",
            known.card.get("default", "see its configuration"),
        ]
        for known in shipped
    ]
    lines = tables.aligned(["weights", "parameters", "size", "default"], rows)
    for known in shipped:
        lines += ["", known.name, *_card_lines(known.card)]
    return "\n".join([*lines, "", f"Their licence: {weights.LICENCE}"])


def _card_lines(card: dict[str, Any]) -> list[str]:
    """Returns the lines of a card: its keys, with wrapped values beside them."""
    lines = []
    for key in weights.CARD:
        value = card.get(key, "unknown")
        entries = (
            [f"{what}: {x}" for what, x in value.items()]
            if isinstance(value, dict)
            else [str(value)]
        )
        label = key.replace("_", " ")
        for entry in entries:
            lines += textwrap.wrap(
                entry,
                width=88,
                initial_indent=f"  {label:18}",
                subsequent_indent=" " * 20,
                # Users copy commands, so no word may be broken.
                break_long_words=False,
                break_on_hyphens=False,
            )
            label = ""
    return lines
