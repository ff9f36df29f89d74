"""The cost of a training step: its memory by XLA's analysis, and a trace of time."""

import logging
from pathlib import Path
from typing import Any

import jax

logger = logging.getLogger(__name__)

_WARM_UP = 2  # The first steps are not traced: they compile and fill caches.


def compile_step(step_fn: Any, *arguments: Any) -> Any:
    """Compiles the step, and logs the memory that it needs and that a device has.

    Args:
        step_fn: The training step, from `train_step.data_parallel`.
        *arguments: The state, the batch and the keys of the first step.

    Returns:
        The compiled step. With several processes it is `step_fn` itself, and nothing is
        logged: a compiled `pmap` takes arrays that span all processes, and no process
        has such arrays.
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
    """Returns the bytes that a compiled program needs on a device, by XLA's analysis.

    Args:
        compiled: The program, from `lower(...).compile()`.

    Returns:
        The bytes by purpose, with their sum as "together". The dictionary is empty if
        the backend offers no analysis.
    """
    stats = compiled.memory_analysis()
    if stats is None:  # Some backends have no analysis.
        return {}
    sizes = {
        "state and batch": stats.argument_size_in_bytes,
        "work space": stats.temp_size_in_bytes,
        # The results that reuse donated buffers need no memory of their own.
        "results": stats.output_size_in_bytes - stats.alias_size_in_bytes,
    }
    return sizes | {"together": sum(sizes.values())}


def known_options(options: dict[str, Any]) -> dict[str, Any]:
    """Returns the compiler options that this version of XLA knows.

    The options differ between versions of XLA, which rejects an unknown option with an
    error.

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
    """Returns the current and the peak memory use of the first device, in bytes.

    The dictionary is empty if the device does not report its memory.
    """
    stats = jax.local_devices()[0].memory_stats() or {}
    names = {"bytes_in_use": "device_bytes", "peak_bytes_in_use": "device_bytes_peak"}
    return {ours: float(stats[name]) for name, ours in names.items() if name in stats}


class Trace:
    """A context manager that records a JAX trace of a few steps.

    TensorBoard and Perfetto can show the trace.

    Args:
        folder: The folder in which the trace is written.
        start: The first step after the start or the resumption of the run.
        num_steps: The number of steps to trace; 0 disables the trace.
    """

    def __init__(self, folder: Path, start: int, num_steps: int):
        self._folder = folder
        self._first, self._end = start + _WARM_UP, start + _WARM_UP + num_steps
        self._num_steps, self._running = num_steps, False

    def before(self, step: int, state: Any) -> None:
        """Starts or ends the trace; call it before each step, with its state."""
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
