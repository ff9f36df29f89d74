"""The kernels as mathematics: closed forms, Bayes' rule, round trips, moments."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import parameterized
from jax.scipy.stats import norm

from irsde_jax import registry, sde

pytestmark = pytest.mark.core

SCHEDULES = [
    (thetas, num_steps)
    for thetas in ("cosine", "linear", "constant")
    for num_steps in (1, 2, 20, 100, 1000)
]
X0, MU = jnp.array([0.9, 0.1, 0.5]), jnp.array([0.4, 0.6, 0.5])


class ScheduleTest(chex.TestCase):
    @parameterized.parameters(*SCHEDULES)
    def test_table_rises_from_0_to_minus_log_delta(self, thetas, num_steps):
        schedule = sde.make_schedule(num_steps, 0.1, thetas, delta=0.01)
        self.assertEqual(schedule.num_steps, num_steps)
        self.assertEqual(schedule.theta_bar[0], 0.0)
        self.assertTrue((np.diff(schedule.theta_bar) > 0).all())
        np.testing.assert_allclose(schedule.theta_bar[-1], -np.log(0.01), rtol=1e-6)
        self.assertEqual(schedule.theta_bar.dtype, jnp.float32)

    def test_cosine_has_the_published_numbers(self):
        thetas = sde.THETAS["cosine"](100)
        np.testing.assert_allclose(
            thetas[[0, 50, 100]], [6.142e-4, 0.50616, 0.999767], rtol=1e-4
        )
        total = thetas[1:].sum()
        np.testing.assert_allclose(total, 50.89945, rtol=1e-6)
        np.testing.assert_allclose(-np.log(0.005) / total, 0.1040938, rtol=1e-6)

    @parameterized.parameters(
        (dict(thetas="cosin"), "cosine"),
        (dict(max_sigma=10), "10 / 255"),
        (dict(max_sigma=0.0), "max_sigma"),
        (dict(num_steps=0), "num_steps"),
        (dict(num_steps=2.5), "num_steps"),
        (dict(delta=1.0), "delta"),
    )
    def test_wrong_argument_is_a_clear_error(self, arguments, message):
        with self.assertRaisesRegex(ValueError, message):
            sde.make_schedule(**arguments)

    def test_float64_is_stored_or_refused(self):
        with self.assertRaisesRegex(ValueError, "jax_enable_x64"):
            sde.make_schedule(dtype=jnp.float64)
        with jax.enable_x64(True):
            schedule = sde.make_schedule(dtype=jnp.float64)
            self.assertEqual(schedule.theta_bar.dtype, jnp.float64)

    @parameterized.parameters((70, 100, 22), (75, 100, 21), (70, 1000, 230))
    def test_start_step_of_sigma_25(self, max_sigma, num_steps, expected):
        schedule = sde.make_schedule(num_steps, max_sigma / 255, delta=0.04)
        start = sde.start_step(schedule, 25 / 255)
        self.assertIs(type(start), int)
        self.assertEqual(start, expected)

    def test_start_step_inverts_marginal_std(self):
        schedule = sde.make_schedule(100, 0.3, delta=0.04)
        for t in (0, 1, 40, 99):
            std = float(sde.marginal_std(schedule, t))
            self.assertEqual(sde.start_step(schedule, std), t)

    @parameterized.parameters(0.3, 25.0, -0.1)
    def test_sigma_out_of_range_is_an_error(self, sigma):
        schedule = sde.make_schedule(100, 0.3)
        with self.assertRaisesRegex(ValueError, "max_sigma"):
            sde.start_step(schedule, sigma)
        with self.assertRaisesRegex(ValueError, "Did you mean 25.0 / 255"):
            sde.start_step(schedule, 25.0)


def test_a_theta_schedule_of_a_users_own_module(tmp_path, monkeypatch):
    (tmp_path / "outside_thetas.py").write_text(
        "import numpy as np\n"
        "def rising(num_steps): return np.linspace(0.0, 1.0, num_steps + 1)\n"
        "def short(num_steps): return np.ones(num_steps)\n"
        "def falling(num_steps): return -np.ones(num_steps + 1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_trusted", set())
    with pytest.raises(ValueError, match=r"schedule\.thetas.*--trust=outside_thetas"):
        sde.make_schedule(thetas="outside_thetas:rising")
    registry.trust("outside_thetas")
    schedule = sde.make_schedule(4, thetas="outside_thetas:rising", delta=0.01)
    # Sums of 1, 2, 3, 4 quarters, scaled to end at -log(delta).
    expected = -np.log(0.01) * np.array([0, 1, 3, 6, 10]) / 10
    np.testing.assert_allclose(schedule.theta_bar, expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"shape \(4,\).*shape \[5\]"):
        sde.make_schedule(4, thetas="outside_thetas:short")
    with pytest.raises(ValueError, match="not positive"):
        sde.make_schedule(4, thetas="outside_thetas:falling")


class KernelTest(chex.TestCase):
    @chex.variants(with_jit=True, without_jit=True)
    @parameterized.product(thetas=("constant", "cosine"), num_steps=(1, 7))
    def test_end_points(self, thetas, num_steps):
        schedule = sde.make_schedule(num_steps, 0.1, thetas, delta=0.01)
        mean = self.variant(sde.marginal_mean)
        chex.assert_trees_all_close(mean(schedule, X0, MU, 0), X0, atol=1e-7)
        chex.assert_trees_all_close(
            mean(schedule, X0, MU, num_steps), MU + 0.01 * (X0 - MU), atol=1e-6
        )
        self.assertEqual(sde.marginal_std(schedule, 0), 0.0)

    @parameterized.product(steps=((3, 30, 90), (1, 2, 3), (0, 50, 100)))
    def test_chapman_kolmogorov(self, steps):
        """Two transitions in a row are the transition over both."""
        schedule = sde.make_schedule(100, 0.1)
        r, s, t = steps
        between = sde.transition_mean(schedule, X0, MU, r, s)
        chex.assert_trees_all_close(
            sde.transition_mean(schedule, between, MU, s, t),
            sde.transition_mean(schedule, X0, MU, r, t),
            rtol=1e-6,
        )
        decay = jnp.exp(schedule.theta_bar[s] - schedule.theta_bar[t])
        variance = (decay * sde.transition_std(schedule, r, s)) ** 2
        variance += sde.transition_std(schedule, s, t) ** 2
        chex.assert_trees_all_close(
            jnp.sqrt(variance), sde.transition_std(schedule, r, t), rtol=1e-5
        )

    def test_small_steps_keep_their_digits(self):
        """float32 against float64 at t = 1: 1 - exp(-a) would lose four digits."""
        schedule = sde.make_schedule(1000, 50 / 255)
        table = np.asarray(schedule.theta_bar, np.float64)
        exact = float(schedule.max_sigma) * np.sqrt(-np.expm1(-2 * table[1]))
        np.testing.assert_allclose(sde.marginal_std(schedule, 1), exact, rtol=1e-6)

    @parameterized.parameters(1, 50, 100)
    def test_score_is_the_gradient_of_the_log_density(self, t):
        schedule = sde.make_schedule(100, 0.1)
        noise = jnp.array([0.7, -1.3, 0.2])
        x = sde.add_noise(schedule, X0, MU, noise, t)

        def log_density(x):
            mean = sde.marginal_mean(schedule, X0, MU, t)
            return norm.logpdf(x, mean, sde.marginal_std(schedule, t)).sum()

        chex.assert_trees_all_close(
            sde.noise_to_score(schedule, noise, t), jax.grad(log_density)(x), rtol=1e-3
        )

    @parameterized.product(other=("score", "x0", "v"), t=(1, 40, 100))
    def test_the_noise_converts_there_and_back(self, other, t):
        """Against closed forms in NumPy float64, from the table of the schedule."""
        with jax.enable_x64(True):
            schedule = sde.make_schedule(100, 0.1, dtype=jnp.float64)
            rng = np.random.default_rng(0)
            (x0, mu), noise = rng.uniform(size=(2, 4, 5, 3)), rng.normal(size=(4, 5, 3))
            cosine = np.exp(-np.float64(schedule.theta_bar[t]))
            sine = np.sqrt(1 - cosine**2)
            mean, std = mu + cosine * (x0 - mu), 0.1 * sine
            x = mean + std * noise
            expected, to, back = {
                "score": (
                    -(x - mean) / std**2,
                    lambda noise: sde.noise_to_score(schedule, noise, t),
                    lambda score: sde.score_to_noise(schedule, score, t),
                ),
                "x0": (
                    x0,
                    lambda noise: sde.noise_to_x0(schedule, x, mu, noise, t),
                    lambda x0: sde.x0_to_noise(schedule, x, x0, mu, t),
                ),
                # d/dphi of y = cos(phi) y_0 + sin(phi) lambda noise, over lambda
                "v": (
                    cosine * noise - sine * (x0 - mu) / 0.1,
                    lambda noise: sde.noise_to_v(schedule, x, mu, noise, t),
                    lambda v: sde.v_to_noise(schedule, x, mu, v, t),
                ),
            }[other]
            np.testing.assert_allclose(to(noise), expected, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(back(expected), noise, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(back(to(noise)), noise, rtol=1e-9, atol=1e-9)

    @parameterized.parameters("cosine", "linear", "constant")
    def test_log_snr_is_inverted_by_softplus(self, thetas):
        """theta_bar = softplus(-2 (L + log lambda)) / 2, L = log(a / std)."""
        with jax.enable_x64(True):
            schedule = sde.make_schedule(100, 0.1, thetas, dtype=jnp.float64)
            log_snr = jax.vmap(sde.log_snr, (None, 0))(schedule, jnp.arange(101))
            table = sde.log_snr_table(schedule)
        self.assertEqual(table.dtype, np.float64)
        np.testing.assert_allclose(table, log_snr, rtol=1e-9)
        self.assertEqual(table[0], np.inf)
        self.assertLess(np.diff(table).max(), 0)
        for found in (np.asarray(log_snr), table):
            inverse = np.log1p(np.exp(-2 * (found[1:] + np.log(0.1)))) / 2
            np.testing.assert_allclose(inverse, schedule.theta_bar[1:], rtol=1e-9)

    @parameterized.parameters(1, 40, 100)
    def test_an_error_of_v_is_never_amplified(self, t):
        schedule = sde.make_schedule(100, 0.1)
        x, mu, right = (
            jnp.full((4, 5, 3), 0.6),
            jnp.full((4, 5, 3), 0.4),
            jnp.zeros((4, 5, 3)),
        )

        def x0_hat(v):
            noise = sde.v_to_noise(schedule, x, mu, v, t)
            return sde.noise_to_x0(schedule, x, mu, noise, t)

        moved = jnp.abs(x0_hat(right + 1.0) - x0_hat(right)).max()
        self.assertLessEqual(moved, 0.1 * (1 + 1e-4))

    def test_perturb_has_the_marginal_moments(self):
        schedule, num_samples = sde.make_schedule(100, 0.1), 20_000
        keys = jax.random.split(jax.random.key(1), num_samples)
        draws = jax.vmap(sde.perturb, in_axes=(0, None, None, None, None))(
            keys, schedule, jnp.float32(0.9), jnp.float32(0.4), 30
        )
        std = float(sde.marginal_std(schedule, 30))
        mean_error = draws.mean() - sde.marginal_mean(schedule, 0.9, 0.4, 30)
        self.assertLess(abs(mean_error), 5 * std / num_samples**0.5)
        # the standard error of a variance is variance * sqrt(2 / n)
        variance_error = draws.var() / std**2 - 1
        self.assertLess(abs(variance_error), 5 * (2 / num_samples) ** 0.5)

    def test_kernels_take_traced_steps_and_vmap_over_images(self):
        schedule = sde.make_schedule(100, 0.1)
        x0, mu = jnp.full((4, 8, 8, 3), 0.8), jnp.full((4, 8, 8, 3), 0.2)
        ts = jnp.array([1, 30, 60, 100])
        mean = jax.jit(jax.vmap(sde.marginal_mean, in_axes=(None, 0, 0, 0)))
        batched = mean(schedule, x0, mu, ts)
        chex.assert_shape(batched, (4, 8, 8, 3))
        for i, t in enumerate(ts):
            one = sde.marginal_mean(schedule, x0[i], mu[i], int(t))
            chex.assert_trees_all_close(batched[i], one, rtol=1e-6)

    @parameterized.parameters((60, 40), (100, 0), (1, 0))
    def test_euler_drifts_tend_to_the_exact_moves(self, t, s):
        """With the true score, both drifts move the Gaussian marginal as they ought."""
        with jax.enable_x64(True):
            schedule = sde.make_schedule(100_000, 0.1, dtype=jnp.float64)
            t, s = t * 1000, t * 1000 - 1
            noise = jnp.array([0.7, -1.3, 0.2])
            x0, mu = X0.astype(jnp.float64), MU.astype(jnp.float64)
            x = sde.add_noise(schedule, x0, mu, noise, t)
            score = sde.noise_to_score(schedule, noise, t)
            drift = sde.reverse_ode_drift(schedule, x, mu, score, t, s)
            # The flow keeps the quantile, hence the noise.
            exact = x - sde.add_noise(schedule, x0, mu, noise, s)
            np.testing.assert_allclose(drift, exact, rtol=1e-3)
            drift = sde.reverse_sde_drift(schedule, x, mu, score, t, s)
            state = sde.optimal_reverse_state(schedule, x, x0, mu, t, s)
            np.testing.assert_allclose(drift, x - state, rtol=1e-3)


class PosteriorTest(chex.TestCase):
    @parameterized.parameters((1, 0), (2, 1), (50, 49), (100, 99), (80, 3), (100, 10))
    def test_is_bayes_rule_pointwise(self, t, s):
        """log q(s | t, 0) = log p(t | s) + log p(s | 0) - log p(t | 0), at any x_s."""
        if s == 0:
            return self._is_x0_at_zero(t)
        with jax.enable_x64(True):
            schedule = sde.make_schedule(100, 0.1, dtype=jnp.float64)
            x, x0, mu = 0.47, 0.9, 0.5
            for x_s in (0.3, 0.5, 0.8):
                posterior = norm.logpdf(
                    x_s,
                    sde.optimal_reverse_state(schedule, x, x0, mu, t, s),
                    sde.posterior_std(schedule, t, s),
                )
                transition = norm.logpdf(
                    x,
                    sde.transition_mean(schedule, x_s, mu, s, t),
                    sde.transition_std(schedule, s, t),
                )
                prior = norm.logpdf(
                    x_s,
                    sde.marginal_mean(schedule, x0, mu, s),
                    sde.marginal_std(schedule, s),
                )
                evidence = norm.logpdf(
                    x,
                    sde.marginal_mean(schedule, x0, mu, t),
                    sde.marginal_std(schedule, t),
                )
                np.testing.assert_allclose(
                    posterior, transition + prior - evidence, rtol=1e-9, atol=1e-9
                )

    def _is_x0_at_zero(self, t):
        schedule = sde.make_schedule(100, 0.1)
        state = sde.optimal_reverse_state(schedule, 0.47, 0.9, 0.5, t, 0)
        np.testing.assert_allclose(state, 0.9, rtol=1e-6)
        self.assertEqual(sde.posterior_std(schedule, t, 0), 0.0)

    @parameterized.parameters((2, 1), (60, 59), (100, 25))
    def test_is_the_minimum_of_the_negative_log_likelihood(self, t, s):
        """Prop. 3.2: zero gradient, positive curvature of -log p(t|s) - log p(s|0)."""
        with jax.enable_x64(True):
            schedule = sde.make_schedule(100, 0.1, dtype=jnp.float64)
            x, x0, mu = 0.47, 0.9, 0.5

            def negative_log_likelihood(x_s):
                transition = norm.logpdf(
                    x,
                    sde.transition_mean(schedule, x_s, mu, s, t),
                    sde.transition_std(schedule, s, t),
                )
                mean = sde.marginal_mean(schedule, x0, mu, s)
                prior = norm.logpdf(x_s, mean, sde.marginal_std(schedule, s))
                return -transition - prior

            state = sde.optimal_reverse_state(schedule, x, x0, mu, t, s)
            gradient = jax.grad(negative_log_likelihood)(state)
            curvature = jax.grad(jax.grad(negative_log_likelihood))(state)
            # the distance to the minimum that this gradient means
            self.assertLess(abs(gradient / curvature), 1e-10)
            std = sde.posterior_std(schedule, t, s)
            np.testing.assert_allclose(curvature, std**-2, rtol=1e-8)

    @parameterized.parameters((100, 40), (30, 29))
    def test_posterior_draws_have_the_marginal_moments(self, t, s):
        """x_t from the marginal, x_s from the posterior: x_s has its own marginal."""
        schedule, num_samples = sde.make_schedule(100, 0.1), 20_000
        t_key, s_key = jax.random.split(jax.random.key(2))
        x0, mu = jnp.full(num_samples, 0.9), jnp.full(num_samples, 0.4)
        x = sde.perturb(t_key, schedule, x0, mu, t)
        fresh = jax.random.normal(s_key, x.shape)
        state = sde.optimal_reverse_state(schedule, x, x0, mu, t, s)
        x = state + sde.posterior_std(schedule, t, s) * fresh
        std = float(sde.marginal_std(schedule, s))
        error = x.mean() - sde.marginal_mean(schedule, 0.9, 0.4, s)
        self.assertLess(abs(error), 5 * std / num_samples**0.5)
        self.assertLess(abs(x.var() / std**2 - 1), 5 * (2 / num_samples) ** 0.5)


class ProcessTest(chex.TestCase):
    def test_denoising_is_irsde_with_the_predicted_mean(self):
        """The paper's Denoising drifts fall out of the kernels with mu = x0_hat."""
        with jax.enable_x64(True):
            schedule = sde.make_schedule(100, 0.3, delta=0.04, dtype=jnp.float64)
            x, noise = jnp.array([0.3, 0.8]), jnp.array([0.7, -1.3])
            for t, s in ((1, 0), (40, 39), (100, 70)):
                mean, x0_hat = sde.mean_and_x0(schedule, x, None, noise, t)
                chex.assert_trees_all_close(mean, x0_hat)
                score = sde.noise_to_score(schedule, noise, t)
                increment = schedule.theta_bar[t] - schedule.theta_bar[s]
                diffusion = 2 * schedule.max_sigma**2 * increment
                decay = jnp.exp(-2 * schedule.theta_bar[t])
                chex.assert_trees_all_close(
                    sde.reverse_sde_drift(schedule, x, mean, score, t, s),
                    -diffusion / 2 * (1 + decay) * score,
                    rtol=1e-10,
                )
                chex.assert_trees_all_close(
                    sde.reverse_ode_drift(schedule, x, mean, score, t, s),
                    -diffusion / 2 * decay * score,
                    rtol=1e-10,
                )

    def test_mean_0_and_lambda_1_is_ddpm(self):
        """alpha_bar = e^-2 theta_bar: the textbook posterior mean and variance."""
        with jax.enable_x64(True):
            schedule = sde.make_schedule(100, 1.0, dtype=jnp.float64)
            alpha_bar = jnp.exp(-2 * schedule.theta_bar)
            x, x0, zero = jnp.array(0.4), jnp.array(-0.7), jnp.array(0.0)
            for t in (2, 50, 100):
                alpha = alpha_bar[t] / alpha_bar[t - 1]
                left = 1 - alpha_bar[t]
                mean = jnp.sqrt(alpha_bar[t - 1]) * (1 - alpha) / left * x0
                mean += jnp.sqrt(alpha) * (1 - alpha_bar[t - 1]) / left * x
                variance = (1 - alpha_bar[t - 1]) / left * (1 - alpha)
                state = sde.optimal_reverse_state(schedule, x, x0, zero, t, t - 1)
                std = sde.posterior_std(schedule, t, t - 1)
                np.testing.assert_allclose(state, mean, rtol=1e-12)
                np.testing.assert_allclose(std**2, variance, rtol=1e-10)


