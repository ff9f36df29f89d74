"""The 3x3 depthwise convolution: nine shifted multiply-adds against XLA's grouped one.

Run as `python -m benchmarks.depthwise`. Forward, and forward with both gradients, on
16 images of 64 x 64 pixels and 64 channels; medians of five runs of each, interleaved,
so that whatever else the machine does meets both alike.
"""

import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp

from irsde_jax.array_types import Array
from irsde_jax.models.depthwise import depthwise_conv

SHAPE = (16, 64, 64, 64)
NUM_PAIRS = 5


def grouped_conv(x: Array, kernel: Array) -> Array:
    """XLA's own depthwise convolution."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(1, 1),
        padding=((1, 1), (1, 1)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


def with_gradients(function: Callable) -> Callable:
    """The function's value with both gradients, for a given output gradient."""

    def run(x: Array, kernel: Array, gradient: Array) -> tuple:
        out, vjp = jax.vjp(function, x, kernel)
        return out, *vjp(gradient)

    return run


def seconds(function: Callable, *args: Array) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    jax.block_until_ready(function(*args))
    return time.perf_counter() - start


def compare(ours: Callable, theirs: Callable, *args: Array) -> tuple[float, float]:
    """Median milliseconds of both, from interleaved pairs."""
    ours, theirs = jax.jit(ours), jax.jit(theirs)
    jax.block_until_ready((ours(*args), theirs(*args)))
    pairs = [(seconds(ours, *args), seconds(theirs, *args)) for _ in range(NUM_PAIRS)]
    first, second = zip(*pairs, strict=True)
    return 1e3 * statistics.median(first), 1e3 * statistics.median(second)


def processor() -> str:
    """The name of what the programs run on."""
    device = jax.devices()[0]
    if device.platform != "cpu":
        return device.device_kind
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {len(names) or '?'} logical cores"


def main() -> None:
    """Prints the table."""
    x_key, kernel_key, gradient_key = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(x_key, SHAPE)
    kernel = jax.random.normal(kernel_key, (3, 3, 1, SHAPE[-1]))
    gradient = jax.random.normal(gradient_key, SHAPE)
    print(f"{jax.devices()[0].platform}: {processor()}; jax {jax.__version__}")
    print(f"shape {SHAPE}, {jnp.dtype(x.dtype)}, median of {NUM_PAIRS} pairs")
    print(f"{'':24}{'ours, ms':>10}{'grouped, ms':>14}{'ratio':>8}")
    for name, wrap, args in (
        ("forward", lambda function: function, (x, kernel)),
        ("forward and gradients", with_gradients, (x, kernel, gradient)),
    ):
        ours, theirs = compare(wrap(depthwise_conv), wrap(grouped_conv), *args)
        print(f"{name:24}{ours:10.2f}{theirs:14.2f}{theirs / ours:8.1f}")


if __name__ == "__main__":
    main()
