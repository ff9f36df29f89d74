"""A training step of the paper's U-Net and of Refusion's NAFNet: memory, and speed.

Run as `python -m benchmarks.paper_steps`. It compiles the steps for the device at hand,
executes none, and prints what XLA's own analysis says that they need, batches of 4 with
crops of 128 x 128: minutes on a CPU, where bfloat16 is computed as float32, saving less
than elsewhere, and where `remat` is kept for this table alone (see `NOT_RUN`).

With `--gpu` it runs them as well, and compares them with a bfloat16 matrix product of
the same run. `--tiny` takes tiny networks and crops, to try the command.

Operations are those of the plain step, counted in its trace (`operations`), on any
backend alike: what is computed a second time, for less memory, is not counted as an
achievement.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from benchmarks import operations, timing
from irsde_jax import configuration, models
from irsde_jax.training import experiment, profiling, train_step

NETWORKS = {"paper's U-Net": "deraining", "Refusion's NAFNet": "deraining:refusion"}
VARIANTS: dict[str, dict[str, Any]] = {
    "float32": {},
    "float32, remat": dict(remat=True),
    "float32, 4 slices": dict(accumulate=4),
    "float32, remat, 4 slices": dict(remat=True, accumulate=4),
    "bfloat16": dict(dtype="bfloat16"),
    "bfloat16, remat": dict(dtype="bfloat16", remat=True),
}
GIB = 2**30
# Of what is not run: no work of LLVM's, which changes no buffer, and the barriers that
# keep a recomputation apart, which XLA's compiler for CPUs would take out first.
NOT_RUN = {
    "xla_backend_optimization_level": 0,
    "xla_disable_hlo_passes": "cse_barrier_expander",
}


def configure(network: str, variant: str, tiny: bool) -> ml_collections.ConfigDict:
    """The configuration of a network, changed by a variant."""
    config = configuration.load(NETWORKS[network]).unlock()
    config.train.batch_size = 4 * jax.device_count()
    if tiny:
        config.data.crop_size = 16
        if config.model.name == "unet":
            config.model.update(features=8, depth=2)
        else:
            config.model.update(width=8, enc_blocks=(1, 1), dec_blocks=(1, 1))
    changes = dict(VARIANTS[variant])
    config.train.accumulate = changes.pop("accumulate", 1)
    config.model.update(changes)
    return config.lock()


def build(config: ml_collections.ConfigDict) -> tuple[Any, tuple[Any, ...]]:
    """The step, and the shapes of its arguments."""
    parts = experiment.build(config)
    size, batch_size = config.data.crop_size, config.train.batch_size

    def arguments() -> tuple[Any, ...]:
        params = models.init_params(parts.network, jax.random.key(0))
        state = train_step.init_train_state(params, parts.optimizer)
        image = jnp.zeros((batch_size, size, size, 3))
        keys = train_step.example_keys(jax.random.key(0), 0, batch_size)
        return state, *train_step.shard(({"x0": image, "mu": image}, keys))

    return parts.step_fn, jax.eval_shape(arguments)


def lower(config: ml_collections.ConfigDict) -> tuple[Any, tuple[Any, ...]]:
    """The step before XLA sees it, and the shapes of its arguments."""
    step_fn, shapes = build(config)
    return step_fn.lower(*shapes), shapes


def operations_of(network: str, tiny: bool) -> int:
    """The operations of the plain step of a network, on one device."""
    step_fn, shapes = build(configure(network, "float32", tiny))
    return operations.count(step_fn, *shapes)


def seconds_of(compiled: Any, shapes: tuple[Any, ...]) -> float:
    """The median of some executions, on random images and zero parameters."""
    state = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes[0])
    state = train_step.place(state)
    num_devices, each = shapes[2].shape
    rng = np.random.default_rng(0)
    batch = jax.tree.map(
        lambda x: rng.random((num_devices * each, *x.shape[2:]), np.float32), shapes[1]
    )
    batch = train_step.put(batch)
    keys = train_step.example_keys(jax.random.key(0), 0, num_devices * each)
    keys, times = train_step.shard(keys), []
    for _ in range(timing.NUM_PAIRS + 2):
        began = time.perf_counter()
        state, _ = jax.block_until_ready(compiled(state, batch, keys))
        times.append(time.perf_counter() - began)
    return statistics.median(times[2:])


def print_network(network: str, run: bool, tiny: bool, variants: Sequence[str]) -> None:
    """A row for each variant."""
    flops = operations_of(network, tiny) if run else 0
    peak = 0.0
    for variant in variants:
        config = configure(network, variant, tiny)
        lowered, shapes = lower(config)
        options = None if run else profiling.known_options(NOT_RUN)
        compiled = lowered.compile(options)
        needed = profiling.step_memory(compiled)
        size = sum(leaf.size for leaf in jax.tree.leaves(shapes[0].params))
        columns = [needed[name] / GIB for name in ("state and batch", "work space")]
        columns.append(needed["together"] / GIB)
        text = "".join(f"{column:10.2f}" for column in columns)
        if run:
            peak = peak or timing.matmul_gflops(512 if tiny else 8192, jnp.bfloat16)
            seconds = seconds_of(compiled, shapes)
            rate = flops / seconds / 1e9
            images = config.train.batch_size / seconds
            text += f"{images:10.2f}{rate / 1e3:10.3f}{rate / peak:11.3f}"
        print(f"{network:20}{size / 1e6:8.1f} M  {variant:26}{text}", flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpu", action="store_true", help="run the steps as well")
    parser.add_argument("--tiny", action="store_true", help="tiny networks and crops")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=[*NETWORKS])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=[*VARIANTS])
    chosen = parser.parse_args(argv)
    print(timing.hardware())
    head = f"{'':32}{'GiB a device, batches of 4':26}"
    head += "".join(f"{name:>10}" for name in ("state", "work", "together"))
    if chosen.gpu:
        head += f"{'images/s':>10}{'TFLOP/s':>10}{'of matmul':>11}"
    print(head)
    for network in chosen.networks:
        print_network(network, chosen.gpu, chosen.tiny, chosen.variants)


if __name__ == "__main__":
    main()
