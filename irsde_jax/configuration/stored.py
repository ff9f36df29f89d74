"""Writes, reads and compares configurations that are stored with weights."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ml_collections
from ml_collections import config_dict

from irsde_jax.configuration import whole_files
from irsde_jax.configuration.loading import complete
from irsde_jax.configuration.values import UsageError, flatten, unwrap

FILE_NAME = "config.json"
FORMAT_VERSION = 1

_PLACEHOLDER = "__placeholder__"
_PLACEHOLDER_TYPES = {kind.__name__: kind for kind in (bool, float, int, str, tuple)}
# These settings change how a network is computed, but not its parameters.
_NOT_COMPARED = ("model.dtype", "model.remat")
# Values that were renamed: (setting, old name) -> the present name.
_RENAMED = {("prediction", "velocity"): "v"}
# Weights only work with the values that these settings had in their training.
_OF_WEIGHTS = ("task", "process", "prediction", "schedule", "model")


def differences(
    stored: ml_collections.ConfigDict,
    given: ml_collections.ConfigDict,
    groups: Sequence[str] = _OF_WEIGHTS,
) -> list[str]:
    """Returns the differences of two configurations, one line per value.

    Args:
        stored: The configuration that is stored with the weights.
        given: The configuration to use with the weights.
        groups: The groups to compare, or single values such as "train.batch_size". The
            settings `model.dtype` and `model.remat` are never compared, because they
            only change how a network is computed.
    """
    old, new = flatten(stored), flatten(given)
    keys = [
        key
        for key in sorted(old | new)
        if any(f"{key}.".startswith(f"{group}.") for group in groups)
        and key not in _NOT_COMPARED
    ]

    def value(values: dict[str, Any], key: str) -> Any:
        found = unwrap(values[key])
        return _RENAMED.get((key, found), found) if isinstance(found, str) else found

    def show(values: dict[str, Any], key: str) -> str:
        return repr(unwrap(values[key])) if key in values else "absent"

    return [
        f"{key}: stored {show(old, key)}, given {show(new, key)}"
        for key in keys
        if key not in old or key not in new or value(old, key) != value(new, key)
    ]


def to_json(config: ml_collections.ConfigDict) -> str:
    """Returns the configuration as JSON text, which `from_json` reads.

    Tuples are written as lists, because a configuration holds no lists. An unset value
    is written as `{"__placeholder__": type}`.

    Raises:
        ValueError: If a value has a type that a configuration must not hold.
    """

    def encode(value: Any, key: str) -> Any:
        if isinstance(value, config_dict.ConfigDict):
            items = value.items(preserve_field_references=True)
            return {name: encode(item, f"{key}.{name}") for name, item in items}
        if isinstance(value, config_dict.FieldReference) and value.get() is None:
            return {_PLACEHOLDER: value.get_type().__name__}
        value = unwrap(value)
        if isinstance(value, tuple):
            return [encode(item, key) for item in value]
        if isinstance(value, (bool, int, float, str)):
            return value
        raise ValueError(
            f"{key} is {value!r}, a {type(value).__name__}; a configuration holds "
            "numbers, text, true or false, tuples and groups of these."
        )

    return json.dumps(encode(config, "config"), indent=2)


def from_json(text: str) -> ml_collections.ConfigDict:
    """Returns the locked configuration from text of `to_json`."""

    def decode(value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {_PLACEHOLDER}:
            return config_dict.placeholder(_PLACEHOLDER_TYPES[value[_PLACEHOLDER]])
        if isinstance(value, dict):
            return {key: decode(item) for key, item in value.items()}
        if isinstance(value, list):
            return tuple(decode(item) for item in value)
        return value

    return config_dict.ConfigDict(decode(json.loads(text))).lock()


def to_text(config: ml_collections.ConfigDict) -> str:
    """Returns the configuration as text for people, one line per value.

    A line looks like this: `config.train.batch_size = 16`.
    """
    flat = flatten(config)
    keys = sorted(flat, key=lambda key: ("." in key, key))  # Groups come last.
    return "\n".join(f"config.{key} = {unwrap(flat[key])!r}" for key in keys)


def write(config: ml_collections.ConfigDict, workdir: str | os.PathLike) -> Path:
    """Writes a configuration to `config.json` in `workdir`, atomically."""
    path = Path(workdir) / FILE_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"format_version": FORMAT_VERSION, "config": json.loads(to_json(config))}
    text = json.dumps(content, indent=2) + "\n"
    whole_files.write(path, text.encode(), overwrite=True)
    return path


def has_stored(workdir: str | os.PathLike | None) -> bool:
    """Returns whether `workdir` is a folder with a stored configuration."""
    return workdir is not None and (Path(workdir) / FILE_NAME).is_file()


def read_stored(workdir: str | os.PathLike) -> ml_collections.ConfigDict:
    """Returns the locked configuration that `write` stored in `workdir`.

    Raises:
        FileNotFoundError: If there is no stored configuration.
        ValueError: If it is damaged, has another format version, or holds a value of
            the wrong type.
    """
    path = Path(workdir) / FILE_NAME
    if not path.is_file():
        raise FileNotFoundError(
            f"{workdir} holds no {FILE_NAME}, so it is not the work directory of a "
            "training run."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version, config = content["format_version"], content["config"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error!r}") from error
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {version!r}; this version of irsde_jax reads "
            f"{FORMAT_VERSION}."
        )
    try:
        return complete(from_json(json.dumps(config)))
    except UsageError as error:
        raise ValueError(f"{path}: {error}") from error
