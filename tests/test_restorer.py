"""What a `Restorer` adds to a sampler: uncertainty, blind starts, de-biasing."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from one_conv import TRACES, OneConv, denoiser, make, photo

from irsde_jax import samplers, sde
from irsde_jax.restoration.restorer import Restorer

pytestmark = pytest.mark.core


class TestUncertainty:
    @pytest.mark.parametrize("chunk", [1, 2, 3, 9])
    def test_is_the_mean_and_std_of_single_restorations(self, chunk):
        """Whatever the chunk, also where it does not divide the number of samples."""
        restore, image, key = make(), photo(), jax.random.key(3)
        found = restore.uncertainty(image, num_samples=5, chunk=chunk, key=key)
        image_key = samplers.image_keys(key, 1)[0]
        keys = [jax.random.fold_in(image_key, i) for i in range(5)]
        singles = np.stack([restore(image, key=k[None]) for k in keys])
        np.testing.assert_allclose(found.mean, singles.mean(0), atol=1e-6)
        np.testing.assert_allclose(found.std, singles.std(0, ddof=1), atol=1e-6)
        assert found.std.max() > 1e-3

    def test_has_the_type_and_shape_of_the_images(self):
        images = (photo((2, 12, 10, 3)) * 255).astype(np.uint8)
        found = make().uncertainty(images, num_samples=2)
        assert found.mean.dtype == np.uint8
        assert found.mean.shape == found.std.shape == images.shape
        assert found.std.dtype == np.float32

    def test_one_sample_has_no_spread(self):
        found = make().uncertainty(photo(), num_samples=1)
        np.testing.assert_array_equal(found.std, 0)

    @pytest.mark.parametrize("options", [dict(num_samples=0), dict(chunk=0)])
    def test_zero_samples_are_a_clear_error(self, options):
        with pytest.raises(ValueError, match="at least 1"):
            make().uncertainty(photo(), **options)


class TestBlindDenoising:
    def test_finds_the_noise_level_of_each_image(self):
        pytest.importorskip("pywt")
        restore, noise = denoiser(), np.random.default_rng(0)
        flat = np.full((64, 64, 3), 0.5, np.float32)
        noisy = [
            (flat + sigma / 255 * noise.normal(size=flat.shape)).astype(np.float32)
            for sigma in (10, 40)
        ]
        both = restore(np.stack(noisy), key=jax.random.key(1))
        keys = samplers.image_keys(jax.random.key(1), 2)
        for i, (image, sigma) in enumerate(zip(noisy, (10, 40), strict=True)):
            alone = restore(image, key=keys[i, None])
            np.testing.assert_allclose(both[i], alone, atol=1e-6)
            # a level that is off by a twentieth moves the start by a step at most
            near = [
                restore(image, key=keys[i, None], sigma=sigma * factor / 255)
                for factor in np.linspace(0.93, 1.07, 15)
            ]
            assert min(np.abs(alone - other).max() for other in near) < 1e-6

    def test_too_small_an_image_is_a_clear_error(self):
        with pytest.raises(ValueError, match=r"too small to estimate.*sigma=25/255"):
            denoiser()(photo((4, 20, 3)))

    def test_without_the_libraries_it_is_a_clear_error(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "pywt", None)
        with pytest.raises(ValueError, match=r"irsde_jax\[blind\]"):
            denoiser()(photo())


class TestDebias:
    def test_is_decided_by_the_training_loss_or_by_the_setting(self):
        euler = dict(loss=dict(name="max_likelihood_euler"))
        assert not make().sampling.debias
        assert make(**euler).sampling.debias
        assert not make(**euler, sampling=dict(debias=False)).sampling.debias
        assert make(sampling=dict(debias=True)).sampling.debias

    @pytest.mark.parametrize("process", ["irsde", "denoising"])
    def test_a_biased_network_restores_as_an_unbiased_one(self, process):
        """A network that returns the euler loss's minimiser: de-biased, it is exact."""
        make_one = make if process == "irsde" else denoiser
        options = {} if process == "irsde" else dict(sigma=50 / 255)
        schedule, x0 = make_one().schedule, jnp.full((1, 8, 8, 3), 0.6)
        denoising = process == "denoising"

        class Biased(OneConv):
            @nn.compact
            def __call__(self, x, mu, t):
                self.param("unused", nn.initializers.zeros, ())
                mean = x0 if denoising else mu
                noise = sde.x0_to_noise(schedule, x, x0, mean, t[0])
                return sde.bias_noise(
                    schedule, x, None if denoising else mu, noise, t[0]
                )

        params = {"unused": jnp.zeros(())}
        degraded = np.asarray(x0) + 0.1 * photo((1, 8, 8, 3))
        errors = {}
        for debias in (True, False):
            config = make_one(sampling=dict(debias=debias)).config
            restored = Restorer.from_config(config, params, Biased())(
                degraded, **options
            )
            errors[debias] = np.abs(restored - x0).max()
        assert errors[True] < 1e-5
        # the Denoising process has a gain alone, nearer to 1 than float32 would show
        # were it not for the ratio
        assert errors[False] > max(3 * errors[True], 1e-5)


