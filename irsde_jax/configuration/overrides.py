"""Checks and applies command-line overrides such as `--config.train.batch_size=8`."""

import copy
from collections.abc import Sequence
from typing import Any

import ml_collections
from absl import flags
from ml_collections import config_flags

from irsde_jax.configuration.groups import describe_type
from irsde_jax.configuration.paths import expand_settings
from irsde_jax.configuration.values import (
    UsageError,
    flatten,
    nearest,
    unwrap,
    value_type,
)


def split_overrides(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Splits a command line into `--config.key=value` overrides and the other items.

    The forms `--config.key value` and `--noconfig.key` are converted to the first form.

    Raises:
        UsageError: If a setting has no value or two values.
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
    _check_given_once(overrides)
    return overrides, rest


def _check_given_once(overrides: Sequence[str]) -> None:
    """Raises UsageError if two overrides change the same setting."""
    first: dict[str, str] = {}
    for item in overrides:
        key = item.partition("=")[0]
        if key in first:
            raise UsageError(
                f"{key} is given twice, as {first[key]} and {item}, but takes one "
                "value; leave one of them out"
            )
        first[key] = item


def override(
    config: ml_collections.ConfigDict, overrides: Sequence[str]
) -> ml_collections.ConfigDict:
    """Returns a locked copy of `config` with changed settings.

    A leading ~ in settings that name files or folders becomes the home folder.

    Args:
        config: The configuration, which is not modified.
        overrides: The changed settings, such as `--config.train.batch_size=8`.

    Raises:
        UsageError: If a key is unknown, a value has the wrong type, or a home folder is
            unknown.
    """
    config = copy.deepcopy(config).lock()
    for item in overrides:
        flag, _, text = item.partition("=")
        key = flag.removeprefix("--config.")
        _check_key(config, key)
        _set(config, key, text)
    expand_settings(config)
    return config


def _check_key(config: ml_collections.ConfigDict, key: str) -> None:
    """Raises UsageError unless `key` names a single value."""
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
    """Sets one value in place; the text is parsed by the type of the old value."""
    old = flatten(config)[key]
    # The message needs the old value, which may be a reference that changes in place.
    wanted = describe_type(old)
    message = f"--config.{key}={text}: {text!r} is not {wanted}; it is {_show(old)}"
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


def _show(value: Any) -> str:
    if unwrap(value) is None:
        return f"unset, for a {value_type(value).__name__}"
    return f"{unwrap(value)!r} in the configuration"
