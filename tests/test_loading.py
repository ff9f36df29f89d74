"""What is imported when: the maths without Flax, restoring without input pipelines."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import irsde_jax

ROOT = Path(__file__).resolve().parents[1]


def run_python(code: str) -> str:
    """Standard output of `code` in a fresh interpreter, which must succeed."""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_maths_works_without_flax():
    grid = run_python(
        "import sys\n"
        "for name in ('flax', 'optax', 'orbax', 'grain', 'PIL', 'ml_collections'):\n"
        "    sys.modules[name] = None\n"
        "from irsde_jax import losses, metrics, samplers, sde\n"
        "from irsde_jax import make_schedule, sample, timestep_grid\n"
        "print(timestep_grid(make_schedule(num_steps=4), 2).tolist())\n"
    )
    assert grid.strip() == "[4, 2, 0]"


def test_importing_the_package_imports_nothing_else():
    names = ("flax", "irsde_jax", "jax", "numpy")
    code = f"import sys, irsde_jax; print([n for n in {names} if n in sys.modules])"
    assert run_python(code).strip() == "['irsde_jax']"


def test_restoring_needs_no_input_pipeline():
    heavy = ("grain", "tensorflow_datasets", "tensorflow")
    code = (
        "import sys\n"
        "from irsde_jax import Restorer, load\n"
        "import irsde_jax.restoration.files.runner\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    assert run_python(code).strip() == "[]"


def test_the_command_line_starts_without_jax():
    code = (
        "import sys, irsde_jax.main, irsde_jax.configuration\n"
        "irsde_jax.configuration.load('deraining')\n"
        "print([name for name in ('jax', 'flax', 'grain') if name in sys.modules])"
    )
    assert run_python(code).strip() == "[]"


@pytest.mark.parametrize("name", irsde_jax.__all__)
def test_public_names_exist(name):
    assert getattr(irsde_jax, name) is not None
    assert name in dir(irsde_jax)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="Restorrer"):
        irsde_jax.Restorrer  # noqa: B018


def test_the_citation_has_this_version():
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.search(r"^version: (.*)$", text, re.M)[1] == irsde_jax.__version__
