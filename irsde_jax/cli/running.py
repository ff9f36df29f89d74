"""Runs the mode that the flags name, and turns errors into exit codes."""

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

# What a user's mistake or the machine raises: one line says it. Anything else, such as
# a TypeError, is a mistake in a program, which only its traceback explains.
_EXPECTED = (
    ValueError,
    OSError,
    FloatingPointError,
    MemoryError,
    ModuleNotFoundError,
)


def run(values: flags.FlagValues, overrides: Sequence[str], debug: bool = False) -> int:
    """Does what the parsed flags say; returns the exit code.

    Args:
        values: The flags, as `parse` read them.
        overrides: The settings of the configuration that the command line changes.
        debug: Whether an error is raised with its traceback.
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
    """The configuration of the mode; of several weights, that of each."""
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
    """The configuration that `--config`, the weights or the work directory name.

    Args:
        values: The flags.
        overrides: The settings that the command line changes.
        index: The position of the weights, where several are compared. Their networks
            differ, so that `--config` is used for weights without a configuration only.

    Returns:
        The configuration, or None if the weights store none and none is required.
    """
    names = split_weights(values.weights)
    if values.mode != "restore" and values.seed is not None:
        overrides = [*overrides, f"--config.seed={values.seed}"]
    # A training starts a run of its own: it never uses the weights' configuration.
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
    """A stored configuration with overrides; trusts what the user has named.

    Weights may come from anybody. A work directory is the user's own.
    """
    config = configuration.override(stored, overrides)
    modules = configuration.outside_modules(config)
    if not is_own:
        modules -= configuration.outside_modules(stored)
    registry.trust(*modules)
    return config


def _stored(source: str | None) -> Config | None:
    """The configuration that is stored with weights or in a work directory."""
    from irsde_jax.restoration import loading  # takes seconds to import

    return loading.stored_config(source)


def _keep_compiled_programs(folder: str) -> None:
    """Makes JAX keep what it compiles in `folder`, for this run and the next."""
    import jax  # printing a configuration needs none of it

    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
