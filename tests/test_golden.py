"""Agreement with the official PyTorch formulas, evaluated in float64.

`golden/sde.npz` holds every quantity of the official `sde_utils.py` at several steps of
seven schedules, of its Denoising-SDE, four 100-step trajectories with given noise, and
the losses. In its names `thetas_cumsum * dt` is theta_bar. The errors are measured
against the largest value of each array.
"""

import functools
import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from irsde_jax import losses, sde
from irsde_jax.samplers import SOLVERS, StepInputs

pytestmark = pytest.mark.core

GOLDEN = np.load(pathlib.Path(__file__).with_name("golden") / "sde.npz")


def names(group):
    """The schedules of a group, such as "cosine-T100-sigma10-eps0.005"."""
    return sorted({key.split("/")[1] for key in GOLDEN if key.startswith(group + "/")})


def golden(name):
    """A golden array as float32."""
    return jnp.asarray(GOLDEN[name], jnp.float32)


def schedule_of(name, delta=None):
    """Our schedule for a golden name."""
    thetas, num_steps, sigma, *eps = name.split("-")
    delta = float(eps[0][3:]) if eps else 0.04
    max_sigma = int(sigma.removeprefix("sigma")) / 255
    return sde.make_schedule(int(num_steps[1:]), max_sigma, thetas, delta)


def assert_close(actual, name, tolerance):
    """max |error| <= tolerance * max |value|."""
    expected = GOLDEN[name]
    error = np.abs(np.asarray(actual, np.float64) - expected).max()
    assert error <= tolerance * np.abs(expected).max(), (name, error)


def at_steps(kernel, ts):
    """The kernel at each of several steps, for the same images."""
    return jnp.stack([kernel(int(t)) for t in ts])


class Case(NamedTuple):
    """A schedule, and the images and steps at which its kernels are compared."""

    root: str
    schedule: sde.Schedule
    ts: np.ndarray
    x0: jax.Array
    mu: jax.Array | None
    x: jax.Array
    noise: jax.Array


@functools.cache
def case_of(group, name):
    root = f"{group}/{name}/"
    x0, x, noise = (golden(root + key) for key in ("x0", "xt", "noise"))
    mu = golden(root + "mu") if group == "irsde" else None
    ts = GOLDEN[root + "t"]
    return Case(root, schedule_of(name), ts, x0=x0, mu=mu, x=x, noise=noise)


# Quantity of a schedule -> its values at all steps.
SCHEDULES = {
    "thetas": lambda schedule, thetas: thetas,
    "sigmas": lambda schedule, thetas: schedule.max_sigma * np.sqrt(2 * thetas),
    "sigma_bars": lambda schedule, thetas: jax.vmap(sde.marginal_std, (None, 0))(
        schedule, jnp.arange(schedule.num_steps + 1)
    ),
}


@pytest.mark.parametrize("quantity", SCHEDULES)
@pytest.mark.parametrize("name", names("irsde"))
def test_irsde_schedule(name, quantity):
    schedule = schedule_of(name)
    thetas = sde.THETAS[name.split("-")[0]](schedule.num_steps)
    found = SCHEDULES[quantity](schedule, thetas)
    assert_close(found, f"irsde/{name}/{quantity}", 2e-5)


@pytest.mark.parametrize("name", names("irsde"))
def test_irsde_theta_bar(name):
    root = f"irsde/{name}/"
    theta_bar = GOLDEN[root + "thetas_cumsum"] * GOLDEN[root + "dt"]
    error = np.abs(schedule_of(name).theta_bar - theta_bar)
    assert error.max() <= 2e-5 * theta_bar.max()


def irsde_score(c, t):
    return sde.noise_to_score(c.schedule, c.noise, t)


def irsde_sde_drift(c, t):
    score = irsde_score(c, t)
    return sde.reverse_sde_drift(c.schedule, c.x, c.mu, score, t, t - 1)


