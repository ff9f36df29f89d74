"""The experiments of the paper: their formulas, their walk, and the page about them."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest

from benchmarks import crops
from benchmarks.paper import __main__ as paper
from benchmarks.paper import path, runs, tables, variance
from irsde_jax import configuration, models, sde
from irsde_jax.restoration.configured import make_network
from irsde_jax.restoration.restorer import Restorer

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = (DOCS / "paper.md").read_text("utf-8")


@pytest.fixture(scope="module", params=["irsde", "denoising"])
def task(request):
    """A network that learnt nothing, and two crops."""
    config = configuration.load(runs.RUNS["denoising"][0])
    changes = runs.RUNS[request.param][1] | {"schedule.num_steps": 4}
    config.update_from_flattened_dict(changes)
    config.unlock().model = dict(
        name="nafnet", channels=3, width=4, enc_blocks=(1,), dec_blocks=(1,)
    )
    model = make_network(config)
    restorer = Restorer.from_config(
        config, models.init_params(model, jax.random.key(0)), model
    )
    clean = np.random.default_rng(0).random((2, 16, 16, 3), np.float32)
    return crops.Task(request.param, restorer, clean, 1 - clean, 3)


def test_the_walk_ends_in_what_its_last_prediction_implies(task):
    states = list(crops.walk(task, "posterior", "uniform", 3))
    assert [state.t for state in states] == [3, 2, 1, 0]
    np.testing.assert_allclose(states[-2].x0_hat, states[-1].x, atol=1e-6)
    assert np.abs(states[0].x0_hat - states[-1].x).max() > 1e-3
    restored, _ = crops.restore(task, "posterior", "uniform", 3)
    assert np.abs(restored - np.clip(states[-1].x, 0, 1)).max() < 0.51 / 255


def test_a_path_is_scored_at_every_step(task):
    found = path.follow(task, "posterior")
    np.testing.assert_array_equal(found.t, [3, 2, 1, 0])
    assert found.psnr.shape == found.ssim.shape == (4,)
    assert found.psnr[-1] == pytest.approx(found.psnr[-2], abs=1e-3)
    assert [t for t, *_ in found.strip] == [3, 2, 1, 0]


@pytest.mark.parametrize("thetas", sorted(sde.schedules.THETAS))
def test_variances_are_those_of_the_kernels(thetas):
    schedule = sde.make_schedule(100, 10 / 255, thetas)
    stds = [float(sde.marginal_std(schedule, t)) for t in range(101)]
    np.testing.assert_allclose(np.sqrt(variance.variances(schedule)), stds, rtol=1e-5)


@pytest.mark.parametrize("t", [2, 30, 60])
@pytest.mark.parametrize("rms", [0.0, 0.1])
def test_the_best_guess_is_as_often_right_as_the_formula_says(t, rms):
    schedule = sde.make_schedule(100, 10 / 255)
    std = np.sqrt(variance.variances(schedule))[[t - 1, t]]
    mean = rms * np.exp(-np.asarray(schedule.theta_bar, np.float64))[[t - 1, t]]
    divergence = variance.divergences(schedule, rms)[t - 2]
    num_values = int(np.ceil(2 / divergence))  # neither sure nor chance
    num_tries = min(4000, 40_000_000 // num_values)
    expected = float(variance.probability_right(divergence, num_values))
    assert 0.6 < expected < 0.95
    rng, right = np.random.default_rng(0), 0
    for index in range(num_tries):
        x = mean[index % 2] + std[index % 2] * rng.standard_normal(num_values)
        squares = [np.square((x - m) / s).sum() for m, s in zip(mean, std)]
        scores = [-s / 2 - num_values * np.log(d) for s, d in zip(squares, std)]
        right += int(np.argmax(scores)) == index % 2
    error = np.sqrt(expected * (1 - expected) / num_tries)
    assert abs(right / num_tries - expected) < 5 * error + 0.03  # J is not quite small


def test_steps_are_alike_from_the_first_after_the_last_that_is_not():
    assert variance.first_alike(np.array([0.9, 0.6, 0.8, 0.7, 0.6])) == 5
    assert variance.first_alike(np.array([0.6, 0.6])) == 2
    assert variance.first_alike(np.array([0.6, 0.9])) is None


def test_psnr_where_degraded_counts_no_other_pixel():
    clean = np.full((2, 16, 16, 3), 0.5)
    degraded = clean.copy()
    degraded[:, :4] = 1.0  # holes
    restored = np.zeros_like(clean)
    restored[:, :4] = 0.6
    found = tables.psnr_where_degraded(restored, clean, degraded)
    assert found == pytest.approx(20.0)


@pytest.mark.parametrize("name", sorted(runs.RUNS))
def test_runs_share_network_and_budget(name):
    setting = runs.Setting(Path("a"), (Path("b"),), Path("c"), Path("d"), 100)
    config = runs.configure(name, setting)
    first = runs.configure("denoising", setting)
    for shared in ("model", "optimizer"):
        assert config[shared] == first[shared]
    assert config.train.num_steps == 100


def test_the_page_has_a_command_for_every_experiment():
    named = re.findall(r"python -m benchmarks\.paper --experiment ([a-z0-9_]+)", PAGE)
    assert sorted(set(named)) == sorted(paper.EXPERIMENTS)


def test_the_pictures_of_the_page_exist_and_are_small():
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", PAGE)
    assert len(pictures) >= len(paper.EXPERIMENTS)
    for picture in pictures:
        assert 0 < (DOCS / picture).stat().st_size < 300_000
    assert {(DOCS / p).resolve() for p in pictures} == set(DOCS.glob("paper/*"))
