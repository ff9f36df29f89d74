"""Construction of networks by name, with checked options."""

import dataclasses
import difflib
import inspect
import numbers
from collections.abc import Callable, Iterable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from irsde_jax import registry
from irsde_jax.models.nafnet import ConditionalNAFNet
from irsde_jax.models.networks import Network, as_network
from irsde_jax.models.unet import ConditionalUNet

MODELS: dict[str, Callable[..., Any]] = {
    "unet": ConditionalUNet,
    "nafnet": ConditionalNAFNet,
}

OBJECT = "<object "
"""The prefix of `model.name` if `train` was given the network as an object."""

_DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def make_network(name: str, *, conditional: bool = True, **options: Any) -> Network:
    """Returns the network with the given name, built from configuration options.

    Args:
        name: A key of `MODELS`, or "package.module:Name" for a Flax module class or a
            function that returns a `Network`. It is called with `options`, and with
            `conditional` if it has this parameter.
        conditional: Whether the network sees the degraded images.
        **options: The options of the network, as in `make_model`. The option `channels`
            is the number of channels of the images.

    Raises:
        ValueError: If a name, option or dtype is unknown, if a value has the wrong
            type, if a Flax module has no number of channels, or if the module of the
            name is not trusted (`irsde_jax.registry`).
        TypeError: If the named function does not return a network.
    """
    if name.startswith(OBJECT):
        raise ValueError(
            f"model.name={name!r}: this network was given to `train` as an object, "
            "which cannot be stored. Pass it again: irsde_jax.load(source, model=...)."
        )
    found = registry.find(name, MODELS, "model.name")
    if _is_flax(found):
        allowed = _fields(found)
        if "conditional" in allowed:
            options["conditional"] = conditional
        channels = options.get("channels", getattr(found, "channels", None))
        if channels is None:
            raise ValueError(
                f"The model {name!r} does not say how many channels its images have. "
                "Give the module a field `channels`, as ConditionalNAFNet has."
            )
        return as_network(_make_flax(name, found, options), channels)
    parameters = inspect.signature(found).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if not takes_all:
        _check_names(name, options, sorted(set(parameters) - {"conditional"}))
    if takes_all or "conditional" in parameters:
        options["conditional"] = conditional
    return as_network(found(**options))


def make_model(name: str, **options: Any) -> nn.Module:
    """Returns the Flax module with the given name, with fields set from plain values.

    Args:
        name: A key of `MODELS`, or "package.module:Name" for a Flax module class.
        **options: The fields of the module. Sequences may be lists. `dtype` is
            "float32" or "bfloat16", or the type itself.

    Raises:
        ValueError: If a name, option or dtype is unknown, or if a value has the wrong
            type.
    """
    return _make_flax(name, registry.find(name, MODELS, "model.name"), options)


def _is_flax(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, nn.Module)


def _fields(model: Any) -> list[str]:
    """Returns the fields of a Flax module class that a configuration may set."""
    names = {field.name for field in dataclasses.fields(model)}
    return sorted(names - {"parent", "name"})


def _make_flax(name: str, model: Any, options: dict[str, Any]) -> nn.Module:
    _check_names(name, options, _fields(model))
    for option, value in options.items():
        _check_type(option, value, getattr(model, option, None))
    options = {
        option: tuple(value) if isinstance(value, list) else value
        for option, value in options.items()
    }
    if "dtype" in options:
        options["dtype"] = _compute_dtype(options["dtype"])
    module: nn.Module = model(**options)
    return module


def _check_names(name: str, options: Iterable[str], allowed: list[str]) -> None:
    for option in sorted(set(options) - set(allowed)):
        nearest = difflib.get_close_matches(option, allowed, n=1)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(
            f"The model {name!r} has no option {option!r}; it has {allowed}.{hint}"
        )


def _check_type(option: str, value: Any, default: Any) -> None:
    """Raises a `ValueError` if an option has another type than its default.

    `dtype` is not checked here, because it may be a name or a type.
    """
    if option == "dtype":
        return
    if isinstance(default, tuple):
        is_right = isinstance(value, tuple | list) and all(map(_is_integer, value))
        wanted = "a tuple of integers, such as (1, 1)"
    elif isinstance(default, bool):
        is_right, wanted = isinstance(value, bool), "True or False"
    elif isinstance(default, int):
        is_right, wanted = _is_integer(value), "an integer"
    else:  # Modules of the user may have options of other types.
        return
    if not is_right:
        raise ValueError(f"model {option}={value!r} must be {wanted}.")


def _is_integer(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _compute_dtype(dtype: Any) -> Any:
    """Returns the JAX type for `dtype`, which is a name or a type."""
    for name, value in _DTYPES.items():
        if dtype is value or (isinstance(dtype, str) and dtype == name):
            return value
    raise ValueError(f"dtype={dtype!r} is not one of {sorted(_DTYPES)}.")
