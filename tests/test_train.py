"""The training loop end to end, on images made here: resume, fine-tune, bad input."""

import logging

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny_trainings import (
    assert_same_state,
    host,
    smooth_image,
    tiny_config,
    write_pairs,
)

from irsde_jax import configuration, losses, metrics, models, processes, sde
from irsde_jax.models import init_params
from irsde_jax.restoration import loading
from irsde_jax.restoration.configured import make_network
from irsde_jax.restoration.restorer import Restorer
from irsde_jax.training import experiment, logs, train_step
from irsde_jax.training import loop as training


@pytest.fixture
def folder(tmp_path):
    return write_pairs(tmp_path)


class TestTrain:
    def test_leaves_a_work_directory_that_restores(self, folder, tmp_path):
        config, workdir = tiny_config(folder), tmp_path / "run"
        state = training.train(config, workdir)
        assert state.step == 4
        entries = logs.read_metrics(workdir / "logs")
        assert [e["step"] for e in entries if "loss" in e] == [1, 2, 3, 4]
        validations = [e for e in entries if "validation_psnr" in e]
        assert [e["step"] for e in validations] == [2, 4]
        assert list((workdir / "logs").glob("events.*"))

        restorer = loading.load(workdir)
        jax.tree.map(
            np.testing.assert_array_equal,
            host(restorer.params),
            host(state.ema_params),
        )
        assert configuration.differences(restorer.config, config, ("train",)) == []

    def test_resumes_to_bit_identical_parameters(self, folder, tmp_path):
        config = tiny_config(folder)
        whole = training.train(config, tmp_path / "whole")
        half = tiny_config(folder, num_steps=2)
        training.train(half, tmp_path / "parts")
        resumed = training.train(config, tmp_path / "parts")
        assert_same_state(resumed, whole)
        # and once more there is nothing left to do
        assert_same_state(training.train(config, tmp_path / "parts"), whole)

    def test_fine_tunes_from_weights(self, folder, tmp_path):
        config, first = tiny_config(folder, num_steps=2), tmp_path / "first"
        weights = host(training.train(config, first).ema_params)
        none = tiny_config(folder, num_steps=0)
        start = training.train(none, tmp_path / "start", first)
        jax.tree.map(np.testing.assert_array_equal, host(start.params), weights)
        tuned = training.train(config, tmp_path / "tuned", first)
        assert tuned.step == 2
        moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), tuned.params, weights)
        # two steps of Adam, each of at most about the learning rate
        assert 0 < max(jax.tree.leaves(moved)) < 4e-3
        wide = tiny_config(folder, model=dict(width=6))
        with pytest.raises(ValueError, match="another network"):
            training.train(wide, tmp_path / "wide", first)

    def test_denoising_learns_on_clean_images_alone(self, folder, tmp_path):
        config = tiny_config(
            folder / "GT",
            num_steps=24,
            process="denoising",
            schedule=dict(max_sigma=75 / 255, delta=0.04),
            degradation=dict(name="gaussian_noise", sigma=25 / 255),
            sampling=dict(num_evals=2, sigma=25 / 255, solver="mr_ode_2"),
            optimizer=dict(decay="constant", learning_rate=1e-2),
            loss=dict(name="noise"),
        ).unlock()
        config.train.checkpoint_every = config.validation.every = 24
        training.train(config.lock(), tmp_path / "run")
        entries = logs.read_metrics(tmp_path / "run" / "logs")
        losses = [entry["loss"] for entry in entries if "loss" in entry]
        assert np.mean(losses[-6:]) < 0.92 * np.mean(losses[:6])


class TestBadInput:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (dict(process="irsd"), "denoising.*irsde"),
            (dict(schedule=dict(max_sigma=10.0)), "10.0 / 255"),
            (dict(schedule=dict(thetas="cosin")), "cosine"),
            (dict(loss=dict(name="likelihood")), "max_likelihood_exact"),
            (dict(degradation=dict(name="rain")), "gaussian_noise.*paired"),
            (dict(train=dict(batch_size=6)), "multiple of 4"),
            (dict(data=dict(crop_size=32)), "32"),
            (dict(validation=dict(crop_size=32)), "32"),
            (dict(validation=dict(num_images=9)), "1..3"),
            (dict(sampling=dict(solver="posteriori")), "posterior"),
        ],
    )
    def test_wrong_setting_is_a_clear_error(self, folder, tmp_path, changes, message):
        with pytest.raises(ValueError, match=message):
            training.train(tiny_config(folder, **changes), tmp_path / "run")

    def test_missing_and_empty_folders_are_clear_errors(self, folder, tmp_path):
        blind = tiny_config(folder, validation=dict(dir="nowhere"))
        with pytest.raises(FileNotFoundError, match=r"--config\.validation\.dir="):
            training.train(blind, tmp_path / "run")
        nowhere = tiny_config(tmp_path / "nowhere")
        with pytest.raises(FileNotFoundError, match="nowhere"):
            training.train(nowhere, tmp_path / "run")
        for path in (folder / "LQ").iterdir():
            path.unlink()
        with pytest.raises(ValueError, match="LQ"):
            training.train(tiny_config(folder), tmp_path / "run")

    def test_work_directory_of_another_configuration_is_kept(self, folder, tmp_path):
        training.train(tiny_config(folder, num_steps=2), tmp_path / "run")
        before = (tmp_path / "run" / "config.json").read_bytes()
        other = tiny_config(folder, schedule=dict(max_sigma=0.1), seed=1)
        with pytest.raises(ValueError, match=r"schedule\.max_sigma.*--workdir"):
            training.train(other, tmp_path / "run")
        assert (tmp_path / "run" / "config.json").read_bytes() == before

    def test_folder_of_somebody_else_is_left_alone(self, folder, tmp_path):
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.txt").write_text("precious")
        with pytest.raises(ValueError, match="not empty"):
            training.train(tiny_config(folder), tmp_path / "mine")
        assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]

    def test_loss_that_is_not_finite_stops_the_run(self, folder, tmp_path, monkeypatch):
        """From weights that have diverged: the same compiled program as elsewhere."""

        def diverged(model, key):
            return jax.tree.map(lambda x: 1e30 * x, init_params(model, key))

        monkeypatch.setattr(models, "init_params", diverged)
        config = tiny_config(folder, train=dict(max_skipped=2))
        with pytest.raises(FloatingPointError, match="since step 0, 2 steps in a row"):
            training.train(config, tmp_path / "run")
        entries = logs.read_metrics(tmp_path / "run" / "logs")
        assert [e["skipped_steps"] for e in entries] == [1, 2]
        assert all(np.isnan(e["loss"]) for e in entries)
        # The batch is that of the step, to look at or to try again.
        found = np.load(tmp_path / "run" / "batch_of_step_0.npz")
        dataset, _ = experiment.make_dataset(config)
        np.testing.assert_array_equal(found["x0"], dataset[0]["x0"])
        assert found["keys"].shape[0] == len(found["x0"]) == 4


