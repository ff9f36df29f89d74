"""Exports of networks of a few hundred parameters, and the script beside them."""

import runpy
from pathlib import Path
from typing import Any

import jax
from absl import flags

from irsde_jax import configuration, main, models
from irsde_jax.checkpoints import weights_file
from irsde_jax.restoration import configured

TINY = dict(width=4, enc_blocks=(1,), dec_blocks=(1,), middle_blocks=0)


def run(*arguments) -> int:
    """The exit code of `python -m irsde_jax.main ARGUMENTS`."""
    values = flags.FlagValues()
    main.define_flags(values)
    overrides = main.parse(["main", *map(str, arguments)], values)
    return main.run(values, overrides)


def write_weights(
    path: Path, name: str, velocity=False, channels=3, **sampling
) -> Path:
    """Random weights of a tiny network, with their configuration.

    One that predicts a velocity returns an image close to its input, and not one that
    is clipped nearly everywhere.
    """
    config = configuration.load(name).unlock()
    if velocity:
        config.prediction, config.loss.name = "v", "x0"
    config.model.update(TINY, channels=channels)
    config.sampling.update(**(dict(num_evals=8) | sampling))
    params = models.init_params(configured.make_network(config), jax.random.key(1))
    return weights_file.write(path, jax.device_get(params), config.lock())


def script(folder: Path) -> dict[str, Any]:
    """What the restore.py of an export defines."""
    return runpy.run_path(str(folder / "restore.py"))


def call(folder: Path, *arguments, monkeypatch) -> str | None:
    """What `python restore.py ARGUMENTS` exits with: None if it went well."""
    path = str(folder / "restore.py")
    monkeypatch.setattr("sys.argv", [path, *map(str, arguments)])
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        return str(end.code)
    return None
