"""Estimates the memory that a program needs from its trace, without compiling it.

XLA knows the exact number of bytes, but only after a compilation that takes as long as
restoring a small image. The estimate serves to choose a tile size and to reject
restorations that cannot work. It assumes that every intermediate array is held from the
equation that makes it to the last equation that uses it. XLA avoids some arrays by
fusion and adds workspace for others. `tests/test_memory.py` checks that the estimate is
correct within a factor of two.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, Var


def peak_bytes(function: Callable[..., Any], *arguments: Any) -> int:
    """Returns the bytes of the arguments plus the peak of the arrays made from them.

    Args:
        function: The function to run, such as a jitted function.
        arguments: The arguments as arrays, or as their shapes and types.
    """
    traced = jax.make_jaxpr(function)(*arguments)
    return sum(_bytes(var) for var in traced.jaxpr.invars) + _peak(traced.jaxpr)


def _peak(jaxpr: Jaxpr) -> int:
    """Returns the peak size in bytes of the arrays that the equations make."""
    equations = _needed(jaxpr)
    last_use: dict[Var, int] = {}
    for place, equation in enumerate(equations):
        last_use |= {var: place for var in equation.invars if isinstance(var, Var)}
    outputs = {var: len(equations) for var in jaxpr.outvars if isinstance(var, Var)}
    last_use |= outputs
    alive: dict[Var, int] = {}
    peak = 0
    for place, equation in enumerate(equations):
        inner = max((_peak(body) for body in bodies(equation)), default=0)
        peak = max(peak, sum(alive.values()) + inner)
        alive |= {var: _bytes(var) for var in equation.outvars if var in last_use}
        peak = max(peak, sum(alive.values()))
        alive = {var: size for var, size in alive.items() if last_use[var] > place}
    return peak


def _needed(jaxpr: Jaxpr) -> list[Any]:
    """Returns the equations that the outputs depend on, in order."""
    wanted = {var for var in jaxpr.outvars if isinstance(var, Var)}
    needed = []
    for equation in reversed(jaxpr.eqns):
        if equation.effects or wanted.intersection(equation.outvars):
            wanted |= {var for var in equation.invars if isinstance(var, Var)}
            needed.append(equation)
    return needed[::-1]


def bodies(equation: Any) -> Iterator[Jaxpr]:
    """Yields the programs that an equation runs, such as the body of a loop."""
    for value in equation.params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            # A closed jaxpr holds a jaxpr. Newer versions of JAX have only one type.
            body = getattr(item, "jaxpr", item)
            if isinstance(body, Jaxpr):
                yield body


def _bytes(var: Any) -> int:
    """Returns the size of an array in bytes; a typed key counts as two 32-bit words."""
    shape, dtype = var.aval.shape, var.aval.dtype
    size = 8 if jnp.issubdtype(dtype, jax.dtypes.prng_key) else dtype.itemsize
    return int(math.prod(shape) * size)
