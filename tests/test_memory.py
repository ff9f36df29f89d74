"""The estimate of memory against XLA's own count."""

import functools

import jax
import jax.numpy as jnp
import pytest
import tiny_weights

from irsde_jax import configuration, models
from irsde_jax.restoration import costs, memory, programs
from irsde_jax.restoration.configured import make_network
from irsde_jax.restoration.memory_estimates import abstract_arguments
from irsde_jax.restoration.restorer import Restorer
from irsde_jax.samplers import tiling


def restorer(**model):
    config = configuration.load("deraining").unlock()
    config.model = dict(channels=3, dtype="float32", remat=False, **model)
    config.sampling.num_evals = 3
    network = make_network(config)
    return Restorer.from_config(
        config, models.init_params(network, jax.random.key(0)), network
    )


unet = functools.partial(restorer, name="unet", features=8, depth=2)
nafnet = functools.partial(
    restorer, name="nafnet", width=4, enc_blocks=(1,), middle_blocks=0, dec_blocks=(0,)
)


@pytest.mark.parametrize("tiles", [None, tiling.make_tiles(32)])
@pytest.mark.parametrize("make", [unet, nafnet])
def test_is_what_xla_counts_within_a_factor_of_two(make, tiles):
    restore = make()
    shape, size = (1, 128, 96, 3), None
    if tiles is not None:
        shape, size = tiling.canvas_shape(shape, tiles), jnp.zeros(2, jnp.int32)
    lowered = programs.restore.lower(
        *abstract_arguments(restore.recipe, shape),
        size=size,
        **restore.recipe.program_options(tiles=tiles),
    )
    stats = lowered.compile().memory_analysis()
    counted = stats.argument_size_in_bytes + stats.temp_size_in_bytes
    counted += stats.output_size_in_bytes
    assert counted / 2 < restore.memory.peak((1, 128, 96), tiles) < 2 * counted


def test_counts_what_is_alive_at_once():
    x = jnp.zeros(1000)  # 4000 bytes

    def chain(x):
        for _ in range(10):
            x = jnp.sin(x)
        return x

    def together(x):
        return sum(jnp.sin(x + i) for i in range(3)) @ jnp.cos(x)

    assert memory.peak_bytes(chain, x) == 3 * 4000
    assert memory.peak_bytes(jax.jit(chain), x) == 3 * 4000
    assert memory.peak_bytes(together, x) > 3 * 4000


def test_what_nobody_uses_takes_nothing():
    def wasteful(x):
        del_me = jnp.outer(x, x)
        del del_me
        return x + 1

    assert memory.peak_bytes(wasteful, jnp.zeros(1000)) == 2 * 4000


def test_loops_count_once():
    def loop(x):
        return jax.lax.fori_loop(0, 100, lambda _, y: jnp.sin(y), x)

    assert memory.peak_bytes(loop, jnp.zeros(1000)) <= 4 * 4000


def test_a_cost_counts_what_overlaps_twice_and_every_sample():
    restore = tiny_weights.changed(nafnet(), "sampling.tile=32")
    cost = costs.estimate(restore, 56, 32, num_evals=5, num_samples=4)
    assert (cost.pixels, cost.num_evals) == (56 * 32, 20)
    assert cost.memory_bytes == restore.memory.peak((1, 56, 32), cost.tiles, 4)
    seconds = 2 * 32 * 32 * 20 * costs.seconds_per_pixel(restore)  # two tiles
    assert cost.seconds == pytest.approx(seconds)
    assert "tiles of 32" in str(cost)


def test_speed_is_the_best_of_three_measured_runs_and_measured_once(monkeypatch):
    restore, times = nafnet(), [10.0, 18.0, 20.0, 24.0, 30.0, 35.0]  # 8, 4 and 5 s
    monkeypatch.setattr(costs, "_MEASURED", {})
    monkeypatch.setattr(costs.time, "perf_counter", lambda: times.pop(0))
    expected = 4.0 / 128**2  # a square of 128 pixels
    assert costs.seconds_per_pixel(restore) == expected
    assert costs.seconds_per_pixel(restore) == expected  # the clock has run out


def test_several_samples_keep_their_mean_and_variance_as_well():
    restore, tiles = nafnet(), tiling.make_tiles(32)
    single, several = (
        restore.memory.peak((1, 600, 600), tiles, number) for number in (1, 8)
    )
    state = 4 * 600 * 600 * 3
    assert state < several - single < 12 * state


@pytest.mark.parametrize(
    "seconds, text",
    [(0.01, "1 s"), (59.0, "59 s"), (250, "4 min 10 s"), (7500, "2 h 5")],
)
def test_durations_read_well(seconds, text):
    assert costs.duration(seconds).startswith(text)
