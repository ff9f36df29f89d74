"""Runs the mode that the flags name, and converts errors into exit codes."""

import sys
from collections.abc import Sequence
from typing import TypeAlias

import ml_collections
from absl import flags

from irsde_jax import configuration, registry
from irsde_jax.cli.console import report
from irsde_jax.cli.flags import split_weights
from irsde_jax.cli.modes import MODES
from irsde_jax.configuration import UsageError
from irsde_jax.training import interruption

Config: TypeAlias = ml_collections.ConfigDict

# These errors come from mistakes of the user or from the machine, so one line explains
# them. Other errors, such as a TypeError, are bugs and need their traceback.
_EXPECTED = (
    ValueError,
    OSError,
    FloatingPointError,
    MemoryError,
    ModuleNotFoundError,
)


def run(values: flags.FlagValues, overrides: Sequence[str], debug: bool = False) -> int:
    """Runs the mode of the parsed flags, and returns the exit code.

    Args:
        values: The flags, parsed by `parsing.parse`.
        overrides: The settings of the configuration that the command line changes.
        debug: Whether errors are raised with their traceback instead of printed. A
            `UsageError` is always printed.
    """
    try:
        if values.trust:
            registry.trust(*(name.strip() for name in values.trust.split(",")))
        configs = _resolve_all(values, overrides)
        if values.compilation_cache:
            _keep_compiled_programs(values.compilation_cache)
        code = MODES[values.mode].run(values, *configs)
    except UsageError as error:
        return report(error, 2)
    except _EXPECTED as error:
        if debug:
            raise
        return report(error, 1)
    except interruption.Interrupted as stop:
        print(stop, file=sys.stderr)
        return interruption.EXIT_CODE
    except KeyboardInterrupt:
        return report("interrupted", 130)
    return code or 0


def _resolve_all(
    values: flags.FlagValues, overrides: Sequence[str]
) -> list[Config | None]:
    """Returns the configuration of the mode, or one for each of several weights."""
    if not MODES[values.mode].takes_config:
        return [None]
    names = split_weights(values.weights)
    if len(names) < 2:
        return [resolve(values, overrides)]
    if values.config and all(_stored(name) is not None for name in names):
        raise UsageError(
            f"--config={values.config} would be ignored: all of --weights="
            f"{values.weights} bring their configuration; leave --config out"
        )
    return [resolve(values, overrides, index) for index in range(len(names))]


def resolve(
    values: flags.FlagValues, overrides: Sequence[str], index: int = 0
) -> Config | None:
    """Returns the configuration from `--config`, the weights or the work directory.

    Args:
        values: The flags.
        overrides: The settings that the command line changes.
        index: The position in `--weights`, if several weights are compared. Their
            networks differ, so `--config` is only used for weights that store no
            configuration.

    Returns:
        The configuration, or None if the weights store none and none is required.

    Raises:
        UsageError: If a configuration is required and none is found.
    """
    names = split_weights(values.weights)
    if values.mode != "restore" and values.seed is not None:
        overrides = [*overrides, f"--config.seed={values.seed}"]
    # Training starts a new run, which never uses the configuration of the weights.
    source = names[index] if names and values.mode != "train" else None
    source = source or values.workdir
    stored = None if values.config and len(names) < 2 else _stored(source)
    if stored is not None:
        return _overridden(stored, overrides, is_own=source == values.workdir)
    if values.config:
        config = configuration.load(values.config, overrides)
        registry.trust(*configuration.outside_modules(config))
        return config
    if MODES[values.mode].needs_config or overrides:
        empty = f"; {source!r} holds no configuration" if source else ""
        experiments = ", ".join(configuration.config_names())
        raise UsageError(
            f"--config is missing: give a file or one of {experiments}{empty}"
        )
    return None


def _overridden(stored: Config, overrides: Sequence[str], is_own: bool) -> Config:
    """Returns a stored configuration with overrides, and trusts modules the user named.

    Modules in stored weights are not trusted, because weights may come from anybody.

    Args:
        stored: The stored configuration.
        overrides: The settings that the command line changes.
        is_own: Whether it comes from the user's work directory, which is trusted.
    """
    config = configuration.override(stored, overrides)
    modules = configuration.outside_modules(config)
    if not is_own:
        modules -= configuration.outside_modules(stored)
    registry.trust(*modules)
    return config


def _stored(source: str | None) -> Config | None:
    """Returns the configuration stored with weights or in a work directory, or None."""
    from irsde_jax.restoration import loading  # This import takes seconds.

    return loading.stored_config(source)


def _keep_compiled_programs(folder: str) -> None:
    """Makes JAX store compiled programs in `folder` for later runs."""
    import jax  # Modes that only print a configuration do not need JAX.

    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
