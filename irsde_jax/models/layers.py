"""Layers of both networks: step embeddings, norms, attention and padding."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax.array_types import Array

# Neither network normalises its residual path. A third of the variance that preserves
# the size of the signal therefore gives a more stable start of training.
KERNEL_INIT = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")

NUM_HEADS, HEAD_SIZE = 4, 32


def time_embedding(t: Array, size: int) -> Array:
    """Returns [sin(t w), cos(t w)] with w_i = exp(-log(10000) i / (size / 2 - 1)).

    Args:
        t: The steps, integers or floats, shape [batch].
        size: The size of an embedding, even and at least 4.

    Returns:
        The embeddings in float32, shape [batch, size].
    """
    exponents = np.arange(size // 2) / (size // 2 - 1)
    frequencies = jnp.asarray(np.exp(-np.log(10000.0) * exponents), jnp.float32)
    angles = jnp.asarray(t, jnp.float32)[:, None] * frequencies
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


def dense(features: int, name: str, dtype: Any, use_bias: bool = True) -> nn.Dense:
    """Returns a linear layer on the last axis, the fastest 1x1 convolution."""
    return nn.Dense(
        features, use_bias=use_bias, dtype=dtype, kernel_init=KERNEL_INIT, name=name
    )


def conv(
    features: int, size: int, name: str, dtype: Any, use_bias: bool = True
) -> nn.Conv:
    """Returns a convolution with an odd kernel that preserves the image size."""
    return nn.Conv(
        features,
        (size, size),
        padding=size // 2,
        use_bias=use_bias,
        dtype=dtype,
        kernel_init=KERNEL_INIT,
        name=name,
    )


class ChannelNorm(nn.Module):
    """LayerNorm over the channels of each pixel, with a gain and without a bias.

    It is computed in float32.
    """

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Returns x, of shape [..., C], normalised over C."""
        gain = self.param("gain", nn.initializers.ones, (x.shape[-1],))
        wide = x.astype(jnp.float32)
        centred = wide - wide.mean(-1, keepdims=True)
        variance = jnp.square(centred).mean(-1, keepdims=True)
        return (centred * jax.lax.rsqrt(variance + 1e-5) * gain).astype(x.dtype)


class HeadProjections(nn.Module):
    """Queries, keys and values of all heads, from one linear layer without bias.

    The product is computed for each head separately. One large product would have to be
    split and transposed; on CPUs, these copies take several times as long as the
    products, especially in the gradient.
    """

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> list[tuple[Array, Array, Array]]:
        """Returns (q, k, v) for each head, given x of shape [batch, N, C].

        Each of them has the shape [batch, N, HEAD_SIZE].
        """
        channels = x.shape[-1]
        shape = (channels, 3 * NUM_HEADS * HEAD_SIZE)
        kernel = self.param("kernel", KERNEL_INIT, shape).astype(self.dtype)
        kernel = kernel.reshape(channels, 3, NUM_HEADS, HEAD_SIZE)
        x = x.astype(self.dtype)
        return [
            (x @ kernel[:, 0, head], x @ kernel[:, 1, head], x @ kernel[:, 2, head])
            for head in range(NUM_HEADS)
        ]


class LinearAttention(nn.Module):
    """Linear attention: x + norm(attention(norm(x))).

    The softmax of the queries is over their entries and that of the keys over the
    pixels. Keys and values are multiplied first, which gives one small matrix per head,
    so the cost is linear in the number of pixels.
    """

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Applies the attention to all pixels of x, shape [batch, H, W, C]."""
        pixels = _flatten_pixels(ChannelNorm(name="norm")(x))
        outs = []
        for q, k, v in HeadProjections(self.dtype, name="to_qkv")(pixels):
            q = _softmax(q, axis=-1) / HEAD_SIZE**0.5
            k = _softmax(k, axis=1)
            context = jnp.einsum("bnd,bne->bde", k, v / pixels.shape[1])
            outs.append(q @ context)
        out = jnp.concatenate(outs, axis=-1).reshape(*x.shape[:-1], -1)
        out = dense(x.shape[-1], "to_out", self.dtype)(out)
        return x + ChannelNorm(name="out_norm")(out)


class FullAttention(nn.Module):
    """Full attention: x + attention(norm(x)), with weights for all pairs of pixels."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Applies the attention to all pixels of x, shape [batch, H, W, C]."""
        pixels = _flatten_pixels(ChannelNorm(name="norm")(x))
        outs = []
        for q, k, v in HeadProjections(self.dtype, name="to_qkv")(pixels):
            similarity = jnp.einsum("bnd,bmd->bnm", q / HEAD_SIZE**0.5, k)
            outs.append(_softmax(similarity, axis=-1) @ v)
        out = jnp.concatenate(outs, axis=-1).reshape(*x.shape[:-1], -1)
        return x + dense(x.shape[-1], "project", self.dtype)(out)


def _flatten_pixels(x: Array) -> Array:
    """Reshapes [batch, H, W, C] to [batch, H * W, C]."""
    return x.reshape(x.shape[0], -1, x.shape[-1])


def _softmax(x: Array, axis: int) -> Array:
    """Returns the softmax in the type of x, computed in float32."""
    return jax.nn.softmax(x.astype(jnp.float32), axis=axis).astype(x.dtype)


def network_input(x: Array, mu: Array, channels: int, conditional: bool) -> Array:
    """Returns [x - mu, mu] along the channels, or x if the network is unconditional.

    Raises:
        ValueError: If the shapes of `x` and `mu` differ, or if the images do not have
            `channels` channels.
    """
    if x.ndim != 4 or x.shape[-1] != channels:
        raise ValueError(
            f"x has shape {x.shape}; this network takes [batch, H, W, {channels}]. "
            "Is `channels` set to that of the images?"
        )
    if not conditional:
        return x
    if mu.shape != x.shape:
        raise ValueError(f"mu has shape {mu.shape}, x has shape {x.shape}; not equal.")
    return jnp.concatenate([x - mu, mu], axis=-1)


def pad_to_multiple(x: Array, multiple: int, mode: str) -> Array:
    """Pads images at the bottom and right to multiples of `multiple`.

    Args:
        x: The images, of any size, shape [batch, H, W, C].
        multiple: The number of which the new height and width are multiples.
        mode: The kind of padding: "zero" or "reflect". "reflect" mirrors the image
            about its last pixel, repeatedly if necessary. A side of one pixel is
            repeated.

    Returns:
        The padded images, shape [batch, H', W', C].
    """
    height, width = x.shape[1:3]
    bottom, right = -height % multiple, -width % multiple
    if mode == "zero":
        return jnp.pad(x, ((0, 0), (0, bottom), (0, right), (0, 0)))
    if mode != "reflect":
        raise ValueError(f"mode={mode!r} is not one of ['reflect', 'zero'].")
    if bottom:
        x = x[:, _reflected_indices(height, height + bottom)]
    if right:
        x = x[:, :, _reflected_indices(width, width + right)]
    return x


def _reflected_indices(size: int, padded_size: int) -> np.ndarray:
    """Returns the first `padded_size` of 0, 1, .., size - 1, size - 2, .., 0, 1, .."""
    period = max(2 * (size - 1), 1)
    indices = np.arange(padded_size) % period
    return np.minimum(indices, period - indices) if size > 1 else indices
