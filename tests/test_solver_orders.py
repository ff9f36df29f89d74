"""The solvers converge at their orders: Gaussian data, float64, closed forms.

The clean image is Gaussian, pixel by pixel: y0 = x0 - mu ~ N(m, v) for the IR-SDE and
x0 ~ N(m, v) for the Denoising process. Then E[noise | x_t] is affine in x_t and all
that a solver approximates is known. With W_t the variance of x_t, c_t its mean,

    ODE:  x_s = c_s + sqrt(W_s / W_t) (x_t - c_t)
    SDE:  E[x_s | x_t] = c_s + flow(t, s) (x_t - c_t),
          Var[x_s | x_t] = integral of 2 lambda^2 flow(r, s)^2 over theta_bar_r, s to t,

and the orders are read off between two fixed steps 0 < END < START: at 0 the last step
is plain denoising, whose error has an order of its own. "gain" scales the prediction,
as an underconfident network would.
"""

import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import parameterized

from irsde_jax import samplers, sde
from irsde_jax.samplers import SOLVERS, StepInputs, timestep_grid

pytestmark = pytest.mark.core

NUM_EVALS = (32, 64, 128, 256, 512)
# The strides are whole numbers of steps: no grid is rounded.
START, END = {"irsde": 6144, "denoising": 2304}, {"irsde": 2048, "denoising": 256}
SDES = {"irsde": (50 / 255, 0.005), "denoising": (75 / 255, 0.04)}  # lambda, delta
MEAN = np.array([0.3, -0.2, 0.1, 0.5])
VAR = np.array([0.01, 0.0004, 0.04, 0.002])


ODE_SOLVERS = ("euler_ode", "mean_ode", "mr_ode_1", "mr_ode_2")
SDE_SOLVERS = ("euler_sde", "posterior", "mr_sde_2")
ATOL = {1: 0.1, 2: 0.15}  # by the order that the solver claims


class Problem(NamedTuple):
    """What a network knows; `mu` is None for the Denoising process."""

    schedule: sde.Schedule
    mu: jax.Array | None
    mean: jax.Array
    var: jax.Array
    gain: float = 1.0


def make_problem(process, mean=MEAN, var=VAR, gain=1.0):
    max_sigma, delta = SDES[process]
    schedule = sde.make_schedule(10_240, max_sigma, delta=delta, dtype=jnp.float64)
    mu = jnp.asarray(0.5) if process == "irsde" else None
    return Problem(schedule, mu, jnp.asarray(mean), jnp.asarray(var), gain)


@jax.jit
def marginal(problem, theta_bar):
    """Mean c_t and variance W_t of x_t."""
    decay = jnp.exp(-theta_bar)
    noise_var = -(problem.schedule.max_sigma**2) * jnp.expm1(-2 * theta_bar)
    if problem.mu is None:
        return problem.mean, problem.var + noise_var
    return problem.mu + decay * problem.mean, decay**2 * problem.var + noise_var


def predicted_noise(problem, x, t):
    """gain E[noise | x_t], by conditioning one Gaussian on another."""
    mean, var = marginal(problem, problem.schedule.theta_bar[t])
    return problem.gain * sde.marginal_std(problem.schedule, t) * (x - mean) / var


@functools.partial(jax.jit, static_argnums=0)
def run(solver, problem, x, grids, fresh):
    """The states at the ends of `grids`, which are padded with steps that are skipped.

    One program per solver: all numbers of evaluations run in it at once.
    """
    chosen = SOLVERS[solver]
    mu = None if problem.mu is None else jnp.broadcast_to(problem.mu, x.shape)

    def body(carry, inputs):
        (x, state), (fresh, t, s) = carry, inputs
        noise = predicted_noise(problem, x, t)
        given = StepInputs(problem.schedule, x=x, mu=mu, noise=noise, z=fresh, t=t, s=s)
        new = chosen.step(state, given)
        return jax.tree.map(lambda a, b: jnp.where(t > s, a, b), new, carry), None

    def one(grid, fresh):
        inputs = (fresh, grid[:-1], grid[1:])
        return jax.lax.scan(body, (x, chosen.init(x)), inputs)[0][0]

    return jax.vmap(one)(grids, fresh)


def padded_grids(problem, process, num_evals=NUM_EVALS):
    """Shape [len(num_evals), max(num_evals) + 1]."""
    start, end = START[process], END[process]
    rows = []
    for n in num_evals:
        grid = timestep_grid(problem.schedule, n, start=start, end=end)
        rows.append(np.pad(grid, (0, max(num_evals) - n), "edge"))
    return np.stack(rows)


