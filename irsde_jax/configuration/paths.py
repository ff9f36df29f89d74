"""Expansion of a leading ~ in paths to the home folder.

Shells do not expand the ~ in `--output=~/restored`, so it is expanded here.
"""

import os

import ml_collections

from irsde_jax.configuration.values import UsageError

PATH_SETTINGS = (
    "data.train_dir",
    "data.tfds_dir",
    "data.manual_dir",
    "validation.dir",
    "evaluation.dir",
    "evaluation.lpips_alexnet",
    "evaluation.lpips_linear",
)
"""The settings of a configuration that name a file or a folder."""


def expand_home(path: str) -> str:
    """Returns `path` with the home folder instead of a leading `~` or `~user`.

    Raises:
        ValueError: If that home folder is unknown and no file has this name.
    """
    expanded = os.path.expanduser(path)
    if path.startswith("~") and expanded == path and not os.path.lexists(path):
        name = path.replace(os.sep, "/").partition("/")[0]
        raise ValueError(
            f"the home folder {name} is unknown; write the whole path, or ./{path} "
            "for a file or folder of that name"
        )
    return expanded


def expand_settings(config: ml_collections.ConfigDict) -> None:
    """Expands the home folder in all settings of `PATH_SETTINGS`, in place.

    Raises:
        UsageError: If a home folder is unknown.
    """
    for key in PATH_SETTINGS:
        group, _, name = key.partition(".")
        path = config.get(group, {}).get(name)
        if isinstance(path, str) and path.startswith("~"):
            try:
                config[group][name] = expand_home(path)
            except ValueError as error:
                raise UsageError(f"{key}={path}: {error}") from error
