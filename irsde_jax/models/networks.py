"""Networks as the rest of the library knows them, whatever library they are made with.

A network is an object with `channels`, `init` and `apply`. A Flax module is wrapped by
`FlaxNetwork`; a network of any other library is an object of the user's own.
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
    """A network: two functions, and the number of channels of its images.

    A network that is hashable shares compiled programs with all that are equal to it.
    """

    @property
    def channels(self) -> int:
        """The number of channels of the images."""

    def init(self, key: PRNGKey) -> Any:
        """Returns fresh parameters: any pytree of floating point arrays.

        Args:
            key: The key of the random numbers, shape [].
        """

    def apply(self, params: Any, x: Array, mu: Array, t: Array) -> Array:
        """Returns the prediction, shape of `x`.

        Args:
            params: What `init` returned, trained or not.
            x: The states, shape [batch, H, W, C].
            mu: The degraded images, shape of `x`. In the Denoising process it is `x`.
            t: The step of each image, shape [batch].
        """


@dataclasses.dataclass(frozen=True)
class FlaxNetwork:
    """A Flax module as a `Network`.

    Attributes:
        module: A module that is called with (x, mu, t) and has parameters alone.
        channels: The number of channels of its images.
    """

    module: nn.Module
    channels: int

    def init(self, key: PRNGKey) -> chex.ArrayTree:
        """Returns fresh parameters; their shapes are the same for all image sizes."""
        x = jnp.zeros((1, 16, 16, self.channels))
        # Jitted: operation by operation it takes ten times as long.
        return jax.jit(self.module.init)(key, x, x, jnp.zeros(1))["params"]

    def apply(self, params: chex.ArrayTree, x: Array, mu: Array, t: Array) -> Array:
        """Returns the prediction, shape of `x`; see `Network.apply`."""
        prediction: Array = self.module.apply({"params": params}, x, mu, t)  # type: ignore[assignment]
        return prediction


def init_params(network: Network | nn.Module, key: PRNGKey) -> Any:
    """Returns fresh parameters of a network, or of a module of `irsde_jax.models`."""
    return as_network(network).init(key)


def abstract_params(network: Network | nn.Module) -> Any:
    """Returns shapes and types of a network's parameters, without computing any."""
    return jax.eval_shape(lambda: init_params(network, jax.random.key(0)))


def as_network(network: Network | nn.Module, channels: int | None = None) -> Network:
    """Returns a `Network` as it is, and a Flax module as a `FlaxNetwork`.

    Args:
        network: The network or the module.
        channels: The number of channels of the images of a module. None is that of the
            module, which then needs an attribute `channels`.

    Raises:
        TypeError: If it is neither of the two.
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
