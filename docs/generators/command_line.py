"""The reference of the command line, from the tables of modes and flags."""

from docs.generators.tables import cell
from irsde_jax.cli.flags import Flag, flags_of
from irsde_jax.cli.modes import MODES, Mode


def page() -> str:
    """The page that explains every mode and every flag."""
    parts = [
        "# Command line",
        "",
        "`irsde-jax` and `python -m irsde_jax.main` are the same program. `--help` "
        "prints all modes and flags on one screen, and `--mode=restore --help` "
        "explains one mode. This page is made from the same tables.",
        "",
        "The exit code is 0 for success, 1 for an error, 2 for a mistake on the "
        "command line, and 75 for a training that was stopped and that the same "
        "command continues.",
        "",
        "| mode | what it does |",
        "|---|---|",
        *(f"| [`{name}`](#mode-{name}) | {MODES[name].summary} |" for name in MODES),
        "",
    ]
    for name, mode in MODES.items():
        parts += _mode_section(name, mode)
    return "\n".join(parts)


def _mode_section(name: str, mode: Mode) -> list[str]:
    lines = [f"(mode-{name})=", f"## `--mode={name}`", "", mode.summary, ""]
    lines += ["```sh"]
    lines += [f"irsde-jax {example}" for example in mode.examples]
    lines += ["```", ""]
    if flags := flags_of(name):
        lines += ["| flag | meaning |", "|---|---|"]
        lines += [_flag_row(flag, mode) for flag in flags]
    if mode.takes_config:
        lines += [
            "| `--config.KEY=VALUE` | Changes one setting of the "
            "[configuration](configuration.md). |"
        ]
    return [*lines, ""]


def _flag_row(flag: Flag, mode: Mode) -> str:
    usage = f"--{flag.name}={flag.value}" if flag.value else f"--{flag.name}"
    needed = ""
    for need in mode.needs:
        names = need.split(" or ")
        if flag.name in names:
            others = [f"`--{other}`" for other in names if other != flag.name]
            needed = f" Required, or {others[0]}." if others else " Required."
    return f"| `{usage}` | {cell(flag.help)}{needed} |"
