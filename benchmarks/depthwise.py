"""The 3x3 depthwise convolution: nine shifted multiply-adds against XLA's grouped one.

Run as `python -m benchmarks.depthwise`. Forward, and forward with both gradients, on
16 images of 64 x 64 pixels and 64 channels; medians of five runs of each, interleaved,
so that whatever else the machine does meets both alike.
"""

from collections.abc import Callable
from functools import partial

import jax

from benchmarks import timing
from irsde_jax.array_types import Array
from irsde_jax.models.depthwise import depthwise_conv

SHAPE = (16, 64, 64, 64)


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


def main() -> None:
    """Prints the table."""
    x_key, kernel_key, gradient_key = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(x_key, SHAPE)
    kernel = jax.random.normal(kernel_key, (3, 3, 1, SHAPE[-1]))
    gradient = jax.random.normal(gradient_key, SHAPE)
    print(timing.hardware())
    print(f"shape {SHAPE}, {x.dtype}, median of {timing.NUM_PAIRS} pairs")
    print(f"{'':24}{'ours, ms':>10}{'grouped, ms':>14}{'ratio':>8}")
    for name, wrap, args in (
        ("forward", lambda function: function, (x, kernel)),
        ("forward and gradients", with_gradients, (x, kernel, gradient)),
    ):
        ours, theirs = (jax.jit(wrap(f)) for f in (depthwise_conv, grouped_conv))
        times = timing.compare(partial(ours, *args), partial(theirs, *args))
        print("{:24}{:10.2f}{:14.2f}{:8.1f}".format(name, *times))


if __name__ == "__main__":
    main()
