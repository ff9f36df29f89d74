"""Checkpoints of a training run, with the whole state and the whole configuration.

Orbax writes `<workdir>/checkpoints/<step>` as separate items (`params`, `ema_params`,
`opt_state`, `meta`), so that restoring an image reads only the EMA weights and their
configuration. Each of the first three consists of a few long vectors (`packing`). The
step determines the position in the data, so no iterator is saved.

A folder gets its final name after all its files, with the digests last, are written.
Readers check the digests, and use the step before if they do not match.
"""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import ml_collections
import numpy as np
import orbax.checkpoint as ocp

from irsde_jax import configuration
from irsde_jax.checkpoints import digests, hosts, keeping, packing
from irsde_jax.checkpoints.train_state import Skipped, TrainState

FOLDER = "checkpoints"
FORMAT_VERSION = 3
_ARRAYS = ("params", "ema_params", "opt_state")

logger = logging.getLogger(__name__)


class Checkpoints:
    """A context manager for the checkpoints of one work directory.

    In training, only the first of several processes reads and writes, and sends what
    it has read to the others.

    Args:
        workdir: The work directory of the run, in which `checkpoints` is created.
        keep: The number of latest checkpoints to keep; None keeps all.
        keep_best: The number of checkpoints with the best metric to keep besides.
        read_only: Whether nothing is written, removed or moved. A reader can then use
            the checkpoints of a run in progress.
    """

    def __init__(
        self,
        workdir: str | os.PathLike,
        keep: int | None = None,
        keep_best: int = 0,
        *,
        read_only: bool = False,
    ):
        self._folder = Path(workdir).absolute() / FOLDER
        self._read_only = read_only
        self._writing: int | None = None
        self._manager: Any = None
        latest = None
        if read_only or hosts.is_first():
            latest = digests.latest_intact(self._folder, set_aside=not read_only)
            options = keeping.options(keep, keep_best, read_only, self._write_digests)
            if not read_only:
                self._folder.mkdir(parents=True, exist_ok=True)
            self._manager = ocp.CheckpointManager(
                self._folder, options=options, item_names=(*_ARRAYS, "meta")
            )
        if not read_only:
            latest = hosts.step_from_first(latest)
        self._latest = latest

    @property
    def latest_step(self) -> int | None:
        """The step of the latest intact checkpoint, or None if there is none."""
        return self._latest

    def save(
        self,
        state: TrainState,
        config: ml_collections.ConfigDict,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Writes a checkpoint in the background; the state may be donated at once.

        A step that is already saved is not written again.

        Raises:
            OSError: If this checkpoint, or the one before, cannot be written.
        """
        step = int(state.step)
        if step == self._latest:
            return
        self._latest = step
        if self._manager is None:
            return
        trees = {name: getattr(state, name) for name in _ARRAYS}
        meta = {
            "format_version": FORMAT_VERSION,
            "config": configuration.to_json(config),
            "skipped": {name: int(x) for name, x in state.skipped._asdict().items()},
            "layout": {name: packing.layout(tree) for name, tree in trees.items()},
        }
        # `pack` copies, as the device may reuse the buffers while Orbax still writes.
        items = {n: ocp.args.StandardSave(packing.pack(x)) for n, x in trees.items()}
        metric = keeping.METRIC
        score = {metric: metrics[metric]} if metrics and metric in metrics else None
        with self._clear_errors():
            self._manager.wait_until_finished()
            self._writing = step
            args = ocp.args.Composite(**items, meta=ocp.args.JsonSave(meta))
            self._manager.save(step, args=args, metrics=score)

    def wait(self) -> None:
        """Waits until all checkpoints are on disk; raises OSError if writing failed."""
        if self._manager is not None:
            with self._clear_errors():
                self._manager.wait_until_finished()

    def check(self) -> None:
        """Raises OSError if writing in the background has failed so far."""
        if self._manager is not None:
            with self._clear_errors():
                self._manager.check_for_errors()

    def restore(self, like: TrainState) -> TrainState:
        """Returns the latest state as host arrays.

        Args:
            like: A state of the same network and optimizer, or its abstract shapes.

        Raises:
            FileNotFoundError: If there is no intact checkpoint.
            ValueError: If the checkpoint is of another network or optimizer.
        """
        step = self._require_step()
        if self._manager is None:
            return hosts.from_first(_zeros(like))
        skipped = Skipped(**self._read_meta(step)["skipped"])
        found = self._read_arrays({name: getattr(like, name) for name in _ARRAYS})
        state = TrainState(
            step=np.int32(step), skipped=jax.tree.map(np.int32, skipped), **found
        )
        return state if self._read_only else hosts.from_first(state)

    def read_config(self) -> ml_collections.ConfigDict:
        """Returns the configuration inside the latest checkpoint."""
        meta = self._read_meta(self._require_step())
        return configuration.complete(configuration.from_json(meta["config"]))

    def restore_ema(self, like: Any) -> Any:
        """Returns the EMA parameters of the latest checkpoint.

        Args:
            like: Parameters of the same shapes and types, or their abstract shapes.

        Raises:
            ValueError: If the checkpoint is of another network.
        """
        return self._read_arrays({"ema_params": like})["ema_params"]

    def close(self) -> None:
        """Waits for pending writes, and closes the manager."""
        if self._manager is not None:
            with self._clear_errors():
                self._manager.close()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        try:
            self.close()
        except OSError as second:
            if error is None:
                raise
            logger.warning("%s", second)  # `error` is the first problem, to be raised.

    def _write_digests(self) -> None:
        """Writes the digests of a step; Orbax calls this in its own thread."""
        name = str(self._writing)
        folders = [self._folder / name, *self._folder.glob(f"{name}.orbax-*")]
        digests.write(next(folder for folder in folders if folder.is_dir()))

    @contextlib.contextmanager
    def _clear_errors(self) -> Iterator[None]:
        """Re-raises write errors, for which Orbax has many types, as OSError."""
        try:
            yield
        except Exception as error:
            raise OSError(
                f"the checkpoint of step {self._writing} could not be written to "
                f"{self._folder}: {_first_line(error)}. The ones before it are intact: "
                "make room, or the folder writable, and start the same command again."
            ) from error

    def _require_step(self) -> int:
        step = self.latest_step
        if step is None:
            raise FileNotFoundError(
                f"{self._folder} holds no finished checkpoint that is intact; has the "
                "training run reached its first one (config.train.checkpoint_every)?"
            )
        return step

    def _read_arrays(self, like: Mapping[str, Any]) -> dict[str, Any]:
        """Returns items of the latest checkpoint, with shapes and types of `like`."""
        step = self._require_step()
        stored = self._read_meta(step)["layout"]
        for name, tree in like.items():
            if what := packing.difference(stored[name], packing.layout(tree)):
                raise ValueError(
                    f"{self._folder / str(step)} is of another network or optimizer: "
                    f"{what}, in {name}."
                )
        # Host arrays allow a run to resume on another number of devices.
        items = {
            name: ocp.args.StandardRestore(packing.zeros(tree))
            for name, tree in like.items()
        }
        found = self._manager.restore(step, args=ocp.args.Composite(**items))
        return {name: packing.unpack(found[name], like[name]) for name in like}

    def _read_meta(self, step: int) -> dict[str, Any]:
        args = ocp.args.Composite(meta=ocp.args.JsonRestore())
        meta = self._manager.restore(step, args=args)["meta"]
        version = meta.get("format_version")
        if version != FORMAT_VERSION:
            raise ValueError(
                f"{self._folder / str(step)} has format version {version!r}; this "
                f"version of irsde_jax reads {FORMAT_VERSION}."
            )
        return meta


def has_checkpoints(workdir: str | os.PathLike) -> bool:
    """Returns whether `workdir` holds a finished checkpoint of a training run."""
    return bool(digests.steps(Path(workdir) / FOLDER))


def _zeros(tree: Any) -> Any:
    """Returns zero host arrays with the shapes and types of `tree`."""
    return jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), tree)


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(" .:")
