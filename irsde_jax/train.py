"""The training loop: files, clock, log and checkpoints. It contains no mathematics.

A run is a work directory: `config.json`, `checkpoints/`, `logs/`. The same command
started again continues it from its last checkpoint: the batch and the noise of a step
are functions of (seed, step), so there is nothing else to remember.
"""

import logging
import os
import time
from pathlib import Path
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from irsde_jax import (
    configuration,
    experiment,
    logs,
    models,
    restore,
    train_step,
)
from irsde_jax.checkpoints import runs
from irsde_jax.data import pairs, pipeline
from irsde_jax.train_step import TrainState

Config: TypeAlias = ml_collections.ConfigDict
logger = logging.getLogger(__name__)

# What makes two runs different trainings; the rest may change when one goes on.
_FIXED = (
    *("task", "process", "seed", "schedule", "model", "loss", "degradation"),
    *("optimizer", "data.crop_size", "data.augment"),
    *("train.batch_size", "train.ema_decay"),
)


def train(
    config: Config,
    workdir: str | os.PathLike,
    weights: str | os.PathLike | None = None,
) -> TrainState:
    """Trains a network, or goes on training it; returns the final state.

    Args:
        config: see `configs/default.py`.
        workdir: of the run: made if missing, continued if it holds a checkpoint.
        weights: what to start from instead of random numbers (fine-tuning): what
            `restore.load` takes, of the same network.

    Raises:
        ValueError: for a setting out of range, or a work directory that holds a run
            with another configuration.
        FileNotFoundError: for a missing folder of images.
        FloatingPointError: if the loss is not finite.
    """
    workdir = Path(workdir)
    experiment.check_settings(config)
    _claim(workdir, config)
    model, optimizer, step_fn = experiment.build(config)
    dataset, names = experiment.make_dataset(config)
    validate = experiment.make_validation(config, model)
    first_key, run_key = jax.random.split(jax.random.key(config.seed))
    keep = config.train.keep_checkpoints
    if runs.has_checkpoints(workdir):
        weights = None  # a run that goes on does not need them again
    state = _initial_state(config, model, optimizer, first_key, weights)
    configuration.write(config, workdir)
    with (
        runs.Checkpoints(workdir, keep) as checkpoints,
        logs.MetricWriter(workdir / "logs") as writer,
    ):
        if checkpoints.latest_step is not None:
            state = checkpoints.restore(state)
            logger.info("resuming %s at step %d", workdir, state.step)
        start, end = int(state.step), config.train.num_steps
        if start >= end:
            logger.info("%s is trained already: step %d of %d.", workdir, start, end)
            return state
        batches = pipeline.iterate(
            dataset,
            start,
            num_threads=config.data.num_threads,
            num_workers=config.data.num_workers,
        )
        try:
            ahead = pipeline.Prefetch(batches, _put)
            damage = _Damage(names, config.data.max_unreadable)
            state = _loop(
                *(config, state, step_fn, ahead, damage, run_key),
                *(validate, checkpoints, writer),
            )
        finally:
            batches.close()
    return state


