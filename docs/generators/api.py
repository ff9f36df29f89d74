"""The reference of the API: an overview, and a page for each public module."""

import ast
import functools
import importlib
import inspect
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from docs.generators import docstrings
from docs.generators.tables import cell

# The pages of the API reference, and the modules that each one documents.
PAGES: dict[str, tuple[str, ...]] = {
    "irsde_jax.sde": ("irsde_jax.sde",),
    "irsde_jax.samplers": ("irsde_jax.samplers",),
    "irsde_jax.losses": ("irsde_jax.losses",),
    "irsde_jax.processes": ("irsde_jax.processes", "irsde_jax.processes.holes"),
    "irsde_jax.models": ("irsde_jax.models",),
    "irsde_jax.restoration": (
        "irsde_jax.restoration.loading",
        "irsde_jax.restoration.restorer",
        "irsde_jax.restoration.settings",
    ),
    "irsde_jax.training": (
        "irsde_jax.training.loop",
        "irsde_jax.training.callbacks",
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


def overview() -> str:
    """The page from which the modules of the API reference are reached."""
    package = importlib.import_module("irsde_jax")
    rows = []
    for name in sorted(package.__all__, key=str.lower):
        if home := _home_of(getattr(package, name), name):
            rows += [f"| `irsde_jax.{name}` | {{py:obj}}`{home}` |"]
    summaries = []
    for title in PAGES:
        module = importlib.import_module(title)
        first = (inspect.getdoc(module) or "").partition("\n")[0]
        summaries += [f"| [`{title}`]({title}.md) | {cell(first)} |"]
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
        *PAGES,
        "```",
        "",
    ]
    return "\n".join(lines)


def _home_of(value: Any, name: str) -> str | None:
    """The full name under which an object is documented."""
    for modules in PAGES.values():
        for module_name in modules:
            if name not in public_names(module_name):
                continue
            if getattr(importlib.import_module(module_name), name) is value:
                return f"{module_name}.{name}"
    return None


def page(title: str) -> str:
    """The page of one entry of `PAGES`."""
    lines = [f"# {title}", ""]
    for name in PAGES[title]:
        module = importlib.import_module(name)
        if len(PAGES[title]) > 1:
            lines += [f"## {name}", ""]
        documented = [each for each in public_names(name) if _has_docs(module, each)]
        body = [f".. automodule:: {name}", "   :no-members:", ""]
        if documented:
            body += [".. autosummary::", "   :nosignatures:", ""]
            body += [f"   {each}" for each in documented] + [""]
        body += [f".. currentmodule:: {name}", ""]
        for each in public_names(name):
            value = getattr(module, each)
            if inspect.isclass(value):
                body += [f".. autoclass:: {name}.{each}", "   :members:", ""]
            elif _has_docs(module, each):
                body += [f".. autofunction:: {name}.{each}", ""]
            else:
                text = f"{_comment(module, each)} {_value(value)}"
                body += [f".. py:data:: {each}", "", f"   {text.strip()}", ""]
        lines += ["```{eval-rst}", *body, "```", ""]
    return "\n".join(lines)


def _value(value: Any) -> str:
    """What a table or a constant holds, in words."""
    if isinstance(value, Mapping):
        keys = ", ".join(f"``{key!r}``" for key in value)
        return f"The keys are {keys}."
    if isinstance(value, str | int | float | tuple | frozenset):
        return f"The value is ``{value!r}``."
    return ""


def _comment(module: Any, name: str) -> str:
    """The text below the definition of a constant, where there is one."""
    body = ast.parse(inspect.getsource(module)).body
    for node, following in pairwise(body):
        is_named = name in _targets(node)
        if is_named and isinstance(following, ast.Expr):
            text = ast.literal_eval(following.value)
            lines = docstrings.to_rest(text.split("\n"), lambda _: None)
            return " ".join(" ".join(lines).split())
    return ""


def _targets(node: ast.stmt) -> list[str]:
    """The names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [each.id for each in node.targets if isinstance(each, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def _has_docs(module: Any, name: str) -> bool:
    """Whether an object has a docstring of its own: functions and classes do."""
    value = getattr(module, name)
    return (
        inspect.isclass(value)
        or inspect.isroutine(value)
        or hasattr(value, "__wrapped__")
    )


def public_names(module_name: str) -> list[str]:
    """The public names of a module: `__all__`, or what its file defines."""
    module = importlib.import_module(module_name)
    names = getattr(module, "__all__", None) or _defined_names(module)
    kept = [
        name
        for name in names
        if not inspect.ismodule(getattr(module, name)) and name != "logger"
    ]
    return sorted(kept, key=lambda name: (not name.isupper(), name.lower()))


def _defined_names(module: Any) -> list[str]:
    """The public names that stand at the top of a module's file."""
    body = ast.parse(inspect.getsource(module)).body
    names = [name for node in body for name in _targets(node)]
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


@functools.cache
def public_homes() -> dict[str, str]:
    """The full name under which each public name is documented, by its last part.

    A name that two modules use is left out, as it would be ambiguous.
    """
    homes: dict[str, str] = {}
    ambiguous = set()
    for modules in PAGES.values():
        for module_name in modules:
            for name in public_names(module_name):
                if name in homes:
                    ambiguous.add(name)
                homes[name] = f"{module_name}.{name}"
    return {name: home for name, home in homes.items() if name not in ambiguous}
