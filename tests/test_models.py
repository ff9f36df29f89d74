"""The networks: shapes, variants, types, and the layers they are built from."""

import functools
import math
import pathlib

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import absltest, parameterized
from quick_compilation import quick_jit

from irsde_jax.models import (
    MODELS,
    ConditionalNAFNet,
    ConditionalUNet,
    depthwise,
    layers,
    make_model,
    nafnet,
)

pytestmark = pytest.mark.core

SMALL = {
    "unet": dict(features=4, depth=1),
    "nafnet": dict(width=4, enc_blocks=(1,), dec_blocks=(1,)),
}
DEEP = {
    "unet": dict(depth=2),
    "nafnet": dict(enc_blocks=(0, 1, 0), dec_blocks=(0, 0, 1)),
}


def small_model(name, **options):
    return make_model(name, **(SMALL[name] | options))


@functools.cache
def compiled_apply(model):
    """`model.apply`, compiled once for all tests that share a model and a shape."""
    return quick_jit(model.apply)


def images(*shape, seed=0):
    return jax.random.uniform(jax.random.key(seed), shape)


def param_shapes(model, channels=3):
    image = jax.ShapeDtypeStruct((1, 2, 2, channels), jnp.float32)
    t = jax.ShapeDtypeStruct((1,), jnp.int32)
    return jax.eval_shape(model.init, jax.random.key(0), image, image, t)["params"]


def random_params(model, channels=3):
    """Parameters that are all away from zero, drawn without compiling `init`."""
    leaves, tree = jax.tree.flatten(param_shapes(model, channels))
    rng = np.random.default_rng(0)
    return tree.unflatten(
        [rng.normal(0.0, 0.3, leaf.shape).astype(np.float32) for leaf in leaves]
    )


class MakeModelTest(parameterized.TestCase):
    def test_options_may_come_from_a_configuration(self):
        model = make_model(
            "nafnet", width=8, enc_blocks=[1, 2], dec_blocks=[1, 1], dtype="bfloat16"
        )
        expected = ConditionalNAFNet(
            width=8, enc_blocks=(1, 2), dec_blocks=(1, 1), dtype=jnp.bfloat16
        )
        self.assertEqual(model, expected)
        self.assertIs(make_model("unet", dtype="float32").dtype, jnp.float32)
        self.assertEqual(make_model("unet", dtype=jnp.bfloat16).dtype, jnp.bfloat16)

    @parameterized.parameters(
        (("resnet", {}), "'nafnet', 'unet'"),
        (("unet", {"feature": 8}), "'depth'.*Did you mean 'features'"),
        (("unet", {"parent": None}), "no option 'parent'"),
        (("unet", {"dtype": "float16"}), "'bfloat16', 'float32'"),
        (("unet", {"features": 7}), "even.*got 7"),
        (("unet", {"depth": 0}), "depth=0"),
        (("nafnet", {"width": 2}), "at least 4, got 2"),
        (("nafnet", {"enc_blocks": [1, 1]}), "per level"),
    )
    def test_a_slip_is_an_error_that_helps(self, arguments, message):
        name, options = arguments
        with self.assertRaisesRegex(ValueError, message):
            make_model(name, **options)


