"""Degradations: statistics and bad input."""

import chex
import jax
import jax.numpy as jnp
from absl.testing import parameterized

from irsde_jax.data import degradations


class DegradationTest(chex.TestCase):
    def test_gaussian_noise_has_its_level_and_is_not_clipped(self):
        degrade = degradations.make_degradation("gaussian_noise", sigma=0.2)
        image = jnp.ones((200, 200, 3))
        noise = jax.jit(degrade)(jax.random.key(0), image) - image
        self.assertLess(abs(noise.mean()), 5 * 0.2 / noise.size**0.5)
        error = abs(noise.var() / 0.04 - 1)
        self.assertLess(error, 5 * (2 / noise.size) ** 0.5)
        self.assertGreater(noise.max(), 0.5)

    def test_paired_degrades_nothing(self):
        self.assertIsNone(degradations.make_degradation("paired", sigma=25 / 255))

    @parameterized.parameters(
        (dict(name="gausian_noise"), "gaussian_noise.*paired"),
        (dict(name="gaussian_noise", sigma=25), "25 / 255"),
    )
    def test_wrong_setting_is_a_clear_error(self, options, message):
        with self.assertRaisesRegex(ValueError, message):
            degradations.make_degradation(**options)
