"""The wheel is complete: every module, the configs, the type marker, the licence."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """A wheel built from the sources as they are, without network."""
    needed = re.search(r"setuptools>=(\d+)", (ROOT / "pyproject.toml").read_text())[1]
    reason = f"setuptools {needed} or newer builds the wheel"
    pytest.importorskip("setuptools", minversion=needed, reason=reason)
    folder = tmp_path_factory.mktemp("wheel")
    # Links stand for a copy of the tree: the build writes its own files beside them.
    tree = folder / "tree"
    tree.mkdir()
    for path in ROOT.iterdir():
        made = path.name in ("build", "dist") or path.name.endswith(".egg-info")
        if not made and not path.name.startswith("."):
            (tree / path.name).symlink_to(path)
    code = "from setuptools import build_meta; print(build_meta.build_wheel({!r}))"
    result = subprocess.run(
        [sys.executable, "-c", code.format(str(folder))],
        cwd=tree,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return zipfile.ZipFile(folder / result.stdout.split()[-1])


def test_the_wheel_holds_every_module(wheel):
    modules = {
        str(path.relative_to(ROOT)) for path in (ROOT / "irsde_jax").rglob("*.py")
    }
    missing = modules - set(wheel.namelist())
    assert not missing, f"setup.py does not find {sorted(missing)}"


def test_the_wheel_holds_the_configs(wheel):
    names = set(wheel.namelist())
    configs = {f"irsde_jax/configs/{path.name}" for path in ROOT.glob("configs/*.py")}
    assert configs
    assert configs <= names


def test_the_wheel_holds_types_and_licence_and_nothing_else(wheel):
    names = wheel.namelist()
    assert "irsde_jax/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"irsde_jax"}


def test_the_wheel_holds_the_weights_with_their_cards_and_licence(wheel):
    folder = ROOT / "irsde_jax" / "weights"
    files = {path.name for path in folder.iterdir() if path.is_file()}
    assert "LICENSE.md" in files
    assert {Path(name).stem for name in files} >= {"denoising-small"}
    assert {f"irsde_jax/weights/{name}" for name in files} <= set(wheel.namelist())
    licence = "licenses/irsde_jax/weights/LICENSE.md"
    assert any(name.endswith(licence) for name in wheel.namelist())


def test_the_wheel_needs_no_extra_to_run(wheel):
    metadata = next(name for name in wheel.namelist() if name.endswith("/METADATA"))
    text = wheel.read(metadata).decode()
    assert "Requires-Python: >=3.11" in text
    base = re.findall(r"^Requires-Dist: ([\w.-]+)[^;\n]*$", text, re.M)
    assert {"jax", "flax", "optax", "orbax-checkpoint", "chex", "numpy"} <= set(base)


def test_the_wheel_installs_the_command(wheel, tmp_path):
    pytest.importorskip("pip")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index"]
    command += ["--no-compile", "--target", str(tmp_path), wheel.filename]
    subprocess.run(command, check=True, capture_output=True)
    program = tmp_path / "bin" / "irsde-jax"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}

    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, program, *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
        )

    shown = run("--mode=config", "--help")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("usage: irsde-jax --mode=config")
    assert run("--mode=config", "--config=quickstart").returncode == 0
    assert run("--mode=confg").returncode == 2
    assert run("--mode=plot", "--workdir=missing").returncode == 1
