"""Optimizers and learning-rate schedules of Optax, by name."""

from collections.abc import Callable, Sequence
from typing import Any

import optax


def adam(learning_rate, b1, b2, weight_decay):
    """Returns Adam (Kingma & Ba 2015); raises ValueError for a weight decay."""
    if weight_decay:
        raise ValueError(
            f"adam takes no weight_decay, got {weight_decay}. Did you mean "
            "name='adamw'?"
        )
    return optax.adam(learning_rate, b1, b2)


def adamw(learning_rate, b1, b2, weight_decay):
    """Returns Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""
    return optax.adamw(learning_rate, b1, b2, weight_decay=weight_decay)


def lion(learning_rate, b1, b2, weight_decay):
    """Returns Lion (Chen et al. 2023), the optimizer of Refusion."""
    return optax.lion(learning_rate, b1, b2, weight_decay=weight_decay)


OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "adam": adam,
    "adamw": adamw,
    "lion": lion,
}


def constant_decay(learning_rate, num_steps, milestones):
    """Returns a schedule that keeps the learning rate constant."""
    del num_steps, milestones
    return optax.constant_schedule(learning_rate)


def step_decay(learning_rate, num_steps, milestones):
    """Returns a schedule that halves the learning rate at each milestone."""
    del num_steps
    return optax.piecewise_constant_schedule(
        learning_rate, {int(step): 0.5 for step in milestones}
    )


def cosine_decay(learning_rate, num_steps, milestones):
    """Returns a schedule that falls along half a cosine to 0 at the last step."""
    del milestones
    return optax.cosine_decay_schedule(learning_rate, num_steps)


DECAYS: dict[str, Callable[..., optax.Schedule]] = {
    "constant": constant_decay,
    "step": step_decay,
    "cosine": cosine_decay,
}


def make_learning_rate(
    num_steps: int,
    learning_rate: float,
    decay: str = "constant",
    milestones: Sequence[int] = (),
    warmup_steps: int = 0,
) -> optax.Schedule:
    """Returns the learning rate as a function of the step.

    Args:
        num_steps: The number of training steps.
        learning_rate: The largest learning rate.
        decay: The name of the decay, a key of `DECAYS`.
        milestones: The steps at which the decay "step" halves the learning rate,
            counted from the end of the warm-up.
        warmup_steps: The number of steps in which the rate rises linearly from 0 before
            the decay begins.

    Raises:
        ValueError: If `decay` is unknown.
    """
    if decay not in DECAYS:
        raise ValueError(f"decay={decay!r} is not one of {sorted(DECAYS)}.")
    after = DECAYS[decay](learning_rate, max(num_steps - warmup_steps, 1), milestones)
    if not warmup_steps:
        return after
    rise = optax.linear_schedule(0.0, learning_rate, warmup_steps)
    return optax.join_schedules([rise, after], [warmup_steps])


def learning_rate_of(num_steps: int, **optimizer: Any) -> optax.Schedule:
    """Returns the learning rate that `make_optimizer` uses, for the log.

    Args:
        num_steps: The number of training steps.
        **optimizer: The other arguments of `make_optimizer`.
    """
    others = ("name", "b1", "b2", "weight_decay", "clip_norm")
    rate = {name: value for name, value in optimizer.items() if name not in others}
    return make_learning_rate(num_steps, **rate)


def make_optimizer(
    num_steps: int,
    name: str = "adam",
    *,
    b1: float = 0.9,
    b2: float = 0.99,
    weight_decay: float = 0.0,
    clip_norm: float = 0.0,
    learning_rate: float,
    decay: str = "constant",
    milestones: Sequence[int] = (),
    warmup_steps: int = 0,
) -> optax.GradientTransformation:
    """Returns an optimizer with its learning-rate schedule and gradient clipping.

    Args:
        num_steps: The number of training steps.
        name: The name of the optimizer, a key of `OPTIMIZERS`.
        b1: The decay rate of the first moment, in [0, 1).
        b2: The decay rate of the second moment, in [0, 1).
        weight_decay: The decoupled weight decay, for "adamw" and "lion" only.
        clip_norm: The largest global norm of the gradient; 0 disables clipping.
        learning_rate: The largest learning rate.
        decay: The name of the learning-rate decay, a key of `DECAYS`.
        milestones: The steps at which the decay "step" halves the learning rate,
            counted from the end of the warm-up.
        warmup_steps: The number of steps in which the rate rises linearly from 0.

    Raises:
        ValueError: If `name` or `decay` is unknown, or "adam" gets a weight decay.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer name={name!r} is not one of {sorted(OPTIMIZERS)}.")
    rate = make_learning_rate(num_steps, learning_rate, decay, milestones, warmup_steps)
    optimizer = OPTIMIZERS[name](rate, b1, b2, weight_decay)
    if not clip_norm:
        return optimizer
    return optax.chain(optax.clip_by_global_norm(clip_norm), optimizer)
