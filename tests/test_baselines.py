"""Baselines: each beats the degraded image it is for, and what is missing is said."""

import sys
import types

import numpy as np
import pytest
from miniatures import smooth_image

from irsde_jax import configuration
from irsde_jax.data.degradations import blur
from irsde_jax.evaluation import baselines, classical
from irsde_jax.evaluation.classical import Problem
from irsde_jax.processes import holes

SIDE = 48


def photograph(seed=0, side=SIDE):
    """A smooth image [side, side, 3] that does not reach white."""
    return np.asarray(smooth_image(seed, side), np.float32) / 255 * 0.9


def error(image, reference):
    return float(np.mean((image - reference) ** 2))


def restore(name, image, **problem):
    restored = baselines.BASELINES[name](image, Problem(**problem))
    assert restored.shape == image.shape
    return restored


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["nl_means", "wavelet"])
def test_denoising_removes_most_of_the_noise(name, channels):
    clean = photograph()[..., :channels]
    noise = 0.1 * np.random.default_rng(1).normal(size=clean.shape)
    noisy = (clean + noise).astype(np.float32)
    for sigma in (0.1, None):
        restored = restore(name, noisy, sigma=sigma)
        assert error(restored, clean) < 0.5 * error(noisy, clean)


def test_a_wavelet_baseline_does_not_depend_on_where_the_image_begins():
    clean = photograph()
    noisy = clean + 0.1 * np.random.default_rng(1).normal(size=clean.shape)
    both = [restore("wavelet", np.roll(noisy, s, axis=0), sigma=0.1) for s in (0, 1)]
    # within what the mean over nine grids leaves
    assert error(np.roll(both[0], 1, axis=0), both[1]) < 0.05 * error(noisy, clean)


def test_deblurring_undoes_a_gaussian_blur():
    rng = np.random.default_rng(0)
    clean = np.kron(rng.random((12, 12, 3)), np.ones((4, 4, 1))).astype(np.float32)
    blurred = np.asarray(blur.gaussian_blur(None, clean, 1.5))
    restored = restore("richardson_lucy", blurred, blur_std=1.5)
    assert error(restored, clean) < 0.6 * error(blurred, clean)
    # the border too, which zeros beyond it would darken
    border = np.s_[:3]
    assert error(restored[border], clean[border]) < error(
        blurred[border], clean[border]
    )


@pytest.mark.parametrize("side", [48, 46])
def test_bicubic_beats_repeated_pixels_and_finds_the_small_image(side):
    from irsde_jax.data import resampling

    clean = photograph(side=side)
    blocks = np.asarray(resampling.nearest(None, clean, 4))
    restored = restore("bicubic", blocks, scale=4, enlarge="nearest")
    assert error(restored, clean) < 0.5 * error(blocks, clean)
    smooth = np.asarray(resampling.bicubic(None, clean, 4))
    np.testing.assert_allclose(restored, smooth, atol=1e-5)
    # where the input is bicubic already the baseline is the input, and is called so
    problem = Problem(scale=4)
    assert classical.bicubic(smooth, problem) is smooth
    assert "degraded input" in baselines.label("bicubic", problem)


@pytest.mark.parametrize("name", ["biharmonic", "harmonic", "telea"])
def test_inpainting_fills_the_holes_and_leaves_the_rest(name):
    if baselines.missing(name):
        pytest.skip(f"{name}: {baselines.missing(name)}")
    clean = photograph()
    degraded = clean.copy()
    degraded[10:16, 5:40] = 1.0
    restored = restore(name, degraded)
    masked = holes.find(degraded)
    assert masked.sum() == 6 * 35
    assert error(restored[masked], clean[masked]) < 0.1 * error(
        degraded[masked], clean[masked]
    )
    # Telea works in 8 bits
    assert np.abs(restored - clean)[~masked].max() <= 0.5 / 255 + 1e-6


def test_holes_that_would_take_minutes_are_refused_with_a_remedy():
    with pytest.raises(ValueError, match=r"40000 pixels.*opencv-python-headless"):
        restore("biharmonic", np.ones((200, 200, 3), np.float32))


def test_bm3d_is_called_where_the_user_installed_it(monkeypatch):
    library = types.ModuleType("bm3d")
    library.bm3d_rgb = lambda image, sigma: image + sigma
    library.bm3d = lambda plane, sigma: plane - sigma
    monkeypatch.setitem(sys.modules, "bm3d", library)
    image = np.zeros((4, 4, 3))
    np.testing.assert_array_equal(restore("bm3d", image, sigma=0.5), image + 0.5)
    grey = image[..., :1]
    np.testing.assert_array_equal(restore("bm3d", grey, sigma=0.5), grey - 0.5)


def test_what_is_missing_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(baselines.importlib.util, "find_spec", lambda name: None)
    assert baselines.missing("wavelet") == "pip install scikit-image PyWavelets"
    assert "non-commercial" in baselines.missing("bm3d")
    assert baselines.missing("bicubic") == ""
    assert baselines.choose(["auto"], "inpainting") == ["biharmonic", "harmonic"]


def test_the_task_chooses_and_names_are_checked():
    names = ["nl_means", "wavelet", "bm3d"]
    assert baselines.choose(("auto",), "denoising") == names
    assert baselines.choose(("auto",), "deraining") == []
    assert baselines.choose(("",), "denoising") == []
    assert baselines.choose((), "denoising") == []
    assert baselines.choose(("wavelet, auto",), "denoising") == [
        "wavelet",
        "nl_means",
        "bm3d",
    ]
    with pytest.raises(ValueError, match=r"'median' is not one of \['auto', 'bicubic'"):
        baselines.choose(("median",), "denoising")


def test_baselines_are_told_what_the_configuration_knows():
    load = configuration.load
    assert baselines.make_problem(load("denoising"), True).sigma == 25 / 255
    assert baselines.make_problem(load("denoising:blind"), True).sigma is None
    assert baselines.make_problem(load("deraining"), True).sigma is None
    large = baselines.make_problem(load("super_resolution"), False)
    assert (large.scale, large.enlarge) == (4, "bicubic")
    config = load("super_resolution:synthetic", ["--config.degradation.name=nearest"])
    assert baselines.make_problem(config, True).enlarge == "nearest"
    label = baselines.label("richardson_lucy", Problem())
    assert "Gaussian kernel, std 1.5 px" in label