class EulerBiasTest(chex.TestCase):
    @parameterized.parameters(1, 2, 50, 100)
    def test_has_the_closed_form(self, t):
        with jax.enable_x64(True):
            schedule = sde.make_schedule(100, 0.1, dtype=jnp.float64)
            increment = schedule.theta_bar[t] - schedule.theta_bar[t - 1]
            x, mu, noise = jnp.array(0.45), jnp.array(0.4), jnp.array(0.7)
            shift = sde.marginal_std(schedule, t)
            shift *= (jnp.exp(increment) - 1 - increment) / (2 * 0.1**2 * increment)
            expected = jnp.sinh(increment) / increment * noise - shift * (x - mu)
            biased = sde.bias_noise(schedule, x, mu, noise, t)
            np.testing.assert_allclose(biased, expected, rtol=1e-7)

    @parameterized.product(t=(1, 2, 50, 100), num_steps=(100, 1000))
    def test_debias_inverts_it(self, t, num_steps):
        schedule = sde.make_schedule(num_steps, 0.1)
        x, noise = X0 + 0.05, jnp.array([0.7, -1.3, 0.2])
        biased = sde.bias_noise(schedule, x, MU, noise, t)
        back = sde.debias_noise(schedule, x, MU, biased, t)
        chex.assert_trees_all_close(back, noise, rtol=1e-5, atol=1e-6)
