"""Command-line overrides: `--config.train.batch_size=8`, checked by key and type."""

import copy
from collections.abc import Sequence
from typing import Any

import ml_collections
from absl import flags
from ml_collections import config_flags

from irsde_jax.configuration.values import (
    UsageError,
    flatten,
    nearest,
    unwrap,
    value_type,
)


def split_overrides(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Parts a command line into `--config.key=value` overrides and all else.

    `--config.key value` and `--noconfig.key` are understood and written that way.
    """
    overrides, rest = [], []
    items = iter(argv)
    for item in items:
        name = item.lstrip("-")
        if name == item or not name.startswith(("config.", "noconfig.")):
            rest.append(item)
        elif name.startswith("noconfig."):
            overrides.append(f"--{name.removeprefix('no')}=false")
        elif "=" in name:
            overrides.append(f"--{name}")
        else:
            value = next(items, "")
            if not value or value.startswith("--"):
                raise UsageError(f"--{name} has no value; write --{name}=VALUE")
            overrides.append(f"--{name}={value}")
    return overrides, rest


def override(
    config: ml_collections.ConfigDict, overrides: Sequence[str]
) -> ml_collections.ConfigDict:
    """A locked copy of `config` with values such as `--config.train.batch_size=8`.

    Raises:
        UsageError: if a key is unknown or a value is of the wrong type.
    """
    config = copy.deepcopy(config).lock()
    for item in overrides:
        flag, _, text = item.partition("=")
        key = flag.removeprefix("--config.")
        _check_key(config, key)
        _set(config, key, text)
    return config


def _check_key(config: ml_collections.ConfigDict, key: str) -> None:
    """Raises unless `key` names a single value."""
    known = flatten(config)
    if key in known:
        return
    inside = [name for name in known if name.startswith(f"{key}.")]
    if inside:
        raise UsageError(
            f"--config.{key} is a group; set one of its values: {', '.join(inside)}"
        )
    group = key.rpartition(".")[0]
    siblings = [name for name in known if name.rpartition(".")[0] == group]
    allowed = siblings if group and siblings else sorted(config)
    hint = nearest(key, known) or nearest(group or key, config)
    raise UsageError(
        f"--config.{key}: no such setting{hint} (allowed: {', '.join(allowed)})"
    )


def _set(config: ml_collections.ConfigDict, key: str, text: str) -> None:
    """Sets one value in place, read from text by the type of the present one."""
    old = flatten(config)[key]
    # The message is made first: a value that may be None is changed in place.
    message = f"--config.{key}={text}: {text!r} is not {_kind(old)}; it is {_show(old)}"
    argv = ["", f"--config.{key}={text}"]
    values = flags.FlagValues()
    config_flags.DEFINE_config_dict(
        "config", config, flag_values=values, lock_config=True, sys_argv=argv
    )
    kinds = {type(item) for item in unwrap(old)} if value_type(old) is tuple else set()
    try:
        values(argv)
    except (flags.Error, ValueError, TypeError) as error:
        raise UsageError(message) from error
    if kinds and {type(item) for item in unwrap(flatten(config)[key])} - kinds:
        raise UsageError(message)


def _kind(value: Any) -> str:
    """A type in words, as an error says it."""
    kind = value_type(value)
    if kind is tuple and unwrap(value):
        return f"a tuple of {type(unwrap(value)[0]).__name__}, such as '(1, 2)'"
    names = {bool: "true or false", int: "an integer", float: "a number", str: "text"}
    return names.get(kind, f"a {kind.__name__}")


def _show(value: Any) -> str:
    if unwrap(value) is None:
        return f"unset, for a {value_type(value).__name__}"
    return f"{unwrap(value)!r} in the configuration"
