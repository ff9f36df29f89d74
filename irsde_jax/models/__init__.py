"""The networks: images and a step in, noise out. They know nothing of the SDE."""

import dataclasses
import difflib
import numbers
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from irsde_jax.array_types import PRNGKey
from irsde_jax.models.nafnet import ConditionalNAFNet
from irsde_jax.models.unet import ConditionalUNet

__all__ = [
    "MODELS",
    "ConditionalNAFNet",
    "ConditionalUNet",
    "abstract_params",
    "init_params",
    "make_model",
]

MODELS: dict[str, type[nn.Module]] = {
    "unet": ConditionalUNet,
    "nafnet": ConditionalNAFNet,
}

_DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def make_model(name: str, **options: Any) -> nn.Module:
    """The network of that name, its fields set from plain values of a configuration.

    Args:
        name: a key of `MODELS`.
        **options: fields of that network; sequences may be lists, and `dtype` is the
            name "float32" or "bfloat16" (or that type itself).

    Raises:
        ValueError: for an unknown name, option or dtype, or a value of another type.
    """
    if name not in MODELS:
        raise ValueError(f"The model {name!r} is not one of {sorted(MODELS)}.")
    fields = [field.name for field in dataclasses.fields(MODELS[name])]
    allowed = sorted(set(fields) - {"parent", "name"})
    for option in sorted(set(options) - set(allowed)):
        nearest = difflib.get_close_matches(option, allowed, n=1)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(
            f"The model {name!r} has no option {option!r}; it has {allowed}.{hint}"
        )
    for option, value in options.items():
        _check_type(option, value, getattr(MODELS[name], option))
    options = {
        option: tuple(value) if isinstance(value, list) else value
        for option, value in options.items()
    }
    if "dtype" in options:
        options["dtype"] = _compute_dtype(options["dtype"])
    return MODELS[name](**options)


def _check_type(option: str, value: Any, default: Any) -> None:
    """Raises if an option has another type than its default; `dtype` may have any."""
    if option == "dtype":
        return
    if isinstance(default, tuple):
        is_right = isinstance(value, tuple | list) and all(map(_is_integer, value))
        wanted = "a tuple of integers, such as (1, 1)"
    elif isinstance(default, bool):
        is_right, wanted = isinstance(value, bool), "True or False"
    else:
        is_right, wanted = _is_integer(value), "an integer"
    if not is_right:
        raise ValueError(f"model {option}={value!r} must be {wanted}.")


def _is_integer(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def init_params(model: nn.Module, key: PRNGKey) -> chex.ArrayTree:
    """Fresh parameters; no parameter's shape depends on the size of the images."""
    x = jnp.zeros((1, 16, 16, model.channels))
    # Jitted: operation by operation it takes ten times as long.
    return jax.jit(model.init)(key, x, x, jnp.zeros(1))["params"]


def abstract_params(model: nn.Module) -> chex.ArrayTree:
    """Shapes and types of the network's parameters, without computing any."""
    return jax.eval_shape(lambda: init_params(model, jax.random.key(0)))


def _compute_dtype(dtype: Any) -> Any:
    """The JAX type that `dtype`, a name or a type, stands for."""
    for name, value in _DTYPES.items():
        if dtype is value or (isinstance(dtype, str) and dtype == name):
            return value
    raise ValueError(f"dtype={dtype!r} is not one of {sorted(_DTYPES)}.")
