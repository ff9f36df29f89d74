"""Imports point down: which module of the package may know which other."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "irsde_jax"

# Package or module at the top -> which of the others it may import. All are used.
ALLOWED: dict[str, set[str]] = {
    "array_types": set(),
    "configuration": set(),
    "registry": set(),
    "weights": set(),
    "models": {"array_types", "registry"},
    "sde": {"array_types", "registry"},
    "checkpoints": {"configuration", "models"},
    "losses": {"array_types", "sde"},
    "samplers": {"array_types", "registry", "sde"},
    "metrics": {"array_types", "checkpoints"},
    "processes": {"array_types", "losses", "registry", "samplers", "sde"},
    "data": {"array_types", "configuration", "processes", "registry"},
    "restoration": {
        "array_types",
        "checkpoints",
        "configuration",
        "data",
        "models",
        "processes",
        "registry",
        "samplers",
        "sde",
        "weights",
    },
    "__init__": {"restoration", "samplers", "sde", "weights"},
    "app": {
        "array_types",
        "configuration",
        "data",
        "processes",
        "restoration",
        "samplers",
    },
    "export": {
        "array_types",
        "checkpoints",
        "configuration",
        "data",
        "restoration",
        "samplers",
        "weights",
    },
    "training": {
        "array_types",
        "checkpoints",
        "configuration",
        "data",
        "losses",
        "metrics",
        "models",
        "processes",
        "registry",
        "restoration",
        "sde",
        "weights",
    },
    "evaluation": {
        "array_types",
        "configuration",
        "data",
        "metrics",
        "processes",
        "restoration",
        "samplers",
        "training",
        "weights",
    },
    "cli": {
        "app",
        "checkpoints",
        "configuration",
        "data",
        "evaluation",
        "export",
        "registry",
        "restoration",
        "training",
        "weights",
    },
    "demo": {
        "cli",
        "configuration",
        "data",
        "evaluation",
        "restoration",
        "training",
        "weights",
    },
    "main": {"cli", "configuration", "data"},
}
MOST_ENTRIES, MOST_FLOORS = 20, 10
# What `from irsde_jax import` gives beside packages: `irsde_jax.load`, for one.
PUBLIC = {"__version__"}
BANNED = {"clu", "tensorflow", "torch"}
SOURCES = sorted(PACKAGE.rglob("*.py"))


def imported_names(source: str) -> set[str]:
    """Dotted names that a module imports: `from a import b` counts as "a.b"."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            names |= {f"{prefix}.{alias.name}" for alias in node.names}
    return names


def imported_layers(source: str) -> set[str]:
    """Names X for which the module says `import irsde_jax.X` or `from irsde_jax.X`."""
    names = imported_names(source)
    found = {name.split(".")[1] for name in names if name.startswith("irsde_jax.")}
    return found - PUBLIC


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_reader_of_imports_sees_every_form():
    source = "import irsde_jax.a\nfrom irsde_jax import b\nfrom irsde_jax.c.d import e"
    assert imported_layers(source + "\nimport optax") == {"a", "b", "c"}
    assert imported_names("def f():\n    from . import x") == {"..x"}


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_imports_point_down(path):
    layer = layer_of(path)
    assert layer in ALLOWED, (
        f"{relative(path)} is new: say in ALLOWED of tests/test_layers.py which "
        "packages it may import."
    )
    extra = imported_layers(path.read_text("utf-8")) - ALLOWED[layer] - {layer}
    assert not extra, f"{relative(path)} must not import {sorted(extra)}."


@pytest.mark.parametrize("layer", ALLOWED)
def test_no_arrow_is_allowed_that_is_not_used(layer):
    used: set[str] = set()
    for path in SOURCES:
        if layer_of(path) == layer:
            used |= imported_layers(path.read_text("utf-8"))
    assert not ALLOWED[layer] - used


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_imports_are_absolute(path):
    names = imported_names(path.read_text("utf-8"))
    assert not {name for name in names if name.startswith(".")}
    assert not {name for name in names if name.endswith(".*")}


def test_packages_lie_on_few_floors_without_a_cycle():
    seen: set[str] = set()
    floors = 0
    while rest := {layer for layer in ALLOWED if layer not in seen}:
        ready = {layer for layer in rest if ALLOWED[layer] <= seen}
        assert ready, f"{sorted(rest)} import each other."
        seen |= ready
        floors += 1
    assert floors <= MOST_FLOORS


def test_the_package_has_few_entries():
    """Beside `__init__.py` and `py.typed`, which every typed package has."""
    entries = {path.name for path in PACKAGE.iterdir()}
    entries -= {"__init__.py", "py.typed", "__pycache__"}
    assert len(entries) <= MOST_ENTRIES


def test_restoring_knows_no_input_pipeline():
    paths = [path for path in SOURCES if layer_of(path) == "restoration"]
    assert paths
    for path in paths:
        names = imported_names(path.read_text("utf-8"))
        assert not {name for name in names if "data.pipeline" in name}, path


def test_configs_import_nothing_of_the_package():
    for path in (ROOT / "configs").glob("*.py"):
        names = imported_names(path.read_text("utf-8"))
        assert not {name for name in names if name.startswith("irsde_jax")}, path


def test_tests_share_through_modules_that_are_no_tests():
    for path in (ROOT / "tests").glob("*.py"):
        names = imported_names(path.read_text("utf-8"))
        assert not {name for name in names if name.startswith("test_")}, path


def test_nobody_imports_tensorflow_torch_or_clu():
    for folder in ("irsde_jax", "configs", "tests", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            names = imported_names(path.read_text("utf-8"))
            assert not {name.split(".")[0] for name in names} & BANNED, path


def test_pmap_is_called_in_one_place():
    callers = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = getattr(node, "attr", getattr(node, "id", None))
            if name == "pmap" or (isinstance(node, ast.alias) and node.name == "pmap"):
                callers.add(relative(path))
    assert callers == {"irsde_jax/training/train_step.py"}


def test_files_take_the_place_of_others_in_one_module():
    """`str.replace` has two arguments or more, `Path.replace` one."""
    callers = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                is_path = node.func.attr == "replace" and len(node.args) == 1
                is_path = is_path and not node.keywords  # `dataclasses.replace`
                if is_path or ast.unparse(node.func) in ("os.replace", "os.rename"):
                    callers.add(relative(path))
    # An export replaces the files of a folder, one after the other.
    assert callers == {
        "irsde_jax/configuration/whole_files.py",
        "irsde_jax/export/stablehlo.py",
    }
