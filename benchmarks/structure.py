"""The structure of the source code in numbers: entries, imports, sizes, arguments.

Run as `python -m benchmarks.structure`; `--root PATH` measures another checkout. The
sources are parsed and never imported. `tests/test_structure.py` holds the limits.

What is counted:

- An entry is a file or folder at the top of the package, beside `__init__.py` and
  `py.typed`. An arrow leads from one entry to another that it imports, anywhere in its
  code. The floor of an entry is the longest chain of arrows below it; entries that
  import each other are a cycle and share a floor.
- The length of a function reaches from `def` to its last line, with its docstring and
  the functions inside it.
- A positional argument of a call is one without a keyword; `*values` counts as one. A
  signature has those that may be given without a keyword, without `self` and `cls`.
- A call counts if it calls something of this package: a plain name that is neither a
  builtin nor imported from elsewhere, or an attribute that a module of the package
  defines and that does not start at a name imported from elsewhere. Of
  `jax.vmap(f)(x)`, the called function is `f`. Calls and signatures of the public
  functions of `irsde_jax.sde` do not count: their arguments have the order of the
  mathematics.
"""

import argparse
import ast
import builtins
import graphlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

NAME = "irsde_jax"
HERE = Path(__file__).resolve().parents[1]
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module(NamedTuple):
    """A parsed source file.

    Attributes:
        path: The path relative to the checkout, with slashes.
        lines: The number of lines.
        tree: The syntax tree.
    """

    path: str
    lines: int
    tree: ast.Module

    @property
    def entry(self) -> str:
        """The entry at the top of the package that holds the module."""
        return self.path.split("/")[1].removesuffix(".py")


class Found(NamedTuple):
    """Something that has a size, such as a function of so many lines.

    Attributes:
        size: The number of lines or arguments.
        path: The path of the module.
        line: The number of the line where it begins.
        name: The name of the function, or the source text; "" for a module.
    """

    size: int
    path: str
    line: int
    name: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line} {self.name}" if self.name else self.path
        return f"{self.size:5}  {place}"


def read_modules(root: Path = HERE) -> list[Module]:
    """Returns the modules of the package in a checkout, sorted by path."""
    found = []
    for path in sorted((root / NAME).rglob("*.py")):
        source = path.read_text("utf-8")
        name = path.relative_to(root).as_posix()
        found.append(Module(name, len(source.splitlines()), ast.parse(source)))
    return found


def entries(root: Path = HERE) -> list[str]:
    """Returns the entries at the top of the package."""
    hidden = {"__init__.py", "py.typed", "__pycache__"}
    return sorted({path.name for path in (root / NAME).iterdir()} - hidden)


def arrows(modules: list[Module]) -> dict[str, set[str]]:
    """Returns the other entries that each entry imports."""
    names = {module.entry for module in modules}
    found: dict[str, set[str]] = {name: set() for name in names}
    for module in modules:
        for node in ast.walk(module.tree):
            for imported in _imported(node):
                parts = imported.split(".")
                if parts[0] == NAME and parts[1:]:
                    found[module.entry] |= {parts[1]} & names
    return {name: others - {name} for name, others in found.items()}


def cycles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Returns the largest sets of entries that all import each other."""
    below = {name: _reachable(graph, name) for name in graph}
    found: list[set[str]] = []
    for name in sorted(graph):
        group = {other for other in below[name] if name in below[other]}
        if len(group) > 1 and group not in found:
            found.append(group)
    return found


def floors(graph: dict[str, set[str]]) -> list[list[str]]:
    """Returns the entries by floor, the lowest first; a cycle is on one floor."""
    home = {name: frozenset({name}) for name in graph}
    for cycle in cycles(graph):
        home |= dict.fromkeys(cycle, frozenset(cycle))
    joined: dict[frozenset[str], set[frozenset[str]]] = {}
    for name, others in graph.items():
        below = {home[other] for other in others} - {home[name]}
        joined.setdefault(home[name], set()).update(below)
    height: dict[frozenset[str], int] = {}
    for group in graphlib.TopologicalSorter(joined).static_order():
        height[group] = 1 + max((height[other] for other in joined[group]), default=-1)
    rows: list[list[str]] = [[] for _ in range(1 + max(height.values()))]
    for group, floor in height.items():
        rows[floor] += group
    return [sorted(row) for row in rows]


def long_modules(modules: list[Module]) -> list[Found]:
    """Returns the modules by their number of lines, the longest first."""
    return _sorted(Found(module.lines, module.path, 1, "") for module in modules)


def long_functions(modules: list[Module]) -> list[Found]:
    """Returns the functions by their number of lines, the longest first."""
    return _sorted(
        Found(node.end_lineno - node.lineno + 1, module.path, node.lineno, node.name)
        for module, node in _functions(modules)
        if node.end_lineno is not None
    )


def signatures(modules: list[Module]) -> list[Found]:
    """Returns the functions by their number of positional arguments."""
    public = _sde_names(modules)
    return _sorted(
        Found(_positional(node), module.path, node.lineno, node.name)
        for module, node in _functions(modules)
        if node.name not in public
    )


def calls(modules: list[Module]) -> list[Found]:
    """Returns the calls of the package's functions by their positional arguments."""
    public, defined = _sde_names(modules), _defined(modules)
    found = []
    for module in modules:
        outside = set(dir(builtins)) | _imported_from_elsewhere(module.tree)
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call):
                called = _called(node.func)
                first, last = called[:1], called[-1:]
                is_ours = bool(called) and first[0] not in outside
                if len(called) > 1 or not called:
                    is_ours = is_ours and last[0] in defined
                if is_ours and last[0] not in public:
                    name = ".".join(called)
                    found.append(Found(len(node.args), module.path, node.lineno, name))
    return _sorted(found)


