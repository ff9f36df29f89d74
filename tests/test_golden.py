"""Agreement with the official PyTorch formulas, evaluated in float64.

`golden/sde.npz` holds every quantity of the official `sde_utils.py` at several steps of
seven schedules, of its Denoising-SDE, four 100-step trajectories with given noise, and
the losses. In its names `thetas_cumsum * dt` is theta_bar. The errors are measured
against the largest value of each array.
"""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from irsde_jax import losses, sde
from irsde_jax.samplers.solvers import SOLVERS

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


def at_steps(kernel, ts, *images):
    """The kernel at each of several steps, for the same images."""
    return jnp.stack([kernel(*images, int(t)) for t in ts])


@pytest.mark.parametrize("name", names("irsde"))
def test_irsde_kernels(name):
    schedule, root = schedule_of(name), f"irsde/{name}/"
    tight = 2e-5
    drift = 5e-5 if schedule.num_steps == 1000 else tight
    thetas = sde.THETAS[name.split("-")[0]](schedule.num_steps)
    assert_close(thetas, root + "thetas", tight)
    sigmas = float(schedule.max_sigma) * np.sqrt(2 * thetas)
    assert_close(sigmas, root + "sigmas", tight)
    theta_bar = GOLDEN[root + "thetas_cumsum"] * GOLDEN[root + "dt"]
    assert np.abs(schedule.theta_bar - theta_bar).max() <= tight * theta_bar.max()
    steps = jnp.arange(schedule.num_steps + 1)
    stds = jax.vmap(sde.marginal_std, (None, 0))(schedule, steps)
    assert_close(stds, root + "sigma_bars", tight)

    ts = GOLDEN[root + "t"]
    x0, mu, x, noise = (golden(root + key) for key in ("x0", "mu", "xt", "noise"))
    assert_close(
        at_steps(lambda t: jnp.exp(-schedule.theta_bar[t]), ts), root + "weights", tight
    )

    def mean(t):
        return sde.marginal_mean(schedule, x0, mu, t)

    def score(t):
        return sde.noise_to_score(schedule, noise, t)

    def sde_drift(t):
        return sde.reverse_sde_drift(schedule, x, mu, score(t), t, t - 1)

    def ode_drift(t):
        return sde.reverse_ode_drift(schedule, x, mu, score(t), t, t - 1)

    def optimum(t):
        return sde.optimal_reverse_state(schedule, x, x0, mu, t, t - 1)

    def real_noise(t):
        return sde.x0_to_noise(schedule, x, x0, mu, t)

    zero = jnp.zeros_like(x)
    quantities = {
        "mu_bar": (mean, tight),
        "forward_drift": (
            lambda t: sde.reverse_sde_drift(schedule, x, mu, zero, t, t - 1),
            drift,
        ),
        "score_from_noise": (score, tight),
        "sde_reverse_drift": (sde_drift, drift),
        "ode_reverse_drift": (ode_drift, drift),
        "reverse_sde_step_mean": (lambda t: x - sde_drift(t), tight),
        "reverse_ode_step": (lambda t: x - ode_drift(t), tight),
        "reverse_optimum_step": (optimum, tight),
        "init_state_from_noise": (
            lambda t: sde.noise_to_x0(schedule, x, mu, noise, t),
            tight,
        ),
        "posterior_mean": (
            lambda t: losses.exact_step_mean(schedule, x, mu, noise, t),
            tight,
        ),
        "reverse_optimum_std": (lambda t: sde.posterior_std(schedule, t, t - 1), tight),
        "real_noise": (real_noise, tight),
        "real_score": (
            lambda t: sde.noise_to_score(schedule, real_noise(t), t),
            tight,
        ),
    }
    for key, (quantity, tolerance) in quantities.items():
        assert_close(at_steps(quantity, ts), root + key, tolerance)


@pytest.mark.parametrize("name", names("denoising"))
def test_denoising_kernels(name):
    schedule, root = schedule_of(name), f"denoising/{name}/"
    sigmas = GOLDEN[root + "optimal_timestep_sigma"] / 255
    starts = [sde.start_step(schedule, float(sigma)) for sigma in sigmas]
    np.testing.assert_array_equal(starts, GOLDEN[root + "optimal_timestep"])

    ts = GOLDEN[root + "t"]
    x0, x, noise = (golden(root + key) for key in ("x0", "xt", "noise"))

    def drift(kernel, t):
        mean, _ = sde.mean_and_x0(schedule, x, None, noise, t)
        score = sde.noise_to_score(schedule, noise, t)
        return kernel(schedule, x, mean, score, t, t - 1)

    quantities = {
        "sde_reverse_drift": (lambda t: drift(sde.reverse_sde_drift, t), 2e-4),
        "ode_reverse_drift": (lambda t: drift(sde.reverse_ode_drift, t), 2e-4),
        "reverse_sde_step_mean": (lambda t: x - drift(sde.reverse_sde_drift, t), 2e-5),
        "reverse_ode_step": (lambda t: x - drift(sde.reverse_ode_drift, t), 2e-5),
        "reverse_optimum_step": (
            lambda t: sde.optimal_reverse_state(schedule, x, x0, x0, t, t - 1),
            2e-5,
        ),
        "init_state_from_noise": (
            lambda t: sde.mean_and_x0(schedule, x, None, noise, t)[1],
            2e-5,
        ),
    }
    for key, (quantity, tolerance) in quantities.items():
        assert_close(at_steps(quantity, ts), root + key, tolerance)


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
    init, step = SOLVERS[solver]

    def body(carry, inputs):
        (x, memory), (t, z) = carry, inputs
        noise = noise_fn(schedule, x, mu, jnp.full(x.shape[:1], t))
        return step(memory, schedule, x, mu, noise, z, t, t - 1), None

    steps = (jnp.arange(100, 0, -1), fresh)
    (x, _), _ = jax.lax.scan(body, (start, init(start)), steps)
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

    given = (schedule, network, x, x0, mu, noise, t)
    for norm in ("l1", "l2"):
        loss = losses.max_likelihood_loss_at(*given, form="euler", norm=norm)
        np.testing.assert_allclose(loss, GOLDEN[f"loss/{norm}"], rtol=1e-5)
    loss = losses.noise_loss_at(*given, norm="l1")
    np.testing.assert_allclose(loss, GOLDEN["loss/noise_l1"], rtol=1e-5)
