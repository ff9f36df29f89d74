"""Checkpoints of a training run: the whole state and the whole configuration.

`<workdir>/checkpoints/<step>` is written by Orbax in items of their own (`params`,
`ema_params`, `opt_state`, `meta`), so that restoring an image reads the EMA weights and
the configuration they were trained with, and nothing else. The position in the data is
the step: there is no iterator to save.
"""

import os
from pathlib import Path
from typing import Any

import jax
import ml_collections
import numpy as np
import orbax.checkpoint as ocp

from irsde_jax import configuration
from irsde_jax.train_step import TrainState

FOLDER = "checkpoints"
FORMAT_VERSION = 1
_ARRAYS = ("params", "ema_params", "opt_state")


class Checkpoints:
    """The checkpoints of one work directory.

    Args:
        workdir: of the run; `checkpoints` is made in it.
        keep: how many of the latest to keep; None keeps all.
    """

    def __init__(self, workdir: str | os.PathLike, keep: int | None = None):
        self._folder = Path(workdir).absolute() / FOLDER
        options = ocp.CheckpointManagerOptions(max_to_keep=keep)
        names = (*_ARRAYS, "meta")
        self._manager = ocp.CheckpointManager(
            self._folder, options=options, item_names=names
        )

    @property
    def latest_step(self) -> int | None:
        """The step of the latest checkpoint; None if there is none."""
        return self._manager.latest_step()

    def save(self, state: TrainState, config: ml_collections.ConfigDict) -> None:
        """Writes a checkpoint in the background; the state may be donated at once."""
        # Copies: the device may reuse the state's buffers while Orbax still writes.
        host = jax.tree.map(lambda x: np.array(jax.device_get(x)), state)
        meta = {
            "format_version": FORMAT_VERSION,
            "config": configuration.to_json(config),
        }
        items: dict[str, Any] = {
            name: ocp.args.StandardSave(getattr(host, name)) for name in _ARRAYS
        }
        items["meta"] = ocp.args.JsonSave(meta)
        self._manager.save(int(host.step), args=ocp.args.Composite(**items))

    def restore(self, like: TrainState) -> TrainState:
        """The latest state, as host arrays.

        Args:
            like: a state, or its abstract shapes, of the same network and optimizer.

        Raises:
            ValueError: if the checkpoint is of another network or optimizer.
        """
        step = self._require_step()
        self._read_meta(step)
        items = {
            name: ocp.args.StandardRestore(_abstract(getattr(like, name)))
            for name in _ARRAYS
        }
        try:
            found = self._manager.restore(step, args=ocp.args.Composite(**items))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self._folder / str(step)} cannot be read as a state of this network "
                f"and optimizer: {str(error).splitlines()[0]}"
            ) from error
        return TrainState(np.int32(step), *(found[name] for name in _ARRAYS))

    def read_config(self) -> ml_collections.ConfigDict:
        """The configuration inside the latest checkpoint."""
        meta = self._read_meta(self._require_step())
        return configuration.complete(configuration.from_json(meta["config"]))

    def restore_ema(self, like: Any) -> Any:
        """The EMA parameters of the latest checkpoint, shapes and types as `like`."""
        step = self._require_step()
        item = ocp.args.StandardRestore(_abstract(like))
        args = ocp.args.Composite(ema_params=item)
        return self._manager.restore(step, args=args)["ema_params"]

    def close(self) -> None:
        """Waits for what is being written."""
        self._manager.wait_until_finished()
        self._manager.close()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _require_step(self) -> int:
        step = self.latest_step
        if step is None:
            raise FileNotFoundError(
                f"{self._folder} holds no finished checkpoint; has the training run "
                "reached its first one (config.train.checkpoint_every)?"
            )
        return step

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
    """Whether `workdir` holds a finished checkpoint of a training run."""
    folder = Path(workdir) / FOLDER
    return folder.is_dir() and any(path.name.isdigit() for path in folder.iterdir())


def _abstract(tree: Any) -> Any:
    """Shapes and types as host arrays: a state moves between numbers of devices."""
    return jax.tree.map(lambda x: np.empty(x.shape, x.dtype), tree)
