"""The reference of the configuration, from `configs/default.py` and its comments."""

import ast
import io
import tokenize
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from docs.generators.tables import cell
from irsde_jax import configuration

ROOT = Path(__file__).resolve().parents[2]


class Setting(NamedTuple):
    """A setting of the configuration, with the comments of its definition."""

    name: str
    default: Any
    comment: str


def page() -> str:
    """The page that lists every setting with its default and its comment."""
    lines = [
        "# Configuration",
        "",
        "Every setting can be changed on the command line: "
        "`--config.sampling.num_evals=10`. A misspelt name or a value of a wrong type "
        "is an error. `--mode=config --config=NAME` prints the settings of an "
        "experiment. This page is made from "
        "[`configs/default.py`](source:configs/default.py), the file that all "
        "experiments start from.",
        "",
        "Image levels are in image units, [0, 1]: ten grey levels of 255 are 0.039. "
        "The value None means that the setting is unset; the text beside it says what "
        "happens then.",
        "",
    ]
    for title, about, settings in groups():
        heading = f"`{title}`" if title else "Top level"
        lines += [f"## {heading}", ""]
        if about:
            lines += [f"{_about(about)}", ""]
        lines += ["| setting | default | meaning |", "|---|---|---|"]
        for setting in settings:
            default = cell(f"`{setting.default!r}`")
            name = f"{title}.{setting.name}" if title else setting.name
            lines += [f"| `{name}` | {default} | {cell(setting.comment)} |"]
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
        variants = [f"`{each}`" for each in configuration.config_variants(name)]
        lines += [f"| `{name}` | {', '.join(variants)} |"]
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
