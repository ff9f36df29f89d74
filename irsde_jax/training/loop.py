"""The training loop: files, clock, log and checkpoints. It contains no mathematics.

A run is a work directory: `config.json`, `checkpoints/`, `logs/` and, at its end,
`summary.json`. The same command started again continues it from its last checkpoint, to
the same bits: the batch and the noise of a step are functions of (seed, step), so there
is nothing else to remember.
"""

import contextlib
import io
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from irsde_jax import configuration, models
from irsde_jax.checkpoints import hosts, runs
from irsde_jax.checkpoints.train_state import TrainState
from irsde_jax.data import pipeline
from irsde_jax.data.sources import pairs
from irsde_jax.restoration import loading
from irsde_jax.training import (
    experiment,
    faults,
    interruption,
    logs,
    manifest,
    profiling,
    train_step,
)
from irsde_jax.training.progress import Progress
from irsde_jax.training.step_metrics import Window
from irsde_jax.weights import is_pytorch

Config: TypeAlias = ml_collections.ConfigDict
logger = logging.getLogger(__name__)

# What makes two runs different trainings; the rest may change when one goes on.
_FIXED = (
    *("task", "process", "prediction", "seed", "schedule", "model", "loss"),
    "degradation",
    *("optimizer", "data.crop_size", "data.augment"),
    *("train.batch_size", "train.ema_decay"),
)


class _Run(NamedTuple):
    """What the loop works with, beside the state that it carries."""

    config: Config
    workdir: Path
    dataset: Any
    keys_of: Callable[[int], jax.Array]
    validate: Any
    damage: faults.Damage
    checkpoints: runs.Checkpoints
    writer: logs.MetricWriter
    watch: interruption.Watch


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
        FloatingPointError: if the loss is not finite for many steps in a row.
        MemoryError: if a device has too little memory for a step.
        OSError: if the work directory cannot be written.
        interruption.Interrupted: after SIGTERM or SIGINT, when the state is saved.
    """
    workdir, settings = Path(workdir), config.train
    experiment.check_settings(config)
    if hosts.is_first():
        _claim(workdir, config)
    parts = experiment.build(config)
    dataset, names = experiment.make_dataset(config)
    # Of several hosts one validates, and writes: the others have the same weights.
    validate = (
        experiment.make_validation(config, parts.model) if hosts.is_first() else None
    )
    first_key, run_key = jax.random.split(jax.random.key(config.seed))
    with (
        interruption.Watch(hosts.stop_signal()) as watch,
        runs.Checkpoints(
            workdir, settings.keep_checkpoints, settings.keep_best
        ) as checkpoints,
        logs.MetricWriter(workdir / "logs", enabled=hosts.is_first()) as writer,
    ):
        state = _first_state(config, parts, first_key, weights, checkpoints)
        if hosts.is_first():
            configuration.write(config, workdir)
        if state.step >= settings.num_steps:
            logger.info("%s is trained already: step %d.", workdir, state.step)
        else:
            keys_of = jax.jit(lambda step: _keys(run_key, step, settings.batch_size))
            damage = faults.Damage(names, config.data.max_unreadable)
            run = _Run(
                *(config, workdir, dataset, keys_of, validate, damage),
                *(checkpoints, writer, watch),
            )
            state = _loop(run, state, parts.step_fn)
    if hosts.is_first():
        results = {"step": int(state.step), **logs.last_values(workdir / "logs")}
        data = manifest.fingerprint(names, dataset[0])
        manifest.write(workdir, config, data, results)
    return state


def _loop(run: _Run, state: TrainState, step_fn: Any) -> TrainState:
    """The steps from the state's to the last one."""
    config, every = run.config, run.config.train
    start, end = int(state.step), every.num_steps
    state = train_step.place(state)
    window = Window(every.batch_size)
    stream = None if hosts.is_first() else io.StringIO()
    with (
        faults.clear_out_of_memory(config),
        _batches(config, run.dataset, start) as batches,
        profiling.Trace(run.workdir / "profile", start, every.profile) as trace,
        Progress(
            end, start, images_per_step=every.batch_size, stream=stream
        ) as progress,
    ):
        for step in range(start, end):
            batch, unreadable = next(batches)
            run.damage.note(unreadable)
            keys = train_step.shard(run.keys_of(step))
            if step == start:
                with window.paused():
                    step_fn = profiling.compile_step(step_fn, state, batch, keys)
            trace.before(step, state)
            state, step_metrics = step_fn(state, batch, keys)
            # Metrics stay on the device until they are logged: no wait in between.
            window.add(step_metrics)
            progress.update()
            done, last = step + 1, step + 1 == end
            stop = run.watch.requested(done) and not last
            if done % every.log_every == 0 or last or stop:
                _log(run, state, window.close(batches.waited_s), progress)
            scores: dict[str, float] = {}
            try:
                validates = done % config.validation.every == 0 or last
                if run.validate and validates and not stop:
                    jax.block_until_ready(state)
                    with window.paused():
                        scores = _validate(run, state, progress)
            finally:  # a validation that fails does not cost the steps before it
                if done % every.checkpoint_every == 0 or last or stop:
                    run.checkpoints.save(state, config, scores)
            if stop:
                run.checkpoints.wait()
                raise interruption.Interrupted(
                    f"{run.watch.name}: step {done} of {end} is saved in "
                    f"{run.workdir}; the same command goes on from there."
                )
    return state


