"""Compiling fast what runs once."""

import functools

import jax

from irsde_jax.training import profiling


def quick_jit(function):
    """`jax.jit` for programs that run once: compiled fast, not compiled to be fast."""
    return jax.jit(function, compiler_options=quick_options())


@functools.cache
def quick_options():
    return profiling.known_options({"xla_backend_optimization_level": 0})
