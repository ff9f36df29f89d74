"""Networks of a few hundred parameters that were never trained, with their process."""

import jax
import ml_collections

from irsde_jax import configuration, models
from irsde_jax.restoration import restorer


def config(name: str) -> ml_collections.ConfigDict:
    """The configuration of that name, `small` among its variants, made tiny."""
    config = configuration.load(name).unlock()
    config.model.update(width=4, enc_blocks=(1,), dec_blocks=(1,), middle_blocks=0)
    config.sampling.num_evals = 2
    return config.lock()


def params(config: ml_collections.ConfigDict) -> dict:
    """Random parameters of its network, as host arrays."""
    model = restorer.make_model(config)
    return jax.device_get(models.init_params(model, jax.random.key(0)))


def make(name: str) -> restorer.Restorer:
    """A restorer of the configuration of that name."""
    return make_from(config(name))


def make_from(config: ml_collections.ConfigDict) -> restorer.Restorer:
    """A restorer of that configuration."""
    return restorer.Restorer(restorer.make_model(config), params(config), config)
