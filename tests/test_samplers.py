"""The sampler and its solvers: identities, keys, grids, bad input."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import parameterized

from irsde_jax import registry, samplers, sde
from irsde_jax.samplers import SOLVERS, StepInputs, sample, timestep_grid

pytestmark = pytest.mark.core

SCHEDULE = sde.make_schedule(100, 10 / 255)
SHAPE = (2, 4, 5, 3)


def images(dtype=jnp.float32):
    """Clean and degraded images."""
    x0_key, mu_key = jax.random.split(jax.random.key(3))
    x0 = jax.random.uniform(x0_key, SHAPE, dtype)
    return x0, jax.random.uniform(mu_key, SHAPE, dtype)


def perfect_noise_fn(schedule, x0, denoising=False):
    """The network that knows the clean image."""

    def noise_fn(x, mu, t):
        mean = x0 if denoising else mu
        return jax.vmap(sde.x0_to_noise, (None, 0, 0, 0, 0))(schedule, x, x0, mean, t)

    return noise_fn


def smooth_noise_fn(x, mu, t):
    """A network whose clean image is a smooth function of x - mu, pixel by pixel."""
    schedule = sde.make_schedule(100, 10 / 255, dtype=x.dtype)
    x0 = mu + 0.2 + 0.1 * jnp.tanh(3 * (x - mu))
    return jax.vmap(sde.x0_to_noise, (None, 0, 0, 0, 0))(schedule, x, x0, mu, t)


@dataclasses.dataclass(frozen=True)
class Listing:
    """A solver of our own, of no class of the package: x at s is what was drawn."""

    is_stochastic: bool
    order: int = 1

    def init(self, x):
        return ()

    def step(self, state, inputs):
        return inputs.z, state


class PerfectNetworkTest(chex.TestCase):
    @parameterized.product(
        solver=("posterior", "mr_ode_1", "mr_ode_2", "mr_sde_1", "mr_sde_2"),
        num_evals=(1, 2, 100),
    )
    def test_returns_the_clean_image(self, solver, num_evals):
        x0, mu = images()
        timesteps = timestep_grid(SCHEDULE, num_evals)
        noise_fn = perfect_noise_fn(SCHEDULE, x0)
        restored = sample(
            jax.random.key(0),
            SCHEDULE,
            noise_fn,
            mu,
            solver=solver,
            timesteps=timesteps,
        )
        # from T in one step, float32 rounding is divided by delta
        atol = 2e-5 if num_evals == 1 else 2e-6
        chex.assert_trees_all_close(restored, x0, atol=atol)

    @parameterized.product(
        solver=("posterior", "mr_ode_1", "mr_ode_2"), num_evals=(1, 2, 21)
    )
    def test_returns_the_clean_image_in_denoising(self, solver, num_evals):
        schedule = sde.make_schedule(100, 75 / 255, delta=0.04)
        start = sde.start_step(schedule, 25 / 255)
        x0, _ = images()
        noise = jax.random.normal(jax.random.key(1), SHAPE)
        noisy = x0 + sde.marginal_std(schedule, start) * noise
        restored = sample(
            jax.random.key(0),
            schedule,
            perfect_noise_fn(schedule, x0, denoising=True),
            None,
            solver=solver,
            timesteps=timestep_grid(schedule, num_evals, start=start),
            x_init=noisy,
        )
        chex.assert_trees_all_close(restored, x0, atol=2e-6)

    @parameterized.parameters("euler_ode", "mean_ode")
    def test_euler_solvers_have_their_order(self, solver):
        """Between two fixed steps, against the exact map that a perfect network gives.

        The ODE preserves the noise. The reverse SDE without its noise follows the mean
        of q(x_s | x_t, x0). `test_solver_orders.py` has the SDE with its noise.
        """
        start, end, num_evals = 6144, 2048, (64, 128, 256, 512)
        with jax.enable_x64(True):
            schedule = sde.make_schedule(10_240, 10 / 255, dtype=jnp.float64)
            x0, mu = images(jnp.float64)
            noise = jax.random.normal(jax.random.key(1), SHAPE, jnp.float64)
            x = sde.add_noise(schedule, x0, mu, noise, start)
            if solver == "euler_ode":
                exact = sde.add_noise(schedule, x0, mu, noise, end)
            else:
                exact = sde.optimal_reverse_state(schedule, x, x0, mu, start, end)

            def error(num_evals):
                reached = sample(
                    jax.random.key(0),
                    schedule,
                    perfect_noise_fn(schedule, x0),
                    mu,
                    solver=solver,
                    timesteps=timestep_grid(schedule, num_evals, start=start, end=end),
                    x_init=x,
                )
                return float(jnp.abs(reached - exact).mean())

            errors = np.array([error(n) for n in num_evals])
        gained = np.log2(errors[:-1] / errors[1:])
        np.testing.assert_allclose(gained, SOLVERS[solver].order, atol=0.1)


class SampleTest(chex.TestCase):
    @parameterized.parameters(*SOLVERS)
    def test_scan_is_a_python_loop_over_step(self, solver):
        """The same fresh noise through `step`, in float64, to 1e-12."""
        with jax.enable_x64(True):
            schedule = sde.make_schedule(100, 10 / 255, dtype=jnp.float64)
            _, mu = images(jnp.float64)
            timesteps = timestep_grid(schedule, 7)

            def run(solver):
                return sample(
                    jax.random.key(0),
                    schedule,
                    smooth_noise_fn,
                    mu,
                    solver=solver,
                    timesteps=timesteps,
                    return_path=True,
                )

            # A solver whose state is the fresh noise: its path lists what is drawn.
            chosen = SOLVERS[solver]
            _, drawn = run(Listing(is_stochastic=chosen.is_stochastic))
            end, path = run(solver)

            @jax.jit
            def advance(x, state, z, t, s):
                noise = smooth_noise_fn(x, mu, jnp.full(SHAPE[:1], t))
                given = StepInputs(schedule, x=x, mu=mu, noise=noise, z=z, t=t, s=s)
                return chosen.step(state, given)

            x, state = path[0], chosen.init(path[0])
            for z, t, s in zip(drawn[1:], timesteps[:-1], timesteps[1:], strict=True):
                x, state = advance(x, state, z, t, s)
            np.testing.assert_allclose(x, end, rtol=1e-12, atol=1e-12)

    def test_path_starts_at_mu_plus_noise_and_ends_at_the_result(self):
        _, mu = images()
        end, path = sample(
            jax.random.key(0), SCHEDULE, smooth_noise_fn, mu, return_path=True
        )
        chex.assert_shape(path, (101, *SHAPE))
        chex.assert_trees_all_equal(path[-1], end)
        z = (path[0] - mu) / SCHEDULE.max_sigma
        self.assertLess(abs(z.mean()), 5 / z.size**0.5)
        self.assertLess(abs(z.var() - 1), 5 * (2 / z.size) ** 0.5)

    @parameterized.parameters("posterior", "mr_sde_2", "mr_ode_2")
    def test_an_image_depends_on_its_own_key_alone(self, solver):
        _, mu = images()
        keys = jax.random.split(jax.random.key(5), 2)
        timesteps = timestep_grid(SCHEDULE, 5)

        def run(key, mu):
            return sample(
                key, SCHEDULE, smooth_noise_fn, mu, solver=solver, timesteps=timesteps
            )

        both = run(keys, mu)
        for i in range(2):
            alone = run(keys[i, None], mu[i, None])
            chex.assert_trees_all_close(both[i], alone[0], rtol=1e-6)
        swapped = run(keys[::-1], mu[::-1])
        chex.assert_trees_all_close(swapped[::-1], both, rtol=1e-6)

    def test_a_single_key_is_folded_with_the_index(self):
        _, mu = images()
        key = jax.random.key(5)
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(2))
        timesteps = timestep_grid(SCHEDULE, 3)
        one, many, legacy = (
            sample(k, SCHEDULE, smooth_noise_fn, mu, timesteps=timesteps)
            for k in (key, keys, jax.random.key_data(key))
        )
        chex.assert_trees_all_equal(one, many)
        chex.assert_trees_all_equal(one, legacy)
        self.assertGreater(jnp.abs((one - mu)[0] - (one - mu)[1]).max(), 1e-3)

    @parameterized.parameters(*SOLVERS)
    def test_translation_of_x_and_mu_translates_the_result(self, solver):
        """`smooth_noise_fn` sees x - mu alone, so the whole restoration moves along."""
        _, mu = images()
        timesteps = timestep_grid(SCHEDULE, 5)

        def run(mu):
            return sample(
                jax.random.key(0),
                SCHEDULE,
                smooth_noise_fn,
                mu,
                solver=solver,
                timesteps=timesteps,
            )

        chex.assert_trees_all_close(run(mu + 0.25), run(mu) + 0.25, atol=2e-5)

    def test_can_stop_above_0_and_go_on_from_there(self):
        _, mu = images()
        whole, path = sample(
            jax.random.key(0),
            SCHEDULE,
            smooth_noise_fn,
            mu,
            solver="mr_ode_1",
            timesteps=jnp.array([100, 60, 30, 0]),
            return_path=True,
        )
        rest = sample(
            jax.random.key(1),
            SCHEDULE,
            smooth_noise_fn,
            mu,
            solver="mr_ode_1",
            timesteps=jnp.array([60, 30, 0]),
            x_init=path[1],
        )
        chex.assert_trees_all_close(rest, whole, rtol=1e-6)

    def test_runs_under_jit_with_traced_steps(self):
        _, mu = images()

        @jax.jit
        def run(key, mu, timesteps):
            return sample(key, SCHEDULE, smooth_noise_fn, mu, timesteps=timesteps)

        timesteps = timestep_grid(SCHEDULE, 4)
        eager = sample(
            jax.random.key(0), SCHEDULE, smooth_noise_fn, mu, timesteps=timesteps
        )
        jitted = run(jax.random.key(0), mu, timesteps)
        chex.assert_trees_all_close(jitted, eager, rtol=1e-5)

    def test_posterior_marginals_are_the_forward_ones(self):
        """With the true noise, x_s has mean m_s and std sqrt(v_s) at every step."""
        x0, mu = jnp.full((1, 120, 120, 1), 0.9), jnp.full((1, 120, 120, 1), 0.4)
        timesteps = timestep_grid(SCHEDULE, 5)
        _, path = sample(
            jax.random.key(0),
            SCHEDULE,
            perfect_noise_fn(SCHEDULE, x0),
            mu,
            timesteps=timesteps,
            return_path=True,
        )
        for x, t in zip(path[1:-1], timesteps[1:-1], strict=True):
            std = float(sde.marginal_std(SCHEDULE, t))
            error = x.mean() - sde.marginal_mean(SCHEDULE, 0.9, 0.4, t)
            # the start, mu + lambda z, is delta (x0 - mu) away from the marginal
            bias = 0.005 * 0.5
            self.assertLess(abs(error), 5 * std / x.size**0.5 + bias)
            self.assertLess(abs(x.std() / std - 1), 5 / (2 * x.size) ** 0.5 + 1e-4)


class GridTest(chex.TestCase):
    @parameterized.product(
        spacing=tuple(samplers.SPACINGS),
        num_evals=(1, 2, 5, 20, 99, 100),
        ends=((100, 0),),
    )
    def test_falls_strictly_with_exactly_that_many_evaluations(
        self, spacing, num_evals, ends
    ):
        grid = timestep_grid(SCHEDULE, num_evals, spacing)
        self.assertEqual(grid.dtype, jnp.int32)
        self.assertLen(grid, num_evals + 1)
        self.assertEqual((int(grid[0]), int(grid[-1])), ends)
        self.assertTrue((np.diff(grid) < 0).all())

    @parameterized.product(spacing=tuple(samplers.SPACINGS), num_evals=(1, 3, 10))
    def test_keeps_given_ends(self, spacing, num_evals):
        grid = timestep_grid(SCHEDULE, num_evals, spacing, start=22, end=12)
        self.assertEqual((int(grid[0]), int(grid[-1])), (22, 12))
        self.assertTrue((np.diff(grid) < 0).all())

    @parameterized.parameters("theta_bar", "log_snr")
    def test_is_uniform_in_what_it_says(self, spacing):
        schedule = sde.make_schedule(10_000, 0.1)
        grid = timestep_grid(schedule, 8, spacing, end=100)
        theta_bar = np.asarray(schedule.theta_bar, np.float64)[np.asarray(grid)]
        position = theta_bar
        if spacing == "log_snr":
            position = theta_bar + 0.5 * np.log(-np.expm1(-2 * theta_bar))
        strides = np.diff(position)
        np.testing.assert_allclose(strides, strides.mean(), rtol=0.02)

    @parameterized.parameters(
        (dict(num_evals=101), "1..100"),
        (dict(num_evals=0), "1..100"),
        (dict(num_evals=11, start=22, end=12), "1..10"),
        (dict(num_evals=5, spacing="log"), "log_snr"),
        (dict(num_evals=5, start=101), "T = 100"),
        (dict(num_evals=5, start=5, end=5), "end < start"),
    )
    def test_impossible_grid_is_a_clear_error(self, arguments, message):
        with self.assertRaisesRegex(ValueError, message):
            timestep_grid(SCHEDULE, **arguments)


class OwnSolverTest(chex.TestCase):
    """Solvers of users' own, by object and by name."""

    def test_any_object_with_the_four_members_is_a_solver(self):
        """Euler's method, written as a class of a user's own."""

        class Euler:
            order, is_stochastic = 1, False

            def init(self, x):
                return ()

            def step(self, state, inputs):
                schedule, x, mu, noise, _, t, s = inputs
                score = sde.noise_to_score(schedule, noise, t)
                return x - sde.reverse_ode_drift(schedule, x, mu, score, t, s), state

        own = Euler()
        self.assertIsInstance(own, samplers.Solver)
        self.assertFalse(samplers.needs_mean(own))
        _, mu = images()

        def run(solver):
            return sample(
                jax.random.key(0),
                SCHEDULE,
                smooth_noise_fn,
                mu,
                solver=solver,
                timesteps=timestep_grid(SCHEDULE, 5),
            )

        chex.assert_trees_all_equal(run(own), run("euler_ode"))
        with self.assertRaisesRegex(ValueError, "not a class"):
            run(Euler)

    def test_a_solver_that_needs_a_mean_is_refused_without_one(self):
        """Before the network is asked for anything."""
        _, x = images()
        for solver in ("mr_sde_2", SOLVERS["mr_sde_2"]):
            with self.assertRaisesRegex(ValueError, "no Denoising form.*mr_ode_2"):
                sample(jax.random.key(0), SCHEDULE, None, None, solver=solver, x_init=x)

    def test_only_a_stochastic_solver_is_given_noise(self):
        _, mu = images()
        for is_stochastic in (True, False):
            z = sample(
                jax.random.key(0),
                SCHEDULE,
                smooth_noise_fn,
                mu,
                solver=Listing(is_stochastic),
                timesteps=timestep_grid(SCHEDULE, 2),
            )
            self.assertEqual(bool((z != 0).any()), is_stochastic)


