"""What each solver step is, written a second time by hand, in both precisions.

The rows of `solvers.py` and the formulas of the textbooks are in NumPy float64 here,
from the table of the schedule: a = e^-theta_bar, std = lambda sqrt(1 - a^2), L =
log(a / std) and for a step t -> s the stride h = L_s - L_t, infinite at s = 0.
"""

import functools
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import parameterized

from irsde_jax import processes, sde
from irsde_jax.samplers import SOLVERS, StepInputs, timestep_grid

pytestmark = pytest.mark.core

STEPS = (100, 99, 50, 49, 10, 2, 1, 0)
STRIDES = tuple(itertools.combinations(STEPS, 2))
# Where the Denoising process starts: sigma = 25 and lambda = 75 / 255.
NOISY_STRIDES = tuple(itertools.combinations((21, 20, 9, 1, 0), 2))


def in_both_precisions(test):
    """Runs a test as float64 to 1e-12 and as float32 to 2e-5."""

    @parameterized.named_parameters(
        ("_float64", jnp.float64, 1e-12), ("_float32", jnp.float32, 2e-5)
    )
    @functools.wraps(test)
    def in_one_precision(self, dtype, atol):
        with jax.enable_x64(dtype == jnp.float64):
            test(self, dtype, atol)

    return in_one_precision


class Case:
    """Six pixels, a schedule and its table in float64."""

    def __init__(self, dtype, denoising=False, max_sigma=10 / 255):
        max_sigma, delta = (75 / 255, 0.04) if denoising else (max_sigma, 0.005)
        self.dtype, self.denoising = dtype, denoising
        self.schedule = sde.make_schedule(100, max_sigma, delta=delta, dtype=dtype)
        rng = np.random.default_rng(0)
        self.x0, self.mu = rng.uniform(size=(2, 6))
        self.noises, self.fresh = rng.normal(size=(2, 3, 6))
        theta_bar = np.asarray(self.schedule.theta_bar, np.float64)
        max_sigma = np.float64(self.schedule.max_sigma)
        self.a = np.exp(-theta_bar)
        self.std = max_sigma * np.sqrt(-np.expm1(-2 * theta_bar))
        if denoising:
            # The marginal is x0 + std noise.
            self.mu, self.a = np.zeros(6), np.ones(101)
        with np.errstate(divide="ignore"):
            self.log_snr = np.log(self.a / self.std)

    def state(self, noise, t):
        """x_t, of which `noise` is the noise."""
        return self.mu + self.a[t] * (self.x0 - self.mu) + self.std[t] * noise

    def noise(self, x, x0, t):
        """The noise that takes x0 to x."""
        return (x - self.mu - self.a[t] * (x0 - self.mu)) / self.std[t]

    def data(self, x, noise, t):
        """y0_hat, the x0_hat - mu that `noise` implies."""
        return (x - self.mu - self.std[t] * noise) / self.a[t]

    def step(self, name, x, noise, t, s, memory=None, fresh=0.0, shift=0.0):
        """The solver's own step, with the memory it starts with if none is given."""
        images = (x, self.mu + shift, noise, np.broadcast_to(fresh, (6,)))
        x, mu, noise, fresh = (jnp.asarray(image, self.dtype) for image in images)
        solver, mu = SOLVERS[name], None if self.denoising else mu
        memory = solver.init(x) if memory is None else memory
        given = StepInputs(self.schedule, x=x, mu=mu, noise=noise, z=fresh, t=t, s=s)
        return jitted_step(solver, memory, given)

    def row(self, k, x, noise, t, s, fresh=0.0, previous=None):
        """Order 1 of the table: k = 1 the ODE, k = 2 the SDE; order 2 with `previous`.

        `previous` is the data prediction one step before, and that step's stride.
        """
        h = self.log_snr[s] - self.log_snr[t]
        ratio = self.std[s] / self.std[t] * (np.exp(-h) if k == 2 else 1.0)
        data = self.data(x, noise, t)
        y = ratio * (x - self.mu) + self.a[s] * (1 - np.exp(-k * h)) * data
        if k == 2:
            y += self.std[s] * np.sqrt(1 - np.exp(-2 * h)) * fresh
        if previous is not None:
            difference = (data - previous[0]) * h / previous[1]
            y += self.a[s] * (1 - (1 - np.exp(-k * h)) / (k * h)) * difference
        return self.mu + y


