"""The training loop: files, time, logs and checkpoints. It contains no mathematics.

A run is a work directory with `config.json`, `checkpoints/`, `logs/` and, at the end,
`summary.json`. The same command resumes the run from its last checkpoint and gives the
same bits, because the batch and the noise of a step depend only on (seed, step).
"""

import io
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import flax.linen as nn
import jax
import ml_collections
import numpy as np

from irsde_jax import configuration, models, registry
from irsde_jax.checkpoints import hosts, runs
from irsde_jax.checkpoints.train_state import TrainState
from irsde_jax.data import pipeline
from irsde_jax.data.sources import pairs
from irsde_jax.models import Network
from irsde_jax.training import (
    experiment,
    faults,
    feeding,
    interruption,
    logs,
    manifest,
    profiling,
    starting,
    train_step,
)
from irsde_jax.training.callbacks import Callbacks
from irsde_jax.training.progress import Progress
from irsde_jax.training.step_metrics import Window

Config: TypeAlias = ml_collections.ConfigDict
logger = logging.getLogger(__name__)


class _Run(NamedTuple):
    """The objects that the loop uses, apart from the training state."""

    config: Config
    workdir: Path
    dataset: Any
    keys_of: Callable[[int], jax.Array]
    validate: Any
    damage: faults.Damage
    checkpoints: runs.Checkpoints
    writer: logs.MetricWriter
    watch: interruption.Watch
    callbacks: Callbacks


def train(
    config: Config,
    workdir: str | os.PathLike,
    weights: str | os.PathLike | None = None,
    *,
    source: pairs.Source | None = None,
    model: Network | nn.Module | None = None,
    callbacks: Callbacks = Callbacks(),  # noqa: B008
) -> TrainState:
    """Trains a network, or resumes its training, and returns the final state.

    Args:
        config: The configuration, with the settings of `configs/default.py`. Modules
            that it names are trusted and imported (`irsde_jax.registry`).
        workdir: The folder of the run. It is created if it is missing, and the run is
            resumed if the folder holds a checkpoint.
        weights: The weights of the same network to start from (fine-tuning), in any
            form that `irsde_jax.load` accepts. None starts from random weights.
        source: The images to train on. None opens `data.train_dir`.
        model: The network. None builds the one that the group `model` describes. A
            network given here is needed again in `irsde_jax.load(workdir, model=...)`.
        callbacks: The functions that are called during the training.

    Raises:
        ValueError: If a setting is out of range, or the work directory holds a run with
            another configuration.
        FileNotFoundError: If the folder of images is missing.
        FloatingPointError: If the loss is not finite for many steps in a row.
        MemoryError: If a device has too little memory for a step.
        OSError: If the work directory cannot be written.
        interruption.Interrupted: If SIGTERM or SIGINT stopped the run. Its state
            is saved.
    """
    registry.trust(*configuration.outside_modules(config))
    network = None if model is None else models.as_network(model)
    config = experiment.with_objects(config, source, network)
    experiment.check_settings(config)
    workdir = Path(workdir)
    if hosts.is_first():
        starting.claim(workdir, config)
    parts = experiment.build(config, network)
    dataset, names = experiment.make_dataset(config, source)
    state = _run(
        config,
        workdir,
        weights,
        parts,
        dataset=dataset,
        names=names,
        callbacks=callbacks,
    )
    if hosts.is_first():
        results = {"step": int(state.step), **logs.last_values(workdir / "logs")}
        data = manifest.fingerprint(names, dataset[0])
        manifest.write(workdir, config, data, results)
    return state


def _run(
    config: Config,
    workdir: Path,
    weights: str | os.PathLike | None,
    parts: experiment.Parts,
    *,
    dataset: Any,
    names: list[str],
    callbacks: Callbacks,
) -> TrainState:
    """Runs the remaining steps, with their logs and checkpoints; returns the state."""
    settings = config.train
    # Only the first host validates and writes: all hosts have the same weights.
    validate = (
        experiment.make_validation(config, parts.network) if hosts.is_first() else None
    )
    first_key, run_key = jax.random.split(jax.random.key(config.seed))
    with (
        interruption.Watch(hosts.stop_signal()) as watch,
        runs.Checkpoints(
            workdir, settings.keep_checkpoints, settings.keep_best
        ) as checkpoints,
        logs.MetricWriter(workdir / "logs", enabled=hosts.is_first()) as writer,
    ):
        state = starting.first_state(config, parts, first_key, weights, checkpoints)
        if hosts.is_first():
            configuration.write(config, workdir)
        if state.step >= settings.num_steps:
            logger.info("%s is trained already: step %d.", workdir, state.step)
        else:
            run = _Run(
                config=config,
                workdir=workdir,
                dataset=dataset,
                keys_of=feeding.keys_of(run_key, settings.batch_size),
                validate=validate,
                damage=faults.Damage(names, config.data.max_unreadable),
                checkpoints=checkpoints,
                writer=writer,
                watch=watch,
                callbacks=callbacks,
            )
            state = _loop(run, state, parts.step_fn)
    return state


def _loop(run: _Run, state: TrainState, step_fn: Any) -> TrainState:
    """Runs the steps from that of `state` to the last one; returns the final state."""
    config, every = run.config, run.config.train
    start, end = int(state.step), every.num_steps
    state = train_step.place(state)
    window = Window(every.batch_size)
    stream = None if hosts.is_first() else io.StringIO()
    with (
        faults.clear_out_of_memory(config),
        feeding.batches(config, run.dataset, start) as batches,
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
            # Metrics stay on the device until they are logged, so no step waits.
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
            finally:  # Steps before a failed validation are saved all the same.
                if done % every.checkpoint_every == 0 or last or stop:
                    run.checkpoints.save(state, config, scores)
                    if run.callbacks.on_checkpoint:
                        folder = run.workdir / runs.FOLDER / str(done)
                        run.callbacks.on_checkpoint(done, folder)
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
    """Logs the scalars, and raises if too many steps or a checkpoint failed."""
    skipped = jax.device_get(state.skipped)
    scalars |= {"skipped_steps": float(skipped.total), **profiling.memory_in_use()}
    run.writer.write(int(state.step), scalars)
    if run.callbacks.on_log:
        run.callbacks.on_log(int(state.step), dict(scalars))
    progress.update(0, loss=scalars["loss"])

    def batch_of(step: int) -> dict[str, np.ndarray]:
        batch, _ = pipeline.split_flags(run.dataset[step])
        return {**batch, "keys": np.asarray(jax.random.key_data(run.keys_of(step)))}

    faults.check_skipped(skipped, run.config.train.max_skipped, run.workdir, batch_of)
    run.checkpoints.check()


def _validate(run: _Run, state: TrainState, progress: Progress) -> dict[str, float]:
    """Restores the validation images with the EMA weights; returns the scores."""
    scores, pictures = run.validate(state.ema_params)
    step = int(state.step)
    run.writer.write(step, scores)
    run.writer.write_images(step, pictures)
    if run.callbacks.on_validate:
        run.callbacks.on_validate(step, dict(scores))
    progress.message(
        f"step {step}: validation PSNR {scores['validation_psnr']:.2f} dB, "
        f"SSIM {scores['validation_ssim']:.4f} (EMA weights, RGB)"
    )
    return scores
