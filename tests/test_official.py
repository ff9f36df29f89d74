"""Official weights give the official outputs; files that do not fit are explained."""

import pathlib
import subprocess
import sys
import tempfile

import chex
import children
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import parameterized
from flax import traverse_util
from pytorch_files import GOLDEN, NAFNET, read_all, write
from quick_compilation import quick_jit

from irsde_jax.checkpoints import load_pytorch
from irsde_jax.checkpoints.official import read_architecture
from irsde_jax.checkpoints.official_names import official_names
from irsde_jax.models import ConditionalNAFNet, ConditionalUNet

pytestmark = pytest.mark.core

MODELS = {
    "unet": ConditionalUNet(features=8, depth=2),
    "denoising_unet": ConditionalUNet(features=8, depth=2, conditional=False),
    "nafnet": ConditionalNAFNet(**NAFNET),
    "denoising_nafnet": ConditionalNAFNet(**NAFNET, conditional=False),
}


class GoldenTest(parameterized.TestCase):
    @parameterized.product(name=tuple(MODELS), size=("even", "odd"))
    def test_output_is_the_official_one(self, name, size):
        model, params = load_pytorch(GOLDEN / f"{name}.pth")
        self.assertEqual(model, MODELS[name])
        with np.load(GOLDEN / f"{name}.npz") as golden:
            x, mu, t = (golden[f"{size}/{key}"] for key in ("x", "cond", "t"))
            expected = golden[f"{size}/out"]
        found = quick_jit(model.apply)({"params": params}, x, mu, t)
        # Float32 rounding is 5e-7 here; the tanh form of the GELU is off by 1e-5.
        chex.assert_trees_all_close(np.asarray(found), expected, atol=1e-6, rtol=0)


class LoadTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "weights.pth"

    def load(self, state):
        write(self.path, state)
        return load_pytorch(self.path)

    @parameterized.parameters(*MODELS)
    def test_parameters_are_those_of_init_in_float32(self, name):
        model, params = load_pytorch(str(GOLDEN / f"{name}.pth"))
        image, t = jnp.zeros((1, 4, 4, 3)), jnp.zeros(1)
        expected = jax.eval_shape(model.init, jax.random.key(0), image, image, t)[
            "params"
        ]
        chex.assert_trees_all_equal_shapes_and_dtypes(params, expected)

    @parameterized.parameters(*MODELS)
    def test_names_are_a_bijection(self, name):
        names = official_names(MODELS[name])
        state = read_all(GOLDEN / f"{name}.pth")
        shapes = {official: tensor.shape for official, tensor in state.items()}
        self.assertEqual({k: shape for k, (_, shape) in names.items()}, shapes)
        _, params = load_pytorch(GOLDEN / f"{name}.pth")
        paths = [path for path, _ in names.values()]
        self.assertEqual(set(paths), set(traverse_util.flatten_dict(params)))
        self.assertEqual(len(set(paths)), len(paths))

    @parameterized.parameters("unet", "denoising_nafnet")
    def test_prefix_and_precision_make_no_difference(self, name):
        state = read_all(GOLDEN / f"{name}.pth")
        _, expected = load_pytorch(GOLDEN / f"{name}.pth")
        model, params = self.load(
            {f"module.{key}": array.astype(np.float64) for key, array in state.items()}
        )
        self.assertEqual(model, MODELS[name])
        chex.assert_trees_all_equal(params, expected)

    @parameterized.parameters(
        ConditionalUNet(channels=1, features=4, depth=3),
        ConditionalUNet(channels=5, features=6, depth=1, conditional=False),
        ConditionalNAFNet(1, 4, (1, 0, 2), 0, (2, 1, 0)),
        ConditionalUNet(),
        ConditionalNAFNet(),
    )
    def test_architecture_is_read_off_the_tensors(self, model):
        names = official_names(model)
        zero = np.zeros((), np.float32)
        state = {k: np.broadcast_to(zero, shape) for k, (_, shape) in names.items()}
        self.assertEqual(read_architecture(state), model)

    def test_all_that_does_not_fit_is_named(self):
        state = read_all(GOLDEN / "unet.pth")
        del state["time_mlp.1.bias"], state["mid_attn.fn.norm.g"]
        state["ema.decay"] = np.zeros(1, np.float32)
        state["final_conv.bias"] = np.zeros(4, np.float32)
        state["downs.1.3.weight"] = state["downs.1.3.weight"].astype(np.int64)
        with self.assertRaises(ValueError) as context:
            self.load(state)
        for part in (
            "weights.pth",
            "ConditionalUNet(channels=3, features=8, depth=2, conditional=True)",
            "2 missing: mid_attn.fn.norm.g, time_mlp.1.bias;",
            "1 unexpected: ema.decay;",
            "1 of a wrong shape: final_conv.bias (4,) instead of (3,);",
            "1 not of floats: downs.1.3.weight (int64).",
        ):
            self.assertIn(part, str(context.exception))

    def test_long_lists_are_abbreviated(self):
        state = read_all(GOLDEN / "nafnet.pth")
        state |= {f"extra.{i}": np.zeros(1, np.float32) for i in range(20)}
        with self.assertRaisesRegex(ValueError, "20 unexpected: extra.0.* and 12 more"):
            self.load(state)

    def test_a_level_may_have_no_blocks(self):
        state = read_all(GOLDEN / "nafnet.pth")
        state = {k: a for k, a in state.items() if not k.startswith("encoders.0")}
        self.assertEqual(self.load(state)[0].enc_blocks, (0, 2))

    @parameterized.parameters(
        (("conv.weight", (3, 3)), "not the U-Net or.*init_conv.weight.*conv.weight"),
        (("init_conv.weight", (8, 6, 7, 7)), "final_conv.weight is missing"),
        (("intro.weight", (8,)), "intro.weight is missing or not"),
    )
    def test_other_networks_are_refused(self, tensor, message):
        name, shape = tensor
        with self.assertRaisesRegex(ValueError, message):
            self.load({name: np.zeros(shape, np.float32)})

    def test_odd_numbers_of_channels_and_levels_are_refused(self):
        state = read_all(GOLDEN / "unet.pth")
        four = np.zeros((8, 4, 7, 7), np.float32)
        with self.assertRaisesRegex(ValueError, "takes 4 channels.*gives 3"):
            self.load(state | {"init_conv.weight": four})
        deep = {f"downs.{i}.x": np.zeros(1, np.float32) for i in range(100)}
        with self.assertRaisesRegex(ValueError, "100 levels"):
            self.load(state | deep)

    def test_no_other_network_has_official_weights(self):
        with self.assertRaisesRegex(ValueError, "Toy"):
            official_names(type("Toy", (), {})())


class ImportTest(parameterized.TestCase):
    def test_reading_needs_no_heavy_package(self):
        code = (
            "import sys, irsde_jax.checkpoints.official; heavy = {'torch', 'orbax', "
            "'tensorflow', 'tensorflow_datasets', 'grain'} & set(sys.modules); "
            "assert not heavy, heavy"
        )
        subprocess.run(
            [sys.executable, "-c", code], check=True, timeout=children.DEADLINE
        )
