"""Holes, the smooth surface over them, and the process that starts from it."""

import logging

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from one_conv import make, photo
from PIL import Image

from irsde_jax import losses, processes, samplers, sde
from irsde_jax.processes import holes
from irsde_jax.restoration.files import runner

pytestmark = pytest.mark.core

SCHEDULE = sde.make_schedule(100, 30 / 255)
PROCESS = processes.make_process("inpainting", SCHEDULE, "v")
SOLVERS = [s for s in samplers.SOLVERS if processes.allows(PROCESS, s)]


def masked(shape=(24, 31, 3), seed=0):
    """A clean image below white, where it has holes, and it with them."""
    generator = np.random.default_rng(seed)
    clean = generator.uniform(0.1, 0.9, shape).astype(np.float32)
    hole = np.zeros(shape[:2], bool)
    hole[4:15, 6:20] = hole[20:, 28:] = True  # one inside, one in a corner
    return clean, hole, np.where(hole[..., None], np.float32(holes.HOLE), clean)


def harmonic(image, hole):
    """What is the mean of its neighbours at every pixel of a hole: a linear system."""
    places = {tuple(place): number for number, place in enumerate(np.argwhere(hole))}
    matrix, right = np.eye(len(places)), np.zeros((len(places), image.shape[-1]))
    for (row, column), number in places.items():
        beside = [(row - 1, column), (row + 1, column), (row, column - 1)]
        beside = [
            (y, x)
            for y, x in (*beside, (row, column + 1))
            if 0 <= y < hole.shape[0] and 0 <= x < hole.shape[1]
        ]
        for place in beside:
            if place in places:
                matrix[number, places[place]] -= 1 / len(beside)
            else:
                right[number] += image[place] / len(beside)
    filled = image.copy()
    filled[hole] = np.linalg.solve(matrix, right)
    return filled


class TestFill:
    def test_is_nearly_the_harmonic_function_and_leaves_the_rest(self):
        clean, hole, degraded = masked()
        filled = np.asarray(holes.fill_smoothly(jnp.asarray(degraded)))
        np.testing.assert_array_equal(filled[~hole], clean[~hole])
        expected = harmonic(clean, hole)
        error, of_white = (
            np.sqrt(np.square(image - expected)[hole].mean())
            for image in (filled, degraded)
        )
        assert error < 0.04 * of_white

    def test_stays_between_the_extremes_of_what_is_known(self):
        clean, hole, degraded = masked()
        filled = np.asarray(holes.fill_smoothly(jnp.asarray(degraded)))
        low, high = clean[~hole].min(axis=0), clean[~hole].max(axis=0)
        assert (filled >= low - 1e-6).all()
        assert (filled <= high + 1e-6).all()

    def test_does_not_look_at_what_is_in_a_hole_of_any_size(self):
        """One known corner gives its colour to the whole image."""
        image = np.full((37, 64, 3), holes.HOLE, np.float32)
        image[-1, 0] = (0.2, 0.4, 0.6)
        filled = holes.fill_smoothly(jnp.asarray(image))
        chex.assert_trees_all_close(
            filled, jnp.broadcast_to(image[-1, 0], image.shape), atol=1e-6
        )

    @pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9, 3), (5, 1, 1), (6, 7, 5)])
    def test_of_nothing_but_a_hole_is_grey(self, shape):
        filled = holes.fill_smoothly(jnp.ones(shape))
        np.testing.assert_array_equal(filled, np.full(shape, 0.5))

    def test_a_pixel_that_is_white_in_one_channel_is_no_hole(self):
        image = np.full((4, 4, 3), 0.5, np.float32)
        image[1, 1] = (1, 1, 0.99)
        np.testing.assert_array_equal(holes.fill_smoothly(jnp.asarray(image)), image)


