"""How much memory a program needs, told from its trace: nothing is compiled or run.

XLA knows to the byte, after compiling for as long as restoring a small image takes. The
estimate is for choosing a tile and for refusing what cannot work: it holds every
intermediate array from where it is made to where it is last used. XLA fuses some away
and adds work space for others; `tests/test_memory.py` holds it to a factor of two.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Jaxpr, Var


def peak_bytes(function: Callable[..., Any], *arguments: Any) -> int:
    """Bytes of the arguments, and of the most that is alive at once beside them.

    Args:
        function: what is to run, such as a jitted function.
        arguments: arrays, or their shapes and types.
    """
    traced = jax.make_jaxpr(function)(*arguments)
    return sum(_bytes(var) for var in traced.jaxpr.invars) + _peak(traced.jaxpr)


def _peak(jaxpr: Jaxpr) -> int:
    """The most bytes alive at once of what the equations of `jaxpr` make."""
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
    """The equations that the outputs depend on, in order."""
    wanted = {var for var in jaxpr.outvars if isinstance(var, Var)}
    needed = []
    for equation in reversed(jaxpr.eqns):
        if equation.effects or wanted.intersection(equation.outvars):
            wanted |= {var for var in equation.invars if isinstance(var, Var)}
            needed.append(equation)
    return needed[::-1]


def bodies(equation: Any) -> Iterator[Jaxpr]:
    """The programs that an equation runs: of a loop, a branch, a jitted function."""
    for value in equation.params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            # A closed jaxpr holds the jaxpr; newer versions of JAX have one type only.
            body = getattr(item, "jaxpr", item)
            if isinstance(body, Jaxpr):
                yield body


def _bytes(var: Any) -> int:
    """What an array takes; typed keys count as their two words."""
    shape, dtype = var.aval.shape, var.aval.dtype
    size = 8 if jnp.issubdtype(dtype, jax.dtypes.prng_key) else dtype.itemsize
    return int(math.prod(shape) * size)