def unpacked_literals(modules: list[Module]) -> list[Found]:
    """Returns the uses of `*(a, b)` and `*[a, b]` as arguments of calls."""
    return _sorted(
        Found(len(argument.value.elts), module.path, argument.lineno, "*(...)")
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        for argument in node.args
        if isinstance(argument, ast.Starred)
        and isinstance(argument.value, ast.Tuple | ast.List)
    )


def _imported(node: ast.AST) -> list[str]:
    """The dotted names that a statement imports: `from a import b` gives "a.b"."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def _imported_from_elsewhere(tree: ast.Module) -> set[str]:
    """The names of a module that stand for something outside of the package."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None)
            for alias in node.names:
                if (module or alias.name).split(".")[0] != NAME:
                    names.add(alias.asname or alias.name.split(".")[0])
    return names


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def _functions(modules: list[Module]) -> Iterator[tuple[Module, Function]]:
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, Function):
                yield module, node


def _positional(function: Function) -> int:
    given = [*function.args.posonlyargs, *function.args.args]
    return len(given) - (bool(given) and given[0].arg in ("self", "cls"))


def _sde_names(modules: list[Module]) -> set[str]:
    """The public names of `irsde_jax.sde`, as its `__all__` lists them."""
    for module in modules:
        if module.path == f"{NAME}/sde/__init__.py":
            for node in module.tree.body:
                if isinstance(node, ast.Assign) and "__all__" in map(
                    ast.unparse, node.targets
                ):
                    return set(ast.literal_eval(node.value))
    return set()


def _defined(modules: list[Module]) -> set[str]:
    """The names of functions, classes and annotated fields of the package."""
    nodes = [node for module in modules for node in ast.walk(module.tree)]
    names = {node.name for node in nodes if isinstance(node, Function | ast.ClassDef)}
    fields = [node.target for node in nodes if isinstance(node, ast.AnnAssign)]
    return names | {node.id for node in fields if isinstance(node, ast.Name)}


def _called(node: ast.expr) -> list[str]:
    """The parts of the dotted name that is called; "" for what has no name."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        return [*(_called(node.value) or [""]), node.attr]
    if isinstance(node, ast.Call):
        return _called(node.args[0]) if node.args else []
    return []


def _sorted(found: Iterator[Found] | list[Found]) -> list[Found]:
    return sorted(found, key=lambda each: (-each.size, each.path, each.line))


def report(root: Path = HERE, most: int = 5) -> str:
    """Returns the numbers as text, with the `most` largest of each kind."""
    modules = read_modules(root)
    graph = arrows(modules)
    rows = floors(graph)
    top = entries(root)
    groups = cycles(graph)
    lines = [
        f"{len(modules)} modules, {sum(module.lines for module in modules)} lines",
        f"{len(top)} entries at the top: {', '.join(top)}",
        f"{len(rows)} floors of imports, {sum(map(len, graph.values()))} arrows",
        *(f"{floor:5}  {', '.join(row)}" for floor, row in enumerate(rows)),
        f"{len(groups)} cycles",
        *(f"       {', '.join(sorted(group))}" for group in groups),
    ]
    for title, limit, found in (
        ("modules by lines", 250, long_modules(modules)),
        ("functions by lines", 60, long_functions(modules)),
        ("calls by positional arguments", 5, calls(modules)),
        ("signatures by positional arguments", 5, signatures(modules)),
        ("uses of *(a, b) in calls", 0, unpacked_literals(modules)),
    ):
        above = sum(each.size > limit for each in found)
        lines += [f"{title}: {above} above {limit}", *map(str, found[:most])]
    return "\n".join(lines)


def main() -> None:
    """Prints the report."""
    parser = argparse.ArgumentParser(description="The structure in numbers.")
    parser.add_argument("--root", type=Path, default=HERE)
    parser.add_argument("--most", type=int, default=5)
    args = parser.parse_args()
    print(report(args.root, args.most))


if __name__ == "__main__":
    main()
