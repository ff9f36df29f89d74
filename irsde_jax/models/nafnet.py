"""The conditional NAFNet of Refusion, compatible with the official weights.

It is a U-shaped network without activation functions. Instead, the two halves of the
channels are multiplied (`simple_gate`).

References:
    Luo et al. (2023), "Refusion", https://arxiv.org/abs/2304.08291.
    Chen et al. (2022), "Simple Baselines for Image Restoration",
    https://arxiv.org/abs/2204.04676.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from irsde_jax.array_types import Array
from irsde_jax.models.depthwise import depthwise_conv
from irsde_jax.models.layers import (
    KERNEL_INIT,
    ChannelNorm,
    conv,
    dense,
    network_input,
    pad_to_multiple,
    time_embedding,
)


class ConditionalNAFNet(nn.Module):
    """The conditional NAFNet, with 76.6 M parameters at the default size.

    Attributes:
        channels: The number of channels of the images.
        width: The number of channels of the first level, even and at least 4. It
            doubles with each level.
        enc_blocks: The number of blocks of each level of the encoder.
        middle_blocks: The number of blocks between the encoder and the decoder.
        dec_blocks: The number of blocks of each level of the decoder, deepest first.
        conditional: Whether the network sees mu. The denoising variant does not.
        dtype: The type of the computation. Parameters and output are float32.
        remat: Whether to recompute each level in the backward pass, which saves memory.
    """

    channels: int = 3
    width: int = 64
    enc_blocks: Sequence[int] = (1, 1, 1, 28)
    middle_blocks: int = 1
    dec_blocks: Sequence[int] = (1, 1, 1, 1)
    conditional: bool = True
    dtype: Any = jnp.float32
    remat: bool = False

    def __post_init__(self) -> None:
        if self.width < 4 or self.width % 2:
            raise ValueError(f"width must be even and at least 4, got {self.width}.")
        if self.channels < 1:
            raise ValueError(f"channels must be at least 1, got {self.channels}.")
        if len(self.enc_blocks) != len(self.dec_blocks):
            raise ValueError(
                "enc_blocks and dec_blocks must have one number per level each, got "
                f"{self.enc_blocks} and {self.dec_blocks}."
            )
        super().__post_init__()

    @nn.compact
    def __call__(self, x: Array, mu: Array, t: Array) -> Array:
        """Predicts the noise in x.

        Args:
            x: The states, shape [batch, H, W, C], of any height and width.
            mu: The degraded images, shape of `x`. The denoising variant ignores them.
            t: The steps, integers or floats, shape [batch].

        Returns:
            The noise in float32, with the shape of `x`.
        """
        height, width = x.shape[1:3]
        num_levels = len(self.enc_blocks)
        level = nn.remat(Level) if self.remat else Level
        time = GatedTimeMLP(self.width, name="time_mlp")(t)
        h = network_input(x, mu, self.channels, self.conditional)
        h = pad_to_multiple(h.astype(self.dtype), 2**num_levels, "zero")
        h = conv(self.width, 3, "intro", self.dtype)(h)
        kept = []
        for i, num_blocks in enumerate(self.enc_blocks):
            h = level(num_blocks, self.dtype, name=f"encoder_{i}")(h, time)
            kept.append(h)
            h = Downsample(self.dtype, name=f"down_{i}")(h)
        h = level(self.middle_blocks, self.dtype, name="middle")(h, time)
        for i, num_blocks in enumerate(self.dec_blocks):
            h = dense(2 * h.shape[-1], f"up_{i}", self.dtype, use_bias=False)(h)
            h = pixel_shuffle(h) + kept.pop()
            h = level(num_blocks, self.dtype, name=f"decoder_{i}")(h, time)
        h = conv(self.channels, 3, "ending", self.dtype)(h)
        return h[:, :height, :width].astype(jnp.float32)


class GatedTimeMLP(nn.Module):
    """Embedding of steps in float32, [batch] -> [batch, 4 width]."""

    width: int

    @nn.compact
    def __call__(self, t: Array) -> Array:
        h = time_embedding(t, self.width)
        h = simple_gate(dense(8 * self.width, "hidden", jnp.float32)(h))
        return dense(4 * self.width, "out", jnp.float32)(h)


class Level(nn.Module):
    """A sequence of blocks at one resolution."""

    num_blocks: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, time: Array) -> Array:
        for i in range(self.num_blocks):
            x = NAFBlock(self.dtype, name=f"block_{i}")(x, time)
        return x


class NAFBlock(nn.Module):
    """A depthwise convolution with channel attention and a gated pointwise layer."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, time: Array) -> Array:
        width, dtype = x.shape[-1], self.dtype
        modulation = dense(4 * width, "time", jnp.float32)(simple_gate(time))
        modulation = modulation.astype(dtype)[:, None, None, :]
        shift_att, scale_att, shift_ffn, scale_ffn = jnp.split(modulation, 4, axis=-1)
        # These gains start at 0, so that the block is the identity at first.
        beta = self.param("beta", nn.initializers.zeros, (width,)).astype(dtype)
        gamma = self.param("gamma", nn.initializers.zeros, (width,)).astype(dtype)

        h = ChannelNorm(name="norm_att")(x) * (scale_att + 1) + shift_att
        h = dense(2 * width, "expand_att", dtype)(h)
        h = simple_gate(DepthwiseConv(dtype, name="depthwise")(h))
        mean = h.mean((1, 2), keepdims=True, dtype=jnp.float32).astype(dtype)
        h = h * dense(width, "channel_att", dtype)(mean)
        x = x + dense(width, "project_att", dtype)(h) * beta

        h = ChannelNorm(name="norm_ffn")(x) * (scale_ffn + 1) + shift_ffn
        h = simple_gate(dense(2 * width, "expand_ffn", dtype)(h))
        return x + dense(width, "project_ffn", dtype)(h) * gamma


class DepthwiseConv(nn.Module):
    """A 3x3 convolution of each channel separately, with bias."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        channels = x.shape[-1]
        kernel = self.param("kernel", KERNEL_INIT, (3, 3, 1, channels))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        return depthwise_conv(x, kernel) + bias.astype(self.dtype)


class Downsample(nn.Module):
    """A 2x2 convolution of stride 2: [batch, H, W, c] -> [batch, H/2, W/2, 2c].

    Its patches do not overlap, so it is computed as one matrix product, which is faster
    than a convolution.
    """

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        batch, height, width, channels = x.shape
        kernel = self.param("kernel", KERNEL_INIT, (2, 2, channels, 2 * channels))
        bias = self.param("bias", nn.initializers.zeros, (2 * channels,))
        x = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
        x = x.swapaxes(2, 3).reshape(batch, height // 2, width // 2, 4 * channels)
        kernel = kernel.astype(self.dtype).reshape(4 * channels, 2 * channels)
        return x @ kernel + bias.astype(self.dtype)


def simple_gate(x: Array) -> Array:
    """Returns the product of the two halves of the channels, [..., 2c] -> [..., c]."""
    first, second = jnp.split(x, 2, axis=-1)
    return first * second


def pixel_shuffle(x: Array) -> Array:
    """Rearranges [batch, H, W, 4c] to [batch, 2H, 2W, c].

    Channel 4k + 2i + j becomes channel k at row i and column j of a 2 x 2 block.
    """
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height, width, channels // 4, 2, 2)
    x = x.transpose(0, 1, 4, 2, 5, 3)
    return x.reshape(batch, 2 * height, 2 * width, channels // 4)
