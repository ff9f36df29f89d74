"""Mistakes that would cost a run or an original, found by a reader of the code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from tiny_restorers import photo, tiny_config, tiny_restorer

from irsde_jax import samplers, sde
from irsde_jax.checkpoints import runs
from irsde_jax.checkpoints.train_state import TrainState
from irsde_jax.evaluation import evaluate
from irsde_jax.restoration import loading
from irsde_jax.restoration.configured import make_network
from irsde_jax.restoration.files import runner
from irsde_jax.training import experiment


@pytest.fixture(scope="module")
def tiny():
    return tiny_restorer()


@pytest.fixture
def workdir(tmp_path, tiny):
    """A run that was trained with the euler loss."""
    config = tiny_config(loss=dict(name="max_likelihood_euler"))
    state = TrainState(np.int32(1), tiny.params, tiny.params, (np.int32(1),))
    with runs.Checkpoints(tmp_path / "run") as checkpoints:
        checkpoints.save(state, config)
    return tmp_path / "run"


def write(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo(seed=seed)).save(path)
    return path


class TestStoredConfiguration:
    def test_the_stored_loss_decides_on_the_bias_whatever_config_is_given(
        self, workdir
    ):
        assert loading.load(workdir).sampling.debias
        assert loading.load(workdir, tiny_config()).sampling.debias
        given = tiny_config(sampling=dict(debias=False))
        assert not loading.load(workdir, given).sampling.debias


class TestOriginals:
    def test_that_of_another_image_is_not_replaced(self, workdir, tmp_path):
        write(tmp_path / "in" / "b.png")
        inner = write(tmp_path / "in" / "a" / "b.png", seed=1)
        before = inner.read_bytes()
        source, output = tmp_path / "in", tmp_path / "in" / "a"
        runner.run(None, workdir, None, source, output / "new")
        with pytest.raises(ValueError, match="would replace"):
            runner.run(None, workdir, None, inner.parent, source / "a", overwrite=True)
        assert inner.read_bytes() == before

    def test_results_inside_the_input_are_not_restored_again(self, workdir, tmp_path):
        write(tmp_path / "in" / "b.png")
        source, output = tmp_path / "in", tmp_path / "in" / "out"
        for _ in range(2):
            written = runner.run(None, workdir, None, source, output, overwrite=True)
            assert written == [output / "b.png"]

    def test_evaluation_does_not_write_among_its_test_images(self, workdir, tmp_path):
        folder = tmp_path / "test"
        for name in ("GT", "LQ"):
            write(folder / name / "0.png")
        config = tiny_config(evaluation=dict(dir=str(folder)))
        with pytest.raises(ValueError, match="inside the test folder"):
            evaluate.run(config, workdir, output=folder / "results")

    @pytest.mark.parametrize("name", ["out.gif", "taken"])
    def test_output_that_cannot_be_is_a_clear_error(self, workdir, tmp_path, name):
        image = write(tmp_path / "in" / "b.png")
        (tmp_path / "taken").write_text("mine")
        source = image if name == "out.gif" else image.parent
        with pytest.raises((ValueError, FileExistsError), match=name):
            runner.run(None, workdir, None, source, tmp_path / name)
        assert (tmp_path / "taken").read_text() == "mine"


class TestImages:
    @pytest.mark.parametrize(
        ("image", "message"),
        [
            (photo().astype(np.float32), "Divide 8-bit images by 255"),
            (np.full((4, 4, 3), np.nan, np.float32), "not finite"),
        ],
    )
    def test_wrong_floating_point_values_are_refused(self, tiny, image, message):
        with pytest.raises(ValueError, match=message):
            tiny(image)

    def test_more_evaluations_than_steps_are_refused_also_by_configuration(self):
        with pytest.raises(ValueError, match=r"1\.\.100"):
            tiny_restorer(sampling=dict(num_evals=500))(photo())


class TestTrainingSettings:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (dict(train=dict(log_every=0)), "log_every"),
            (dict(train=dict(checkpoint_every=0)), "checkpoint_every"),
            (dict(train=dict(keep_checkpoints=0)), "keep_checkpoints"),
            (dict(train=dict(ema_decay=2.0)), "ema_decay"),
            (dict(validation=dict(every=0)), "validation.every"),
            (dict(validation=dict(crop_size=8)), "at least 11"),
            (dict(optimizer=dict(clip_norm=-1.0)), "clip_norm"),
        ],
    )
    def test_numbers_that_would_fail_later_fail_at_once(self, changes, message):
        with pytest.raises(ValueError, match=message):
            experiment.check_settings(tiny_config(**changes))

    @pytest.mark.parametrize(
        ("sampling", "message"),
        [
            (dict(solver="posteriori"), "mr_ode_1"),
            (dict(solver="mr_sde_2", sigma=0.1), "mr_sde_1"),
            (dict(spacing="log"), "log_snr"),
            (dict(sigma=0.9), "max_sigma"),
        ],
    )
    def test_sampling_that_would_fail_at_validation_fails_at_once(
        self, tmp_path, sampling, message
    ):
        config = tiny_config(
            process="denoising",
            schedule=dict(max_sigma=0.3),
            sampling=sampling,
            validation=dict(dir=str(tmp_path)),
        )
        with pytest.raises(ValueError, match=message):
            experiment.make_validation(config, make_network(config))


class TestShapes:
    def test_network_of_another_shape_is_refused(self):
        schedule, mu = sde.make_schedule(), jnp.zeros((1, 4, 4, 3))
        with pytest.raises(AssertionError):
            samplers.sample(
                jax.random.key(0), schedule, lambda x, mu, t: x[..., :1], mu
            )

    @pytest.mark.parametrize("solver", samplers.SOLVERS)
    def test_float64_images_go_through_a_float32_schedule(self, solver):
        with jax.enable_x64(True):
            schedule = sde.make_schedule(20)
            mu = jnp.zeros((1, 2, 2, 1), jnp.float64)
            steps = samplers.timestep_grid(schedule, 3)
            x = samplers.sample(
                jax.random.key(0),
                schedule,
                lambda x, mu, t: 0.1 * x,
                mu,
                solver=solver,
                timesteps=steps,
            )
            assert x.dtype == jnp.float64

    def test_unsigned_steps_and_integer_images(self):
        schedule, mu = sde.make_schedule(), jnp.zeros((1, 2, 2, 1))
        steps = np.array([100, 50, 0], np.uint8)
        noise_fn = lambda x, mu, t: 0.1 * x  # noqa: E731
        samplers.sample(jax.random.key(0), schedule, noise_fn, mu, timesteps=steps)
        with pytest.raises(ValueError, match="floating point"):
            samplers.sample(jax.random.key(0), schedule, noise_fn, mu.astype(int))
        with pytest.raises(ValueError, match="num_evals must be an integer"):
            samplers.timestep_grid(schedule, 5.0)


def test_submodules_are_attributes_of_the_package():
    import irsde_jax

    assert irsde_jax.sde.make_schedule is sde.make_schedule