def flow(problem, theta_bar, end):
    """d E[x_end | x_t] / d x_t for the reverse SDE, from theta_bar to `end`."""
    (_, var), (_, var_end) = marginal(problem, theta_bar), marginal(problem, end)
    covered, lam2 = theta_bar - end, problem.schedule.max_sigma**2
    if problem.mu is None:
        # The rate is lambda^2 (1 + a^2) / W, a = e^-theta_bar, and W' = 2 lambda^2 a^2.
        ratio = jnp.log(var / var_end) / 2
        share = lam2 / (problem.var + lam2)
        return jnp.exp(-problem.gain * (ratio + share * (covered + ratio)))
    # The rate is -1 + 2 lambda^2 / W, and W' = 2 lambda^2 - 2 W.
    return jnp.exp(covered) * (jnp.exp(-2 * covered) * var_end / var) ** problem.gain


@functools.partial(jax.jit, static_argnums=1)
def exact_moments(problem, process, mean, var):
    """Mean and variance at END of the reverse SDE from N(mean, var) at START."""
    start = problem.schedule.theta_bar[START[process]]
    end = problem.schedule.theta_bar[END[process]]
    nodes, weights = np.polynomial.legendre.leggauss(100)
    nodes, weights = (start - end) * (nodes + 1) / 2 + end, (start - end) * weights / 2
    integral = weights @ flow(problem, nodes[:, None], end) ** 2
    noise_var = 2 * problem.schedule.max_sigma**2 * integral
    (center, _), (center_end, _) = marginal(problem, start), marginal(problem, end)
    gain = flow(problem, start, end)
    return center_end + gain * (mean - center), gain**2 * var + noise_var


def slopes(errors):
    """log2 of what doubling the number of evaluations gains, one per doubling."""
    return np.log2(errors[:-1] / errors[1:])


class Float64Test(chex.TestCase):
    def setUp(self):
        super().setUp()
        self.enter_context(jax.enable_x64(True))


def test_every_solver_has_its_order_tested():
    """`mr_sde_1` is `posterior`."""
    tested = {SOLVERS[name] for name in ODE_SOLVERS + SDE_SOLVERS}
    assert tested == set(SOLVERS.values())


class OdeTest(Float64Test):
    @parameterized.product(solver=ODE_SOLVERS, process=tuple(SDES))
    def test_ode_solvers_have_their_order(self, solver, process):
        """Richardson's slopes, and those of the error against the exact map."""
        order = SOLVERS[solver].order
        self.assertFalse(SOLVERS[solver].is_stochastic)
        problem = make_problem(process)
        x = jnp.array([0.4, 0.2, 0.35, 0.1])
        grids = padded_grids(problem, process)
        fresh = jnp.zeros((*grids[:, 1:].shape, 1))
        ends = np.asarray(run(solver, problem, x, grids, fresh))
        table = problem.schedule.theta_bar
        mean, var = marginal(problem, table[START[process]])
        mean_end, var_end = marginal(problem, table[END[process]])
        gain = jnp.sqrt(var_end / var)
        if solver == "mean_ode":  # the mean of the reverse SDE
            gain = flow(problem, table[START[process]], table[END[process]])
        exact = mean_end + gain * (x - mean)
        richardson = slopes(np.linalg.norm(np.diff(ends, axis=0), axis=1))
        against_exact = slopes(np.linalg.norm(ends - exact, axis=1))
        np.testing.assert_allclose(richardson, order, atol=ATOL[order])
        np.testing.assert_allclose(against_exact, order, atol=ATOL[order])


