"""The interface of solvers of the reverse process.

A solver goes from step t to an earlier step s, given one prediction of the noise. The
two steps need not be consecutive. `mu=None` selects the Denoising process, whose mean
is the unknown clean image; the current estimate of the clean image then replaces mu.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from irsde_jax.array_types import Array
from irsde_jax.sde import Schedule

State: TypeAlias = Any
"""The solver's state, which is passed from step to step: any pytree of arrays."""


class StepInputs(NamedTuple):
    """The inputs of one solver step.

    Attributes:
        schedule: The coefficients of the SDE.
        x: The state at step t, shape [...].
        mu: The mean, shape of `x`; None for the Denoising process.
        noise: The network's prediction of the noise in `x`, shape of `x`.
        z: A standard normal draw, shape of `x`. For a solver that is not stochastic,
            `samplers.sample` passes zeros.
        t: The step of `x`, shape [].
        s: The next step, s < t, shape [].
    """

    schedule: Schedule
    x: Array
    mu: Array | None
    noise: Array
    z: Array
    t: Array
    s: Array


@runtime_checkable
class Solver(Protocol):
    """A reverse-time solver: any object with these four members.

    A solver is a static argument of compiled programs, so it must be hashable. A solver
    that does not support the Denoising process must also have the attribute
    `needs_mean = True`. Without this attribute, `step` must handle `inputs.mu is None`.
    """

    @property
    def order(self) -> int:
        """The order of convergence in the stride; the weak order if stochastic."""

    @property
    def is_stochastic(self) -> bool:
        """Whether a step uses the standard normal draw `inputs.z`."""

    def init(self, x: Array, /) -> State:
        """Returns the solver's state before the first step, which starts at `x`."""

    def step(self, state: State, inputs: StepInputs, /) -> tuple[Array, State]:
        """Returns x at step s, shape of `inputs.x`, and the new state of the solver.

        The new state must have the same shapes and types as `state`.
        """


@dataclasses.dataclass(frozen=True)
class FunctionSolver:
    """A `Solver` made of two functions.

    Attributes:
        init: The function x -> state, as `Solver.init`.
        step: The function (state, inputs) -> (x at step s, state), as `Solver.step`.
        order: The order of convergence in the stride; the weak order if stochastic.
        is_stochastic: Whether a step uses the standard normal draw `inputs.z`.
        needs_mean: Whether the solver needs a known mean, that is, does not support
            the Denoising process.
    """

    init: Callable[[Array], State]
    step: Callable[[State, StepInputs], tuple[Array, State]]
    order: int
    is_stochastic: bool
    needs_mean: bool = False


def needs_mean(solver: Solver) -> bool:
    """Returns whether a solver needs a known mean, that is, rejects `mu=None`."""
    return bool(getattr(solver, "needs_mean", False))
