"""The interface of networks, which is independent of any neural-network library.

A network is an object with `channels`, `init` and `apply`. `FlaxNetwork` wraps a Flax
module. For a network of another library, write an object with these members.
"""

import dataclasses
from typing import Any, Protocol, runtime_checkable

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from irsde_jax.array_types import Array, PRNGKey


@runtime_checkable
class Network(Protocol):
    """A network: any object with these three members.

    If networks are hashable, equal networks share compiled programs.
    """

    @property
    def channels(self) -> int:
        """The number of channels of the images."""

    def init(self, key: PRNGKey) -> Any:
        """Returns new parameters: any pytree of floating-point arrays.

        Args:
            key: The random key, shape [].
        """

    def apply(self, params: Any, x: Array, mu: Array, t: Array) -> Array:
        """Returns the prediction, with the shape of `x`.

        Args:
            params: The parameters, with the structure that `init` returns.
            x: The states, shape [batch, H, W, C].
            mu: The degraded images, shape of `x`. In the Denoising process, it is `x`.
            t: The step of each image, shape [batch].
        """


@dataclasses.dataclass(frozen=True)
class FlaxNetwork:
    """A Flax module as a `Network`.

    Attributes:
        module: A module that is called with (x, mu, t). Its only variables must be
            parameters.
        channels: The number of channels of the images.
    """

    module: nn.Module
    channels: int

    def init(self, key: PRNGKey) -> chex.ArrayTree:
        """Returns new parameters; their shapes do not depend on the image size."""
        x = jnp.zeros((1, 16, 16, self.channels))
        # Without `jit`, this takes ten times as long.
        return jax.jit(self.module.init)(key, x, x, jnp.zeros(1))["params"]

    def apply(self, params: chex.ArrayTree, x: Array, mu: Array, t: Array) -> Array:
        """Returns the prediction; the arguments are those of `Network.apply`."""
        prediction: Array = self.module.apply({"params": params}, x, mu, t)  # type: ignore[assignment]
        return prediction


def init_params(network: Network | nn.Module, key: PRNGKey) -> Any:
    """Returns new parameters of a network, or of a Flax module of this package."""
    return as_network(network).init(key)


def abstract_params(network: Network | nn.Module) -> Any:
    """Returns the shapes and types of the parameters, without computing them."""
    return jax.eval_shape(lambda: init_params(network, jax.random.key(0)))


def as_network(network: Network | nn.Module, channels: int | None = None) -> Network:
    """Returns a `Network` unchanged, and a Flax module as a `FlaxNetwork`.

    Args:
        network: The network or the Flax module.
        channels: The number of channels of the images, for a Flax module. By default,
            it is the attribute `channels` of the module.

    Raises:
        TypeError: If `network` is neither a `Network` nor a Flax module.
    """
    if isinstance(network, nn.Module):
        if channels is None:
            channels = int(network.channels)
        return FlaxNetwork(network, channels)
    if not isinstance(network, Network):
        raise TypeError(
            f"{network!r} is no network: it needs init(key), apply(params, x, mu, t) "
            "and channels, see irsde_jax.models.Network, or must be a Flax module."
        )
    return network