class NetworkTest(parameterized.TestCase):
    @parameterized.parameters((ConditionalUNet(), 137.15), (ConditionalNAFNet(), 76.6))
    def test_parameter_count_is_the_published_one(self, model, millions):
        leaves = jax.tree.leaves(param_shapes(model))
        count = sum(math.prod(leaf.shape) for leaf in leaves)
        self.assertAlmostEqual(count / 1e6, millions, delta=0.01)
        self.assertEqual({leaf.dtype for leaf in leaves}, {jnp.dtype(jnp.float32)})

    @parameterized.product(
        name=tuple(MODELS),
        size=((1, 1), (1, 5), (7, 3), (16, 16)),
        channels=(1, 5),
        conditional=(True, False),
    )
    def test_output_has_the_shape_of_the_image(self, name, size, channels, conditional):
        options = dict(channels=channels, conditional=conditional)
        model = small_model(name, **DEEP[name], **options)
        image = jax.ShapeDtypeStruct((2, *size, channels), jnp.float32)
        t = jax.ShapeDtypeStruct((2,), jnp.int32)
        out, _ = jax.eval_shape(
            model.init_with_output, jax.random.key(0), image, image, t
        )
        chex.assert_trees_all_equal_shapes_and_dtypes(out, image)

    @parameterized.product(name=tuple(MODELS), size=((1, 1), (1, 5), (7, 3)))
    def test_output_is_finite_for_tiny_images(self, name, size):
        model = small_model(name)
        x, mu = images(1, *size, 3), images(1, *size, 3, seed=1)
        params = random_params(model)
        out = compiled_apply(model)({"params": params}, x, mu, jnp.array([3]))
        chex.assert_shape(out, x.shape)
        chex.assert_tree_all_finite(out)

    @parameterized.parameters(*MODELS)
    def test_bfloat16_stays_near_float32(self, name):
        x, mu, t = images(2, 8, 8, 3), images(2, 8, 8, 3, seed=1), jnp.array([1, 90])
        wide, narrow = small_model(name), small_model(name, dtype="bfloat16")
        chex.assert_trees_all_equal(param_shapes(wide), param_shapes(narrow))
        params = random_params(wide)
        expected = compiled_apply(wide)({"params": params}, x, mu, t)
        out = compiled_apply(narrow)({"params": params}, x, mu, t)
        self.assertEqual(out.dtype, jnp.float32)
        error = jnp.abs(out - expected).max() / jnp.abs(expected).max()
        self.assertLess(error, 0.05)
        self.assertGreater(error, 1e-5)  # it did compute in another type

    @parameterized.parameters(*MODELS)
    def test_remat_changes_nothing_but_memory(self, name):
        x, mu, t = images(1, 4, 4, 3), images(1, 4, 4, 3, seed=1), jnp.array([7.0])
        least = dict(middle_blocks=0, dec_blocks=(0,)) if name == "nafnet" else {}
        plain = small_model(name, **least)
        remat = small_model(name, **least, remat=True)
        chex.assert_trees_all_equal(param_shapes(plain), param_shapes(remat))
        params = random_params(plain)

        def loss_and_gradient(model):
            def loss(params):
                return jnp.abs(model.apply({"params": params}, x, mu, t)).sum()

            return jax.value_and_grad(loss)

        self.assertIn("remat", str(jax.make_jaxpr(loss_and_gradient(remat))(params)))
        expected = quick_jit(loss_and_gradient(plain))(params)
        found = quick_jit(loss_and_gradient(remat))(params)
        scale = jax.tree.map(lambda leaf: jnp.abs(leaf).max() + 1e-6, expected)
        relative = jax.tree.map(jnp.divide, (found, expected), (scale, scale))
        chex.assert_trees_all_close(*relative, atol=1e-4)

    @parameterized.parameters(*MODELS)
    def test_the_denoising_variant_ignores_mu(self, name):
        model = small_model(name, conditional=False)
        x = jax.ShapeDtypeStruct((1, 4, 4, 3), jnp.float32)
        t = jax.ShapeDtypeStruct((1,), jnp.int32)
        variables = {"params": param_shapes(model)}
        out = jax.eval_shape(
            lambda v, x, t: model.apply(v, x, None, t), variables, x, t
        )
        chex.assert_trees_all_equal_shapes(out, x)

    def test_an_image_does_not_depend_on_its_batch(self):
        model = small_model("nafnet")
        x, mu, t = images(2, 8, 8, 3), images(2, 8, 8, 3, seed=1), jnp.array([1, 90])
        params, apply = random_params(model), compiled_apply(model)
        both = apply({"params": params}, x, mu, t)
        last = apply({"params": params}, x[::-1], mu[::-1], t[::-1])[0]
        chex.assert_trees_all_close(both[1], last, atol=1e-5)

    def test_nafnet_blocks_start_closed(self):
        def openings(x, time):
            params = nafnet.NAFBlock().init(jax.random.key(0), x, time)["params"]
            return params["beta"], params["gamma"]

        found = quick_jit(openings)(jnp.ones((1, 2, 2, 4)), jnp.ones((1, 16)))
        chex.assert_trees_all_equal(found, (jnp.zeros(4), jnp.zeros(4)))

    def test_wrong_images_are_errors(self):
        model, image = small_model("unet"), jnp.zeros((1, 4, 4, 3))
        init, key, t = model.init, jax.random.key(0), jnp.array([1])
        with self.assertRaisesRegex(ValueError, "`channels`"):
            jax.eval_shape(init, key, image[..., :1], image[..., :1], t)
        with self.assertRaisesRegex(ValueError, "not equal"):
            jax.eval_shape(init, key, image, image[:, :2], t)


