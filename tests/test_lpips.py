"""LPIPS agrees with the `lpips` package, and says what it cannot use."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from test_official import write

from irsde_jax.lpips import LpipsWeights, load_lpips, lpips

# Distances of the `lpips` package (AlexNet) with weights made by the rule below.
GOLDEN = Path(__file__).parent / "golden" / "lpips.npz"
SHAPES = ((64, 3, 11), (192, 64, 5), (384, 192, 3), (256, 384, 3), (256, 256, 3))


def tensors():
    """The two state dicts: weights of the golden distances."""
    backbone, linear = {}, {}
    for i, (index, (out, into, k)) in enumerate(zip((0, 3, 6, 8, 10), SHAPES)):
        rng = np.random.default_rng(i)
        weight = rng.normal(size=(out, into, k, k)) * np.sqrt(2 / (into * k * k))
        backbone[f"features.{index}.weight"] = weight.astype(np.float32)
        bias = rng.normal(size=out) * 0.1
        backbone[f"features.{index}.bias"] = bias.astype(np.float32)
        channel = np.random.default_rng(100 + i).uniform(size=(1, out, 1, 1))
        linear[f"lin{i}.model.1.weight"] = channel.astype(np.float32)
    return backbone, linear


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lpips")
    for name, state in zip(("alexnet.pth", "alex.pth"), tensors()):
        write(folder / name, state)
    return folder / "alexnet.pth", folder / "alex.pth"


@pytest.mark.parametrize("case", ["0", "1"])
def test_distances_are_those_of_the_package(files, case):
    with np.load(GOLDEN) as golden:
        a, b, expected = (golden[f"{case}/{key}"] for key in ("a", "b", "distance"))
    weights = load_lpips(*files)
    found = lpips(weights, a, b)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(lpips(weights, a[0], b[0]), expected[0], atol=1e-6)
    np.testing.assert_allclose(lpips(weights, a, a), np.zeros(len(a)), atol=1e-12)


def test_unfit_files_and_images_are_explained(files):
    with pytest.raises(ValueError, match=r"torchvision's alexnet.*features.0.weight"):
        load_lpips(files[1], files[1])
    with pytest.raises(FileNotFoundError):
        load_lpips(files[0].with_name("none.pth"), files[1])
    weights = LpipsWeights((), (), ())
    with pytest.raises(ValueError, match="at least 31 x 31 pixels, got 30 x 40"):
        lpips(weights, jnp.zeros((30, 40, 3)), jnp.zeros((30, 40, 3)))
    with pytest.raises(ValueError, match="must be equal"):
        lpips(weights, jnp.zeros((40, 40, 1)), jnp.zeros((40, 40, 1)))
