"""Parses a command line into flags and overrides of the configuration."""

import re
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from irsde_jax import configuration
from irsde_jax.cli.checks import check_combination
from irsde_jax.cli.flags import FLAGS, known_names
from irsde_jax.cli.modes import MODES
from irsde_jax.configuration import UsageError


def parse(argv: Sequence[str], values: flags.FlagValues) -> list[str]:
    """Parses `argv` (program name first) into `values`, and returns the overrides.

    Raises:
        UsageError: If a flag is unknown, is given twice, has no valid value, or cannot
            be combined with the mode or with another flag.
    """
    overrides, rest = configuration.split_overrides(argv)
    levels = [item for item in rest if re.match(r"--?(v|verbosity)(=|$)", item)]
    if len(levels) > 1:
        raise UsageError(f"{' and '.join(levels)}: --verbosity takes one value")
    for name in ("mode", *(flag.name for flag in FLAGS)):
        values[name].unparse()  # A process may parse several command lines.
    try:
        unexpected = values(rest)[1:]
    except flags.UnrecognizedFlagError as error:
        raise UsageError(_unknown_flag(error.flagname)) from error
    except flags.Error as error:
        text = " ".join(str(error).split()).removeprefix("flag ")
        if re.match(r"(Missing value for flag )?--mode\b", text):
            text += f"; --mode is one of {', '.join(MODES)}"
        raise UsageError(text) from error
    if unexpected:
        raise UsageError(_unexpected(unexpected[0]))
    check_mode(values.mode)
    check_combination(values, overrides)
    return overrides


def check_mode(mode: str) -> None:
    """Raises a UsageError if the mode does not exist."""
    if mode not in MODES:
        raise UsageError(
            f"--mode={mode}: not one of {', '.join(MODES)}"
            f"{configuration.nearest(mode, MODES)}"
        )


def _unknown_flag(name: str) -> str:
    """Returns the error message for a flag that does not exist."""
    known = known_names()
    if "." in name:  # The user probably means a setting of the configuration.
        key = re.sub(r"^(no)?conf\w*\.", "", name)
        return (
            f"unknown flag --{name}; settings of the configuration are written "
            f"--config.KEY=VALUE: did you mean '--config.{key}'?"
        )
    return (
        f"unknown flag --{name}{configuration.nearest(name, known)} "
        f"(allowed: {', '.join(f'--{name}' for name in sorted(known))}; --help "
        "explains them)"
    )


def _unexpected(argument: str) -> str:
    """Returns the error message for an argument that is not a flag."""
    quote = (
        "; put a pattern in quotes, as in --input='trip/*.jpg'"
        if Path(argument).exists()
        else ""
    )
    return f"unexpected argument {argument!r}; flags start with --{quote}"