class LayersTest(parameterized.TestCase):
    def test_time_embedding_has_its_end_points(self):
        out = layers.time_embedding(jnp.array([0, 2]), 6)
        chex.assert_trees_all_close(out[0], np.array([0.0, 0, 0, 1, 1, 1]))
        angles = 2 * np.array([1.0, 1e-2, 1e-4])
        expected = np.concatenate([np.sin(angles), np.cos(angles)])
        chex.assert_trees_all_close(out[1], expected.astype(np.float32), atol=1e-7)

    @parameterized.product(height=(1, 2, 3, 8), width=(1, 5))
    def test_reflection_is_that_of_numpy(self, height, width):
        x = np.asarray(images(1, height, width, 2))
        out = layers.pad_to_multiple(x, 8, "reflect")
        widths = ((0, 0), (0, -height % 8), (0, -width % 8), (0, 0))
        chex.assert_trees_all_equal(np.asarray(out), np.pad(x, widths, "reflect"))
        chex.assert_trees_all_equal(
            np.asarray(layers.pad_to_multiple(x, 8, "zero")), np.pad(x, widths)
        )

    def test_unknown_padding_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "'reflect', 'zero'"):
            layers.pad_to_multiple(images(1, 3, 3, 1), 2, "edge")

    def test_channel_norm_is_layer_norm_even_in_bfloat16(self):
        # With an offset this large, bfloat16 statistics would lose everything.
        x = (images(1, 2, 2, 64) + 100.0).astype(jnp.bfloat16)
        out = layers.ChannelNorm().apply({"params": {"gain": jnp.full(64, 2.0)}}, x)
        wide = x.astype(jnp.float32)
        norm = nn.LayerNorm(epsilon=1e-5, use_bias=False, use_fast_variance=False)
        expected = 2.0 * norm.apply({"params": {"scale": jnp.ones(64)}}, wide)
        self.assertEqual(out.dtype, jnp.bfloat16)
        chex.assert_trees_all_close(out.astype(jnp.float32), expected, rtol=1e-2)

    def test_downsample_is_a_strided_convolution(self):
        x, kernel = images(2, 6, 4, 3), images(2, 2, 3, 6, seed=1)
        out = nafnet.Downsample().apply(
            {"params": {"kernel": kernel, "bias": jnp.ones(6)}}, x
        )
        expected = 1 + jax.lax.conv_general_dilated(
            x, kernel, (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        chex.assert_trees_all_close(out, expected, rtol=1e-5)


class DepthwiseTest(parameterized.TestCase):
    @staticmethod
    def grouped(x, kernel):
        return jax.lax.conv_general_dilated(
            x,
            kernel,
            (1, 1),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=x.shape[-1],
        )

    @parameterized.parameters((2, 5, 7, 4), (1, 1, 1, 3), (3, 2, 1, 2))
    def test_value_and_gradients_are_those_of_the_grouped_convolution(self, *shape):
        x, gradient = images(*shape), images(*shape, seed=1)
        kernel = images(3, 3, 1, shape[-1], seed=2)
        expected, expected_vjp = jax.vjp(self.grouped, x, kernel)
        found, vjp = jax.vjp(depthwise.depthwise_conv, x, kernel)
        chex.assert_trees_all_close(found, expected, rtol=1e-5)
        found, expected = quick_jit(vjp)(gradient), expected_vjp(gradient)
        chex.assert_trees_all_close(found, expected, rtol=1e-5, atol=1e-6)

    def test_both_kernel_gradients_agree(self):
        x, gradient = images(2, 4, 6, 3), images(2, 4, 6, 3, seed=1)
        chex.assert_trees_all_close(
            quick_jit(depthwise._kernel_gradient)(x, gradient),
            quick_jit(depthwise._kernel_gradient_by_rows)(x, gradient),
            rtol=1e-5,
        )

    def test_vmap_of_the_gradient_is_a_loop(self):
        x, kernel = images(3, 2, 4, 4, 2), images(3, 3, 1, 2)

        def gradient(x):
            return jax.grad(
                lambda kernel: (depthwise.depthwise_conv(x, kernel) ** 2).sum()
            )(kernel)

        found = quick_jit(jax.vmap(gradient))(x)
        expected = quick_jit(lambda x: jax.lax.map(gradient, x))(x)
        chex.assert_trees_all_close(found, expected, rtol=1e-5)

    def test_bfloat16_sums_in_float32(self):
        x, kernel = images(1, 16, 16, 2).astype(jnp.bfloat16), images(3, 3, 1, 2)
        wide = x.astype(jnp.float32)
        out, vjp = jax.vjp(depthwise.depthwise_conv, x, kernel)
        expected, expected_vjp = jax.vjp(self.grouped, wide, kernel)
        self.assertEqual(out.dtype, jnp.bfloat16)
        chex.assert_trees_all_equal(out, expected.astype(jnp.bfloat16))
        gradient = images(1, 16, 16, 2, seed=1).astype(jnp.bfloat16)
        x_gradient, found = quick_jit(vjp)(gradient)
        self.assertEqual(x_gradient.dtype, jnp.bfloat16)
        expected = expected_vjp(gradient.astype(jnp.float32))[1]
        chex.assert_trees_all_close(found, expected, rtol=1e-6)


class BoundaryTest(absltest.TestCase):
    def test_models_know_nothing_of_the_sde(self):
        folder = pathlib.Path(layers.__file__).parent
        for path in folder.glob("*.py"):
            self.assertNotIn("irsde_jax.sde", path.read_text(), msg=path.name)