@functools.partial(jax.jit, static_argnums=0)
def jitted_step(solver, state, inputs):
    """One program per solver, process and precision: the steps are traced."""
    return solver.step(state, inputs)


class FirstOrderTest(chex.TestCase):
    @in_both_precisions
    def test_posterior_is_the_exponential_sde_row_at_any_stride(self, dtype, atol):
        """Coefficients in log-SNR, where the module has those of Bayes' rule."""
        self.assertEqual(SOLVERS["mr_sde_1"], SOLVERS["posterior"])
        case = Case(dtype)
        noise, fresh = case.noises[0], case.fresh[0]
        for t, s in STRIDES:
            x = case.state(noise, t)
            new, _ = case.step("mr_sde_1", x, noise, t, s, fresh=fresh)
            expected = case.row(2, x, noise, t, s, fresh)
            np.testing.assert_allclose(new, expected, rtol=0, atol=atol)

    @in_both_precisions
    def test_mr_ode_1_is_ddim_in_data_and_in_noise_form(self, dtype, atol):
        """a_s y0_hat + std_s noise, and (a_s/a_t) y_t - std_s (e^h - 1) noise."""
        for denoising, strides in ((False, STRIDES), (True, NOISY_STRIDES)):
            case = Case(dtype, denoising)
            a, std, noise = case.a, case.std, case.noises[0]
            for t, s in strides:
                x = case.state(noise + 0.1 * case.noises[1], t)
                new, _ = case.step("mr_ode_1", x, noise, t, s)
                row = case.row(1, x, noise, t, s)
                data_form = case.mu + a[s] * case.data(x, noise, t) + std[s] * noise
                # std_s (e^h - 1), written so that it has its limit at s = 0.
                growth = a[s] * std[t] / a[t] - std[s]
                noise_form = case.mu + a[s] / a[t] * (x - case.mu) - growth * noise
                for expected in (row, data_form, noise_form):
                    np.testing.assert_allclose(new, expected, rtol=0, atol=atol)

    @in_both_precisions
    def test_perfect_x0_is_returned_at_any_number_of_evaluations(self, dtype, atol):
        solvers = ("posterior", "mr_ode_1", "mr_ode_2", "mr_sde_2")
        for denoising, solver in itertools.product((False, True), solvers):
            if denoising and solver == "mr_sde_2":
                continue  # It has no Denoising form.
            case = Case(dtype, denoising)
            for num_evals in (1, 2, 5, 10, 100):
                x, memory = case.state(case.noises[0], 100), None
                grid = np.asarray(timestep_grid(case.schedule, num_evals))
                for t, s in itertools.pairwise(grid):
                    noise = case.noise(x, case.x0, t)
                    fresh = case.fresh[s % 3]
                    x, memory = case.step(solver, x, noise, t, s, memory, fresh)
                np.testing.assert_allclose(x, case.x0, rtol=0, atol=atol)


class SecondOrderTest(chex.TestCase):
    SOLVERS = (("mr_ode_1", "mr_ode_2", 1), ("mr_sde_1", "mr_sde_2", 2))

    def cases(self, dtype):
        """(case, its steps, first-order solver, second-order solver, k).

        No stride is 100 times the one before: that would multiply float32's rounding.
        """
        for first, second, k in self.SOLVERS:
            yield Case(dtype), (90, 70, 45, 25, 10, 2, 0), first, second, k
        noisy = Case(dtype, denoising=True)
        yield noisy, (21, 15, 9, 3, 1, 0), "mr_ode_1", "mr_ode_2", 1

    @in_both_precisions
    def test_first_step_is_order_1(self, dtype, atol):
        for case, steps, first, second, _ in self.cases(dtype):
            noise, fresh = case.noises[0], case.fresh[0]
            for t, s in itertools.combinations(steps, 2):
                x = case.state(noise, t)
                expected, _ = case.step(first, x, noise, t, s, fresh=fresh)
                new, _ = case.step(second, x, noise, t, s, fresh=fresh)
                np.testing.assert_allclose(new, expected, rtol=0, atol=atol)

    @in_both_precisions
    def test_later_steps_add_the_scaled_backward_difference(self, dtype, atol):
        """The second row by hand; at s = 0, where h is infinite, order 1 again."""
        for case, steps, first, second, k in self.cases(dtype):
            for r, t, s in itertools.combinations(steps, 3):
                # Two predictions of images a little apart, as a network's are.
                x0, fresh = case.x0 + 0.02 * case.noises[1:], case.fresh[0]
                x = case.state(case.noises[0], r)
                noise = case.noise(x, x0[0], r)
                previous = case.data(x, noise, r), case.log_snr[t] - case.log_snr[r]
                x, memory = case.step(second, x, noise, r, t, fresh=fresh)
                x = np.asarray(x, np.float64)
                noise = case.noise(x, x0[1], t)
                new, _ = case.step(second, x, noise, t, s, memory, fresh)
                if s == 0:
                    expected, _ = case.step(first, x, noise, t, 0, fresh=fresh)
                else:
                    expected = case.row(k, x, noise, t, s, fresh, previous)
                np.testing.assert_allclose(new, expected, rtol=0, atol=atol)