def _loop(
    config: Config,
    state: TrainState,
    step_fn: Any,
    batches: pipeline.Prefetch,
    damage: "_Damage",
    run_key: jax.Array,
    validate: Any,
    checkpoints: runs.Checkpoints,
    writer: logs.MetricWriter,
) -> TrainState:
    """The steps from the state's to the last one."""
    start, end, every = int(state.step), config.train.num_steps, config.train
    keys_of = jax.jit(train_step.example_keys, static_argnums=2)
    state = train_step.place(state)
    pending: list[train_step.Metrics] = []
    logged_at, batch_size = time.monotonic(), config.train.batch_size
    waited_s = 0.0
    with logs.Progress(end, start, images_per_step=batch_size) as progress:
        for step in range(start, end):
            batch, unreadable = next(batches)
            damage.note(unreadable)
            keys = train_step.shard(keys_of(run_key, step, batch_size))
            state, step_metrics = step_fn(state, batch, keys)
            # Metrics stay on the device until they are logged: no wait in between.
            pending.append(step_metrics)
            progress.update()
            done = step + 1
            if done % every.log_every == 0 or done == end:
                scalars = _average(pending, done)
                progress.update(0, loss=scalars["loss"])
                now = time.monotonic()
                rate = len(pending) * batch_size / (now - logged_at)
                waiting = (batches.waited_s - waited_s) / (now - logged_at)
                speed = {"images_per_s": rate, "input_wait_share": waiting}
                writer.write(done, scalars | speed)
                pending, logged_at, waited_s = [], now, batches.waited_s
            if done % every.checkpoint_every == 0 or done == end:
                if pending:
                    _average(pending, done)  # weights that are not finite are not kept
                checkpoints.save(state, config)
            if validate and (done % config.validation.every == 0 or done == end):
                scores, pictures = validate(state.ema_params)
                writer.write(done, scores)
                writer.write_images(done, pictures)
                progress.message(
                    f"step {done}: validation PSNR {scores['validation_psnr']:.2f} dB, "
                    f"SSIM {scores['validation_ssim']:.4f} (EMA weights, RGB)"
                )
    return state


class _Damage:
    """Names the images that cannot be read, and stops where there are too many."""

    def __init__(self, names: list[str], limit: int):
        self._names, self._limit = names, limit
        self._seen: set[int] = set()

    def note(self, indices: np.ndarray) -> None:
        """Takes the indices of unreadable images in a batch."""
        for index in {int(index) for index in indices} - self._seen:
            self._seen.add(index)
            logger.warning(
                "%s cannot be read; the next image is used instead (%d so far)",
                *(self._names[index], len(self._seen)),
            )
        if len(self._seen) > self._limit:
            raise ValueError(
                f"{len(self._seen)} images cannot be read, such as "
                f"{self._names[min(self._seen)]}; data.max_unreadable={self._limit}. "
                "--mode=check names them all."
            )


def _put(batch: pairs.Record) -> tuple[Any, np.ndarray]:
    """A batch on its way to the devices, and its unreadable images."""
    alone, unreadable = pipeline.split_flags(batch)
    return train_step.put(alone), unreadable


def _average(pending: list[train_step.Metrics], step: int) -> dict[str, float]:
    """The mean of each metric over the steps since the last log."""
    fetched = jax.device_get(pending)
    means = {
        name: float(np.mean([values[name] for values in fetched]))
        for name in fetched[0]
    }
    if not np.isfinite([means["loss"], means["grad_norm"]]).all():
        raise FloatingPointError(
            f"the loss became {means['loss']}, the norm of its gradient "
            f"{means['grad_norm']}, in the {len(pending)} steps up to step "
            f"{step}. Lower config.optimizer.learning_rate, or set "
            "config.optimizer.clip_norm; the last checkpoint is intact."
        )
    return means


def _claim(workdir: Path, config: Config) -> None:
    """Makes the work directory, or checks that it is of this training."""
    if configuration.has_stored(workdir):
        stored = configuration.read_stored(workdir)
        found = configuration.differences(stored, config, _FIXED)
        # Without a checkpoint there is nothing of that run to lose.
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


def _initial_state(
    config: Config, model: Any, optimizer: Any, key: jax.Array, weights: Any
) -> TrainState:
    """The state before the first step, of random or of given weights."""
    if weights is None:
        params = models.init_params(model, key)
    else:
        # Its own configuration may have another schedule or task: the network counts.
        start = restore.load(weights, config if _is_official(weights) else None)
        expected = models.abstract_params(model)
        if jax.tree.map(jnp.shape, start.params) != jax.tree.map(jnp.shape, expected):
            raise ValueError(
                f"--weights={weights} are of another network than config.model: "
                f"{start.model} against {model}."
            )
        logger.info("starting from the weights of %s", weights)
        params = start.params
    return train_step.init_train_state(params, optimizer)


def _is_official(weights: str | os.PathLike) -> bool:
    return Path(weights).suffix == ".pth"
