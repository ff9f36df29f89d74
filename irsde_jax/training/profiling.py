"""What a step costs: its memory, as XLA counts it, and a trace of where time goes."""

import logging
from pathlib import Path
from typing import Any

import jax

logger = logging.getLogger(__name__)

_WARM_UP = 2  # steps of a start that are not traced: they compile, and fill caches


def compile_step(step_fn: Any, *arguments: Any) -> Any:
    """The step compiled for these arguments; what it needs and what there is is logged.

    Args:
        step_fn: of `train_step.data_parallel`.
        arguments: state, batch and keys as they will be.

    Returns:
        What to call. With several processes it is `step_fn` itself, and nothing is
        logged: a compiled `pmap` takes arrays of all of them, and none has those.
    """
    if jax.process_count() > 1:
        return step_fn
    compiled = step_fn.lower(*arguments).compile()
    needed, device = step_memory(compiled), jax.local_devices()[0]
    available = (device.memory_stats() or {}).get("bytes_limit")
    logger.info(
        "memory of a step on each device: %s; %s",
        ", ".join(f"{name} {_readable(size)}" for name, size in needed.items()),
        f"{device.device_kind} has {_readable(available)}"
        if available
        else f"how much there is, the {device.device_kind} does not say",
    )
    return compiled


def step_memory(compiled: Any) -> dict[str, int]:
    """Bytes on a device by XLA's own analysis, of a program that `lower` compiled."""
    stats = compiled.memory_analysis()
    if stats is None:  # a backend without one
        return {}
    sizes = {
        "state and batch": stats.argument_size_in_bytes,
        "work space": stats.temp_size_in_bytes,
        # Donated buffers hold both a state and the next.
        "results": stats.output_size_in_bytes - stats.alias_size_in_bytes,
    }
    return sizes | {"together": sum(sizes.values())}


def known_options(options: dict[str, Any]) -> dict[str, Any]:
    """Returns those of XLA's compiler options that this version of XLA knows.

    Options come and go with the versions of XLA, and an unknown one is an error there.

    Args:
        options: The names of the options and their values.
    """
    program = jax.jit(lambda x: x + 1).lower(0.0)
    known = {}
    for name, value in options.items():
        try:
            program.compile({name: value})
        except jax.errors.JaxRuntimeError:
            logger.info("this version of XLA does not know the option %s", name)
        else:
            known[name] = value
    return known


def memory_in_use() -> dict[str, float]:
    """Scalars of the first device: what is and was in use; none where it cannot say."""
    stats = jax.local_devices()[0].memory_stats() or {}
    names = {"bytes_in_use": "device_bytes", "peak_bytes_in_use": "device_bytes_peak"}
    return {ours: float(stats[name]) for name, ours in names.items() if name in stats}


class Trace:
    """A JAX trace of a few steps, for TensorBoard or Perfetto; a context manager.

    Args:
        folder: where it goes.
        start: the first step of this start of the run.
        num_steps: how many to trace; 0: none.
    """

    def __init__(self, folder: Path, start: int, num_steps: int):
        self._folder = folder
        self._first, self._end = start + _WARM_UP, start + _WARM_UP + num_steps
        self._num_steps, self._running = num_steps, False

    def before(self, step: int, state: Any) -> None:
        """To be called before each step, with the state that it is given."""
        if self._num_steps and step == self._first:
            jax.block_until_ready(state)
            jax.profiler.start_trace(self._folder)
            self._running = True
        elif self._running and step == self._end:
            jax.block_until_ready(state)
            self._stop()

    def __enter__(self) -> "Trace":
        return self

    def __exit__(self, *_: object) -> None:
        if self._running:
            self._stop()

    def _stop(self) -> None:
        jax.profiler.stop_trace()
        self._running = False
        logger.info("the trace of a few steps is in %s", self._folder)


def _readable(size: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
