"""The training step as a pure function, and the one place where devices are met.

State in, state out: all that a run knows is in `TrainState`, and a step is a function
of (state, batch, keys). There is one key per example, so that a batch gives the same
numbers on one device and on eight.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax

from irsde_jax import processes
from irsde_jax.array_types import Array, Batch, PRNGKey
from irsde_jax.processes import Process
from irsde_jax.sde import Schedule

Metrics = dict[str, Array]
TrainStep = Callable[["TrainState", Batch, PRNGKey], tuple["TrainState", Metrics]]


class TrainState(NamedTuple):
    """All that a training run carries from step to step.

    Attributes:
        step: number of steps done, shape [], int32.
        params: the network's parameters.
        ema_params: their exponential moving average, which validation and users get.
        opt_state: the optimizer's state.
    """

    step: chex.Array
    params: chex.ArrayTree
    ema_params: chex.ArrayTree
    opt_state: optax.OptState


def init_train_state(
    params: chex.ArrayTree, optimizer: optax.GradientTransformation
) -> TrainState:
    """The state before the first step."""
    # Real copies: the state is donated, and a buffer must not be donated twice.
    params = jax.tree.map(jnp.array, params)
    ema_params = jax.tree.map(jnp.copy, params)
    step = jnp.zeros((), jnp.int32)
    return TrainState(step, params, ema_params, optimizer.init(params))


def make_train_step(
    apply_fn: Callable[..., Any],
    optimizer: optax.GradientTransformation,
    schedule: Schedule,
    loss: Callable[..., Array],
    process: Process,
    ema_decay: float,
    degrade: Callable[[PRNGKey, Array], Array] | None = None,
    axis_name: str | None = None,
) -> TrainStep:
    """Builds `train_step(state, batch, keys) -> (state, metrics)`.

    Args:
        apply_fn: `model.apply`.
        optimizer: of the parameters.
        schedule: SDE coefficients.
        loss: of `losses.make_loss`.
        process: a value of `processes.PROCESSES`.
        ema_decay: of the moving average, per step.
        degrade: `(key, clean image) -> degraded image` for one image, run on the device
            where the batch holds clean images alone; None where it holds "mu".
        axis_name: of the devices that share the batch; None for one device.

    Returns:
        The step. Its batch is {"x0": clean} or {"x0": clean, "mu": degraded}, each
        [batch, H, W, C] in [0, 1]; its keys have shape [batch]; its metrics are the
        "loss" and the "grad_norm" before clipping, each shape [].
    """

    def train_step(state, batch, keys):
        loss_keys, degrade_keys = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
        x0 = batch["x0"]
        if degrade is None:
            degraded = batch.get("mu")
        else:
            degraded = jax.vmap(degrade)(degrade_keys, x0)

        def loss_fn(params):
            network = lambda x, mu, t: apply_fn({"params": params}, x, mu, t)  # noqa: E731
            return processes.training_loss(
                loss, process, loss_keys, schedule, network, x0, degraded
            )

        value, grads = jax.value_and_grad(loss_fn)(state.params)
        if axis_name is not None:
            value, grads = jax.lax.pmean((value, grads), axis_name)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        # Early steps would be remembered for long; the average starts shorter.
        decay = jnp.minimum(ema_decay, (1.0 + state.step) / (10.0 + state.step))
        ema_params = optax.incremental_update(params, state.ema_params, 1.0 - decay)
        metrics = {"loss": value, "grad_norm": optax.tree.norm(grads)}
        return TrainState(state.step + 1, params, ema_params, opt_state), metrics

    return train_step


def example_keys(run_key: PRNGKey, step: Array | int, batch_size: int) -> PRNGKey:
    """One key per example of a step, shape [batch_size]: a function of run and step."""
    return jax.random.split(jax.random.fold_in(run_key, step), batch_size)


def data_parallel(train_step: TrainStep) -> Callable[..., Any]:
    """Runs `train_step` (built with axis_name="batch") on all local devices.

    The state has no device axis; batch and keys are split by `shard`. The state is
    donated: place it with `place` before the first call.
    """
    return jax.pmap(
        train_step,
        axis_name="batch",
        in_axes=(None, 0, 0),
        out_axes=(None, None),
        donate_argnums=0,
    )


def place(state: TrainState) -> TrainState:
    """A copy of the state on every local device, as `data_parallel` returns it."""
    mesh = jax.sharding.Mesh(np.asarray(jax.local_devices()), ("batch",))
    replicated = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    return jax.device_put(state, replicated)


def put(batch: chex.ArrayTree) -> chex.ArrayTree:
    """Starts moving a host batch to the local devices, split as `shard` splits it."""
    mesh = jax.sharding.Mesh(np.asarray(jax.local_devices()), ("batch",))
    split = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("batch"))
    return jax.device_put(shard(batch), split)


def shard(tree: chex.ArrayTree) -> chex.ArrayTree:
    """Splits leaves [batch, ...] into [devices, batch / devices, ...].

    Raises:
        ValueError: if the batch cannot be split evenly.
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
