"""Builds and checks the parts of a training run from its configuration."""

import copy
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from irsde_jax import configuration, losses, metrics, models, processes, sde
from irsde_jax.data import degradations, pipeline, sources
from irsde_jax.data.sources import cache, pairs
from irsde_jax.models import FlaxNetwork, Network
from irsde_jax.restoration import configured
from irsde_jax.restoration.restorer import Restorer
from irsde_jax.training import optimizers, train_step

Config: TypeAlias = ml_collections.ConfigDict


_NUM_SHOWN = 4  # the largest number of rows in the picture of a validation


def check_settings(config: Config) -> None:
    """Raises ValueError for settings that would fail or have no effect hours later."""
    positive = [
        *("batch_size", "accumulate", "log_every", "checkpoint_every"),
        *("keep_checkpoints", "max_skipped"),
    ]
    values = {f"train.{name}": config.train[name] for name in positive}
    if config.validation.dir:
        for name in ("every", "num_images", "crop_size"):
            values[f"validation.{name}"] = config.validation[name]
    for name, value in values.items():
        smallest = 11 if name == "validation.crop_size" else 1  # SSIM's window
        if value < smallest:
            raise ValueError(f"{name} must be at least {smallest}, got {value}.")
    for name in ("keep_best", "profile"):
        if config.train[name] < 0:
            raise ValueError(
                f"train.{name} must not be negative, got {config.train[name]}."
            )
    if not 0 <= config.train.ema_decay < 1:
        raise ValueError(
            f"train.ema_decay must lie in [0, 1), got {config.train.ema_decay}."
        )
    if config.optimizer.clip_norm < 0:
        raise ValueError(
            "optimizer.clip_norm must not be negative, got "
            f"{config.optimizer.clip_norm}; 0 clips nothing."
        )


class Parts(NamedTuple):
    """The pure functions of a training run.

    Attributes:
        network: The network.
        optimizer: The Optax optimizer.
        step_fn: The training step on all devices, from `train_step.data_parallel`.
    """

    network: Network
    optimizer: Any
    step_fn: Any


def with_objects(
    config: Config, source: pairs.Source | None, network: Network | None
) -> Config:
    """Returns a copy of the configuration that names the objects given by the caller.

    Args:
        config: The configuration.
        source: The images to train on, or None if `data.train_dir` names them.
        network: The network, or None if the group `model` describes it.
    """
    config = copy.deepcopy(config).unlock()
    if source is not None:
        config.data.train_dir = _marker(source)
    if network is not None:
        made_of = network.module if isinstance(network, FlaxNetwork) else network
        config.model = dict(name=_marker(made_of), channels=network.channels)
    return config.lock()


def _marker(value: object) -> str:
    kind = type(value)
    return f"{models.OBJECT}of {kind.__module__}.{kind.__qualname__}>"


def build(config: Config, network: Network | None = None) -> Parts:
    """Returns the network, its optimizer and the training step on all devices.

    Args:
        config: The configuration.
        network: The network. None builds the network that the group `model` describes.

    Raises:
        ValueError: If the batch cannot be split evenly over devices and slices.
    """
    num_parts = jax.device_count() * config.train.accumulate
    if config.train.batch_size % num_parts:
        raise ValueError(
            f"train.batch_size={config.train.batch_size} cannot be split over "
            f"{jax.device_count()} devices and train.accumulate="
            f"{config.train.accumulate} slices; choose a multiple of {num_parts}."
        )
    call_with, num_steps = configuration.call_with, config.train.num_steps
    schedule = call_with(sde.make_schedule, config, "schedule")
    process = processes.make_process(config.process, schedule, config.prediction)
    if network is None:
        network = configured.make_network(config)
    optimizer = call_with(optimizers.make_optimizer, config, "optimizer", num_steps)
    step = train_step.make_train_step(
        lambda variables, x, mu, t: network.apply(variables["params"], x, mu, t),
        optimizer,
        schedule,
        loss=call_with(losses.make_loss, config, "loss"),
        process=process,
        ema_decay=config.train.ema_decay,
        # An unconditional process does not use degraded images.
        degrade=degradations.make_degradation(**config.degradation)
        if process.conditional
        else None,
        axis_name="batch",
        accumulate=config.train.accumulate,
        learning_rate=call_with(
            optimizers.learning_rate_of, config, "optimizer", num_steps
        ),
    )
    return Parts(network, optimizer, train_step.data_parallel(step))


