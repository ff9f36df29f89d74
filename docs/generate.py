"""The pages that are made from the code: the references, and copies of the notebooks.

`conf.py` calls `write_pages` before Sphinx reads the sources. Nothing that it writes is
under version control.
"""

import ast
import importlib
import inspect
import io
import shutil
import textwrap
import tokenize
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from irsde_jax import configuration
from irsde_jax.cli.flags import FLAGS, Flag, flags_of
from irsde_jax.cli.modes import MODES, Mode

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

# The pages of the API reference, and the modules that each one documents.
API: dict[str, tuple[str, ...]] = {
    "irsde_jax.sde": ("irsde_jax.sde",),
    "irsde_jax.samplers": ("irsde_jax.samplers",),
    "irsde_jax.losses": ("irsde_jax.losses",),
    "irsde_jax.processes": ("irsde_jax.processes", "irsde_jax.processes.holes"),
    "irsde_jax.models": ("irsde_jax.models",),
    "irsde_jax.restoration": (
        "irsde_jax.restoration.loading",
        "irsde_jax.restoration.restorer",
    ),
    "irsde_jax.training": (
        "irsde_jax.training.loop",
        "irsde_jax.training.train_step",
        "irsde_jax.training.optimizers",
    ),
    "irsde_jax.data": ("irsde_jax.data.degradations", "irsde_jax.data.sources"),
    "irsde_jax.metrics": (
        "irsde_jax.metrics",
        "irsde_jax.metrics.lpips",
        "irsde_jax.metrics.bootstrap",
    ),
    "irsde_jax.checkpoints": ("irsde_jax.checkpoints",),
    "irsde_jax.weights": ("irsde_jax.weights",),
    "irsde_jax.configuration": ("irsde_jax.configuration",),
    "irsde_jax.registry": ("irsde_jax.registry",),
    "irsde_jax.array_types": ("irsde_jax.array_types",),
}
# The rest of the package: what the command line runs.
INTERNAL = {"app", "cli", "demo", "evaluation", "export", "main"}


def write_pages() -> None:
    """Writes all generated pages below `docs/`, and removes earlier ones."""
    for folder in ("reference", "notebooks"):
        shutil.rmtree(DOCS / folder, ignore_errors=True)
    for name, text in pages().items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (DOCS / "notebooks").mkdir(exist_ok=True)
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        shutil.copy(notebook, DOCS / "notebooks" / notebook.name)


def pages() -> dict[str, str]:
    """The text of each generated page, by its path below `docs/`."""
    result = {
        "reference/command_line.md": command_line(),
        "reference/configuration.md": configuration_reference(),
        "reference/api.md": api_overview(),
    }
    for title in API:
        result[f"reference/{title}.md"] = api_page(title)
    return result


# The command line.