def _log(
    run: _Run, state: TrainState, scalars: dict[str, float], progress: Progress
) -> None:
    """Writes a line of scalars, and looks whether anything has gone wrong."""
    skipped = jax.device_get(state.skipped)
    scalars |= {"skipped_steps": float(skipped.total), **profiling.memory_in_use()}
    run.writer.write(int(state.step), scalars)
    progress.update(0, loss=scalars["loss"])

    def batch_of(step: int) -> dict[str, np.ndarray]:
        batch, _ = pipeline.split_flags(run.dataset[step])
        return {**batch, "keys": np.asarray(jax.random.key_data(run.keys_of(step)))}

    faults.check_skipped(skipped, run.config.train.max_skipped, run.workdir, batch_of)
    run.checkpoints.check()


def _validate(run: _Run, state: TrainState, progress: Progress) -> dict[str, float]:
    """Restores the validation images by the EMA weights; returns the scores."""
    scores, pictures = run.validate(state.ema_params)
    step = int(state.step)
    run.writer.write(step, scores)
    run.writer.write_images(step, pictures)
    progress.message(
        f"step {step}: validation PSNR {scores['validation_psnr']:.2f} dB, "
        f"SSIM {scores['validation_ssim']:.4f} (EMA weights, RGB)"
    )
    return scores


@contextlib.contextmanager
def _batches(config: Config, dataset: Any, start: int) -> Iterator[pipeline.Prefetch]:
    """Batches on their way to the devices, from that of step `start` on."""
    batches = pipeline.iterate(
        dataset,
        start,
        num_threads=config.data.num_threads,
        num_workers=config.data.num_workers,
    )
    try:
        yield pipeline.Prefetch(batches, _put)
    finally:
        batches.close()


def _put(batch: pairs.Record) -> tuple[Any, np.ndarray]:
    """A batch on its way to the devices, and its unreadable images."""
    alone, unreadable = pipeline.split_flags(batch)
    return train_step.put(alone), unreadable


def _keys(run_key: jax.Array, step: int, batch_size: int) -> jax.Array:
    """The keys of the examples that this host has of a step."""
    return hosts.mine(train_step.example_keys(run_key, step, batch_size))


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


def _first_state(
    config: Config,
    parts: experiment.Parts,
    key: jax.Array,
    weights: Any,
    checkpoints: runs.Checkpoints,
) -> TrainState:
    """The state of the latest checkpoint, or else that before the first step."""
    if checkpoints.latest_step is None:
        return _initial_state(config, parts.model, parts.optimizer, key, weights)
    # A run that goes on needs no other weights again; what it needs are shapes.
    like = jax.eval_shape(
        lambda: _initial_state(config, parts.model, parts.optimizer, key, None)
    )
    state = checkpoints.restore(like)
    logger.info("resuming at step %d", state.step)
    return state


def _initial_state(
    config: Config, model: Any, optimizer: Any, key: jax.Array, weights: Any
) -> TrainState:
    """The state before the first step, of random or of given weights."""
    if weights is None:
        params = models.init_params(model, key)
    else:
        # Its own configuration may have another schedule or task: the network counts.
        start = loading.load(weights, config if is_pytorch(weights) else None)
        expected = models.abstract_params(model)
        if jax.tree.map(jnp.shape, start.params) != jax.tree.map(jnp.shape, expected):
            raise ValueError(
                f"--weights={weights} are of another network than config.model: "
                f"{start.model} against {model}."
            )
        logger.info("starting from the weights of %s", weights)
        params = start.params
    return train_step.init_train_state(params, optimizer)
