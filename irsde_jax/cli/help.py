"""The help pages: an overview of all modes, and a page for each mode."""

import textwrap
from collections.abc import Sequence

from irsde_jax import configuration
from irsde_jax.cli.flag import Flag, Kind
from irsde_jax.cli.flags import DEFAULT_MODE, FLAGS, flags_of
from irsde_jax.cli.modes import MODES, Mode
from irsde_jax.cli.parsing import check_mode

PROGRAM = "irsde-jax"
_WIDTH = 100  # columns
_ASKS = ("-h", "-?", "-help", "--help", "-helpshort", "--helpshort")

_SETTINGS = Flag(
    "config.KEY",
    Kind.TEXT,
    (),
    help="Change one setting of the configuration; --mode=config prints all settings.",
    value="VALUE",
)
_VERBOSITY = Flag(
    "verbosity",
    Kind.INTEGER,
    (),
    help="Print more: 0 for the log of all libraries, 1 for tracebacks as well.",
    value="N",
)


def is_asked(argv: Sequence[str]) -> bool:
    """Returns whether a command line asks for a page of this module.

    The page for `--helpfull` comes from absl.
    """
    return any(item in _ASKS for item in argv[1:])


def page(argv: Sequence[str]) -> str:
    """Returns the help page of the mode on the command line, or else the overview.

    Raises:
        UsageError: If the command line names a mode that does not exist.
    """
    mode = None
    for item, following in zip(argv[1:], [*argv[2:], ""]):
        name, equals, value = item.lstrip("-").partition("=")
        if item.startswith("-") and name == "mode":
            mode = value if equals else following
    if mode is None or mode in _ASKS:
        return overview()
    check_mode(mode)
    return page_of(mode)


def overview() -> str:
    """Returns the overview: each mode with an example, and the meaning of each flag."""
    lines = [
        f"usage: {PROGRAM} --mode=MODE --FLAG=VALUE ...      "
        f"({PROGRAM} is python -m irsde_jax.main)",
        f"{PROGRAM} --mode=MODE --help explains one mode, --helpfull lists all flags.",
        "",
    ]
    for name, mode in MODES.items():
        lines += _wrapped(f"{name:10}", mode.summary)
        if names := " ".join(f"--{flag.name}" for flag in flags_of(name)):
            lines += _wrapped(" " * 10, names)
        lines += [f"{'':10}$ {PROGRAM} {mode.examples[0]}"]
    lines += [""]
    for flag in (*FLAGS, _SETTINGS, _VERBOSITY):
        first = flag.help.partition(". ")[0].rstrip(".") + "."
        lines += [f"{_usage(flag):25}{first}"]
    return "\n".join(lines)


def page_of(name: str) -> str:
    """Returns the page of one mode: its flags with full help, examples, exit codes."""
    mode = MODES[name]
    lines = [f"usage: {PROGRAM} --mode={name} --FLAG=VALUE ...", "", mode.summary, ""]
    flags = flags_of(name)
    needed = [flag for flag in flags if _is_needed(flag, mode)]
    optional = [flag for flag in flags if flag not in needed]
    if mode.takes_config:
        optional.append(_SETTINGS)
    lines += _section(_title_of_needs(mode), needed)
    lines += _section("Optional:", [*optional, _VERBOSITY])
    if mode.takes_config:
        names = ", ".join(configuration.config_names())
        lines += [*_wrapped("Experiments for --config: ", names, 2), ""]
    lines += ["Examples:", *(f"  {PROGRAM} {example}" for example in mode.examples), ""]
    return "\n".join([*lines, *_wrapped("Exit codes: ", _exit_codes(name), 2)])


def _is_needed(flag: Flag, mode: Mode) -> bool:
    return any(flag.name in need.split(" or ") for need in mode.needs)


def _title_of_needs(mode: Mode) -> str:
    needs = [need.split(" or ") for need in mode.needs]
    choice = [names for names in needs if len(names) > 1]
    words = [" and ".join(f"--{name}" for name in names) for names in choice]
    return f"Required (one of {words[0]}):" if words else "Required:"


def _section(title: str, flags: Sequence[Flag]) -> list[str]:
    """Returns the lines of a heading and its flags; [] if there are no flags."""
    if not flags:
        return []
    rows = [_wrapped(f"  {_usage(flag):25}", flag.help, 27) for flag in flags]
    return [title, *(line for row in rows for line in row), ""]


def _usage(flag: Flag) -> str:
    return f"--{flag.name}={flag.value}" if flag.value else f"--{flag.name}"


def _exit_codes(mode: str) -> str:
    codes = ["0 is success", "1 is an error", "2 is a mistake on the command line"]
    if mode == "check":
        codes[1] = "1 is an error, also one in the images"
    if mode == DEFAULT_MODE:
        codes.append("75 is a training that was stopped: the same command continues it")
    return "; ".join(codes) + "."


def _wrapped(start: str, text: str, indent: int | None = None) -> list[str]:
    """Returns `start` and `text`, wrapped to the width of the page."""
    return textwrap.wrap(
        text,
        width=_WIDTH,
        initial_indent=start,
        subsequent_indent=" " * (len(start) if indent is None else indent),
        break_on_hyphens=False,
        break_long_words=False,
    )
