"""The losses: minimisers, norms, keys by example."""

import functools
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
def euler_loss_and_gradient(prediction, drawn):
    """The squared `euler` loss of a predicted noise, and its gradient in it."""

    def loss(prediction):
        return losses.max_likelihood_loss_at(drawn, prediction, form="euler", norm="l2")

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

            drawn = losses.Drawn(
                x=x, noise=noise, t=ts, x0=x0, mu=given_mu, schedule=schedule
            )
            loss, gradient = euler_loss_and_gradient(biased, drawn)
            self.assertLess(loss, 1e-20)
            self.assertLess(jnp.abs(gradient).max(), 1e-12)
            unbiased_loss, _ = euler_loss_and_gradient(noise, drawn)
            self.assertGreater(unbiased_loss, 1e6 * loss)

    def test_the_x0_loss_is_in_image_units(self):
        """A noise that is wrong by 1 misplaces x0 by std_t e^theta_bar_t."""
        keys, x0, mu = batch()
        exact = exact_noise_fn(x0, mu)
        drawn = losses.draw(keys, SCHEDULE, x0, mu)
        wrong = losses.predict(exact, drawn) + 1.0
        loss = losses.x0_loss_at(drawn, wrong, per_example=True)
        std = jax.vmap(sde.marginal_std, (None, 0))(SCHEDULE, drawn.t)
        wanted = std * np.exp(SCHEDULE.theta_bar[drawn.t])
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
        drawn = jax.jit(losses.draw)(keys, schedule, x0, x0)
        counts = np.bincount(np.asarray(drawn.t), minlength=6)
        self.assertEqual(counts[0], 0)
        expected = num_draws / 5
        # a count has standard error sqrt(n p (1 - p)) < sqrt(expected)
        self.assertLess(abs(counts[1:] - expected).max(), 5 * expected**0.5)
        self.assertLess(abs(drawn.noise.mean()), 5 / num_draws**0.5)

    def test_drawn_states_have_the_drawn_noise(self):
        keys, x0, mu = batch()
        drawn = jax.jit(losses.draw)(keys, SCHEDULE, x0, mu)
        predicted = losses.predict(exact_noise_fn(x0, mu), drawn)
        chex.assert_trees_all_close(predicted, drawn.noise, atol=1e-3)

    def test_given_steps_are_used_with_the_noise_of_the_keys(self):
        keys, x0, mu = batch()
        t = jnp.array([90, 1, 90, 50])
        given = losses.draw(keys, SCHEDULE, x0, mu, t)
        chex.assert_trees_all_equal(given.t, t)
        drawn = losses.draw(keys, SCHEDULE, x0, mu)
        chex.assert_trees_all_equal(given.noise, drawn.noise)
        predicted = losses.predict(exact_noise_fn(x0, mu), given)
        chex.assert_trees_all_close(predicted, given.noise, atol=1e-3)

    @parameterized.product(
        name=tuple(losses.LOSSES), norm=tuple(losses.NORMS), denoising=(False, True)
    )
    def test_a_loss_draws_predicts_and_compares(self, name, norm, denoising):
        """The three parts one by one give the value of the whole, to the last bit."""
        keys, x0, mu = batch()
        mu, loss = None if denoising else mu, losses.make_loss(name, norm)
        drawn = losses.draw(keys, SCHEDULE, x0, mu)
        prediction = constant_noise_fn(drawn.x, mu, drawn.t)
        for per_example, shape in ((False, ()), (True, SHAPE[:1])):
            value = loss.at(drawn, prediction, per_example=per_example)
            given = (keys, SCHEDULE, constant_noise_fn, x0, mu)
            whole = loss(*given, per_example=per_example)
            chex.assert_shape(value, shape)
            chex.assert_trees_all_equal(value, whole)
            named = {
                "noise": losses.noise_loss,
                "x0": losses.x0_loss,
                "max_likelihood_exact": losses.max_likelihood_loss,
                "max_likelihood_euler": functools.partial(
                    losses.max_likelihood_loss, form="euler"
                ),
            }[name]
            named_value = named(*given, norm=norm, per_example=per_example)
            chex.assert_trees_all_equal(named_value, whole)

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
