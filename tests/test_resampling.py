"""Resampling against Pillow, against MATLAB's files, and by what it must keep."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from irsde_jax.data import resampling
from irsde_jax.data.image_files import enlarging, images

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def levels() -> np.ndarray:
    """Grey levels 0..255 without any smoothness."""
    return np.random.default_rng(0).uniform(0, 255, (41, 58)).astype(np.float32)


@pytest.mark.parametrize(
    "size", [(10, 14), (11, 15), (20, 29), (41, 58), (82, 116), (130, 201), (1, 1)]
)
def test_it_is_pillows_bicubic(levels, size):
    height, width = size
    ours = resampling.resize(jnp.asarray(levels)[..., None], height, width)[..., 0]
    image = Image.fromarray(levels)
    assert image.mode == "F"
    theirs = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)


def test_symmetric_borders_are_a_mirrored_image(levels):
    """The definition: pad by reflection, resize by the same factor, crop."""
    image = jnp.asarray(levels[:40, :56])[..., None]
    small = resampling.resize(image, 10, 14, symmetric=True)
    padded = jnp.pad(image, ((16, 16), (16, 16), (0, 0)), mode="symmetric")
    expected = resampling.resize(padded, 18, 22)[4:-4, 4:-4]
    np.testing.assert_allclose(small, expected, rtol=0, atol=1e-3)
    inside = resampling.resize(image, 10, 14)
    np.testing.assert_allclose(small[2:-2, 2:-2], inside[2:-2, 2:-2], atol=1e-3)
    assert jnp.abs(small - inside).max() > 1


def to_8_bits(image):
    return np.round(np.clip(image, 0, 1) * 255) / 255


def test_inside_it_is_matlabs_imresize(shared_data):
    """Set5 x4 away from the border, with 8 bits after the rows and after the columns.

    A value half way between two levels may be rounded to the other one.
    """
    for large_path, small_path in zip(
        images.list_images(shared_data / "Set5" / "GT")[1:3],
        images.list_images(shared_data / "Set5" / "LQ_x4")[1:3],
    ):
        small = images.read_image(small_path).pixels
        height, width, _ = small.shape
        ours = images.read_image(large_path).pixels
        ours = to_8_bits(resampling.resize(ours, height, ours.shape[1]))
        ours = to_8_bits(resampling.resize(ours, height, width))
        error = np.round(255 * np.abs(ours - small))[3:-3, 3:-3]
        assert error.max() <= 1
        assert (error > 0).mean() < 0.002


@pytest.mark.parametrize("degrade", [resampling.bicubic, resampling.nearest])
@pytest.mark.parametrize("symmetric", [False, True])
def test_a_flat_image_stays_and_a_step_stays_in_place(degrade, symmetric):
    degrade = jax.jit(functools.partial(degrade, factor=4, symmetric=symmetric))
    flat = np.full((13, 18, 1), 0.3, np.float32)
    np.testing.assert_allclose(degrade(KEY, flat), flat, atol=1e-6)
    step = np.zeros((16, 16, 1), np.float32)
    step[8:] = 1
    # Antisymmetric about its middle: no shift by part of a pixel.
    degraded = np.asarray(degrade(KEY, step))
    np.testing.assert_allclose(degraded + degraded[::-1], 1, atol=1e-6)


def test_nearest_repeats_pixels():
    image = np.random.default_rng(0).random((16, 24, 3), np.float32)
    degraded = np.asarray(jax.jit(resampling.nearest)(KEY, image))
    blocks = degraded.reshape(4, 4, 6, 4, 3)
    np.testing.assert_array_equal(blocks, blocks[:, :1, :, :1] + 0 * blocks)
    small = np.asarray(resampling.resize(image, 4, 6)).clip(0, 1)
    np.testing.assert_allclose(degraded[::4, ::4], small, atol=1e-6)


def test_a_larger_factor_loses_more():
    image = np.random.default_rng(0).random((24, 24, 3), np.float32)
    for function in (resampling.bicubic, resampling.nearest):
        degrade = jax.jit(function, static_argnums=2)
        errors = [np.mean((degrade(KEY, image, f) - image) ** 2) for f in (1, 2, 4)]
        assert errors[0] < 1e-10 < errors[1] < errors[2]


def test_a_factor_below_one_is_a_clear_error():
    with pytest.raises(ValueError, match=r"factor must be at least 1, got 0.25"):
        resampling.bicubic(KEY, jnp.zeros((8, 8, 3)), factor=0.25)


@pytest.mark.parametrize("method", enlarging.ENLARGEMENTS)
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_enlarging_in_a_program_is_that_of_files(method, scale):
    """Pillow's enlarging of floats, borders and overshoot included."""
    shapes = [(1, 1), (2, 7), (13, 10)]
    for shape in shapes:
        small = np.random.default_rng(0).random((2, *shape, 3), np.float32)
        expected = np.stack(
            [enlarging.enlarge(image, scale, method) for image in small]
        )
        found = np.asarray(resampling.enlarge(jnp.asarray(small), scale, method))
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        tolerance = 1e-6 if method == "bicubic" else 0
        np.testing.assert_allclose(found, expected, atol=tolerance, rtol=0)
    assert method == "nearest" or scale == 1 or found.max() > 1  # it overshoots


def test_unknown_enlarging_is_refused():
    with pytest.raises(ValueError, match=r"bilinear.*bicubic.*nearest"):
        resampling.enlarge(jnp.zeros((1, 2, 2, 3)), 2, "bilinear")
