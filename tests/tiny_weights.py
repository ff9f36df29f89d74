"""Networks of a few hundred parameters that were never trained, with their process."""

import jax
import ml_collections

from irsde_jax import configuration, models
from irsde_jax.restoration import configured, restorer


def config(name: str) -> ml_collections.ConfigDict:
    """The configuration of that name, `small` among its variants, made tiny."""
    config = configuration.load(name).unlock()
    config.model.update(width=4, enc_blocks=(1,), dec_blocks=(1,), middle_blocks=0)
    config.sampling.num_evals = 2
    return config.lock()


def params(config: ml_collections.ConfigDict) -> dict:
    """Random parameters of its network, as host arrays."""
    model = configured.make_network(config)
    return jax.device_get(models.init_params(model, jax.random.key(0)))


def make(name: str) -> restorer.Restorer:
    """A restorer of the configuration of that name."""
    return make_from(config(name))


def make_from(config: ml_collections.ConfigDict) -> restorer.Restorer:
    """A restorer of that configuration."""
    return restorer.Restorer.from_config(config, params(config))


def changed(given: restorer.Restorer, *settings: str) -> restorer.Restorer:
    """The same weights with other settings, such as "sampling.tile=64"."""
    overrides = [f"--config.{setting}" for setting in settings]
    config = configuration.override(given.config, overrides)
    return restorer.Restorer.from_config(config, given.params, given.network)
