"""What a solver of the reverse process is.

A solver takes one step, from step t to an earlier step s, from one prediction of the
noise. It uses the increments of whatever grid it is given: t and s need not be
neighbours. `mu=None` means the Denoising process, whose mean is the unknown clean
image: the current estimate of the clean image stands in for mu.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from irsde_jax.array_types import Array
from irsde_jax.sde import Schedule

State: TypeAlias = Any
"""What a solver carries from step to step: any pytree of arrays."""


class StepInputs(NamedTuple):
    """What a solver is given for one step.

    Attributes:
        schedule: The coefficients of the SDE.
        x: The state at step t, shape [...].
        mu: The mean, shape of `x`; None for the Denoising process.
        noise: The network's prediction of the noise in `x`, shape of `x`.
        z: A standard normal draw, shape of `x`. `samplers.sample` gives zeros to a
            solver that is not stochastic.
        t: The step of `x`, shape [].
        s: The step to go to, s < t, shape [].
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
    """A reverse-time solver. Any object with these four members is one.

    A solver is a static argument of compiled programs, so it must be hashable. A solver
    that has no Denoising form also has the attribute `needs_mean = True`; without that
    attribute its `step` must handle `inputs.mu is None`.
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
        """Returns the image at step s, shape of `inputs.x`, and the next state.

        The next state must have the shapes and types of `state`.
        """


@dataclasses.dataclass(frozen=True)
class FunctionSolver:
    """A `Solver` made of two functions.

    Attributes:
        init: x -> state.
        step: (state, inputs) -> (x at step s, state).
        order: The order of convergence in the stride; the weak order if stochastic.
        is_stochastic: Whether a step uses the standard normal draw `inputs.z`.
        needs_mean: Whether the solver has no Denoising form.
    """

    init: Callable[[Array], State]
    step: Callable[[State, StepInputs], tuple[Array, State]]
    order: int
    is_stochastic: bool
    needs_mean: bool = False


def needs_mean(solver: Solver) -> bool:
    """Whether a solver needs a known mean, and so has no Denoising form (mu=None)."""
    return bool(getattr(solver, "needs_mean", False))
