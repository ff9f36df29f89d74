"""The training step as a pure function, and its distribution over devices.

A step is a function of (state, batch, keys), and `TrainState` holds the whole state of
a run. There is one key per example, so a batch gives the same numbers on one device and
on eight, as a whole and in slices.
"""

from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax

from irsde_jax import processes
from irsde_jax.array_types import Array, Batch, PRNGKey
from irsde_jax.checkpoints.train_state import Skipped, TrainState
from irsde_jax.losses import Loss
from irsde_jax.processes import Process
from irsde_jax.sde import Schedule
from irsde_jax.training import step_metrics
from irsde_jax.training.step_metrics import Metrics

TrainStep = Callable[[TrainState, Batch, PRNGKey], tuple[TrainState, Metrics]]


def init_train_state(
    params: chex.ArrayTree, optimizer: optax.GradientTransformation
) -> TrainState:
    """Returns the training state before the first step."""
    # The state is donated, so no two of its leaves may share a buffer.
    params = jax.tree.map(jnp.array, params)
    ema_params = jax.tree.map(jnp.copy, params)
    step = jnp.zeros((), jnp.int32)
    skipped = jax.tree.map(jnp.array, Skipped())
    return TrainState(step, params, ema_params, optimizer.init(params), skipped)


def make_train_step(
    apply_fn: Callable[..., Any],
    optimizer: optax.GradientTransformation,
    schedule: Schedule,
    *,
    loss: Loss,
    process: Process,
    ema_decay: float,
    degrade: Callable[[PRNGKey, Array], Array] | None = None,
    axis_name: str | None = None,
    accumulate: int = 1,
    learning_rate: optax.Schedule | None = None,
) -> TrainStep:
    """Builds `train_step(state, batch, keys) -> (state, metrics)`.

    A step is skipped if its loss or gradient is not finite: parameters, average and
    optimizer state do not change, and `state.skipped` counts the step.

    Args:
        apply_fn: The function `(variables, x, mu, t) -> output` of the network.
        optimizer: The optimizer that updates the parameters.
        schedule: The SDE coefficients.
        loss: The loss, from `losses.make_loss` or a `losses.Loss` of your own.
        process: The process, from `processes.make_process`.
        ema_decay: The decay of the moving average per step, in [0, 1).
        degrade: The function `(key, clean image) -> degraded image` for one image. None
            takes the degraded images "mu" from the batch.
        axis_name: The axis of the devices that share the batch; None for one device.
        accumulate: The number of slices in which a device computes its batch, to save
            memory. The result is the same as for the whole batch.
        learning_rate: The schedule to log. None disables logging.

    Returns:
        The step. Its batch is {"x0": clean} or {"x0": clean, "mu": degraded}, each
        [batch, H, W, C] in [0, 1]. Its keys have shape [batch]. Its metrics are "loss",
        "grad_norm" (before clipping), "update_norm" and "learning_rate", each of shape
        [], and those of `step_metrics.by_quartile` for the steps t that `loss` draws.
    """
    loss_fn = _loss_of_batch(apply_fn, schedule, loss, process, degrade)
    grad_fn = _in_slices(jax.value_and_grad(loss_fn, has_aux=True), accumulate)

    def train_step(state, batch, keys):
        (value, quartiles), grads = grad_fn(state.params, batch, keys)
        if axis_name is not None:
            value, grads = jax.lax.pmean((value, grads), axis_name)
            quartiles = jax.lax.psum(quartiles, axis_name)
        updates, after = _update(optimizer, ema_decay, state, grads)
        metrics = {
            "loss": value,
            "grad_norm": optax.tree.norm(grads),
            "update_norm": optax.tree.norm(updates),
            **quartiles,
        }
        if learning_rate is not None:
            # The optimizer does not count skipped steps.
            metrics["learning_rate"] = learning_rate(state.step - state.skipped.total)
        finite = jnp.isfinite(value) & jnp.isfinite(metrics["grad_norm"])
        return _select(finite, after, state), metrics

    return train_step


def _loss_of_batch(
    apply_fn: Callable[..., Any],
    schedule: Schedule,
    loss: Loss,
    process: Process,
    degrade: Callable[[PRNGKey, Array], Array] | None,
) -> Callable[..., Any]:
    """Builds `(params, batch, keys) -> (loss, step_metrics.by_quartile)`."""

    def loss_fn(params, batch, keys):
        loss_keys, degrade_keys = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
        x0 = batch["x0"]
        if degrade is None:
            degraded = batch.get("mu")
        else:
            degraded = jax.vmap(degrade)(degrade_keys, x0)
        network = lambda x, mu, t: apply_fn({"params": params}, x, mu, t)  # noqa: E731
        values, t = processes.training_loss(
            loss, process, loss_keys, schedule, network, x0=x0, degraded=degraded
        )
        return values.mean(), step_metrics.by_quartile(values, t, schedule.num_steps)

    return loss_fn