def test_solver_is_found_by_name_in_a_trusted_module(tmp_path, monkeypatch):
    text = (
        "from irsde_jax import samplers\n"
        "mine = samplers.SOLVERS['mr_ode_2']\n"
        "nothing = 3\n"
    )
    (tmp_path / "outside_solvers.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_trusted", set())
    with pytest.raises(ValueError, match=r"sampling\.solver.*--trust=outside_solvers"):
        samplers.find_solver("outside_solvers:mine")
    registry.trust("outside_solvers")
    assert samplers.find_solver("outside_solvers:mine") is SOLVERS["mr_ode_2"]
    with pytest.raises(ValueError, match=r"solver='outside_solvers:nothing'"):
        samplers.find_solver("outside_solvers:nothing")
    with pytest.raises(ValueError, match="Did you mean 'mr_ode_2'"):
        samplers.find_solver("mr_ode2")


class BadInputTest(chex.TestCase):
    @parameterized.parameters(
        (dict(solver="posteriori"), "mr_ode_1.*posterior"),
        (dict(timesteps=np.array([100, 50, 50, 0])), "strictly decreasing"),
        (dict(timesteps=np.array([0, 50, 100])), "strictly decreasing"),
        (dict(timesteps=np.array([101, 0])), "0..100"),
        (dict(timesteps=np.array([100, -1])), "0..100"),
        (dict(timesteps=np.array([100.0, 0.0])), "integers"),
        (dict(timesteps=np.array([100])), "at least two"),
        (dict(x_init=jnp.zeros((2, 4, 4, 3))), "must agree"),
    )
    def test_is_a_clear_error(self, arguments, message):
        _, mu = images()
        with self.assertRaisesRegex(ValueError, message):
            sample(jax.random.key(0), SCHEDULE, smooth_noise_fn, mu, **arguments)

    def test_denoising_without_its_start_is_a_clear_error(self):
        with self.assertRaisesRegex(ValueError, "x_init"):
            sample(jax.random.key(0), SCHEDULE, smooth_noise_fn, None)

    def test_one_image_without_the_batch_axis_is_a_clear_error(self):
        with self.assertRaisesRegex(ValueError, r"mu\[None\]"):
            sample(jax.random.key(0), SCHEDULE, smooth_noise_fn, jnp.zeros((4, 4, 3)))

    def test_wrong_number_of_keys_is_a_clear_error(self):
        _, mu = images()
        with self.assertRaisesRegex(ValueError, r"here \[2\]"):
            keys = jax.random.split(jax.random.key(0), 3)
            sample(keys, SCHEDULE, smooth_noise_fn, mu)

    def test_denoising_has_no_second_order_sde(self):
        x0, _ = images()
        with self.assertRaisesRegex(ValueError, "mr_sde_1"):
            sample(
                jax.random.key(0),
                SCHEDULE,
                smooth_noise_fn,
                None,
                x_init=x0,
                solver="mr_sde_2",
            )
