"""Imports point down: which module of the package may know which other."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "irsde_jax"

MATHS = {"array_types", "holes", "sde", "processes", "losses", "samplers"}
PARTS = MATHS | {"models", "data", "metrics", "train_step", "checkpoints"}
LONG = {"faults", "hosts", "interruption", "manifest", "profiling", "step_metrics"}
EDGE = {"optimizers", "configuration", "logs", "figures"}
# What `evaluate` is made of.
JUDGING = {"baselines", "cases", "comparison", "intervals", "perceptual", "report"}
JUDGING |= {"file_names", "methods", "record", "scores", "sheets", "tables"}
# What restoring is made of.
RESTORING = {
    "checkpoints",
    "filling",
    "hole_jobs",
    "inputs",
    "jobs",
    "loading",
    "marks",
}
RESTORING |= {"noisy_images", "provenance", "restore", "restorer", "transparency"}
RESTORING |= {"turns"}

# Module or subpackage -> what it may import of ours. A new module is added here.
ALLOWED = {
    "__init__": {"weights", "restore", "samplers", "sde"},
    "array_types": set(),
    "configuration": set(),
    "file_names": set(),
    "events": set(),
    "logs": {"events"},
    "optimizers": set(),
    "sde": {"array_types"},
    "models": {"array_types"},
    "holes": {"array_types"},
    "data": {"array_types", "holes"},
    "lpips": {"array_types", "checkpoints"},
    "metrics": {"array_types"},
    "processes": {"array_types", "holes", "samplers", "sde"},
    "losses": {"array_types", "sde"},
    "solvers": {"array_types", "sde"},
    "samplers": {"array_types", "sde", "solvers"},
    "figures": {"array_types", "data", "file_names"},
    "hosts": set(),
    "interruption": set(),
    "step_metrics": {"array_types"},
    "train_step": {"array_types", "losses", "processes", "sde", "step_metrics"},
    "faults": {"train_step"},
    "profiling": set(),
    "manifest": {"configuration", "file_names"},
    "checkpoints": {"array_types", "configuration", "hosts", "models", "train_step"},
    "tiling": {"array_types"},
    "memory": set(),
    "programs": {"array_types", "processes", "sde", "tiling"},
    "batches": set(),
    "grey": {"array_types"},
    "transparency": {"array_types", "holes"},
    "noisy_images": {"array_types", "data", "grey", "sde"},
    "tile_choice": {"tiling"},
    "restorer": {
        *(
            MATHS
            | {"batches", "configuration", "data", "memory", "models", "noisy_images"}
        ),
        *("programs", "tile_choice", "tiling"),
    },
    "loading": {"checkpoints", "configuration", "models", "restorer", "weights"},
    "inputs": {"data"},
    "marks": set(),
    "jobs": {"data", "inputs", "marks"},
    "turns": {"data", "jobs"},
    "provenance": {"marks", "restorer"},
    "one_file": {
        *("array_types", "data", "filling", "grey", "jobs", "noisy_images"),
        *("restorer", "transparency"),
    },
    "restore": {
        *("array_types", "costs", "data", "file_names", "hole_jobs", "jobs"),
        *("loading", "one_file", "processes", "provenance", "restorer", "turns"),
    },
    "filling": {"data"},
    "hole_jobs": {"data", "filling", "jobs"},
    "costs": {"restorer", "tiling"},
    "scores": {"array_types", "data", "grey", "metrics", "restore"},
    "intervals": set(),
    "perceptual": {"data", "lpips"},
    "baselines": {"data", "holes"},
    "methods": {
        *("baselines", "configuration", "grey", "restorer", "samplers", "weights"),
    },
    "sheets": {"data", "figures", "metrics", "restore", "restorer", "scores"},
    "comparison": {
        *("data", "intervals", "methods", "perceptual", "scores", "sheets"),
    },
    "cases": {"comparison", "data", "methods"},
    "record": {
        *("comparison", "configuration", "data", "intervals", "methods", "scores"),
        "file_names",
    },
    "tables": {"file_names"},
    "charts": {"tables"},
    "page": set(),
    "report": {"cases", "charts", "page", "tables"},
    "evaluate": {
        *(PARTS | EDGE | JUDGING | {"experiment", "grey", "restore", "restorer"}),
    },
    "experiment": PARTS | EDGE | {"restorer"},
    "train": PARTS | EDGE | LONG | {"experiment", "restore", "restorer", "weights"},
    "check": {"data", "figures", "logs"},
    "curves": {"logs"},
    "photographs": {"data"},
    "trial": {"data", "photographs", "restorer", "scores"},
    "demo": {
        *("data", "figures", "loading", "main", "photographs", "scores", "tables"),
        *("trial", "weights"),
    },
    "demo_train": {"configuration", "evaluate", "main", "photographs", "train"},
    "weights": {"tables"},
    "app": {
        *("array_types", "configuration", "costs", "data", "filling", "loading"),
        *("provenance", "restore", "restorer"),
        *("processes", "samplers"),
    },
    "pack": {"checkpoints", "restore"},
    # Runs where the package is not installed.
    "standalone": set(),
    "export_notes": {"restorer"},
    "export_readme": {"export_notes"},
    "export": MATHS
    | {
        *("configuration", "data", "export_notes", "export_readme", "programs"),
        *("restore", "restorer", "weights"),
    },
    "cli": {
        *{"app", "export", "loading", "pack", "weights"},
        *{"check", "configuration", "curves", "evaluate", "restore", "train"},
        *{"hosts", "interruption"},
    },
    "main": {"cli", "configuration", "file_names"},
}
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
    return {name.split(".")[1] for name in names if name.startswith("irsde_jax.")}


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
        f"{relative(path)} is new: say in ALLOWED of tests/test_layers.py which of our "
        "modules it may import."
    )
    extra = imported_layers(path.read_text("utf-8")) - ALLOWED[layer] - {layer}
    assert not extra, f"{relative(path)} must not import {sorted(extra)}."


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_imports_are_absolute(path):
    names = imported_names(path.read_text("utf-8"))
    assert not {name for name in names if name.startswith(".")}
    assert not {name for name in names if name.endswith(".*")}


def test_layers_have_no_cycle():
    seen: set[str] = set()
    while rest := {layer for layer in ALLOWED if layer not in seen}:
        ready = {layer for layer in rest if ALLOWED[layer] <= seen}
        assert ready, f"{sorted(rest)} import each other."
        seen |= ready


def test_restoring_knows_no_input_pipeline():
    assert {layer_of(path) for path in SOURCES} >= RESTORING
    for path in SOURCES:
        if layer_of(path) in RESTORING:
            names = imported_names(path.read_text("utf-8"))
            assert not {name for name in names if "data.pipeline" in name}, path


def test_configs_import_nothing_of_the_package():
    for path in (ROOT / "configs").glob("*.py"):
        names = imported_names(path.read_text("utf-8"))
        assert not {name for name in names if name.startswith("irsde_jax")}, path


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
    assert callers <= {"irsde_jax/training/train_step.py"}
