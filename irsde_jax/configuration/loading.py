"""Finds configuration files by name or path, runs them, and checks their settings."""

import inspect
import runpy
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import ml_collections

from irsde_jax.configuration.groups import check_keys, check_types, is_open
from irsde_jax.configuration.overrides import override
from irsde_jax.configuration.values import UsageError, nearest


def config_dir() -> Path:
    """Returns the folder of the shipped experiments.

    It is inside the installed package, or at the top level of a checkout.
    """
    package = Path(__file__).parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def config_names() -> list[str]:
    """Returns the names of the shipped experiments, such as "deraining"."""
    # Files that begin with "_" are shared by experiments and are not experiments.
    return sorted(path.stem for path in config_dir().glob("[!_]*.py"))


def config_variants(name: str) -> list[str]:
    """Returns the variants of an experiment, such as "small"; empty if it has none."""
    return list(runpy.run_path(str(find_config(name))).get("VARIANTS", {}))


def find_config(source: str) -> Path:
    """Returns the file for a name ("deraining") or a path ("mine/config.py").

    Raises:
        UsageError: If there is no such file. The message lists all names and the most
            similar one.
    """
    path = Path(source)
    if path.suffix == ".py" or len(path.parts) > 1:
        if path.is_file():
            return path
        problem = f"no file {source!r}"
    elif source in config_names():
        return config_dir() / f"{source}.py"
    else:
        problem = f"no configuration {source!r}"
    names = config_names()
    raise UsageError(
        f"{problem}; give the path of a Python file or one of "
        f"{', '.join(names)}{nearest(path.stem, names)}"
    )


def load(source: str, overrides: Sequence[str] = ()) -> ml_collections.ConfigDict:
    """Loads a configuration and locks it.

    Args:
        source: The name or the path of the file, which variants may follow after a
            colon: "deraining", "deraining:small,synthetic", "mine/config.py".
        overrides: The changed settings, in the form of the command line:
            `--config.train.batch_size=8`.

    Raises:
        UsageError: If the configuration does not exist or is not valid, or if an
            override is not valid.
    """
    name, colon, argument = source.partition(":")
    path = find_config(name)
    config = _call(path, [argument] if colon else [])
    if path.resolve() != (config_dir() / "default.py").resolve():
        default = _call(config_dir() / "default.py", [])
        try:
            check_keys(config, default)
            check_types(config, default)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error
    return override(config, overrides)


def complete(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """Adds the defaults of missing settings to `config` in place, and locks it.

    A configuration that an earlier version stored lacks newer settings. Their defaults
    are the behaviour of that version.

    Raises:
        UsageError: If a setting has another type than in default.py.
    """
    defaults = _call(config_dir() / "default.py", [])
    check_types(config, defaults)
    with config.unlocked():
        for name, default in defaults.items():
            if name not in config:
                config[name] = default
            elif isinstance(default, ml_collections.ConfigDict) and not is_open(name):
                missing = set(default) - set(config[name])
                for key in missing:
                    # The reference also holds the type of an unset value.
                    config[name][key] = default.get_ref(key)
    return config.lock()


def _call(path: Path, arguments: list[str]) -> ml_collections.ConfigDict:
    """Returns the result of `get_config` in a file.

    Raises:
        UsageError: If the file fails. The message names the line of the error.
    """
    try:
        get_config: Callable | None = runpy.run_path(str(path)).get("get_config")
        if get_config is None:
            raise UsageError(f"{path} defines no function get_config()")
        if arguments and not inspect.signature(get_config).parameters:
            raise UsageError(f"{path} takes no argument, got {arguments[0]!r}")
        config = get_config(*arguments)
    except UsageError:
        raise
    except Exception as error:
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == str(path)
        ]
        line = getattr(error, "lineno", None) or (lines[-1] if lines else 0)
        text = " ".join(str(error).split())
        raise UsageError(f"{path}:{line}: {type(error).__name__}: {text}") from error
    if not isinstance(config, ml_collections.ConfigDict):
        raise UsageError(f"{path}: get_config() must return a ConfigDict")
    return config