class SdeTest(Float64Test):
    """Weak orders without Monte Carlo: x at END is affine in the start and the noises.

    Its coefficients are read off columns that run together: from the mean without
    noise, from the mean + 1, and with 1 as the noise of one step, each step in turn.
    """

    MEAN, VAR = 0.9, 0.03

    def moments(self, solver, problem, process):
        """Mean and variance at END, each of shape [len(NUM_EVALS), pixels]."""
        count = max(NUM_EVALS)
        x = jnp.full((len(VAR), count + 2), self.MEAN).at[:, 1].add(1.0)
        fresh = jnp.eye(count, count + 2, k=2)[None, :, None]
        fresh = jnp.broadcast_to(fresh, (len(NUM_EVALS), count, 1, count + 2))
        columns = problem._replace(mean=problem.mean[:, None], var=problem.var[:, None])
        grids = padded_grids(problem, process)
        ends = np.asarray(run(solver, columns, x, grids, fresh))
        mean, response = ends[..., 0], ends[..., 1:] - ends[..., :1]
        variances = np.append(self.VAR, np.ones(count))
        return mean, (variances * response**2).sum(-1)

    @parameterized.product(solver=SDE_SOLVERS, process=tuple(SDES))
    def test_sde_solvers_have_their_weak_order(self, solver, process):
        """On the mean and on the variance; `posterior` is `mr_sde_1`.

        `mr_sde_2` is of order 2 on the variance as well. Within a step the prediction
        moves with the step's own noise: the step misses their covariance, c h^2 to
        leading order, c the slope of the prediction. But the backward difference of the
        *next* step holds that noise, and with the weight h / 2 gives the same c h^2
        back. The first step and the last are left, a local error of h^2 each.
        """
        if process == "denoising" and samplers.needs_mean(SOLVERS[solver]):
            self.skipTest("it has no Denoising form")
        order = SOLVERS[solver].order
        self.assertTrue(SOLVERS[solver].is_stochastic)
        problem = make_problem(process, gain=0.9)
        mean, var = self.moments(solver, problem, process)
        exact_mean, exact_var = exact_moments(problem, process, self.MEAN, self.VAR)
        for approximate, exact in ((mean, exact_mean), (var, exact_var)):
            errors = np.linalg.norm(approximate - exact, axis=1)
            np.testing.assert_allclose(slopes(errors), order, atol=ATOL[order])

    @parameterized.parameters("posterior", "mr_sde_2")
    def test_exponential_sde_solvers_have_the_exact_mean(self, solver):
        """Of an unbiased network, at any stride and from any start.

        E[x_s | x_t] is the posterior mean at E[x0 | x_t] (the tower property), and the
        data prediction is a martingale of the reverse SDE: the mean of its backward
        difference is 0. The variance alone has an error.
        """
        problem = make_problem("irsde")
        mean, var = self.moments(solver, problem, "irsde")
        exact_mean, exact_var = exact_moments(problem, "irsde", self.MEAN, self.VAR)
        np.testing.assert_allclose(mean - exact_mean, 0, atol=1e-12)
        self.assertGreater(np.abs(var - exact_var).max(), 1e-8)

    @parameterized.parameters(1.0, 0.9)
    def test_exact_moments_keep_the_marginal(self, gain):
        """Started from the marginal, the reverse SDE of the true score stays on it."""
        for process in SDES:
            problem = make_problem(process, gain=gain)
            table = problem.schedule.theta_bar
            start = marginal(problem, table[START[process]])
            end = marginal(problem, table[END[process]])
            mean, var = exact_moments(problem, process, *start)
            np.testing.assert_allclose(mean, end[0], rtol=1e-12)
            kept = np.allclose(var, end[1], rtol=1e-10)
            self.assertEqual(kept, gain == 1.0)


class StrongTest(Float64Test):
    def test_euler_maruyama_has_strong_order_1(self):
        """Additive noise: order 1, not 1/2, path by path.

        With g = a_t / W_t, g (y - a m) is a martingale, the integral of lambda sqrt(2)
        g dw. The increments of w over a stride of the finest grid and that integral
        over it are drawn jointly from their Gaussian: the exact end is that of the very
        path whose increments, summed, drive each Euler-Maruyama run.
        """
        num_evals, num_paths = NUM_EVALS[:-1], 2000
        mean, var = 0.3, 0.16
        problem = make_problem("irsde", mean, var)
        grids = padded_grids(problem, "irsde", num_evals)
        theta_bar = np.asarray(problem.schedule.theta_bar)[grids[-1]]
        lam = float(problem.schedule.max_sigma)
        _, w = marginal(problem, theta_bar)
        # Integrals of 1, g and g^2 over theta_bar, stride by stride.
        covered = -np.diff(theta_bar)
        root = np.sqrt(var - lam**2)
        first = np.diff(np.arctan(np.exp(-theta_bar) * root / lam)) / (root * lam)
        second = -np.diff(1 / w) / (2 * (var - lam**2))
        z, z_other = np.random.default_rng(0).normal(size=(2, len(covered), num_paths))
        increments = np.sqrt(covered)[:, None] * z
        integrals = (first / covered)[:, None] * increments
        integrals += np.sqrt(second - first**2 / covered)[:, None] * z_other

        (center, w_start), (center_end, w_end) = (
            marginal(problem, r) for r in theta_bar[[0, -1]]
        )
        x = center + np.sqrt(w_start) * np.linspace(-2, 2, num_paths)
        martingale = np.exp(-theta_bar[0]) / w_start * (x - center)
        martingale += lam * np.sqrt(2) * integrals.sum(0)
        exact = center_end + w_end * np.exp(theta_bar[-1]) * martingale

        fresh = np.zeros((len(grids), len(covered), num_paths))
        for row, n in enumerate(num_evals):
            strides = increments.reshape(n, -1, num_paths).sum(1)
            length = covered.reshape(n, -1).sum(1)
            fresh[row, :n] = strides / np.sqrt(length)[:, None]
        squares = np.asarray((run("euler_sde", problem, x, grids, fresh) - exact) ** 2)
        measured = slopes(np.sqrt(squares.mean(1)))
        # The delta method: a slope is the log2 of a ratio of means over the same paths.
        relative = squares / squares.mean(1)[:, None]
        spread = np.diff(relative, axis=0).std(1) / (2 * np.log(2))
        standard_error = spread / np.sqrt(num_paths)
        self.assertLess(standard_error.max(), 0.02)
        self.assertLess((abs(measured - 1) / standard_error).max(), 5)
