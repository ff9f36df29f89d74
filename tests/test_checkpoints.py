"""Checkpoints: digests, falling back, keeping, and what cannot be written."""

import json
import logging
import os
import shutil
import subprocess
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny_trainings import assert_same_state, host, tiny_config, write_pairs

from irsde_jax import configuration
from irsde_jax.checkpoints import digests, keeping, packing, runs, train_state
from irsde_jax.restoration import loading
from irsde_jax.training import loop as training
from irsde_jax.training import train_step

pytestmark = pytest.mark.core


@pytest.fixture
def folder(tmp_path):
    return write_pairs(tmp_path)


def small_state(step=3):
    params = {"w": np.arange(6.0, dtype=np.float32), "b": np.ones(2, np.float32)}
    state = train_step.init_train_state(params, optax.adam(1e-3))
    writable = jax.tree.map(np.array, jax.device_get(state))
    return writable._replace(step=np.int32(step))


@pytest.fixture
def config():
    return configuration.load("default")


def largest_file(step_folder: Path) -> Path:
    """The array data: what a full disk or a failing one would damage."""
    files = [path for path in step_folder.glob("*/**/*") if path.is_file()]
    return max(files, key=lambda path: path.stat().st_size)


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "truncated": (lambda step: truncate(largest_file(step)), "bytes instead of"),
    "flipped": (lambda step: flip_a_bit(largest_file(step)), "other contents"),
    "missing": (lambda step: largest_file(step).unlink(), "is missing"),
    "params_gone": (lambda step: shutil.rmtree(step / "params"), "is missing"),
    "no_digests": (lambda step: (step / digests.FILE_NAME).unlink(), "was cut off"),
    "odd_digests": (
        lambda step: (step / digests.FILE_NAME).write_text("[1]"),
        "cannot be read",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_step_is_set_aside_and_the_one_before_it_used(
    config, tmp_path, caplog, name
):
    states = [small_state(3), small_state(6)]
    states[1].params["w"][0] = 7.0
    with runs.Checkpoints(tmp_path) as checkpoints:
        for state in states:
            checkpoints.save(state, config)
    damage, message = DAMAGES[name]
    damage(tmp_path / "checkpoints" / "6")

    # A reader takes the one before, and leaves everything where it is.
    with runs.Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert checkpoints.latest_step == 3
    assert (tmp_path / "checkpoints" / "6").is_dir()
    caplog.clear()
    with caplog.at_level(logging.WARNING), runs.Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest_step == 3
        assert_same_state(checkpoints.restore(states[0]), states[0])
        assert "checkpoint 6 is damaged" in caplog.text
        assert message in caplog.text
        assert (tmp_path / "checkpoints" / "damaged" / "6").is_dir()
        # The same step can be written anew, and damaged once more.
        checkpoints.save(states[1], config)
    damage(tmp_path / "checkpoints" / "6")
    with runs.Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest_step == 3
    assert (tmp_path / "checkpoints" / "damaged" / "6.1").is_dir()


def test_restored_state_is_bit_identical_with_its_counts(config, tmp_path):
    skipped = train_state.Skipped(np.int32(5), np.int32(2), np.int32(8))
    state = small_state(10)._replace(skipped=skipped)
    with runs.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state, config)
        checkpoints.wait()
        assert_same_state(checkpoints.restore(state), state)


def test_state_of_another_network_is_a_clear_error(config, tmp_path):
    with runs.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(small_state(3), config)
        checkpoints.wait()
        # As many numbers, and even the same shapes, are not enough.
        params = {"w": np.zeros(2, np.float32), "b": np.zeros(6, np.float32)}
        other = train_step.init_train_state(params, optax.adam(1e-3))
        with pytest.raises(ValueError, match=r"b \(float32, 2\) where b "):
            checkpoints.restore(other)
        renamed = {"v": np.zeros(6, np.float32), "b": np.zeros(2, np.float32)}
        with pytest.raises(ValueError, match=r"w \(float32, 6\) where v .*ema_params"):
            checkpoints.restore_ema(renamed)
        plain = small_state()._replace(opt_state=optax.sgd(1e-3).init(params))
        with pytest.raises(ValueError, match="5 arrays where 0 are wanted"):
            checkpoints.restore(plain)


def test_checkpoint_of_another_version_is_a_clear_error(config, tmp_path, monkeypatch):
    with runs.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(small_state(3), config)
    monkeypatch.setattr(runs, "FORMAT_VERSION", 99)
    with (
        runs.Checkpoints(tmp_path, read_only=True) as checkpoints,
        pytest.raises(ValueError, match=r"version 3; .* reads 99"),
    ):
        checkpoints.read_config()


