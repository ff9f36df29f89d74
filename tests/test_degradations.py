"""Degradations by name: what holds for all of them, and bad input."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import parameterized

from irsde_jax.data import degradations
from irsde_jax.data.degradations import DEGRADATIONS, make_degradation

SIZE = 32
DETERMINISTIC = ("bicubic", "expand_mask", "nearest")
UNCLIPPED = ("gaussian_noise",)
COMPOSED = "gaussian_blur+bicubic+gaussian_noise"


@functools.cache
def picture(height=SIZE, width=SIZE) -> jax.Array:
    """Dark and bright squares, neither black nor white, with some texture."""
    # It is remembered, so it must not be a part of a program that is being traced.
    with jax.ensure_compile_time_eval():
        rows, columns = jnp.mgrid[:height, :width]
        squares = 0.2 + 0.5 * ((rows // 8 + columns // 8) % 2)
        colours = squares[..., None] * jnp.array([0.8, 1.0, 0.9])
        noise = jax.random.uniform(jax.random.key(7), colours.shape)
        return colours + 0.05 * noise


class DegradationTest(chex.TestCase):
    def test_gaussian_noise_has_its_level_and_is_not_clipped(self):
        degrade = make_degradation("gaussian_noise", sigma=0.2)
        image = jnp.ones((200, 200, 3))
        noise = jax.jit(degrade)(jax.random.key(0), image) - image
        self.assertLess(abs(noise.mean()), 5 * 0.2 / noise.size**0.5)
        error = abs(noise.var() / 0.04 - 1)
        self.assertLess(error, 5 * (2 / noise.size) ** 0.5)
        self.assertGreater(noise.max(), 0.5)

    def test_a_pair_of_noise_levels_is_a_range_to_draw_from(self):
        degrade = make_degradation("gaussian_noise", sigma=(0.1, 0.3))
        keys = jax.random.split(jax.random.key(0), 100)
        noise = jax.vmap(degrade, in_axes=(0, None))(keys, jnp.zeros((40, 40, 1)))
        stds = noise.std(axis=(1, 2, 3))
        self.assertLess(abs(stds.mean() - 0.2), 5 * 0.2 / 12**0.5 / 10)
        self.assertGreater(stds.min(), 0.09)
        self.assertLess(stds.max(), 0.33)
        self.assertGreater(stds.max() - stds.min(), 0.15)

    def test_paired_degrades_nothing(self):
        self.assertIsNone(make_degradation("paired", sigma=25 / 255))

    def test_what_was_set_of_it_is_told(self):
        told = degradations.describe("haze + gaussian_noise", sigma=0.1, beta=(1, 2))
        self.assertEqual(told, "haze + gaussian_noise with sigma=0.1, beta=(1, 2)")
        self.assertEqual(degradations.describe("haze", sigma=0.1), "haze")

    def test_a_composition_is_its_parts_one_after_the_other(self):
        composed = make_degradation("expand_mask+gaussian_noise", sigma=0.1, keep=0.5)
        key, image = jax.random.key(3), picture()
        mask_key, noise_key = jax.random.split(key)
        masked = DEGRADATIONS["expand_mask"](mask_key, image, keep=0.5)
        noisy = DEGRADATIONS["gaussian_noise"](noise_key, masked, sigma=0.1)
        chex.assert_trees_all_close(composed(key, image), noisy, atol=1e-6)

    @parameterized.parameters(
        (dict(name="gausian_noise"), "gaussian_noise.*paired"),
        (dict(name="haze+fog"), "'fog'.*haze.*heavy_rain"),
        (dict(name="haze+paired"), "'paired'.*degraded already"),
        (dict(name="gaussian_noise"), "needs the option 'sigma'"),
        (dict(name="gaussian_noise", sigma=25), "25 / 255"),
        (dict(name="gaussian_noise", sigma=(0, 50)), "50 / 255"),
        (dict(name="gaussian_noise", sigma=0.1, factor=4), "no option 'factor'.*sigma"),
        (dict(name="haze", betta=1.0), "no option 'betta'.*airlight.*beta"),
    )
    def test_wrong_setting_is_a_clear_error(self, options, message):
        with self.assertRaisesRegex(ValueError, message):
            degradations.make_degradation(**options)


@pytest.mark.parametrize("name", [*DEGRADATIONS, COMPOSED])
def test_every_degradation_runs_in_a_train_step(name):
    """Compiled and mapped over examples: a function of the key, of the same size."""
    degrade = make_degradation(name, sigma=25 / 255)  # as every configuration has it
    key, other, third = jax.random.split(jax.random.key(0), 3)
    image = picture()
    images = jnp.stack([image] * 3 + [jnp.ones_like(image)])
    keys = jnp.stack([key, key, other, third])
    degraded = jax.jit(jax.vmap(degrade))(keys, images)
    chex.assert_equal_shape([degraded, images])
    assert degraded.dtype == images.dtype
    chex.assert_tree_all_finite(degraded)
    chex.assert_trees_all_equal(degraded[0], degraded[1])
    is_same = bool(jnp.array_equal(degraded[0], degraded[2]))
    assert is_same == (name in DETERMINISTIC)
    assert 1e-5 < jnp.mean((degraded[0] - image) ** 2) < 0.5
    if not name.endswith(UNCLIPPED):
        assert degraded.min() >= 0
        assert degraded.max() <= 1 + 1e-6


@pytest.mark.parametrize("name", [*DEGRADATIONS, COMPOSED])
def test_grey_images_of_odd_sizes(name):
    degrade = make_degradation(name, sigma=25 / 255)
    image = jax.ShapeDtypeStruct((21, 34, 1), jnp.float32)
    degraded = jax.eval_shape(degrade, jax.random.key(0), image)
    assert degraded.shape == image.shape
    assert degraded.dtype == image.dtype


@pytest.mark.parametrize(
    ("name", "option", "levels"),
    [
        ("gaussian_noise", "sigma", (0.0, 0.1, 0.2)),
        ("haze", "beta", (0.0, 0.5, 1.5)),
        ("heavy_rain", "density", (0.0, 3.0, 12.0)),
        ("shadow", "light", (1.0, 0.7, 0.2)),
    ],
)
def test_severity_rises_with_its_level_from_nothing(name, option, levels):
    others = {"veil": 0.0} if "rain" in name else {}
    keys = jax.random.split(jax.random.key(1), 4)

    @jax.jit
    @jax.vmap
    def error(level):
        degrade = functools.partial(DEGRADATIONS[name], **{option: level}, **others)
        degraded = jax.vmap(degrade, in_axes=(0, None))(keys, picture())
        return jnp.mean((degraded - picture()) ** 2)

    # A tint is not a shadow: colours are left out of what must be nothing.
    none, some, much = np.asarray(error(jnp.array(levels)))
    assert none < (1e-3 if name == "shadow" else 1e-10)
    assert 1e-4 < some < much
