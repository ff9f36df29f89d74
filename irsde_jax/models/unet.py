"""The conditional U-Net of IR-SDE, compatible with the official weights.

The step scales and shifts the features of the residual blocks, each level has linear
attention over its pixels, and each level of the decoder gets two skip connections from
the encoder.

References:
    Luo et al. (2023), https://arxiv.org/abs/2301.11699.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from irsde_jax.array_types import Array
from irsde_jax.models.layers import (
    KERNEL_INIT,
    FullAttention,
    LinearAttention,
    conv,
    dense,
    network_input,
    pad_to_multiple,
    time_embedding,
)


class ConditionalUNet(nn.Module):
    """The conditional U-Net, with 137.15 M parameters at the default size.

    Attributes:
        channels: The number of channels of the images.
        features: The number of channels of the first level, even and at least 4. It
            doubles with each level.
        depth: The number of levels. Images are padded to a multiple of 2^depth.
        conditional: Whether the network sees mu. The denoising variant does not, and
            has full attention in the middle.
        dtype: The type of the computation. Parameters and output are float32.
        remat: Whether to recompute each level in the backward pass, which saves memory.
    """

    channels: int = 3
    features: int = 64
    depth: int = 4
    conditional: bool = True
    dtype: Any = jnp.float32
    remat: bool = False

    def __post_init__(self) -> None:
        if self.features < 4 or self.features % 2:
            raise ValueError(
                f"features must be even and at least 4, got {self.features}."
            )
        if self.depth < 1 or self.channels < 1:
            raise ValueError(
                "depth and channels must be at least 1, got "
                f"depth={self.depth}, channels={self.channels}."
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
        time = TimeMLP(self.features, name="time_mlp")(t)
        h = network_input(x, mu, self.channels, self.conditional)
        h = pad_to_multiple(h.astype(self.dtype), 2**self.depth, "reflect")
        h = first = conv(self.features, 7, "init_conv", self.dtype, use_bias=False)(h)
        h = self._levels(h, time)
        h = jnp.concatenate([h, first], axis=-1)
        h = self._rematerialised(ResidualBlock)(
            self.features, self.dtype, name="final_block"
        )(h, time)
        h = conv(self.channels, 3, "final_conv", self.dtype)(h)
        return h[:, :height, :width].astype(jnp.float32)

    def _levels(self, h: Array, time: Array) -> Array:
        """Applies encoder, middle and decoder; h and the result are [..., features]."""
        kept = []
        for i in range(self.depth):
            level = self._rematerialised(DownLevel)
            is_last = i == self.depth - 1
            h, *states = level(is_last, self.dtype, name=f"down_{i}")(h, time)
            kept += states
        h = self._middle(h, time)
        for i in range(self.depth):
            level = self._rematerialised(UpLevel)
            is_last = i == self.depth - 1
            h = level(is_last, self.dtype, name=f"up_{i}")(
                h, kept.pop(), kept.pop(), time
            )
        return h

    def _middle(self, h: Array, time: Array) -> Array:
        block = self._rematerialised(ResidualBlock)
        attention = self._rematerialised(
            LinearAttention if self.conditional else FullAttention
        )
        h = block(h.shape[-1], self.dtype, name="mid_block1")(h, time)
        h = attention(self.dtype, name="mid_attention")(h)
        return block(h.shape[-1], self.dtype, name="mid_block2")(h, time)

    def _rematerialised(self, module: Any) -> Any:
        return nn.remat(module) if self.remat else module


class TimeMLP(nn.Module):
    """Embedding of steps in float32, [batch] -> [batch, 4 features]."""

    features: int

    @nn.compact
    def __call__(self, t: Array) -> Array:
        h = time_embedding(t, self.features)
        h = dense(4 * self.features, "hidden", jnp.float32)(h)
        # The official weights use the exact form; the tanh form differs by up to 1e-3.
        h = jax.nn.gelu(h, approximate=False)
        return dense(4 * self.features, "out", jnp.float32)(h)


class ResidualBlock(nn.Module):
    """Two convolutions and a skip connection.

    The step scales and shifts the output of the first convolution.
    """

    features: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, time: Array) -> Array:
        modulation = dense(2 * self.features, "time", jnp.float32)(jax.nn.silu(time))
        modulation = modulation.astype(self.dtype)[:, None, None, :]
        scale, shift = jnp.split(modulation, 2, axis=-1)
        h = conv(self.features, 3, "conv1", self.dtype, use_bias=False)(x)
        h = jax.nn.silu(h * (scale + 1) + shift)
        h = conv(self.features, 3, "conv2", self.dtype, use_bias=False)(h)
        h = jax.nn.silu(h)
        if x.shape[-1] != self.features:
            x = dense(self.features, "skip", self.dtype, use_bias=False)(x)
        return h + x


class DownLevel(nn.Module):
    """A level of the encoder, [batch, H, W, c] -> [batch, H/2, W/2, 2c].

    It also returns two states for the skip connections. The last level doubles the
    number of channels but preserves the size.
    """

    is_last: bool
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, time: Array) -> tuple[Array, Array, Array]:
        width = x.shape[-1]
        first = ResidualBlock(width, self.dtype, name="block1")(x, time)
        second = ResidualBlock(width, self.dtype, name="block2")(first, time)
        second = LinearAttention(self.dtype, name="attention")(second)
        if self.is_last:
            down = conv(2 * width, 3, "last_conv", self.dtype, use_bias=False)
        else:
            down = nn.Conv(
                2 * width,
                (4, 4),
                strides=2,
                padding=1,
                dtype=self.dtype,
                kernel_init=KERNEL_INIT,
                name="downsample",
            )
        return down(second), first, second


class UpLevel(nn.Module):
    """A level of the decoder, [batch, H, W, 2c] -> [batch, 2H, 2W, c].

    The two states of the skip connections have the shape [batch, H, W, c]. The last
    level, which already has the full size, preserves it.
    """

    is_last: bool
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, second: Array, first: Array, time: Array) -> Array:
        width = x.shape[-1]
        for kept, name in ((second, "block1"), (first, "block2")):
            x = jnp.concatenate([x, kept], axis=-1)
            x = ResidualBlock(width, self.dtype, name=name)(x, time)
        x = LinearAttention(self.dtype, name="attention")(x)
        if self.is_last:
            return conv(width // 2, 3, "last_conv", self.dtype, use_bias=False)(x)
        x = x.repeat(2, axis=1).repeat(2, axis=2)
        return conv(width // 2, 3, "upsample", self.dtype)(x)