def test_overfitting_one_pair_restores_it(tmp_path):
    """IR-SDE, sampled from noise: more than 30 dB on the pair it was trained on.

    Other seeds of the network and of the training reach 32 to 35 dB.
    """
    config = tiny_config(
        tmp_path,
        model=dict(width=16, enc_blocks=(1,)),
        schedule=dict(max_sigma=75 / 255),
        sampling=dict(num_evals=20),
    )
    clean = np.asarray(smooth_image(0, 16), np.float32)[None] / 255
    degraded = 0.5 * clean
    model, schedule = make_network(config), sde.make_schedule(**config.schedule)
    num_steps, batch_size = 400, 16
    optimizer = optax.adam(optax.cosine_decay_schedule(4e-3, num_steps))
    step = train_step.make_train_step(
        model.module.apply,
        optimizer,
        schedule,
        loss=losses.make_loss("max_likelihood_exact"),
        process=processes.make_process("irsde"),
        ema_decay=0.98,
    )
    batch = {
        "x0": jnp.tile(clean, (batch_size, 1, 1, 1)),
        "mu": jnp.tile(degraded, (batch_size, 1, 1, 1)),
    }

    @jax.jit
    def run(state):
        def body(state, index):
            keys = train_step.example_keys(jax.random.key(1), index, batch_size)
            return step(state, batch, keys)[0], None

        return jax.lax.scan(body, state, jnp.arange(num_steps))[0]

    params = init_params(model, jax.random.key(0))
    state = run(train_step.init_train_state(params, optimizer))
    restored = Restorer.from_config(config, state.ema_params, model)(degraded)
    before, after = (float(metrics.psnr(x, clean)[0]) for x in (degraded, restored))
    assert before < 15
    assert after > 30


class TestDamagedImages:
    def test_are_named_once_and_left_out(self, folder, tmp_path, caplog):
        (folder / "LQ" / "1.png").write_bytes(b"not a png")
        with caplog.at_level(logging.WARNING, logger="irsde_jax"):
            state = training.train(
                tiny_config(folder, validation=dict(dir="")), tmp_path / "run"
            )
        assert state.step == 4
        said = [message for message in caplog.messages if "cannot be read" in message]
        assert said == ["1 cannot be read; the next image is used instead (1 so far)"]
        entries = logs.read_metrics(tmp_path / "run" / "logs")
        shares = [e["input_wait_share"] for e in entries if "loss" in e]
        assert len(shares) == 4
        assert all(0 <= share <= 1 for share in shares)

    def test_too_many_stop_the_training(self, folder, tmp_path):
        (folder / "LQ" / "1.png").write_bytes(b"not a png")
        config = tiny_config(folder, validation=dict(dir=""))
        with config.unlocked():
            config.data.max_unreadable = 0
        with pytest.raises(ValueError, match="1 images cannot be read, such as 1;"):
            training.train(config, tmp_path / "run")

    def test_what_is_sound_but_unsupported_is_no_damage(self, folder, tmp_path):
        for part in ("GT", "LQ"):
            (folder / part / "1.png").unlink()
            np.save(folder / part / "1.npy", np.full((24, 24, 3), 255.0))
        config = tiny_config(folder, validation=dict(dir=""))
        with pytest.raises(ValueError, match=r"1\.npy .* floats must lie in \[0, 1\]"):
            training.train(config, tmp_path / "run")


def test_five_channels_are_trained_and_validated(tmp_path):
    for part in ("GT", "LQ"):
        (tmp_path / "data" / part).mkdir(parents=True)
        for seed in range(2):
            pixels = np.random.default_rng(seed).random((24, 24, 5), np.float32)
            np.save(tmp_path / "data" / part / f"{seed}.npy", pixels)
    config = tiny_config(tmp_path / "data", num_steps=2)
    with config.unlocked():
        config.model.channels = 5
    assert training.train(config, tmp_path / "run").step == 2
    restored = loading.load(tmp_path / "run")(pixels)
    assert restored.shape == pixels.shape
