"""Optimizers and learning-rate schedules by name, all of them optax's."""

from collections.abc import Callable, Sequence
from typing import Any

import optax


def adam(learning_rate, b1, b2, weight_decay):
    """Adam (Kingma & Ba 2015)."""
    if weight_decay:
        raise ValueError(
            f"adam takes no weight_decay, got {weight_decay}. Did you mean "
            "name='adamw'?"
        )
    return optax.adam(learning_rate, b1, b2)


def adamw(learning_rate, b1, b2, weight_decay):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""
    return optax.adamw(learning_rate, b1, b2, weight_decay=weight_decay)


def lion(learning_rate, b1, b2, weight_decay):
    """Lion (Chen et al. 2023), Refusion's choice."""
    return optax.lion(learning_rate, b1, b2, weight_decay=weight_decay)


OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "adam": adam,
    "adamw": adamw,
    "lion": lion,
}


def constant_decay(learning_rate, num_steps, milestones):
    """The learning rate as given."""
    del num_steps, milestones
    return optax.constant_schedule(learning_rate)


def step_decay(learning_rate, num_steps, milestones):
    """Halved at each milestone."""
    del num_steps
    return optax.piecewise_constant_schedule(
        learning_rate, {int(step): 0.5 for step in milestones}
    )


def cosine_decay(learning_rate, num_steps, milestones):
    """Half a cosine, to zero at the last step."""
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
    """The learning rate as a function of the step.

    Args:
        num_steps: length of the training.
        learning_rate: its largest value.
        decay: a key of `DECAYS`.
        milestones: steps at which "step" halves it.
        warmup_steps: steps of linear rise from 0, before the decay begins.

    Raises:
        ValueError: for an unknown decay.
    """
    if decay not in DECAYS:
        raise ValueError(f"decay={decay!r} is not one of {sorted(DECAYS)}.")
    after = DECAYS[decay](learning_rate, max(num_steps - warmup_steps, 1), milestones)
    if not warmup_steps:
        return after
    rise = optax.linear_schedule(0.0, learning_rate, warmup_steps)
    return optax.join_schedules([rise, after], [warmup_steps])


def learning_rate_of(num_steps: int, **optimizer: Any) -> optax.Schedule:
    """The learning rate of `make_optimizer` with the same arguments, to be told."""
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
    """An optimizer with its learning rate and gradient clipping.

    Args:
        num_steps: length of the training.
        name: a key of `OPTIMIZERS`.
        b1: decay of the first moment.
        b2: decay of the second moment.
        weight_decay: decoupled weight decay, for adamw and lion.
        clip_norm: largest global norm of the gradient; 0: no clipping.
        learning_rate: The largest learning rate.
        decay: The key of `DECAYS` for `make_learning_rate`.
        milestones: The steps at which the decay "step" halves the learning rate.
        warmup_steps: The number of steps of linear rise from 0.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"optimizer name={name!r} is not one of {sorted(OPTIMIZERS)}.")
    rate = make_learning_rate(num_steps, learning_rate, decay, milestones, warmup_steps)
    optimizer = OPTIMIZERS[name](rate, b1, b2, weight_decay)
    if not clip_norm:
        return optimizer
    return optax.chain(optax.clip_by_global_norm(clip_norm), optimizer)
