"""The values of a configuration under dotted keys, and how errors speak of them."""

import difflib
from collections.abc import Iterable
from typing import Any

import ml_collections
from ml_collections import config_dict


class UsageError(ValueError):
    """A mistake on the command line; its message is one line."""


def nearest(given: str, allowed: Iterable[str]) -> str:
    """`; did you mean X?` for the closest of `allowed`, or nothing."""
    found = difflib.get_close_matches(given, list(allowed), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def flatten(config: ml_collections.ConfigDict, prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value; values that may be None come as a FieldReference."""
    flat = {}
    for key, value in config.items(preserve_field_references=True):
        if isinstance(value, config_dict.ConfigDict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def unwrap(value: Any) -> Any:
    """The value behind a FieldReference, or the value itself."""
    if isinstance(value, config_dict.FieldReference):
        return value.get()
    return value


def value_type(value: Any) -> type:
    """The type that a value has, or that an unset one will have."""
    if isinstance(value, config_dict.FieldReference):
        return value.get_type()
    return type(value)
