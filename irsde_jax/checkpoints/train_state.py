"""The state of a training run: all that is carried from step to step, and stored."""

from typing import NamedTuple

import chex
import numpy as np
import optax


class Skipped(NamedTuple):
    """Steps that changed nothing: their loss or gradient was not finite.

    Attributes:
        total: how many there were, shape [], int32, as are the others.
        in_a_row: how many of them are the latest steps.
        first: the first of those: the `step` of the state it was given.
    """

    total: chex.Array = np.int32(0)
    in_a_row: chex.Array = np.int32(0)
    first: chex.Array = np.int32(0)


class TrainState(NamedTuple):
    """All that a training run carries from step to step.

    Attributes:
        step: number of steps done, shape [], int32.
        params: the network's parameters.
        ema_params: their exponential moving average, which validation and users get.
        opt_state: the optimizer's state.
        skipped: the steps that were skipped; they count in `step`.
    """

    step: chex.Array
    params: chex.ArrayTree
    ema_params: chex.ArrayTree
    opt_state: optax.OptState
    skipped: Skipped = Skipped()
