"""A restorer whose network is one 1 x 1 convolution, and photographs for it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from irsde_jax import configuration
from irsde_jax.restoration.restorer import Restorer

TRACES = []


class OneConv(nn.Module):
    """The noise of a constant image, or what a 1 x 1 convolution makes of x and mu."""

    channels: int = 3

    @nn.compact
    def __call__(self, x, mu, t):
        TRACES.append(x.shape)  # runs when the program is traced, not when it runs
        mu = jnp.zeros_like(x) if mu is None else mu
        h = nn.Dense(self.channels, name="dense")(jnp.concatenate([x - mu, mu], -1))
        return h * jnp.cos(t / 30.0)[:, None, None, None]


def make(**changes):
    config = configuration.load("default").unlock()
    config.sampling.num_evals = 2
    config.update(changes)
    model = OneConv()
    x = jnp.zeros((1, 8, 8, 3))
    params = model.init(jax.random.key(0), x, x, jnp.zeros(1))["params"]
    return Restorer.from_config(config.lock(), params, model)


def denoiser(**changes):
    schedule = dict(max_sigma=75 / 255, delta=0.04)
    return make(process="denoising", schedule=schedule, **changes)


def photo(shape=(12, 10, 3), seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)