class TranslationTest(chex.TestCase):
    @in_both_precisions
    def test_translation_of_x_and_mu_translates_every_solver(self, dtype, atol):
        """With a network that sees x - mu alone, in Denoising one that moves along."""
        names = {solver: name for name, solver in SOLVERS.items()}.values()  # once each
        for denoising, solver in itertools.product((False, True), names):
            if denoising and solver == "mr_sde_2":
                continue
            case = Case(dtype, denoising)

            def end(shift, case=case, solver=solver):
                x, memory = case.state(case.noises[0], 21) + shift, None
                for t, s in ((21, 15), (15, 6), (6, 1), (1, 0)):
                    noise = np.tanh(3 * (np.asarray(x, np.float64) - shift - case.mu))
                    fresh = case.fresh[s % 3]
                    x, memory = case.step(solver, x, noise, t, s, memory, fresh, shift)
                return np.asarray(x, np.float64)

            np.testing.assert_allclose(end(0.25), end(0.0) + 0.25, rtol=0, atol=atol)


class DdpmTest(chex.TestCase):
    """In the notation of the textbooks: alpha_bar_t = e^-2theta_bar_t."""

    def cases(self, dtype, strides):
        """(x, noise, alpha_bar_t, alpha_bar_s, t, s, case) for the process "ddpm"."""
        process = processes.make_process("ddpm")
        case = Case(dtype, max_sigma=1.0)
        degraded = jnp.asarray(case.mu, dtype)
        state = process.encode(degraded)
        case.mu = np.asarray(process.mean(state, None), np.float64)
        alpha_bar = case.a**2
        for t, s in strides:
            x = case.state(case.noises[0], t)
            # A network that sees the degraded image, though the mean is 0.
            network = lambda x, seen, t: 0.9 * case.noises[0] + 0.1 * seen  # noqa: E731
            noise = np.asarray(process.bind(network, state)(x, case.mu, t), np.float64)
            yield x, noise, alpha_bar[t], alpha_bar[s], t, s, case

    @in_both_precisions
    def test_posterior_is_ancestral_sampling(self, dtype, atol):
        """Ho et al. (2020), https://arxiv.org/abs/2006.11239, eq. 6-7 and eq. 11."""
        strides = [(t, t - 1) for t in range(1, 101)]
        for x, noise, bar, bar_before, t, s, case in self.cases(dtype, strides):
            alpha = bar / bar_before
            beta = 1 - alpha
            x0 = (x - np.sqrt(1 - bar) * noise) / np.sqrt(bar)
            mean_7 = np.sqrt(bar_before) * beta / (1 - bar) * x0
            mean_7 += np.sqrt(alpha) * (1 - bar_before) / (1 - bar) * x
            mean_11 = (x - beta / np.sqrt(1 - bar) * noise) / np.sqrt(alpha)
            std = np.sqrt((1 - bar_before) / (1 - bar) * beta)
            fresh = case.fresh[0]
            new, _ = case.step("posterior", x, noise, t, s, fresh=fresh)
            for mean in (mean_7, mean_11):
                np.testing.assert_allclose(new, mean + std * fresh, rtol=0, atol=atol)

    @in_both_precisions
    def test_mr_ode_1_is_ddim(self, dtype, atol):
        """Song et al. (2021), https://arxiv.org/abs/2010.02502, eq. 12, sigma = 0."""
        for x, noise, bar, bar_before, t, s, case in self.cases(dtype, STRIDES):
            x0 = (x - np.sqrt(1 - bar) * noise) / np.sqrt(bar)
            expected = np.sqrt(bar_before) * x0 + np.sqrt(1 - bar_before) * noise
            new, _ = case.step("mr_ode_1", x, noise, t, s)
            np.testing.assert_allclose(new, expected, rtol=0, atol=atol)
