"""The state of a training run, which is passed from step to step and stored."""

from typing import NamedTuple

import chex
import numpy as np
import optax


class Skipped(NamedTuple):
    """Counts of skipped steps, whose loss or gradient was not finite.

    Attributes:
        total: The number of all skipped steps, shape [], int32.
        in_a_row: The number of skipped steps since the last successful one, shape [],
            int32.
        first: The `step` of the first of these latest skipped steps, shape [], int32.
    """

    total: chex.Array = np.int32(0)
    in_a_row: chex.Array = np.int32(0)
    first: chex.Array = np.int32(0)


class TrainState(NamedTuple):
    """The state of a training run.

    Attributes:
        step: The number of steps done, with skipped steps, shape [], int32.
        params: The parameters of the network.
        ema_params: The exponential moving average (EMA) of the parameters, which is
            used for validation and restoration.
        opt_state: The state of the optimizer.
        skipped: The counts of skipped steps.
    """

    step: chex.Array
    params: chex.ArrayTree
    ema_params: chex.ArrayTree
    opt_state: optax.OptState
    skipped: Skipped = Skipped()
