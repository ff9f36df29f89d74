"""Tiles meet inside every step: what they give is what the whole image gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_weights
from one_conv import denoiser, make, photo

from irsde_jax import configuration, models, samplers, sde
from irsde_jax.restoration.configured import make_network
from irsde_jax.restoration.restorer import Restorer
from irsde_jax.samplers import tiling

SCHEDULE = sde.make_schedule(100, 10 / 255)
STEPS = samplers.timestep_grid(SCHEDULE, 3)
RADIUS = 3  # pixels that the network below sees to each side
SHAPES = [(37, 50), (16, 16), (16, 61)]
MORE_SHAPES = [(90, 33), (41, 40)]


def blur(x):
    """The mean over a square of 2 RADIUS + 1 pixels a side."""
    window = (1, 2 * RADIUS + 1, 2 * RADIUS + 1, 1)
    return jax.lax.reduce_window(x, 0.0, jax.lax.add, window, (1,) * 4, "SAME") / 49


def network(x, mu, t):
    """Its clean image is a blurred one; towards the border it sees zeros."""
    x0 = 0.2 + 0.5 * blur(mu) + 0.2 * jnp.tanh(blur(x - mu))
    return jax.vmap(sde.x0_to_noise, (None, 0, 0, 0, 0))(SCHEDULE, x, x0, mu, t)


def images(height, width):
    return np.random.default_rng(height).random((2, height, width, 3), np.float32)


def make_tiled(tiles, solver="mr_sde_2", network=network):
    """`restore(images)`, and the shapes that the network was traced with."""
    traces = []

    def seen(x, mu, t):
        traces.append(x.shape)
        return network(x, mu, t)

    @jax.jit
    def run(canvas, size):
        noise_fn = tiling.on_tiles(seen, tiles, size, 3)
        return samplers.sample(
            jax.random.key(5),
            SCHEDULE,
            noise_fn,
            canvas,
            solver=solver,
            timesteps=STEPS,
        )

    def restore(mu):
        canvas, size = tiling.to_canvas(mu, tiles)
        return tiling.from_canvas(np.asarray(run(canvas, size)), size, mu.shape)

    return restore, traces


def whole(mu, solver="mr_sde_2"):
    key = jax.random.key(5)
    return samplers.sample(
        key, SCHEDULE, network, jnp.asarray(mu), solver=solver, timesteps=STEPS
    )


class TestAgreement:
    @pytest.mark.parametrize(
        ("solver", "shapes"),
        [
            ("mr_sde_2", SHAPES),
            ("mr_ode_2", SHAPES[:1]),
            pytest.param("mr_sde_2", MORE_SHAPES, marks=pytest.mark.long),
        ],
    )
    def test_tiled_is_whole_if_the_overlap_holds_the_field_of_view(
        self, solver, shapes
    ):
        """The same noise too, whatever the canvas; up to the very border."""
        restore, traces = make_tiled(tiling.make_tiles(16, 8, blend=1), solver)
        for shape in shapes:
            mu = images(*shape)
            np.testing.assert_allclose(restore(mu), whole(mu, solver), atol=1e-5)
        assert set(traces) == {(2, 16, 16, 3)}

    def test_a_blend_needs_as_much_more_overlap(self):
        mu = images(37, 50)
        expected = whole(mu)
        enough, _ = make_tiled(tiling.make_tiles(32, 12, blend=5))
        np.testing.assert_allclose(enough(mu), expected, atol=1e-5)
        too_little, _ = make_tiled(tiling.make_tiles(32, 5, blend=5))
        assert np.abs(too_little(mu) - expected).max() > 1e-3

    def test_a_small_image_is_reflected_up_to_a_tile(self):
        restore, _ = make_tiled(tiling.make_tiles(16, 8, blend=1))
        mu = images(9, 40)
        reflected = np.pad(mu, [(0, 0), (0, 7), (0, 0), (0, 0)], mode="reflect")
        np.testing.assert_allclose(restore(mu), whole(reflected)[:, :9], atol=1e-5)

    def test_a_single_pixel_is_restored(self):
        restore, _ = make_tiled(tiling.make_tiles(16))
        restored = restore(images(1, 1))
        assert restored.shape == (2, 1, 1, 3)
        assert np.isfinite(restored).all()


class TestBlending:
    @pytest.mark.parametrize("side, overlap, blend", [(8, 4, 1), (8, 4, 4), (9, 3, 2)])
    def test_the_weights_of_all_tiles_add_to_one(self, side, overlap, blend):
        tiles = tiling.make_tiles(side, overlap, blend)
        ones = lambda x, mu, t: jnp.ones_like(x)  # noqa: E731
        for height, width in [(side, 3 * side), (side + 1, 41), (29, 30)]:
            canvas, size = tiling.to_canvas(images(height, width), tiles)
            on_tiles = tiling.on_tiles(ones, tiles, size, 3)
            blended = np.asarray(on_tiles(jnp.asarray(canvas), canvas, jnp.zeros(2)))
            number = height * width * 3
            np.testing.assert_allclose(blended[..., :number], 1.0, atol=1e-6)
            np.testing.assert_array_equal(blended[..., number:], 0.0)

    def test_padding_never_enters_the_network(self):
        smallest = lambda x, mu, t: jnp.full_like(x, mu.min())  # noqa: E731
        tiles = tiling.make_tiles(16)
        canvas, size = tiling.to_canvas(0.5 + images(21, 35), tiles)
        blended = tiling.on_tiles(smallest, tiles, size, 3)(canvas, canvas, None)
        assert np.asarray(blended)[..., : 21 * 35 * 3].min() >= 0.5


class TestPrograms:
    def test_images_of_many_sizes_share_few_programs(self):
        rng = np.random.default_rng(0)
        shapes = {(1, *rng.integers(100, 1000, 2), 3) for _ in range(60)}
        canvases = {tiling.canvas_shape(s, tiling.make_tiles(128)) for s in shapes}
        assert len(shapes) == 60
        assert len(canvases) <= 8

    def test_a_canvas_is_large_enough_but_not_too_large(self):
        for number in (1, 2, 3, 5, 1024, 1025):
            assert number <= tiling.canvas_length(number) <= max(2 * number, 2)
        for number in (2**23 - 1, 2**23, 2**23 + 1, 12_345_678, 72_000_000):
            assert number <= tiling.canvas_length(number) < 1.5 * number

    def test_positions_fit_into_32_bits(self):
        with pytest.raises(ValueError, match="too large"):
            tiling.canvas_length(2**31 - 10)

    @pytest.mark.parametrize(
        "side, overlap, blend", [(1, 1, 1), (16, 9, 1), (16, 8, 9)]
    )
    def test_tiles_out_of_range_are_a_clear_error(self, side, overlap, blend):
        with pytest.raises(ValueError, match=r"lies? in"):
            tiling.make_tiles(side, overlap, blend)


def small():
    """The network of `:small`, of which only the shapes are needed."""
    config = configuration.load("deraining:small").unlock()
    model = make_network(config)
    return Restorer.from_config(config, models.abstract_params(model), model)


def ddpm(**changes):
    return make(process="ddpm", schedule=dict(max_sigma=1.0), **changes)


def inpainting(**changes):
    return make(process="inpainting", **changes)


class TestRestorer:
    """`OneConv` sees a pixel, so that its tiled result is the whole one."""

    IMAGE = 0.5 * photo((70, 90, 3))
    IMAGE[10:60, 30:70] = 1.0  # a hole for inpainting, over several tiles

    @pytest.mark.parametrize(
        "maker",
        [make, denoiser, inpainting, pytest.param(ddpm, marks=pytest.mark.long)],
    )
    def test_tiles_change_nothing_for_a_network_that_sees_a_pixel(self, maker):
        restore = maker(sampling=dict(tile=0, sigma=None))
        tiled = maker(sampling=dict(tile=64, sigma=None))
        np.testing.assert_allclose(
            tiled(self.IMAGE), restore(self.IMAGE), atol=1e-5
        )  # blind where it is a denoiser

    def test_uncertainty_is_that_of_the_whole_image(self):
        whole, tiled = (
            make(sampling=dict(tile=side)).uncertainty(
                self.IMAGE, num_samples=3, chunk=2
            )
            for side in (0, 64)
        )
        np.testing.assert_allclose(tiled.std, whole.std, atol=1e-5)
        np.testing.assert_allclose(tiled.mean, whole.mean, atol=1e-5)

    def test_the_memory_decides_where_the_user_does_not(self):
        restore = small()
        assert restore.tiles(70, 90) is None
        needed = restore.memory.peak((1, 600, 600), None)
        limit = f"sampling.memory_gigabytes={0.5 * needed / 1e9}"
        restore = tiny_weights.changed(restore, limit)
        tiles = restore.tiles(600, 600)
        assert 64 <= tiles.side < 600
        assert restore.memory.peak((1, 600, 600), tiles) <= 0.5 * needed

    def test_filling_holes_counts_as_memory(self):
        """Holes are filled in the whole image, however small the tiles are."""
        restore = inpainting(sampling=dict(tile=64))
        tiles = restore.tiles(600, 600)
        plain = make(sampling=dict(tile=64)).memory.peak((1, 600, 600), tiles)
        image = 4 * 3 * 600 * 600
        assert restore.memory.peak((1, 600, 600), tiles) >= plain + image

    def test_a_large_overlap_leaves_the_large_tiles(self):
        restore = small()
        needed = restore.memory.peak((1, 600, 600), None)
        limit = f"sampling.memory_gigabytes={0.5 * needed / 1e9}"
        restore = tiny_weights.changed(restore, limit, "sampling.overlap=100")
        assert restore.tiles(600, 600).side >= 200

    def test_too_little_memory_is_refused_with_a_remedy(self):
        poor = make(sampling=dict(memory_gigabytes=1e-4))
        with pytest.raises(ValueError, match="memory_gigabytes"):
            poor(self.IMAGE)

    def test_a_strip_is_not_reflected_into_large_squares(self):
        restore = small()
        needed = restore.memory.peak((1, 65, 20_000), None)
        limit = f"sampling.memory_gigabytes={0.9 * needed / 1e9}"
        restore = tiny_weights.changed(restore, limit)
        assert restore.tiles(65, 20_000).side == 64