def irsde_ode_drift(c, t):
    score = irsde_score(c, t)
    return sde.reverse_ode_drift(c.schedule, c.x, c.mu, score, t, t - 1)


def irsde_forward_drift(c, t):
    zero = jnp.zeros_like(c.x)
    return sde.reverse_sde_drift(c.schedule, c.x, c.mu, zero, t, t - 1)


def irsde_real_noise(c, t):
    return sde.x0_to_noise(c.schedule, c.x, c.x0, c.mu, t)


# Golden quantity -> the same of ours, of a case and a step.
IRSDE = {
    "weights": lambda c, t: jnp.exp(-c.schedule.theta_bar[t]),
    "mu_bar": lambda c, t: sde.marginal_mean(c.schedule, c.x0, c.mu, t),
    "forward_drift": irsde_forward_drift,
    "score_from_noise": irsde_score,
    "sde_reverse_drift": irsde_sde_drift,
    "ode_reverse_drift": irsde_ode_drift,
    "reverse_sde_step_mean": lambda c, t: c.x - irsde_sde_drift(c, t),
    "reverse_ode_step": lambda c, t: c.x - irsde_ode_drift(c, t),
    "reverse_optimum_step": lambda c, t: sde.optimal_reverse_state(
        c.schedule, c.x, c.x0, c.mu, t, t - 1
    ),
    "init_state_from_noise": lambda c, t: sde.noise_to_x0(
        c.schedule, c.x, c.mu, c.noise, t
    ),
    "posterior_mean": lambda c, t: losses.exact_step_mean(
        c.schedule, c.x, c.mu, c.noise, t
    ),
    "reverse_optimum_std": lambda c, t: sde.posterior_std(c.schedule, t, t - 1),
    "real_noise": irsde_real_noise,
    "real_score": lambda c, t: sde.noise_to_score(
        c.schedule, irsde_real_noise(c, t), t
    ),
}


@pytest.mark.parametrize("quantity", IRSDE)
@pytest.mark.parametrize("name", names("irsde"))
def test_irsde_kernel(name, quantity):
    c = case_of("irsde", name)
    # Over 1000 steps the rounding of theta_bar shows in its differences.
    is_loose = c.schedule.num_steps == 1000 and quantity.endswith("_drift")
    found = at_steps(functools.partial(IRSDE[quantity], c), c.ts)
    assert_close(found, c.root + quantity, 5e-5 if is_loose else 2e-5)


@pytest.mark.parametrize("name", names("denoising"))
def test_denoising_start(name):
    schedule, root = schedule_of(name), f"denoising/{name}/"
    sigmas = GOLDEN[root + "optimal_timestep_sigma"] / 255
    starts = [sde.start_step(schedule, float(sigma)) for sigma in sigmas]
    np.testing.assert_array_equal(starts, GOLDEN[root + "optimal_timestep"])


def denoising_drift(kernel, c, t):
    mean, _ = sde.mean_and_x0(c.schedule, c.x, None, c.noise, t)
    score = sde.noise_to_score(c.schedule, c.noise, t)
    return kernel(c.schedule, c.x, mean, score, t, t - 1)


DENOISING = {
    "sde_reverse_drift": lambda c, t: denoising_drift(sde.reverse_sde_drift, c, t),
    "ode_reverse_drift": lambda c, t: denoising_drift(sde.reverse_ode_drift, c, t),
    "reverse_sde_step_mean": lambda c, t: (
        c.x - denoising_drift(sde.reverse_sde_drift, c, t)
    ),
    "reverse_ode_step": lambda c, t: c.x - denoising_drift(sde.reverse_ode_drift, c, t),
    "reverse_optimum_step": lambda c, t: sde.optimal_reverse_state(
        c.schedule, c.x, c.x0, c.x0, t, t - 1
    ),
    "init_state_from_noise": lambda c, t: sde.mean_and_x0(
        c.schedule, c.x, None, c.noise, t
    )[1],
}


