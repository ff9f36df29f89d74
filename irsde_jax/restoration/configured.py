"""Builds the parts of a restorer from a configuration."""

import dataclasses
from typing import TypeAlias

import ml_collections

from irsde_jax import configuration, models, processes, sde
from irsde_jax.models import Network
from irsde_jax.processes import Process
from irsde_jax.restoration.settings import ImageFormat, Sampling
from irsde_jax.sde import Schedule

Config: TypeAlias = ml_collections.ConfigDict


def make_network(config: Config) -> Network:
    """Returns the network.

    Args:
        config: The configuration. Its process decides whether the network is
            conditioned on degraded images.
    """
    process = processes.make_process(config.process)
    return configuration.call_with(
        models.make_network, config, "model", conditional=process.conditional
    )


def make_schedule(config: Config) -> Schedule:
    """Returns the SDE coefficients."""
    return configuration.call_with(sde.make_schedule, config, "schedule")


def make_process(config: Config, schedule: Schedule) -> Process:
    """Returns the process, after checking that it is compatible with its schedule."""
    return processes.make_process(config.process, schedule, config.prediction)


def make_sampling(config: Config) -> Sampling:
    """Returns the sampling settings.

    If `sampling.debias` is unset, it is derived from the training loss.
    """
    sampling = configuration.call_with(Sampling, config, "sampling")
    if config.sampling.debias is not None:
        return sampling
    by_loss = config.loss.name == "max_likelihood_euler"
    return dataclasses.replace(sampling, debias=by_loss)


def make_image_format(config: Config) -> ImageFormat:
    """Returns the format of the images that the network accepts."""
    data = config.data
    return ImageFormat(
        channels=config.model.channels,
        scale=data.scale,
        enlarge=data.enlarge,
        data_range=tuple(data.data_range),
    )
