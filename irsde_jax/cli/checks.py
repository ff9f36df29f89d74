"""Checks of flag combinations: missing flags and flags without effect are errors."""

from collections.abc import Sequence

from absl import flags

from irsde_jax import configuration
from irsde_jax.cli.flags import FLAGS, split_weights
from irsde_jax.cli.modes import MODES
from irsde_jax.configuration import UsageError
from irsde_jax.weights import is_pytorch

_PROCESSES = ("coordinator", "num_processes", "process_id")


def check_combination(values: flags.FlagValues, overrides: Sequence[str]) -> None:
    """Raises a UsageError if a flag is missing, or if a flag would have no effect."""
    _check_modes_of_flags(values)
    _check_needs(values)
    _check_weights(values)
    _check_overrides(values, overrides)
    if values.mode == "train":
        _check_processes(values)
    if values.mask_keep and not values.mask:
        raise UsageError(
            "--mask_keep has no effect without --mask; name the mask in which white is "
            "kept, or leave --mask_keep out"
        )
    if values.mode == "check" and values.overwrite and not values.output:
        raise UsageError(
            "--overwrite has no effect on --mode=check without --output; name the "
            "folder of the contact sheet, or leave --overwrite out"
        )


def _check_modes_of_flags(values: flags.FlagValues) -> None:
    """Raises UsageError if a flag is given that the mode does not use."""
    for flag in FLAGS:
        if values[flag.name].present and values.mode not in flag.modes:
            raise UsageError(
                f"--{flag.name} means nothing to --mode={values.mode}; it goes with "
                f"--mode={', '.join(flag.modes)}"
            )


def _check_needs(values: flags.FlagValues) -> None:
    """Raises UsageError if a flag is missing that the mode needs."""
    for need, purpose in MODES[values.mode].needs.items():
        if any(values[name].value for name in need.split(" or ")):
            continue
        names = " or ".join(f"--{name}" for name in need.split(" or "))
        if values.mode == "train" and not values.config:
            experiments = ", ".join(configuration.config_names())
            names = f"--config, one of {experiments}, and {names}"
        hint = f" (--mode={values.mode} --help explains the flags)"
        raise UsageError(f"--mode={values.mode} needs {names}, {purpose}{hint}")


def _check_weights(values: flags.FlagValues) -> None:
    """Raises UsageError if the mode cannot use the weights or flags beside them."""
    mode, names = values.mode, split_weights(values.weights)
    if len(names) > 1 and mode != "evaluate":
        raise UsageError(
            f"--weights={values.weights}: --mode={mode} takes one; --mode=evaluate "
            "compares several"
        )
    if len(set(names)) < len(names) or "" in names:
        raise UsageError(f"--weights={values.weights}: one is empty or given twice")
    official = [name for name in names if is_pytorch(name)]
    if official and mode not in ("train", "config") and not values.config:
        experiments = ", ".join(configuration.config_names())
        raise UsageError(
            f"--weights={official[0]}: a PyTorch file holds no schedule, so it needs "
            f"--config, one of {experiments} or a file"
        )
    _check_ignored(values)


def _check_ignored(values: flags.FlagValues) -> None:
    """Raises UsageError if `--workdir` or `--weights` would have no effect.

    `--config` with `--workdir` is allowed in `--mode=check` and `--mode=config`, which
    show the configuration of a training run with the same flags.
    """
    mode, weights, workdir = values.mode, values.weights, values.workdir
    if mode == "train" or not weights:
        return
    if mode == "config" and values.config:
        raise UsageError(
            f"--weights={weights} would be ignored beside --config; leave one out"
        )
    # An evaluation may use `--weights`, and write its results into `--workdir`.
    if workdir and (mode != "evaluate" or values.output):
        others = "--weights and --output" if mode == "evaluate" else "--weights"
        raise UsageError(
            f"--workdir={workdir} would be ignored beside {others}; leave one out"
        )


def _check_overrides(values: flags.FlagValues, overrides: Sequence[str]) -> None:
    """Raises UsageError if a setting of the configuration would have no effect."""
    if overrides and not MODES[values.mode].takes_config:
        raise UsageError(
            f"{overrides[0]} means nothing to --mode={values.mode}, which reads no "
            "configuration; leave it out"
        )
    seeds = [item for item in overrides if item.startswith("--config.seed=")]
    if seeds and values.mode == "restore":
        raise UsageError(
            f"{seeds[0]} means nothing to --mode=restore; write --seed="
            f"{seeds[0].partition('=')[2]}"
        )
    if seeds and values.seed is not None:
        raise UsageError(
            f"--seed={values.seed} and {seeds[0]} set the same value; leave one out"
        )


def _check_processes(values: flags.FlagValues) -> None:
    """Raises UsageError unless the flags describe all processes of a training run."""
    named = [name for name in _PROCESSES if values[name].present]
    if values.distributed and named:
        raise UsageError(
            "--distributed asks the cluster's environment; it goes without "
            f"--{named[0]}"
        )
    if named and len(named) < len(_PROCESSES):
        raise UsageError(
            "a training in several processes needs all of "
            + ", ".join(f"--{name}" for name in _PROCESSES)
            + f"; given: {', '.join(f'--{name}' for name in named)}"
        )
    if named and values.process_id >= values.num_processes:
        raise UsageError(
            f"--process_id={values.process_id}: the processes of --num_processes="
            f"{values.num_processes} are counted from 0 to {values.num_processes - 1}"
        )
