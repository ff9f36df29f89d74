"""What a run leaves to look at later: log lines, summary, trace, curves."""

import json
import logging
import math
import shlex
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from tiny_trainings import tiny_config, write_pairs

from irsde_jax.training import curves, logs, manifest, profiling, step_metrics
from irsde_jax.training import loop as training


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of four steps; its work directory."""
    tmp_path = tmp_path_factory.mktemp("records")
    config = tiny_config(write_pairs(tmp_path), train=dict(profile=1))
    training.train(config, tmp_path / "run")
    return tmp_path / "run"


class TestStepMetrics:
    def test_quartiles_of_steps_are_those_of_the_range(self):
        t = jnp.array([1, 25, 26, 75, 76, 100])
        found = step_metrics.by_quartile(jnp.arange(6.0), t, 100)
        np.testing.assert_array_equal(found["loss_counts"], [2, 1, 1, 2])
        np.testing.assert_array_equal(found["loss_sums"], [1, 2, 3, 9])

    def test_line_is_the_mean_of_the_steps_that_counted(self):
        def step(loss, sums, counts):
            return dict(
                loss=np.float32(loss),
                grad_norm=np.float32(loss),
                loss_sums=np.array(sums, np.float32),
                loss_counts=np.array(counts, np.float32),
            )

        fetched = [
            step(1.0, [3, 0, 0, 0], [3, 0, 0, 0]),
            step(3.0, [1, 8, 0, 0], [1, 2, 0, 0]),
            step(np.nan, [np.nan, 0, 0, 0], [1, 1, 1, 1]),
        ]
        line = step_metrics.average(fetched)
        assert line["loss"] == 2.0
        assert line["loss_quartile_1"] == 1.0  # 4 / 4 examples
        assert line["loss_quartile_2"] == 4.0  # 8 / 2
        assert "loss_quartile_3" not in line
        assert math.isnan(step_metrics.average(fetched[2:])["loss"])

    def test_validation_is_no_time_of_the_steps(self, monkeypatch):
        now = [0.0]
        monkeypatch.setattr(step_metrics.time, "monotonic", lambda: now[0])
        window = step_metrics.Window(images_per_step=4)
        for _ in range(3):
            now[0] += 2.0
            window.add({"loss": np.float32(1), "grad_norm": np.float32(1)})
        with window.paused():
            now[0] += 100.0
        line = window.close(waited_s=1.5)
        assert line["images_per_s"] == 2.0
        assert line["input_wait_share"] == 0.25


class TestRun:
    def test_line_holds_what_one_watches(self, run):
        line = next(e for e in logs.read_metrics(run / "logs") if "loss" in e)
        for name in ("grad_norm", "update_norm", "images_per_s", "learning_rate"):
            assert line[name] > 0, name
        assert 0 <= line["input_wait_share"] <= 1
        assert line["skipped_steps"] == 0
        assert any(name.startswith("loss_quartile_") for name in line)

    def test_summary_says_what_went_into_the_run(self, run):
        content = json.loads((run / manifest.FILE_NAME).read_text())
        assert content["results"]["step"] == 4
        assert content["results"]["validation_psnr"] > 0
        stored = content["manifest"]
        assert stored["versions"]["jax"] == jax.__version__
        assert stored["devices"]["count"] == jax.device_count()
        assert stored["configuration"]["train"]["num_steps"] == 4
        assert stored["data"]["num_images"] == 3
        assert stored["seed"] == 0
        assert stored["command"] == shlex.join([sys.executable, *sys.argv])
        assert stored["commit"] is None or len(stored["commit"]) == 40

    def test_fingerprint_tells_data_apart(self):
        batch = {"x0": np.zeros((2, 4, 4, 3), np.float32)}
        same = manifest.fingerprint(["a", "b"], batch)
        assert manifest.fingerprint(["a", "b"], batch) == same
        assert manifest.fingerprint(["a", "c"], batch) != same
        changed = {"x0": batch["x0"] + np.float32(1 / 255)}
        assert manifest.fingerprint(["a", "b"], changed) != same

    def test_trace_is_written(self, run):
        assert list((run / "profile").glob("**/*.xplane.pb"))


def test_memory_of_a_step_is_logged(caplog):
    matrix = jnp.ones((256, 256))
    with caplog.at_level(logging.INFO):
        compiled = profiling.compile_step(jax.jit(lambda x: x @ x), matrix)
    np.testing.assert_array_equal(compiled(matrix), matrix @ matrix)
    needed = profiling.step_memory(compiled)
    assert needed["state and batch"] == needed["results"] == 4 * 256 * 256
    assert "256 KiB" in caplog.text


def test_options_that_xla_does_not_know_are_left_out():
    options = {"xla_backend_optimization_level": 0, "xla_no_such_option": True}
    known = profiling.known_options(options)
    assert known == {"xla_backend_optimization_level": 0}


class TestCurves:
    def test_picture_of_two_runs(self, run, tmp_path):
        path = curves.run([run, run], output=tmp_path / "two.png")
        with Image.open(path) as picture:
            assert picture.width > 1000
            assert len(np.unique(np.asarray(picture))) > 50
        with pytest.raises(FileExistsError, match="overwrite"):
            curves.run([run], output=path)
        assert curves.run([run], output=path, overwrite=True) == path

    def test_goes_into_the_work_directory_by_itself(self, run):
        assert curves.run([run]) == run / "curves.png"

    def test_curve_is_what_the_log_says(self, run):
        steps, values = curves.read(run)["loss"]
        entries = [e for e in logs.read_metrics(run / "logs") if "loss" in e]
        assert steps.tolist() == [1, 2, 3, 4]
        assert values.tolist() == [e["loss"] for e in entries]

    def test_smoothing_keeps_the_mean(self):
        steps, values = curves.smooth(np.arange(1000), np.arange(1000.0))
        assert len(steps) == 200
        np.testing.assert_allclose(values.mean(), 499.5)
        few = np.arange(7), np.random.default_rng(0).random(7)
        np.testing.assert_array_equal(curves.smooth(*few), few)

    def test_folder_without_logs_is_a_clear_error(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="work directory"):
            curves.run([tmp_path])