def _update(
    optimizer: optax.GradientTransformation,
    ema_decay: float,
    state: TrainState,
    grads: chex.ArrayTree,
) -> tuple[optax.Updates, TrainState]:
    """Returns the updates of the parameters and the new state, if it is not skipped."""
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    # A shorter average at the start forgets the first, poor parameters sooner.
    decay = jnp.minimum(ema_decay, (1.0 + state.step) / (10.0 + state.step))
    ema_params = optax.incremental_update(params, state.ema_params, 1.0 - decay)
    after = state._replace(params=params, ema_params=ema_params, opt_state=opt_state)
    return updates, after


def _select(finite: Array, after: TrainState, before: TrainState) -> TrainState:
    """Returns the state after a step, which is skipped unless `finite`."""
    changed = ("params", "ema_params", "opt_state")
    chosen = {
        name: jax.tree.map(
            lambda new, old: jnp.where(finite, new, old),
            getattr(after, name),
            getattr(before, name),
        )
        for name in changed
    }
    skipped = _count_skipped(before.skipped, before.step, finite)
    return before._replace(step=before.step + 1, skipped=skipped, **chosen)


def _count_skipped(skipped: Skipped, step: Array, finite: Array) -> Skipped:
    """Returns the counts of skipped steps after a step."""
    in_a_row = jnp.where(finite, 0, skipped.in_a_row + 1)
    total = skipped.total + jnp.where(finite, 0, 1)
    return Skipped(total, in_a_row, jnp.where(in_a_row == 1, step, skipped.first))


def _in_slices(grad_fn: Callable[..., Any], num_slices: int) -> Callable[..., Any]:
    """Computes `grad_fn` as a scan over slices of the batch.

    The loss and the gradient are means over the slices; the metrics are sums.
    """
    if num_slices == 1:
        return grad_fn

    def sliced(params, batch, keys):
        slices = jax.tree.map(
            lambda leaf: leaf.reshape(num_slices, -1, *leaf.shape[1:]), (batch, keys)
        )

        def add(total, piece):
            return jax.tree.map(jnp.add, total, grad_fn(params, *piece)), None

        first = jax.tree.map(lambda leaf: leaf[0], slices)
        shapes = jax.eval_shape(grad_fn, params, *first)
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        ((value, sums), grads), _ = jax.lax.scan(add, zeros, slices)
        value, grads = jax.tree.map(lambda x: x / num_slices, (value, grads))
        return (value, sums), grads

    return sliced


def example_keys(run_key: PRNGKey, step: Array | int, batch_size: int) -> PRNGKey:
    """Returns one key per example of a step, shape [batch_size]."""
    return jax.random.split(jax.random.fold_in(run_key, step), batch_size)


def data_parallel(train_step: TrainStep) -> Callable[..., Any]:
    """Runs `train_step` (built with axis_name="batch") on all devices of all hosts.

    The state has no device axis; `shard` splits the batch and the keys. The state is
    donated, so place it with `place` before the first call.
    """
    return jax.pmap(
        train_step,
        axis_name="batch",
        in_axes=(None, 0, 0),
        out_axes=(None, None),
        donate_argnums=0,
    )


def place(state: TrainState) -> TrainState:
    """Copies the state to every local device, in the layout of `data_parallel`."""
    mesh = jax.sharding.Mesh(np.asarray(jax.local_devices()), ("batch",))
    replicated = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    return jax.device_put(state, replicated)


def put(batch: chex.ArrayTree) -> chex.ArrayTree:
    """Starts moving a host batch to the local devices, split in the way of `shard`."""
    mesh = jax.sharding.Mesh(np.asarray(jax.local_devices()), ("batch",))
    split = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))
    return jax.device_put(shard(batch), split)


def shard(tree: chex.ArrayTree) -> chex.ArrayTree:
    """Splits leaves [batch, ...] into [devices, batch / devices, ...].

    Raises:
        ValueError: If the batch cannot be split evenly over the local devices.
    """
    num_devices = jax.local_device_count()

    def split(leaf):
        if leaf.shape[0] % num_devices:
            raise ValueError(
                f"a batch of {leaf.shape[0]} cannot be split over {num_devices} "
                f"devices; choose a multiple of {num_devices}."
            )
        return leaf.reshape(num_devices, leaf.shape[0] // num_devices, *leaf.shape[1:])

    return jax.tree.map(split, tree)
