"""The losses: minimisers, norms, keys by example."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
from absl.testing import parameterized

from irsde_jax import losses, sde

SCHEDULE = sde.make_schedule(100, 0.1)
SHAPE = (4, 6, 5, 3)


def batch():
    """Clean and degraded images and one key per example."""
    x0_key, mu_key, keys = jax.random.split(jax.random.key(0), 3)
    x0, mu = jax.random.uniform(x0_key, SHAPE), jax.random.uniform(mu_key, SHAPE)
    return jax.random.split(keys, SHAPE[0]), x0, mu


def exact_noise_fn(x0, mu):
    """The network that knows the clean image."""

    def noise_fn(x, _, t):
        return jax.vmap(sde.x0_to_noise, (None, 0, 0, 0, 0))(SCHEDULE, x, x0, mu, t)

    return noise_fn


def constant_noise_fn(x, mu, t):
    del mu, t
    return jnp.full_like(x, 0.3)


class LossTest(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    @parameterized.product(
        name=("noise", "max_likelihood_exact"), norm=("l1", "l2"), denoising=(0, 1)
    )
    def test_the_noise_is_the_minimiser(self, name, norm, denoising):
        keys, x0, mu = batch()
        mu = None if denoising else mu
        loss = losses.make_loss(name, norm)
        exact = exact_noise_fn(x0, x0 if mu is None else mu)

        @self.variant
        def value(shift):
            def noise_fn(x, mu, t):
                return exact(x, mu, t) + shift

            return loss(keys, SCHEDULE, noise_fn, x0, mu)

        best = value(0.0)
        chex.assert_shape(best, ())
        self.assertLess(best, 2e-5)
        for shift in (-0.1, 0.1):
            self.assertGreater(value(shift), best + 1e-4 if norm == "l1" else 10 * best)

    @parameterized.product(t=(2, 30, 100), denoising=(False, True))
    def test_the_biased_noise_is_the_minimiser_of_the_euler_form(self, t, denoising):
        """Zero loss at `bias_noise(noise)`, and not at the noise itself."""
        with jax.enable_x64(True):
            schedule = sde.make_schedule(100, 0.1, dtype=jnp.float64)
            keys, x0, mu = batch()
            x0, mu = x0.astype(jnp.float64), mu.astype(jnp.float64)
            ts = jnp.full(SHAPE[:1], t)
            noise = jax.random.normal(keys[0], SHAPE, jnp.float64)
            add_noise = jax.vmap(sde.add_noise, (None, 0, 0, 0, 0))
            x = add_noise(schedule, x0, x0 if denoising else mu, noise, ts)
            given_mu, axis = (None, None) if denoising else (mu, 0)
            biased = jax.vmap(sde.bias_noise, (None, 0, axis, 0, 0))(
                schedule, x, given_mu, noise, ts
            )

            def loss(prediction):
                noise_fn = lambda x, mu, t: prediction  # noqa: E731
                given = (schedule, noise_fn, x, x0, given_mu, noise, ts)
                return losses.max_likelihood_loss_at(*given, form="euler", norm="l2")

            self.assertLess(loss(biased), 1e-20)
            self.assertGreater(loss(noise), 1e6 * loss(biased))
            gradient = jax.grad(loss)(biased)
            self.assertLess(jnp.abs(gradient).max(), 1e-12)

    def test_an_example_depends_on_its_own_key_alone(self):
        keys, x0, mu = batch()
        whole = losses.noise_loss(keys, SCHEDULE, constant_noise_fn, x0, mu)
        parts = [
            losses.noise_loss(keys[i, None], SCHEDULE, constant_noise_fn, x, m)
            for i, (x, m) in enumerate(zip(x0[:, None], mu[:, None], strict=True))
        ]
        np.testing.assert_allclose(whole, np.mean(parts), rtol=1e-5)

    def test_steps_are_uniform_in_1_to_t(self):
        num_draws, schedule = 4000, sde.make_schedule(5, 0.1)
        keys = jax.random.split(jax.random.key(0), num_draws)
        x0 = jnp.zeros((num_draws, 1, 1, 1))
        _, noise, t = losses.draw(keys, schedule, x0, x0)
        counts = np.bincount(np.asarray(t), minlength=6)
        self.assertEqual(counts[0], 0)
        expected = num_draws / 5
        # a count has standard error sqrt(n p (1 - p)) < sqrt(expected)
        self.assertLess(abs(counts[1:] - expected).max(), 5 * expected**0.5)
        self.assertLess(abs(noise.mean()), 5 / num_draws**0.5)

    def test_drawn_states_have_the_drawn_noise(self):
        keys, x0, mu = batch()
        x, noise, t = losses.draw(keys, SCHEDULE, x0, mu)
        predicted = exact_noise_fn(x0, mu)(x, mu, t)
        chex.assert_trees_all_close(predicted, noise, atol=1e-3)

    @parameterized.parameters(
        (dict(name="nois"), "max_likelihood_exact"),
        (dict(name="noise", norm="l3"), "l2"),
    )
    def test_unknown_loss_or_norm_lists_the_names(self, arguments, message):
        with self.assertRaisesRegex(ValueError, message):
            losses.make_loss(**arguments)

    def test_unknown_form_lists_the_names(self):
        keys, x0, mu = batch()
        with self.assertRaisesRegex(ValueError, "euler.*exact"):
            losses.max_likelihood_loss(
                keys, SCHEDULE, constant_noise_fn, x0, mu, form="eular"
            )