class TestVPrediction:
    @pytest.mark.parametrize("process", ["irsde", "ddpm"])
    def test_network_that_knows_v_restores_the_image(self, process):
        """Its v at step T is -x0 but for 1/200: one evaluation suffices."""
        schedule = dict(max_sigma=1.0 if process == "ddpm" else 0.1)
        config = make(process=process, prediction="v", schedule=schedule).config
        schedule, x0 = sde.make_schedule(**config.schedule), photo((1, 8, 8, 3))
        degraded = 0.5 * x0
        signed = process == "ddpm"
        state, mean = (2 * x0 - 1, 0.0) if signed else (x0, degraded)

        class Perfect(OneConv):
            @nn.compact
            def __call__(self, x, mu, t):
                self.param("unused", nn.initializers.zeros, ())
                cosine = jnp.exp(-schedule.theta_bar[t[0]])
                sine = jnp.sqrt(1 - cosine**2)
                y0, scale = state - mean, schedule.max_sigma
                noise = (x - mean - cosine * y0) / (sine * scale)
                return cosine * noise - sine * y0 / scale

        restore = Restorer.from_config(config, {"unused": jnp.zeros(())}, Perfect())
        # float32 through the noise at step T, which says 1/200 of the image
        atol = 1e-4 if signed else 1e-5
        for num_evals in (1, 5):
            restored = restore(degraded, num_evals=num_evals)
            np.testing.assert_allclose(restored, x0, atol=atol)

    def test_needs_a_mean(self):
        with pytest.raises(ValueError, match="needs a mean"):
            denoiser(prediction="v")

    def test_other_predictions_are_refused(self):
        with pytest.raises(ValueError, match="prediction='score' is not one of"):
            make(prediction="score")


class TestDdpm:
    def test_needs_lambda_1(self):
        with pytest.raises(ValueError, match="max_sigma=1"):
            make(process="ddpm")

    def test_network_that_knows_the_image_restores_it(self):
        config = make(process="ddpm", schedule=dict(max_sigma=1.0)).config
        schedule, x0 = sde.make_schedule(**config.schedule), photo((1, 8, 8, 3))
        seen = []

        class Perfect(OneConv):
            @nn.compact
            def __call__(self, x, mu, t):
                seen.append(mu)
                self.param("unused", nn.initializers.zeros, ())
                state, zero = 2 * x0 - 1, jnp.zeros_like(x)
                return sde.x0_to_noise(schedule, x, state, zero, t[0])

        restore = Restorer.from_config(config, {"unused": jnp.zeros(())}, Perfect())
        restored = restore(0.5 * x0, num_evals=5)
        np.testing.assert_allclose(restored, x0, atol=1e-5)


class TestCompilation:
    def test_one_program_per_shape_and_number_of_evaluations(self):
        restore = make()

        def traces(call):
            before = len(TRACES)
            call()
            return len(TRACES) - before

        image = photo((9, 7, 3))
        assert traces(lambda: restore(image)) > 0
        assert traces(lambda: restore(image)) == 0
        assert traces(lambda: restore(photo((9, 7, 3), seed=1))) == 0
        assert traces(lambda: restore(image, key=jax.random.key(9))) == 0
        # another spacing of the same length, another Restorer of the same network
        spaced = make(sampling=dict(spacing="log_snr"))
        assert traces(lambda: spaced(image)) == 0
        assert traces(lambda: restore(image, num_evals=3)) > 0
        assert traces(lambda: restore(photo((7, 9, 3)))) > 0


class TestClip:
    def test_each_prediction_is_of_an_image_in_range(self):
        """A network that is far off at T: clipped, one evaluation stays in range."""
        clipped = make(sampling=dict(clip=True, num_evals=1, solver="mr_ode_1"))
        free = make(sampling=dict(num_evals=1, solver="mr_ode_1"))
        image = photo()
        # the clipped estimate is what one evaluation returns; 1/delta = 200 without it
        assert np.abs(clipped(image) - free(image).clip(0, 1)).max() < 1e-5
        far, near = (
            r(image, num_evals=2, key=jax.random.key(5)) for r in (free, clipped)
        )
        assert np.abs(near - far).max() > 1e-3

    @pytest.mark.parametrize("process", ["irsde", "denoising"])
    def test_a_network_that_is_right_is_left_alone(self, process):
        make_one = make if process == "irsde" else denoiser
        options = {} if process == "irsde" else dict(sigma=50 / 255)
        x0 = jnp.full((1, 8, 8, 3), 0.6)
        schedule = make_one().schedule
        right = _right_network(schedule, x0, process == "denoising")
        config = make_one(sampling=dict(clip=True)).config
        restored = Restorer.from_config(config, {"unused": jnp.zeros(())}, right)(
            np.asarray(x0) + 0.1 * photo((1, 8, 8, 3)), **options
        )
        np.testing.assert_allclose(restored, x0, atol=1e-5)


def _right_network(schedule, x0, denoising):
    """The network that knows the clean image."""

    class Right(OneConv):
        @nn.compact
        def __call__(self, x, mu, t):
            self.param("unused", nn.initializers.zeros, ())
            return sde.x0_to_noise(schedule, x, x0, x0 if denoising else mu, t[0])

    return Right()
