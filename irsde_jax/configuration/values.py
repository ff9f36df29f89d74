"""The values of a configuration by dotted keys, and the errors about them."""

import difflib
from collections.abc import Iterable
from typing import Any

import ml_collections
from ml_collections import config_dict


class UsageError(ValueError):
    """A mistake on the command line; its message is one line."""


def nearest(given: str, allowed: Iterable[str]) -> str:
    """Returns the hint "; did you mean X?" for the closest of `allowed`, or ""."""
    found = difflib.get_close_matches(given, list(allowed), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def flatten(config: ml_collections.ConfigDict, prefix: str = "") -> dict[str, Any]:
    """Returns all values by dotted keys.

    A value that may be None is returned as a FieldReference, which holds its type.

    Args:
        config: The configuration or a group of it.
        prefix: The text before all keys, such as "train.".
    """
    flat = {}
    for key, value in config.items(preserve_field_references=True):
        if isinstance(value, config_dict.ConfigDict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def unwrap(value: Any) -> Any:
    """Returns the value of a FieldReference, or the value itself."""
    if isinstance(value, config_dict.FieldReference):
        return value.get()
    return value


def value_type(value: Any) -> type:
    """Returns the type of a value, or the type that an unset value must get."""
    if isinstance(value, config_dict.FieldReference):
        return value.get_type()
    return type(value)
