"""The losses: minimisers, norms, keys by example."""

import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import parameterized

from irsde_jax import losses, sde

pytestmark = pytest.mark.core

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


@jax.jit
def euler_loss_and_gradient(prediction, schedule, x, x0, mu, noise, t):
    """The squared `euler` loss of a predicted noise, and its gradient in it."""

    def loss(prediction):
        given = (schedule, lambda x, mu, t: prediction, x, x0, mu, noise, t)
        return losses.max_likelihood_loss_at(*given, form="euler", norm="l2")

    return jax.value_and_grad(loss)(prediction)


class LossTest(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    @parameterized.parameters(False, True)
    def test_the_noise_is_the_minimiser(self, denoising):
        keys, x0, mu = batch()
        mu = None if denoising else mu
        exact = exact_noise_fn(x0, x0 if mu is None else mu)
        kinds = ("noise", "max_likelihood_exact", "x0")
        names = itertools.product(kinds, ("l1", "l2"))
        functions = {name: losses.make_loss(*name) for name in names}

        @self.variant
        def values(shift):
            def noise_fn(x, mu, t):
                return exact(x, mu, t) + shift

            given = (keys, SCHEDULE, noise_fn, x0, mu)
            return {name: loss(*given) for name, loss in functions.items()}

        best, below, above = values(0.0), values(-0.1), values(0.1)
        for name, least in best.items():
            chex.assert_shape(least, ())
            self.assertLess(least, 2e-5, name)
            limit = least + 1e-4 if "l1" in name else 10 * least
            self.assertGreater(below[name], limit, name)
            self.assertGreater(above[name], limit, name)

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

            given = (schedule, x, x0, given_mu, noise, ts)
            loss, gradient = euler_loss_and_gradient(biased, *given)
            self.assertLess(loss, 1e-20)
            self.assertLess(jnp.abs(gradient).max(), 1e-12)
            unbiased_loss, _ = euler_loss_and_gradient(noise, *given)
            self.assertGreater(unbiased_loss, 1e6 * loss)

    def test_the_x0_loss_is_in_image_units(self):
        """A noise that is wrong by 1 misplaces x0 by std_t e^theta_bar_t."""
        keys, x0, mu = batch()
        exact = exact_noise_fn(x0, mu)
        loss = losses.x0_loss(
            *(keys, SCHEDULE, lambda x, mu, t: exact(x, mu, t) + 1.0, x0, mu),
            per_example=True,
        )
        t = losses.draw_steps(keys, SCHEDULE)
        std = jax.vmap(sde.marginal_std, (None, 0))(SCHEDULE, t)
        wanted = std * np.exp(SCHEDULE.theta_bar[t])
        np.testing.assert_allclose(loss, wanted, rtol=1e-3)

    def test_an_example_depends_on_its_own_key_alone(self):
        keys, x0, mu = batch()

        @jax.jit
        def loss(keys, x0, mu):
            return losses.noise_loss(keys, SCHEDULE, constant_noise_fn, x0, mu)

        whole = loss(keys, x0, mu)
        parts = [
            loss(keys[i, None], x, m)
            for i, (x, m) in enumerate(zip(x0[:, None], mu[:, None], strict=True))
        ]
        np.testing.assert_allclose(whole, np.mean(parts), rtol=1e-5)

    def test_steps_are_uniform_in_1_to_t(self):
        num_draws, schedule = 4000, sde.make_schedule(5, 0.1)
        keys = jax.random.split(jax.random.key(0), num_draws)
        x0 = jnp.zeros((num_draws, 1, 1, 1))
        _, noise, t = jax.jit(losses.draw)(keys, schedule, x0, x0)
        counts = np.bincount(np.asarray(t), minlength=6)
        self.assertEqual(counts[0], 0)
        expected = num_draws / 5
        # a count has standard error sqrt(n p (1 - p)) < sqrt(expected)
        self.assertLess(abs(counts[1:] - expected).max(), 5 * expected**0.5)
        self.assertLess(abs(noise.mean()), 5 / num_draws**0.5)

    def test_drawn_states_have_the_drawn_noise(self):
        keys, x0, mu = batch()
        x, noise, t = jax.jit(losses.draw)(keys, SCHEDULE, x0, mu)
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