def command_line() -> str:
    """The page that explains every mode and every flag."""
    parts = [
        "# Command line",
        "",
        "`irsde-jax` and `python -m irsde_jax.main` are the same program. `--help` "
        "prints all modes and flags on one screen, and `--mode=restore --help` explains "
        "one mode. This page is made from the same tables.",
        "",
        "The exit code is 0 for success, 1 for an error, 2 for a mistake on the command "
        "line, and 75 for a training that was stopped and that the same command "
        "continues.",
        "",
        "| mode | what it does |",
        "|---|---|",
        *(f"| [`{name}`](#mode-{name}) | {mode.summary} |" for name, mode in MODES.items()),
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
    return f"| `{usage}` | {_cell(flag.help)}{needed} |"


def _cell(text: str) -> str:
    """Text for one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("*", "\\*")


# The configuration.


class Setting(NamedTuple):
    """A setting of the configuration, with the comments of its definition."""

    name: str
    default: Any
    comment: str


def configuration_reference() -> str:
    """The page that lists every setting with its default and its comment."""
    lines = [
        "# Configuration",
        "",
        "Every setting can be changed on the command line: "
        "`--config.sampling.num_evals=10`. A misspelt name or a value of a wrong type is "
        "an error. `--mode=config --config=NAME` prints the settings of an experiment. "
        "This page is made from [`configs/default.py`](source:configs/default.py), the "
        "file that all experiments start from.",
        "",
        "Image levels are in image units, [0, 1]: ten grey levels of 255 are 0.039. The "
        "value None means that the library chooses, as the text beside it says.",
        "",
    ]
    for title, about, settings in groups():
        heading = f"`{title}`" if title else "Top level"
        lines += [f"## {heading}", ""]
        if about:
            lines += [f"{_about(about)}", ""]
        lines += ["| setting | default | meaning |", "|---|---|---|"]
        for setting in settings:
            default = _cell(f"`{setting.default!r}`")
            name = f"{title}.{setting.name}" if title else setting.name
            lines += [f"| `{name}` | {default} | {_cell(setting.comment)} |"]
        lines += [""]
    lines += ["## Experiments", "", *_experiments()]
    return "\n".join(lines)


def _about(comment: str) -> str:
    """The comment above a group: the function whose arguments it holds, or a text."""
    first = comment.split(":")[0].split(" ")[0]
    if first.startswith("irsde_jax.") and first == comment.rstrip("."):
        return f"The arguments of `{first}`."
    return _sentence(comment)


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    if not text:
        return ""
    text = text if text.startswith("irsde_jax") else text[0].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else text + "."


def _experiments() -> list[str]:
    lines = ["| `--config=` | variants of its own |", "|---|---|"]
    for name in configuration.config_names():
        variants = ", ".join(f"`{each}`" for each in configuration.config_variants(name))
        lines += [f"| `{name}` | {variants} |"]
    return lines


def groups() -> list[tuple[str, str, list[Setting]]]:
    """The groups of `configs/default.py`: name, comment above it, and settings.

    The first group has no name and holds the settings at the top.
    """
    source = (ROOT / "configs" / "default.py").read_text("utf-8")
    comments = _comments(source)
    config = configuration.load("default")
    function = next(
        node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)
    )
    top: list[Setting] = []
    found: list[tuple[str, str, list[Setting]]] = [("", "", top)]
    for node in function.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if not isinstance(node, ast.Assign) or not isinstance(target, ast.Attribute):
            continue
        if not isinstance(node.value, ast.Call) or not node.value.keywords:
            value = config[target.attr]
            top.append(Setting(target.attr, value, _comment_of(comments, node)))
            continue
        settings = [
            Setting(
                str(keyword.arg),
                config[target.attr][keyword.arg],
                _comment_of(comments, keyword),
            )
            for keyword in node.value.keywords
        ]
        found.append((target.attr, comments.above(node.lineno), settings))
    return found


class _Comments(NamedTuple):
    """The comments of a file: those that fill a line, and those behind code."""

    whole: Mapping[int, str]
    behind: Mapping[int, str]

    def above(self, line: int) -> str:
        """The comment that ends just above a line."""
        lines: list[str] = []
        while (line := line - 1) in self.whole:
            lines.insert(0, self.whole[line])
        return " ".join(lines)


def _comments(source: str) -> _Comments:
    whole: dict[int, str] = {}
    behind: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            is_whole = not token.line[: token.start[1]].strip()
            kind = whole if is_whole else behind
            kind[token.start[0]] = token.string.lstrip("# ")
    return _Comments(whole, behind)


def _comment_of(comments: _Comments, node: ast.stmt | ast.keyword) -> str:
    """The comment of a setting: above it, and behind it."""
    last = node.end_lineno or node.lineno
    parts = [comments.above(node.lineno), comments.behind.get(last, "")]
    return " ".join(_sentence(part) for part in parts if part)


# The API.


def api_overview() -> str:
    """The page from which the modules of the API reference are reached."""
    package = importlib.import_module("irsde_jax")
    rows = []
    for name in sorted(package.__all__, key=str.lower):
        if (home := public_homes().get(name)) is not None:
            rows += [f"| `irsde_jax.{name}` | {{py:obj}}`{home}` |"]
    summaries = []
    for title in API:
        module = importlib.import_module(title)
        first = (inspect.getdoc(module) or "").partition("\n")[0]
        summaries += [f"| [`{title}`]({title}.md) | {_cell(first)} |"]
    lines = [
        "# API",
        "",
        "These names can be used from the top of the package:",
        "",
        "| name | documented as |",
        "|---|---|",
        *rows,
        "",
        "Everything else lives in one of these modules. Names that begin with an "
        "underscore, and modules that are not listed, may change without notice.",
        "",
        "| module | what it holds |",
        "|---|---|",
        *summaries,
        "",
        "```{toctree}",
        ":hidden:",
        "",
        *API,
        "```",
        "",
    ]
    return "\n".join(lines)


def api_page(title: str) -> str:
    """The page of one entry of `API`."""
    lines = [f"# {title}", ""]
    for name in API[title]:
        module = importlib.import_module(name)
        if len(API[title]) > 1:
            lines += [f"## {name}", ""]
        documented = [each for each in public_names(name) if _has_docs(module, each)]
        body = [f".. automodule:: {name}", "   :no-members:", ""]
        if documented:
            body += [".. autosummary::", ""]
            body += [f"   {each}" for each in documented] + [""]
        body += [f".. currentmodule:: {name}", ""]
        for each in public_names(name):
            value = getattr(module, each)
            if inspect.isclass(value):
                body += [f".. autoclass:: {name}.{each}", "   :members:", ""]
            elif _has_docs(module, each):
                body += [f".. autofunction:: {name}.{each}", ""]
            else:
                body += [f".. py:data:: {each}", "", *_value(value), ""]
        lines += ["```{eval-rst}", *body, "```", ""]
    return "\n".join(lines)


def _value(value: Any) -> list[str]:
    """What a table or a constant holds, in words."""
    if isinstance(value, Mapping):
        text = "A dictionary with the keys " + ", ".join(f"``{key!r}``" for key in value)
    elif isinstance(value, str | int | float | tuple | frozenset):
        text = f"The value ``{value!r}``"
    else:
        text = f"The type ``{value}``".replace("typing.", "")
    return textwrap.wrap(text + ".", 88, initial_indent="   ", subsequent_indent="   ")


def _has_docs(module: Any, name: str) -> bool:
    """Whether an object has a docstring of its own: functions and classes do."""
    value = getattr(module, name)
    return inspect.isclass(value) or inspect.isroutine(value) or hasattr(
        value, "__wrapped__"
    )


def public_names(module_name: str) -> list[str]:
    """The public names of a module: `__all__`, or what is defined in it."""
    module = importlib.import_module(module_name)
    if hasattr(module, "__all__"):
        names = [name for name in module.__all__ if not inspect.ismodule(
            getattr(module, name)
        )]
    else:
        names = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_")
            and not inspect.ismodule(value)
            and (
                getattr(value, "__module__", None) == module_name
                or (isinstance(value, dict) and name.isupper())
            )
        ]
    return sorted(names, key=lambda name: (not name.isupper(), name.lower()))


def public_homes() -> dict[str, str]:
    """The full name under which each public name is documented, by its last part.

    A name that two modules use is left out, as it would be ambiguous.
    """
    homes: dict[str, str] = {}
    ambiguous = set()
    for modules in API.values():
        for module_name in modules:
            for name in public_names(module_name):
                if name in homes:
                    ambiguous.add(name)
                homes[name] = f"{module_name}.{name}"
    return {name: home for name, home in homes.items() if name not in ambiguous}