def _is_paired(config: Config) -> bool:
    """Returns whether training and validation read pairs instead of clean images."""
    return config.degradation.name == degradations.PAIRED


def open_source(
    config: Config, address: str, paired: bool | None, small: bool = False
) -> sources.Opened:
    """Opens the images at an address with the settings of the group `data`.

    Args:
        config: The configuration.
        address: The folder, archive or data set that holds the images.
        paired: Whether degraded images are read, too. None reads them if there are any.
        small: Whether degraded images keep their size instead of being enlarged.
    """
    data = config.data
    return sources.open_source(
        address,
        paired,
        channels=config.model.channels,
        data_range=data.data_range,
        tfds_dir=data.tfds_dir,
        manual_dir=data.manual_dir,
        scale=data.scale,
        enlarge=None if small else data.enlarge,
        pair=data.pair,
        border=data.border,
    )


def make_dataset(
    config: Config, source: pairs.Source | None = None
) -> tuple[Any, list[str]]:
    """Returns this host's part of the batches by step, and the names of the images.

    Decoded images are cached in memory, up to `data.cache_megabytes`.

    Args:
        config: The configuration.
        source: The images. None opens `data.train_dir`.
    """
    data = config.data
    if source is None:
        source = open_source(config, data.train_dir, _is_paired(config), small=True)
    source = cache.Cached(source, data.cache_megabytes * 2**20)
    dataset = pipeline.training_batches(
        source,
        seed=config.seed,
        batch_size=config.train.batch_size,
        crop_size=data.crop_size,
        augment=data.augment,
        scale=data.scale,
        enlarge=data.enlarge,
        shard_index=jax.process_index(),
        num_shards=jax.process_count(),
    )
    return dataset, source.names


def make_validation(config: Config, network: Network) -> Any:
    """Returns the function `validate(ema_params) -> (scores, pictures)`.

    The function restores central crops of the first images. The random keys are fixed,
    so two validations differ only by their weights.

    Args:
        config: The configuration. If `validation.dir` is empty, None is returned.
        network: The network whose parameters are validated.

    Raises:
        FileNotFoundError: If `validation.dir` names a folder that does not exist.
    """
    settings = config.validation
    if not settings.dir:
        return None
    if sources.is_folder(settings.dir) and not Path(settings.dir).is_dir():
        raise FileNotFoundError(
            f"validation.dir={settings.dir!r}: there is no such folder. Name one by "
            "--config.validation.dir=DIR, or none by --config.validation.dir= to go "
            "without."
        )
    Restorer.from_config(config, models.abstract_params(network), network).check(
        settings.num_images, settings.crop_size, settings.crop_size
    )
    crops = pipeline.validation_crops(
        open_source(config, settings.dir, _is_paired(config)),
        settings.num_images,
        settings.crop_size,
    )
    clean = crops["x0"]
    keys = jax.random.split(jax.random.key(config.seed), len(clean))
    degrade = degradations.make_degradation(**config.degradation)
    if degrade is None:
        degraded = crops["mu"]
    else:
        degraded = np.asarray(jax.vmap(degrade)(keys, jnp.asarray(clean)))

    def validate(ema_params):
        restore = Restorer.from_config(config, jax.device_get(ema_params), network)
        restored = restore(degraded, enlarged=True)
        rounded = np.round(restored * 255) / 255
        scores = {
            "validation_psnr": float(metrics.psnr(rounded, clean).mean()),
            "validation_ssim": float(metrics.ssim(rounded, clean).mean()),
        }
        grid = np.concatenate([degraded.clip(0, 1), rounded, clean], axis=2)
        grid = np.concatenate(grid[:_NUM_SHOWN], axis=0)
        if grid.shape[-1] not in (1, 3):  # TensorBoard shows only grey and RGB images.
            grid = grid.mean(axis=-1, keepdims=True)
        return scores, {"degraded_restored_clean": grid}

    return validate
