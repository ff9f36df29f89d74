"""The command line: `python -m irsde_jax.main --config=NAME --workdir=DIR`.

Flags become arguments of `train.train`, `evaluate.run`, `restore.run` or `check.run`;
nothing else happens here. A mistake on the command line is one line on standard error
and exit code 2; an error of the library (a missing folder, a value out of range) is one
line and exit code 1, with its traceback under `--verbosity=1`; images that would ruin a
training are exit code 1 of `--mode=check`; a training that SIGTERM or SIGINT stopped,
and that the same command continues, is 75.
"""

import logging
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import ml_collections
from absl import app, flags
from absl import logging as absl_logging

from irsde_jax import configuration, interruption
from irsde_jax.configuration import UsageError

Config: TypeAlias = ml_collections.ConfigDict

# The flags that a mode reads; another one is a mistake and is said to be.
_RUN = ("config", "workdir", "weights", "seed", "compilation_cache")
_RESULTS = ("suffix", "format", "quality", "num_samples")
_HOSTS = ("distributed", "coordinator", "num_processes", "process_id")
FLAGS_OF_MODE = {
    "train": (*_RUN, *_HOSTS),
    "evaluate": (*_RUN, "output", "overwrite"),
    "restore": (*_RUN, "input", "output", "overwrite", *_RESULTS),
    "check": ("config", "workdir", "output", "overwrite"),
    "pack": ("config", "workdir", "weights", "output", "overwrite"),
    "export": (
        *("config", "workdir", "weights", "output", "overwrite"),
        *("sizes", "platforms"),
    ),
    "weights": (),
    "app": ("config", "workdir", "weights", "compilation_cache", "host", "port"),
    "plot": ("workdir", "output", "overwrite"),
    "config": ("config", "workdir", "weights"),
}


class _JoinedFlag(flags.Flag):
    """--weights: given again, its values are joined by commas."""

    def __init__(self, help_text: str):
        parser: flags.ArgumentParser = flags.ArgumentParser()
        serializer: flags.ArgumentSerializer = flags.ArgumentSerializer()
        super().__init__(parser, serializer, "weights", None, help_text)

    def parse(self, argument: str) -> None:
        """Takes one more value."""
        self.value = f"{self.value},{argument}" if self.present else argument
        self.present += 1