@pytest.mark.parametrize("quantity", DENOISING)
@pytest.mark.parametrize("name", names("denoising"))
def test_denoising_kernel(name, quantity):
    c = case_of("denoising", name)
    # The two terms of a drift cancel near T.
    tolerance = 2e-4 if quantity.endswith("_drift") else 2e-5
    found = at_steps(functools.partial(DENOISING[quantity], c), c.ts)
    assert_close(found, c.root + quantity, tolerance)


def network(x, mu, t):
    """The network of the golden trajectories and losses; t has shape [batch]."""
    bias = jnp.sin(0.05 * t)[:, None, None, None]
    return 0.7 * jnp.tanh(3 * (x - mu)) + 0.2 * bias * mu - 0.1


def replay(solver, sign, noise_fn):
    """The 100 steps of a golden trajectory, with its noise in place of our draws."""
    schedule = schedule_of("cosine-T100-sigma10-eps0.005")
    mu = golden("trajectory/mu")
    start = mu + schedule.max_sigma * golden("trajectory/init_noise")
    fresh = sign * golden("trajectory/step_noise")
    chosen = SOLVERS[solver]

    def body(carry, inputs):
        (x, state), (t, z) = carry, inputs
        noise = noise_fn(schedule, x, mu, jnp.full(x.shape[:1], t))
        given = StepInputs(schedule, x=x, mu=mu, noise=noise, z=z, t=t, s=t - 1)
        return chosen.step(state, given), None

    steps = (jnp.arange(100, 0, -1), fresh)
    (x, _), _ = jax.lax.scan(body, (start, chosen.init(start)), steps)
    return start, x


def true_noise(schedule, x, mu, t):
    """The noise of the true x0."""
    x0 = golden("trajectory/x0")
    return jax.vmap(sde.x0_to_noise, (None, 0, 0, 0, 0))(schedule, x, x0, mu, t)


def predicted_noise(schedule, x, mu, t):
    del schedule
    return network(x, mu, t)


@pytest.mark.parametrize(
    ("name", "solver", "sign", "noise_fn"),
    [
        ("sde", "euler_sde", -1, predicted_noise),  # the official code subtracts it
        ("ode", "euler_ode", 1, predicted_noise),
        ("posterior", "posterior", 1, predicted_noise),
        ("optimal", "posterior", 0, true_noise),  # the optimal states, no noise
    ],
)
def test_trajectory(name, solver, sign, noise_fn):
    start, end = replay(solver, sign, noise_fn)
    assert_close(start, "trajectory/xT", 1e-5)
    assert_close(end, f"trajectory/{name}", 1e-5)


def test_losses():
    schedule = schedule_of("cosine-T100-sigma10-eps0.005")
    x0, mu = golden("trajectory/x0"), golden("trajectory/mu")
    x, t = golden("loss/state"), jnp.asarray(GOLDEN["loss/t"])
    noise = jax.vmap(sde.x0_to_noise, (None, 0, 0, 0, 0))(schedule, x, x0, mu, t)

    predicted = network(x, mu, t)
    step_mean = jax.vmap(losses.euler_step_mean, (None, 0, 0, 0, 0))
    assert_close(step_mean(schedule, x, mu, predicted, t), "loss/step_mean", 2e-5)
    optimum = jax.vmap(sde.optimal_reverse_state, (None, 0, 0, 0, 0, 0))
    assert_close(optimum(schedule, x, x0, mu, t, t - 1), "loss/optimum", 2e-5)

    drawn = losses.Drawn(x=x, noise=noise, t=t, x0=x0, mu=mu, schedule=schedule)
    for norm in ("l1", "l2"):
        loss = losses.max_likelihood_loss_at(drawn, predicted, form="euler", norm=norm)
        np.testing.assert_allclose(loss, GOLDEN[f"loss/{norm}"], rtol=1e-5)
    loss = losses.noise_loss_at(drawn, predicted, norm="l1")
    np.testing.assert_allclose(loss, GOLDEN["loss/noise_l1"], rtol=1e-5)