class TestProcess:
    def prepared(self):
        clean, hole, degraded = masked()
        return clean, hole, processes.prepare(PROCESS, jnp.asarray(degraded)[None])

    def restore(self, network, solver, num_evals=5):
        clean, hole, given = self.prepared()
        restored = processes.restore(
            jax.random.key(0),
            PROCESS,
            SCHEDULE,
            network,
            given,
            solver=solver,
            timesteps=samplers.timestep_grid(SCHEDULE, num_evals),
        )
        return clean, hole, np.asarray(restored[0])

    @pytest.mark.parametrize("solver", SOLVERS)
    def test_what_is_known_comes_back_whatever_the_network_says(self, solver):
        """Solvers whose last step is exact; Euler's lands near it."""
        wild = lambda x, mu, t: 3 * jnp.cos(40 * x + mu)  # noqa: E731
        clean, hole, restored = self.restore(wild, solver)
        atol = 0.2 if solver.startswith("euler") else 1e-5
        np.testing.assert_allclose(restored[~hole], clean[~hole], atol=atol)
        assert np.abs(restored - clean)[hole].max() > 0.3

    def test_an_exact_network_restores_by_one_evaluation(self):
        clean, _, given = self.prepared()

        def exact(x, seen, t):
            """cos(phi) noise - sin(phi) (x_0 - mu) / lambda; see sde."""
            np.testing.assert_array_equal(seen, given.state)
            noise = sde.x0_to_noise(SCHEDULE, x, clean, given.mean, t[0])
            cosine = jnp.exp(-SCHEDULE.theta_bar[t[0]])
            sine = sde.marginal_std(SCHEDULE, t[0]) / SCHEDULE.max_sigma
            return cosine * noise - sine * (clean - given.mean) / SCHEDULE.max_sigma

        _, _, restored = self.restore(exact, "mr_ode_1", 1)
        np.testing.assert_allclose(restored, clean, atol=2e-4)

    def test_the_start_is_near_the_filled_image(self):
        """A v of 0 leaves the mean, and a share delta of the start's noise."""
        _, _, given = self.prepared()
        still = lambda x, mu, t: jnp.zeros_like(x)  # noqa: E731
        _, _, restored = self.restore(still, "mr_ode_1", 1)
        np.testing.assert_allclose(restored, given.mean[0], atol=5 * 0.005 * 30 / 255)

    @pytest.mark.parametrize("name", losses.LOSSES)
    def test_only_holes_teach(self, name):
        """Where the noise is known it has no gradient."""
        clean, hole, given = self.prepared()

        def loss(output):
            each = processes.training_loss(
                losses.make_loss(name, "l2"),
                PROCESS,
                jax.random.split(jax.random.key(1), 1),
                SCHEDULE,
                lambda x, mu, t: output,
                x0=jnp.asarray(clean)[None],
                degraded=given.state,
            )
            return each.values.mean()

        gradient = np.asarray(jax.grad(loss)(jnp.zeros(given.state.shape))[0])
        np.testing.assert_array_equal(gradient[~hole], 0)
        assert (np.abs(gradient[hole]) > 0).mean() > 0.99


class TestRestorer:
    def test_an_image_without_a_hole_is_returned_with_a_warning(self, caplog):
        image = 0.9 * photo()
        with caplog.at_level(logging.WARNING):
            restored = make(process="inpainting")(image)
        np.testing.assert_allclose(restored, image, atol=1e-5)
        (record,) = caplog.records
        assert "no hole" in record.getMessage()
        assert "PNG" in record.getMessage()

    def test_eight_bits_outside_holes_are_kept_to_the_bit(self, caplog):
        image = (255 * 0.9 * photo()).astype(np.uint8)
        image[3:7, 2:6] = 255
        restored = make(process="inpainting")(image)
        outside = (image != 255).any(axis=-1)
        np.testing.assert_array_equal(restored[outside], image[outside])
        assert (restored != image)[~outside].mean() > 0.5
        assert not caplog.records

    def test_holes_of_arrays_do_not_grow(self):
        """Test sets mark them exactly: rims and nearly white pixels are kept."""
        image = (255 * 0.9 * photo((16, 16, 3))).astype(np.uint8)
        image[2:12, 2:12], image[4:10, 4:10] = 200, 255
        image[13:, :] = 254
        restored = make(process="inpainting")(image)
        outside = (image != 255).any(axis=-1)
        np.testing.assert_array_equal(restored[outside], image[outside])
        np.testing.assert_array_equal(np.argwhere(~outside)[[0, -1]], [[4, 4], [9, 9]])

    @pytest.mark.parametrize("suffix", ["png", "jpg"])
    def test_holes_in_jpeg_files_are_a_warning(
        self, suffix, tmp_path, caplog, monkeypatch
    ):
        image = (255 * 0.9 * photo((16, 16, 3))).astype(np.uint8)
        image[:, :8] = 255
        Image.fromarray(image).save(tmp_path / f"in.{suffix}")
        restorer = make(process="inpainting")
        monkeypatch.setattr(runner, "open_restorer", lambda *_: restorer)
        runner.run(None, None, "any", tmp_path / f"in.{suffix}", tmp_path / "out")
        assert (tmp_path / "out" / f"in.{suffix}").exists()
        assert any("JPEG" in text for text in caplog.messages) == (suffix == "jpg")