def split_weights(text: str | None) -> list[str]:
    """The weights that `--weights=A,B` names; a path that holds a comma is one."""
    if text is None:
        return []
    return [text] if Path(text).exists() else text.split(",")


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the command line in `values`."""

    def text(name: str, help_text: str) -> None:
        flags.DEFINE_string(name, None, help_text, flag_values=values)

    text("config", f"Experiment: {_names()} or a file. --config.KEY=VALUE changes it.")
    flags.DEFINE_string("mode", "train", ", ".join(MODES), flag_values=values)
    text("workdir", "Folder of a training run: checkpoints, logs, configuration.")
    values["weights"] = _JoinedFlag(
        "Weights: a work directory or an official .pth file; A,B compares several."
    )
    text("input", "Image, folder or quoted pattern ('trip/*.jpg') to restore.")
    text("output", "Folder, or image, that the results go to.")
    text("compilation_cache", "Folder for compiled programs, kept between runs.")
    flags.DEFINE_integer("seed", None, "Seed of all randomness.", flag_values=values)
    text("host", "Address of the page; 0.0.0.0 lets other machines in.")
    flags.DEFINE_integer("port", None, "Port of the page.", flag_values=values)
    text("sizes", "Of exported programs, HEIGHTxWIDTH: 256x256,512x768.")
    text("platforms", "That exported programs run on: cpu,cuda,tpu.")
    flags.DEFINE_bool("overwrite", False, "Replace results.", flag_values=values)
    text("suffix", "What the names of restored images end in.")
    text("format", "Of restored images, such as png; by default as they were.")
    for name, help_text in (
        ("quality", "Of restored JPEG and WebP images, 1 to 100."),
        ("num_samples", "Restorations an image: their mean, and where they differ."),
    ):
        flags.DEFINE_integer(name, None, help_text, flag_values=values)
    text("coordinator", "Of a training in several processes: HOST:PORT of process 0.")
    for name, help_text in (
        ("num_processes", "How many processes train together."),
        ("process_id", "Which of them this is, from 0."),
    ):
        flags.DEFINE_integer(name, None, help_text, flag_values=values)
    help_text = "Join the processes that the cluster's environment names."
    flags.DEFINE_bool("distributed", False, help_text, flag_values=values)


def parse(argv: Sequence[str], values: flags.FlagValues) -> list[str]:
    """Reads `argv` (program name first) into `values`; returns the overrides.

    Raises:
        UsageError: if a flag is unknown, lacks its value or does not go with the mode.
    """
    overrides, rest = configuration.split_overrides(argv)
    try:
        unexpected = values(rest)[1:]
    except flags.UnrecognizedFlagError as error:
        known = {name for names in FLAGS_OF_MODE.values() for name in names}
        known |= {"mode", "verbosity"}
        raise UsageError(
            f"unknown flag --{error.flagname}"
            f"{configuration.nearest(error.flagname, known)} "
            f"(allowed: {', '.join(f'--{name}' for name in sorted(known))})"
        ) from error
    except flags.Error as error:
        modes = f"; --mode is one of {', '.join(MODES)}" if "mode" in str(error) else ""
        raise UsageError(" ".join(str(error).split()) + modes) from error
    if unexpected:
        raise UsageError(f"unexpected argument {unexpected[0]!r}; flags start with --")
    if values.mode not in MODES:
        raise UsageError(
            f"--mode={values.mode}: not one of {', '.join(MODES)}"
            f"{configuration.nearest(values.mode, MODES)}"
        )
    _check_combination(values)
    return overrides


def _check_combination(values: flags.FlagValues) -> None:
    """Raises if a flag is missing in this mode, or means nothing in it."""
    mode = values.mode
    for name in (
        "weights",
        "seed",
        "compilation_cache",
        "input",
        "output",
        "overwrite",
        *_RESULTS,
        *("host", "port", "sizes", "platforms"),
        *_HOSTS,
    ):
        if values[name].present and name not in FLAGS_OF_MODE[mode]:
            modes = [other for other in MODES if name in FLAGS_OF_MODE[other]]
            raise UsageError(
                f"--{name} means nothing to --mode={mode}; it goes with {modes}"
            )
    if mode == "restore":
        for name, what in (
            ("input", "the image or folder to restore"),
            ("output", "the folder for the results"),
        ):
            if not values[name].value:
                raise UsageError(f"--mode=restore needs --{name}, {what}")
    if mode == "pack" and not values.output:
        raise UsageError("--mode=pack needs --output=NAME.safetensors")
    if mode == "export" and not values.output:
        raise UsageError("--mode=export needs --output, the folder for the programs")
    if mode in ("evaluate", "restore", "pack", "export", "app") and not (
        values.weights or values.workdir
    ):
        raise UsageError(f"--mode={mode} needs --weights or --workdir")
    if mode == "plot" and not values.workdir:
        raise UsageError("--mode=plot needs --workdir, one or several joined by commas")
    _check_hosts(values)
    if mode == "train" and not values.workdir:
        config = "" if values.config else f"--config, one of {_names()}, and "
        raise UsageError(f"--mode=train needs {config}--workdir, for its results")
    names = split_weights(values.weights)
    if len(names) > 1 and mode != "evaluate":
        raise UsageError(
            f"--weights={values.weights}: --mode={mode} takes one; --mode=evaluate "
            "compares several"
        )
    if len(set(names)) < len(names) or "" in names[1:]:
        raise UsageError(f"--weights={values.weights}: one is empty or given twice")
    official = [name for name in names if name.endswith(".pth")]
    if official and mode != "train" and not values.config:
        raise UsageError(
            f"--weights={official[0]}: a .pth file holds no schedule, so it needs "
            f"--config, one of {_names()} or a file"
        )


def _check_hosts(values: flags.FlagValues) -> None:
    """Raises unless all that names the processes of a training is given, or none."""
    named = [name for name in _HOSTS[1:] if values[name].present]
    if values.distributed and named:
        raise UsageError(
            "--distributed asks the cluster's environment; it goes without "
            f"--{named[0]}"
        )
    if named and len(named) < len(_HOSTS) - 1:
        raise UsageError(
            "a training in several processes needs all of "
            + ", ".join(f"--{name}" for name in _HOSTS[1:])
            + f"; given: {', '.join(f'--{name}' for name in named)}"
        )


def resolve(
    values: flags.FlagValues, overrides: Sequence[str], index: int = 0
) -> Config | None:
    """The configuration of this run: of `--config`, else the stored one; overridden.

    None stands for weights that bring none, where none is needed. `index` is of the
    weights; networks that are compared differ, and there `--config` is for those alone
    that bring none.
    """
    names = split_weights(values.weights)
    if values.mode != "restore" and values.seed is not None:
        overrides = [*overrides, f"--config.seed={values.seed}"]
    # Training starts a run of its own: there `weights` bring no configuration.
    source = names[index] if names and values.mode != "train" else None
    source = source or values.workdir
    if values.config and len(names) < 2:
        return configuration.load(values.config, overrides)
    from irsde_jax import loading  # takes seconds to import

    if (stored := loading.stored_config(source)) is not None:
        return configuration.override(stored, overrides)
    if values.config:
        return configuration.load(values.config, overrides)
    if values.mode in ("train", "check", "config") or overrides:
        empty = f"; {source!r} holds no configuration" if source else ""
        raise UsageError(
            f"--config is missing: give a file or one of {_names()}{empty}"
        )
    return None


def _names() -> str:
    return ", ".join(configuration.config_names())


def _train(values: flags.FlagValues, config: Config | None) -> None:
    from irsde_jax import hosts, train

    if values.distributed or values.coordinator:
        hosts.initialize(values.coordinator, values.num_processes, values.process_id)
    train.train(config, values.workdir, weights=values.weights)


def _evaluate(
    values: flags.FlagValues, config: Config | None, *others: Config | None
) -> None:
    from irsde_jax import evaluate

    names = split_weights(values.weights)
    more = {"others": list(zip(names[1:], others))} if others else {}
    evaluate.run(
        config=config,
        workdir=values.workdir,
        weights=names[0] if names else None,
        output=values.output,
        overwrite=values.overwrite,
        **more,
    )


def _restore(values: flags.FlagValues, config: Config | None) -> None:
    from irsde_jax import restore

    restore.run(
        config=config,
        workdir=values.workdir,
        weights=values.weights,
        input=values.input,
        output=values.output,
        seed=values.seed or 0,
        overwrite=values.overwrite,
        suffix=values.suffix or "",
        kind=values.format,
        quality=values.quality,
        num_samples=1 if values.num_samples is None else values.num_samples,
    )


def _check(values: flags.FlagValues, config: Config | None) -> int:
    from irsde_jax import check

    assert config is not None  # `resolve` saw to it
    findings = check.run(config, output=values.output, overwrite=values.overwrite)
    return int(any(finding.is_error for finding in findings))


def _pack(values: flags.FlagValues, config: Config | None) -> None:
    from irsde_jax import pack

    source = values.weights or values.workdir
    pack.run(config, source, values.output, overwrite=values.overwrite)


def _export(values: flags.FlagValues, config: Config | None) -> None:
    from irsde_jax import export

    export.run(
        config,
        values.weights or values.workdir,
        values.output,
        export.parse_sizes(values.sizes or export.DEFAULT_SIZES),
        export.parse_platforms(values.platforms or export.DEFAULT_PLATFORMS),
        overwrite=values.overwrite,
    )


def _print_weights(values: flags.FlagValues, config: Config | None) -> None:
    from irsde_jax import weights

    del values, config
    print(weights.table())


def _app(values: flags.FlagValues, config: Config | None) -> None:
    from irsde_jax.app import server

    server.run(
        config=config,
        workdir=values.workdir,
        weights=values.weights,
        host=values.host or server.HOST,
        port=values.port,
    )


def _plot(values: flags.FlagValues, config: Config | None) -> None:
    from irsde_jax import curves

    del config
    curves.run(
        values.workdir.split(","), output=values.output, overwrite=values.overwrite
    )


def _print_config(values: flags.FlagValues, config: Config | None) -> None:
    del values
    assert config is not None  # `resolve` saw to it
    print(configuration.to_text(config))


MODES: dict[str, Callable[..., int | None]] = {
    "train": _train,
    "evaluate": _evaluate,
    "restore": _restore,
    "check": _check,
    "pack": _pack,
    "export": _export,
    "weights": _print_weights,
    "app": _app,
    "plot": _plot,
    "config": _print_config,
}


def run(values: flags.FlagValues, overrides: Sequence[str], debug: bool = False) -> int:
    """Does what the parsed flags say; returns the exit code."""
    try:
        # Learning curves and the list of weights need none.
        alone = values.mode in ("plot", "weights")
        config = None if alone else resolve(values, overrides)
        if values.compilation_cache:
            _keep_compiled_programs(values.compilation_cache)
        # Only `evaluate` takes more weights than one.
        more = range(1, len(split_weights(values.weights)))
        others = [resolve(values, overrides, index) for index in more]
        code = MODES[values.mode](values, config, *others)
    except UsageError as error:
        return _report(error, 2)
    except (
        *(ValueError, TypeError, OSError),
        *(FloatingPointError, MemoryError, ModuleNotFoundError),
    ) as error:
        if debug:
            raise
        return _report(error, 1)
    except interruption.Interrupted as stop:
        print(stop, file=sys.stderr)
        return interruption.EXIT_CODE
    except KeyboardInterrupt:
        return _report("interrupted", 130)
    return code or 0


def _keep_compiled_programs(folder: str) -> None:
    """Lets JAX keep what it compiles in `folder`, for this run and the next."""
    import jax  # printing a configuration needs none of it

    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def _report(error: object, code: int) -> int:
    print("error:", " ".join(str(error).split()), file=sys.stderr)
    return code


def set_up_logging(verbosity: int | None) -> None:
    """Shows our log lines alone, or those of the libraries too if asked.

    Args:
        verbosity: None for ours alone; else the level of absl for all: -1 warnings,
            0 information, 1 debugging.
    """
    logger = logging.getLogger("irsde_jax")
    logger.setLevel(logging.DEBUG if verbosity and verbosity > 0 else logging.INFO)
    logger.propagate = False
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers = [handler]
    if verbosity is None:
        absl_logging.set_verbosity(absl_logging.ERROR)
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
    else:
        absl_logging.set_verbosity(verbosity)


def main() -> None:
    """The program: parses the flags of this process and runs the mode."""
    values = flags.FLAGS
    define_flags(values)

    def flags_parser(argv: Sequence[str]) -> tuple[list[str], int | None]:
        try:
            overrides = parse(argv, values)
        except UsageError as error:
            sys.exit(_report(error, 2))
        is_default = values["verbosity"].using_default_value
        return overrides, None if is_default else values.verbosity

    def run_flags(parsed: tuple[list[str], int | None]) -> int:
        overrides, verbosity = parsed
        set_up_logging(verbosity)
        return run(values, overrides, debug=verbosity is not None and verbosity > 0)

    app.run(run_flags, flags_parser=flags_parser)


if __name__ == "__main__":
    main()
