"""The 3x3 depthwise convolution as nine shifted multiply-adds.

XLA's grouped convolution is tens of times slower on CPUs (`benchmarks/depthwise.py`
compares the two). The gradient with respect to the kernel has a custom rule, because
automatic differentiation would give nine reductions over all pixels, which XLA does not
vectorise on CPUs.
"""

import jax
import jax.numpy as jnp

from irsde_jax.array_types import Array

_TAPS = [(row, column) for row in range(3) for column in range(3)]


@jax.custom_vjp
def depthwise_conv(x: Array, kernel: Array) -> Array:
    """Convolves each channel with its own 3x3 kernel, with zero padding of 1.

    The sums are computed in float32 for any type of `x`.

    Args:
        x: The images, shape [batch, H, W, C].
        kernel: The kernels, shape [3, 3, 1, C], in the layout of a grouped convolution
            with C groups.

    Returns:
        The convolved images, with the shape and type of `x`.
    """
    height, width = x.shape[1:3]
    kernel = kernel.astype(jnp.float32)
    padded = _zero_border(x)
    total = jnp.zeros((), jnp.float32)
    for row, column in _TAPS:
        shifted = padded[:, row : row + height, column : column + width]
        total += shifted * kernel[row, column, 0]
    return total.astype(x.dtype)


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return depthwise_conv(x, kernel), (x, kernel)


def _backward(residuals: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    x_gradient = depthwise_conv(gradient, kernel[::-1, ::-1])
    kernel_gradient = jax.lax.platform_dependent(
        x, gradient, cpu=_kernel_gradient_by_rows, default=_kernel_gradient
    )
    return x_gradient, kernel_gradient.astype(kernel.dtype)


depthwise_conv.defvjp(_forward, _backward)


def _zero_border(x: Array) -> Array:
    return jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))


def _kernel_gradient(x: Array, gradient: Array) -> Array:
    """Returns the gradient with respect to the kernel, shape [3, 3, 1, C].

    It is the sum over pixels of `gradient` times each of the nine shifts of `x`.
    """
    height, width, channels = x.shape[1:]
    padded = _zero_border(x.astype(jnp.float32))
    sums = []
    for row, column in _TAPS:
        shifted = padded[:, row : row + height, column : column + width]
        sums.append((shifted * gradient).sum((0, 1, 2)))
    return jnp.stack(sums).reshape(3, 3, 1, channels)


def _kernel_gradient_by_rows(x: Array, gradient: Array) -> Array:
    """Computes `_kernel_gradient` by accumulating one image row at a time.

    Only the last, small sum is a reduction. XLA does not vectorise reductions on CPUs.
    """
    batch, height, width, channels = x.shape
    padded = _zero_border(x)

    def add_row(sums, index):
        image, top = index // height, index % height
        window = (1, 3, width + 2, channels)
        rows = jax.lax.dynamic_slice(padded, (image, top, 0, 0), window)[0]
        window = (1, 1, width, channels)
        factor = jax.lax.dynamic_slice(gradient, (image, top, 0, 0), window)[0, 0]
        rows, factor = rows.astype(jnp.float32), factor.astype(jnp.float32)
        sums = tuple(
            total + rows[row, column : column + width] * factor
            for total, (row, column) in zip(sums, _TAPS, strict=True)
        )
        return sums, None

    zeros = tuple(jnp.zeros((width, channels)) for _ in _TAPS)
    sums, _ = jax.lax.scan(add_row, zeros, jnp.arange(batch * height), unroll=4)
    return jnp.stack(sums).sum(1).reshape(3, 3, 1, channels)
