"""The command-line program: `irsde-jax`, or `python -m irsde_jax.main`.

`--help` lists the modes and the flags. The exit code is 0 for success, 1 for an error
of the library (such as a missing folder, a value out of range or unsuitable training
images), 2 for an invalid command line, and 75 for a training run that was stopped and
that the same command continues. Errors are printed as one line on standard error;
`--verbosity=1` adds the traceback.
"""

import sys
from collections.abc import Sequence

from absl import app, flags

from irsde_jax.cli import help
from irsde_jax.cli.console import report, set_up_logging
from irsde_jax.cli.definitions import define_flags
from irsde_jax.cli.flags import split_weights
from irsde_jax.cli.modes import MODES
from irsde_jax.cli.parsing import parse
from irsde_jax.cli.running import resolve, run
from irsde_jax.configuration import UsageError
from irsde_jax.data.image_files import file_names

__all__ = [
    "MODES",
    "define_flags",
    "main",
    "parse",
    "resolve",
    "run",
    "set_up_logging",
    "split_weights",
]


def main() -> None:
    """Parses the command-line flags, runs the selected mode and exits."""
    file_names.escape_on_consoles()
    values = flags.FLAGS
    define_flags(values)

    def flags_parser(argv: Sequence[str]) -> tuple[list[str], int | None]:
        try:
            if help.is_asked(argv):
                print(help.page(argv))
                sys.exit(0)
            overrides = parse(argv, values)
        except UsageError as error:
            sys.exit(report(error, 2))
        is_default = values["verbosity"].using_default_value
        return overrides, None if is_default else values.verbosity

    def run_flags(parsed: tuple[list[str], int | None]) -> int:
        overrides, verbosity = parsed
        set_up_logging(verbosity)
        return run(values, overrides, debug=verbosity is not None and verbosity > 0)

    app.run(run_flags, flags_parser=flags_parser)


if __name__ == "__main__":
    main()
