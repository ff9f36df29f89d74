"""Timing that can be compared: interleaved runs, medians, and the hardware's name."""

import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

NUM_PAIRS = 5


def seconds(function: Callable, *args: Any) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    jax.block_until_ready(function(*args))
    return time.perf_counter() - start


def compare(
    first: Callable[[], Any], second: Callable[[], Any]
) -> tuple[float, float, float]:
    """Median milliseconds of both from interleaved pairs, and the median ratio.

    The ratio, of the second to the first, is taken pair by pair: whatever else the
    machine does meets both alike.
    """
    jax.block_until_ready((first(), second()))  # compiles
    pairs = [(seconds(first), seconds(second)) for _ in range(NUM_PAIRS)]
    ratio = statistics.median(b / a for a, b in pairs)
    a, b = (1e3 * statistics.median(times) for times in zip(*pairs, strict=True))
    return a, b, ratio


def matmul_gflops(side: int = 2048, dtype: Any = jnp.float32) -> float:
    """What the product of two square matrices reaches, the median of five."""
    product = jax.jit(jnp.matmul)
    x = jax.random.normal(jax.random.key(0), (side, side), dtype)
    jax.block_until_ready(product(x, x))
    each = statistics.median(seconds(product, x, x) for _ in range(NUM_PAIRS))
    return 2 * side**3 / each / 1e9


def hardware() -> str:
    """What the programs run on, and by which JAX."""
    device = jax.devices()[0]
    return f"{device.platform}: {_processor(device)}; jax {jax.__version__}"


def _processor(device: jax.Device) -> str:
    if device.platform != "cpu":
        return device.device_kind
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {len(names) or '?'} logical cores"
