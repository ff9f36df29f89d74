"""The command line: `python -m irsde_jax.main --config=NAME --workdir=DIR`.

Flags (`irsde_jax.command_line`) become the arguments of one function for each mode;
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
from typing import TypeAlias

import ml_collections
from absl import app, flags
from absl import logging as absl_logging

from irsde_jax import configuration, file_names, interruption
from irsde_jax.command_line import config_names, define_flags, parse, split_weights
from irsde_jax.configuration import UsageError

Config: TypeAlias = ml_collections.ConfigDict


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
            f"--config is missing: give a file or one of {config_names()}{empty}"
        )
    return None


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
    file_names.escape_on_consoles()
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