def test_numbers_of_several_types_keep_their_places():
    params = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.float32(-1.5),
        "c": np.arange(4, dtype=np.int32),
        "d": jnp.arange(3, dtype=jnp.bfloat16),
        "e": np.full((2, 1), 9, np.float32),
    }
    vectors = packing.pack(params)
    lengths = {name: len(vector) for name, vector in vectors.items()}
    assert lengths == {"float32": 9, "int32": 4, "bfloat16": 3}
    found = packing.unpack(vectors, params)
    chex.assert_trees_all_equal_shapes_and_dtypes(found, params)
    jax.tree.map(np.testing.assert_array_equal, found, params)


def test_latest_and_best_are_kept(config, tmp_path):
    scores = {2: 20.0, 4: 30.0, 6: 25.0, 8: None, 10: 21.0}
    with runs.Checkpoints(tmp_path, keep=2, keep_best=1) as checkpoints:
        for step, score in scores.items():
            metrics = {} if score is None else {keeping.METRIC: score}
            checkpoints.save(small_state(step), config, metrics)
    assert digests.steps(tmp_path / "checkpoints") == [10, 8, 4]


def test_saved_step_is_not_written_twice(config, tmp_path):
    with runs.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(small_state(3), config)
        checkpoints.wait()
        before = (tmp_path / "checkpoints" / "3").stat().st_mtime_ns
        checkpoints.save(small_state(3), config)
    assert (tmp_path / "checkpoints" / "3").stat().st_mtime_ns == before


def test_state_may_be_overwritten_while_it_is_saved(config, tmp_path):
    """The step donates its buffers: what is written is what was given."""
    state = small_state(3)
    with runs.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state, config)
        expected = jax.tree.map(np.copy, state)
        for leaf in jax.tree.leaves((state.params, state.ema_params, state.opt_state)):
            leaf[...] = -1
        checkpoints.wait()
        assert_same_state(checkpoints.restore(expected), expected)


def test_digests_name_each_file_once(config, tmp_path):
    with runs.Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(small_state(3), config)
    step = tmp_path / "checkpoints" / "3"
    stored = json.loads((step / digests.FILE_NAME).read_text())["files"]
    items = {name.split("/")[0] for name in stored}
    assert {"params", "ema_params", "opt_state", "meta"} <= items
    assert digests.problem(step) is None


class TestTraining:
    def test_goes_on_from_the_step_before_a_damaged_one(
        self,
        folder,
        tmp_path,
        caplog,
    ):
        config, workdir = tiny_config(folder, num_steps=6), tmp_path / "run"
        whole = host(training.train(config, workdir))
        flip_a_bit(largest_file(workdir / "checkpoints" / "6"))
        with caplog.at_level(logging.INFO):
            again = training.train(config, workdir)
        assert "checkpoint 6 is damaged" in caplog.text
        assert "resuming at step 4" in caplog.text
        assert_same_state(again, whole)
        assert loading.load(workdir).config.train.num_steps == 6

    def test_nothing_intact_is_said_and_the_training_begins_anew(
        self,
        folder,
        tmp_path,
        caplog,
    ):
        config, workdir = tiny_config(folder, num_steps=2), tmp_path / "run"
        whole = host(training.train(config, workdir))
        truncate(largest_file(workdir / "checkpoints" / "2"))
        with pytest.raises(FileNotFoundError, match="intact"):
            loading.load(workdir)
        assert_same_state(training.train(config, workdir), whole)
        assert "set aside" in caplog.text

    def test_unwritable_work_directory_is_a_clear_error(self, folder, tmp_path):
        (tmp_path / "run").write_text("a file")
        with pytest.raises(OSError, match="run"):
            training.train(tiny_config(folder), tmp_path / "run")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 600 kB; skipped where mounting is not allowed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no `mount` to make a small disk with")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_is_a_clear_error_and_keeps_what_was_saved(
    config, small_disk, tmp_path
):
    state = small_state(3)
    with runs.Checkpoints(small_disk) as checkpoints:
        checkpoints.save(state, config)
    big = state._replace(
        step=np.int32(6),
        params={"w": np.random.default_rng(0).random(300_000, np.float32)},
    )
    with (
        pytest.raises(OSError, match=r"step 6 could not be written.*are intact"),
        runs.Checkpoints(small_disk) as checkpoints,
    ):
        checkpoints.save(big, config)
        checkpoints.wait()
    # Nothing to clean by hand: the next start takes the step before, and goes on.
    with runs.Checkpoints(small_disk) as checkpoints:
        assert checkpoints.latest_step == 3
        assert_same_state(checkpoints.restore(state), state)
        checkpoints.save(small_state(6), config)
    with runs.Checkpoints(small_disk, read_only=True) as checkpoints:
        assert checkpoints.latest_step == 6


def test_failure_of_the_writer_is_told_as_one_error(config, tmp_path, monkeypatch):
    """Where no small disk can be mounted: Orbax's thread fails as on a full one."""

    def fail(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(digests, "write", fail)
    with (
        pytest.raises(OSError, match=r"step 3 could not be written.*No space left"),
        runs.Checkpoints(tmp_path) as checkpoints,
    ):
        checkpoints.save(small_state(3), config)
        checkpoints.wait()
