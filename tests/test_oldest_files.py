"""Files that the oldest supported versions wrote are read by those installed here.

`golden/make_oldest.py` wrote them. What is stored is read to the last bit. What is
computed from it may round otherwise: the compiler of another version may add in another
order, which moves values of the size of 1 by a few times 1e-7 per layer.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import lower_bounds
import numpy as np
import pytest
from flax import traverse_util

import irsde_jax
from irsde_jax import configuration
from irsde_jax.checkpoints import runs
from irsde_jax.training import loop

FOLDER = Path(__file__).parent / "golden" / "oldest"
EXPECTED = np.load(FOLDER / "expected.npz")
SEED = 7  # of the restorations in it
ROUNDING = 1e-5


def flat(params) -> dict[str, np.ndarray]:
    return traverse_util.flatten_dict(jax.device_get(params), sep="/")


def expected(group: str) -> dict[str, np.ndarray]:
    """The parameters of a file, or of the trained network, by their names."""
    names = [name for name in EXPECTED.files if name.startswith(f"{group}/")]
    return {name.removeprefix(f"{group}/"): EXPECTED[name] for name in names}


def assert_restored(found: np.ndarray, source: str) -> None:
    wanted = EXPECTED[f"restored/{source}"]
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, atol=ROUNDING, rtol=0)
    inside = (wanted > 0) & (wanted < 1)
    assert inside.mean() > 0.5  # clipped values would agree too easily


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A copy, as the current folder: the run names its images relative to that."""
    copy = shutil.copytree(FOLDER, tmp_path / "oldest")
    monkeypatch.chdir(copy)
    return copy


def test_files_are_of_the_lower_bounds():
    """A raised lower bound asks for new files."""
    wanted = lower_bounds.versions(["export"])
    found = json.loads((FOLDER / "versions.json").read_text("utf-8"))
    assert found
    for name, version in found.items():
        assert lower_bounds.is_same(version, wanted[name]), name


@pytest.mark.parametrize("source", ["run", "packed.safetensors"])
def test_stored_weights_are_read_to_the_last_bit(folder, source):
    restore = irsde_jax.load(folder / source)
    params, wanted = flat(restore.params), expected(source)
    assert params.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(params[name], array, err_msg=name)
    assert_restored(restore(EXPECTED["images"], key=jax.random.key(SEED)), source)


def test_training_continues_from_the_checkpoint(folder):
    """Two steps of four are left, which end where the oldest versions ended."""
    config = configuration.read_stored(folder / "run")
    with runs.Checkpoints(folder / "run", read_only=True) as checkpoints:
        assert checkpoints.latest_step == 2
    state = loop.train(config, folder / "run")
    assert state.step == 4
    wanted = expected("trained")
    moved = 0.0
    for name, array in flat(state.params).items():
        np.testing.assert_allclose(
            array, wanted[name], atol=ROUNDING, rtol=0, err_msg=name
        )
        moved = max(moved, np.abs(wanted[name] - expected("run")[name]).max())
    assert moved > 5e-4  # what was compared did change in these steps


def test_exported_program_runs_by_its_own_script(folder, tmp_path):
    np.save(tmp_path / "in.npy", EXPECTED["images"])
    script = folder / "exported" / "restore.py"
    done = subprocess.run(
        [sys.executable, script, tmp_path / "in.npy", tmp_path / "out.npy", str(SEED)],
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    if "refuses the program" in done.stderr:
        # It was promised for six months. The script must then say what to do.
        assert jax.__version_info__ > (0, 12)
        assert "--mode=export" in done.stderr
        pytest.skip("this JAX is too new for programs of the oldest supported JAX")
    assert done.returncode == 0, done.stderr
    assert_restored(np.load(tmp_path / "out.npy"), "packed.safetensors")
