"""Groups of settings: they are checked against the defaults and passed to functions.

Each group of a configuration holds the keyword arguments of one function. An unknown
setting is a mistake of the user, so it raises a `UsageError` that names the setting
instead of Python's `TypeError`.
"""

import inspect
import numbers
from collections.abc import Callable
from typing import Any, TypeVar

import ml_collections

from irsde_jax.configuration.values import (
    UsageError,
    flatten,
    nearest,
    unwrap,
    value_type,
)

Result = TypeVar("Result")

# The keys of these groups depend on their `name`, so default.py cannot list them all.
_OPEN_GROUPS = ("model", "degradation")


def call_with(
    function: Callable[..., Result],
    config: ml_collections.ConfigDict,
    group: str,
    *arguments: Any,
    **more: Any,
) -> Result:
    """Calls `function(*arguments, **more)` with the settings of a group as keywords.

    Args:
        function: The function or class to call.
        config: The configuration.
        group: The name of the group, such as "schedule".
        *arguments: The positional arguments of the function.
        **more: The keyword arguments that are not settings.

    Raises:
        UsageError: If the group has a setting that the function does not accept, or
            lacks a setting that it requires.
    """
    parameters = inspect.signature(function).parameters
    taken = {*list(parameters)[: len(arguments)], *more}
    takes_all = any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()
    )
    named = {
        name: parameter
        for name, parameter in parameters.items()
        if name not in taken and parameter.kind is not parameter.VAR_KEYWORD
    }
    for key in config[group]:
        if key not in named and (key in taken or not takes_all):
            allowed = ", ".join(f"{group}.{name}" for name in named)
            raise UsageError(
                f"{group}.{key} is not a setting{nearest(key, named)} (allowed: "
                f"{allowed})"
            )
    for name, parameter in named.items():
        if parameter.default is parameter.empty and name not in config[group]:
            raise UsageError(f"the configuration lacks {group}.{name}; set it")
    return function(*arguments, **more, **config[group])


def is_open(key: str) -> bool:
    """Returns whether a dotted key is in a group with keys that default.py lacks."""
    return key.partition(".")[0] in _OPEN_GROUPS


def _is_checked(key: str) -> bool:
    return not is_open(key) or key.endswith(".name")


def check_keys(
    config: ml_collections.ConfigDict, default: ml_collections.ConfigDict
) -> None:
    """Checks that a configuration has the keys of default.py.

    In open groups, only `name` is checked here. The function that gets the group checks
    its other keys.

    Raises:
        UsageError: If a key is unknown or missing.
    """
    keys = {key for key in flatten(config) if _is_checked(key)}
    known = {key for key in flatten(default) if _is_checked(key)}
    for key in sorted(keys - known):
        raise UsageError(f"{key!r} is not a setting of default.py{nearest(key, known)}")
    for key in sorted(known - keys):
        raise UsageError(f"the configuration lacks {key!r}; start from default.py")


def check_types(
    config: ml_collections.ConfigDict, default: ml_collections.ConfigDict
) -> None:
    """Checks that the settings have the same types as in default.py.

    Raises:
        UsageError: If a value has another type.
    """
    for name, group in default.items():
        is_group = isinstance(group, ml_collections.ConfigDict)
        found = config.get(name, group)
        if is_group != isinstance(found, ml_collections.ConfigDict):
            wanted = "a group of settings" if is_group else "a single value"
            raise UsageError(f"{name} must be {wanted}, as in default.py")
    given = flatten(config)
    for key, wanted in flatten(default).items():
        if key not in given or not _is_checked(key):
            continue
        value = unwrap(given[key])
        if value is None and unwrap(wanted) is None:
            continue
        if not _has_type(value, value_type(wanted)):
            raise UsageError(
                f"{key}={value!r} has the type {type(value).__name__}; it must be "
                f"{describe_type(wanted)}, as in default.py"
            )


def _has_type(value: Any, kind: type) -> bool:
    """Returns whether a value is allowed for a setting whose default is a `kind`."""
    if kind is float:
        return isinstance(value, numbers.Real) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if kind is tuple:
        return isinstance(value, tuple | list)
    return isinstance(value, kind)


def describe_type(value: Any) -> str:
    """Describes the type of a setting for error messages."""
    kind = value_type(value)
    if kind is tuple and unwrap(value):
        return f"a tuple of {type(unwrap(value)[0]).__name__}, such as '(1, 2)'"
    names = {bool: "true or false", int: "an integer", float: "a number", str: "text"}
    return names.get(kind, f"a {kind.__name__}")
