"""The networks, which map images and a step to a prediction of the noise."""

from irsde_jax.models.choosing import MODELS, OBJECT, make_model, make_network
from irsde_jax.models.nafnet import ConditionalNAFNet
from irsde_jax.models.networks import (
    FlaxNetwork,
    Network,
    abstract_params,
    as_network,
    init_params,
)
from irsde_jax.models.unet import ConditionalUNet

__all__ = [
    "MODELS",
    "OBJECT",
    "ConditionalNAFNet",
    "ConditionalUNet",
    "FlaxNetwork",
    "Network",
    "abstract_params",
    "as_network",
    "init_params",
    "make_model",
    "make_network",
]
