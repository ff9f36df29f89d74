"""The start of a training run: its work directory and its first state."""

import logging
from pathlib import Path
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import ml_collections

from irsde_jax import configuration, models
from irsde_jax.checkpoints import runs
from irsde_jax.checkpoints.train_state import TrainState
from irsde_jax.models import Network
from irsde_jax.restoration import loading
from irsde_jax.training import experiment, train_step
from irsde_jax.weights import is_pytorch

Config: TypeAlias = ml_collections.ConfigDict
logger = logging.getLogger(__name__)

# A run that is resumed must not change these settings; it may change all others.
_FIXED = (
    "task",
    "process",
    "prediction",
    "seed",
    "schedule",
    "model",
    "loss",
    "degradation",
    "optimizer",
    "data.crop_size",
    "data.augment",
    "train.batch_size",
    "train.ema_decay",
)


def claim(workdir: Path, config: Config) -> None:
    """Creates the work directory, or checks that it belongs to this run.

    Raises:
        ValueError: If the directory holds another run or other files.
    """
    if configuration.has_stored(workdir):
        stored = configuration.read_stored(workdir)
        found = configuration.differences(stored, config, _FIXED)
        # A run without a checkpoint has no results that could be lost.
        if found and runs.has_checkpoints(workdir):
            raise ValueError(
                f"{workdir} holds a run with another configuration: "
                + "; ".join(found)
                + ". Choose another --workdir, or the configuration of that run."
            )
    elif workdir.is_dir() and any(workdir.iterdir()):
        raise ValueError(
            f"{workdir} is not empty and not the work directory of a run. Choose "
            "another --workdir."
        )
    workdir.mkdir(parents=True, exist_ok=True)


def first_state(
    config: Config,
    parts: experiment.Parts,
    key: jax.Array,
    weights: Any,
    checkpoints: runs.Checkpoints,
) -> TrainState:
    """Returns the state of the latest checkpoint, or the state before the first step.

    Args:
        config: The configuration of the run.
        parts: The network and its optimizer.
        key: The key of the random parameters, shape [].
        weights: The weights to start from, or None for random parameters.
        checkpoints: The checkpoints of the work directory.
    """
    if checkpoints.latest_step is None:
        return _initial_state(config, parts.network, parts.optimizer, key, weights)
    # A resumed run takes its weights from the checkpoint and needs only shapes here.
    like = jax.eval_shape(
        lambda: _initial_state(config, parts.network, parts.optimizer, key, None)
    )
    state = checkpoints.restore(like)
    logger.info("resuming at step %d", state.step)
    return state


def _initial_state(
    config: Config, network: Network, optimizer: Any, key: jax.Array, weights: Any
) -> TrainState:
    """Returns the state before the first step, with random or with given weights.

    Raises:
        ValueError: If the given weights belong to another network.
    """
    if weights is None:
        params = models.init_params(network, key)
    else:
        # The weights may come from another schedule or task: only the network counts.
        given = config if is_pytorch(weights) else None
        model = network if config.model.name.startswith(models.OBJECT) else None
        start = loading.load(weights, given, model=model)
        expected = models.abstract_params(network)
        if jax.tree.map(jnp.shape, start.params) != jax.tree.map(jnp.shape, expected):
            raise ValueError(
                f"--weights={weights} are of another network than config.model: "
                f"{start.network} against {network}."
            )
        logger.info("starting from the weights of %s", weights)
        params = start.params
    return train_step.init_train_state(params, optimizer)
