"""Blur: kernels, paths and convolution against their definitions."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal

from irsde_jax.data.degradations import blur

KEY = jax.random.key(0)


def test_convolution_is_the_one_of_scipy():
    image = jax.random.uniform(KEY, (17, 12, 2))
    kernel = jax.random.uniform(jax.random.key(1), (7, 5))
    ours = jax.jit(blur.convolve)(image, kernel)
    for channel in range(2):
        theirs = scipy.signal.convolve2d(
            image[..., channel], kernel, mode="same", boundary="symm"
        )
        np.testing.assert_allclose(ours[..., channel], theirs, rtol=1e-4)


def test_gaussian_blur_is_the_one_of_scipy():
    image = jax.random.uniform(KEY, (24, 20, 1))
    ours = jax.jit(functools.partial(blur.gaussian_blur, std=1.7))(KEY, image)[..., 0]
    theirs = scipy.ndimage.gaussian_filter(image[..., 0], 1.7, truncate=4)
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_gaussian_kernel_has_its_width():
    kernel = np.asarray(blur.gaussian_kernel(jnp.asarray(2.0), largest_std=3.0))
    offsets = np.arange(len(kernel)) - len(kernel) // 2
    assert abs(kernel.sum() - 1) < 1e-5
    assert abs((kernel.sum(axis=0) * offsets**2).sum() ** 0.5 - 2) < 1e-2


def test_a_camera_path_has_its_length_and_fits_its_kernel():
    keys = jax.random.split(KEY, 64)

    @jax.jit
    @jax.vmap
    def draw(key):
        path = blur.camera_path(key, 12.0, 90.0, num_points=100)
        return path, blur.path_kernel(path, radius=7)

    paths, kernels = map(np.asarray, draw(keys))
    lengths = np.linalg.norm(np.diff(paths, axis=1), axis=-1).sum(axis=1)
    # The first step starts at the origin and is not among the differences.
    assert np.all((lengths > 0.9 * 12) & (lengths < 12))
    assert np.abs(paths).max() <= 6
    chex.assert_shape(kernels, (64, 15, 15))
    np.testing.assert_allclose(kernels.sum(axis=(1, 2)), 1, rtol=1e-5)
    assert kernels.min() >= 0
    rows = (kernels.sum(axis=2) * np.arange(-7, 8)).sum(axis=1)
    np.testing.assert_allclose(rows, paths[..., 0].mean(axis=1), atol=1e-4)


def test_a_camera_that_does_not_turn_draws_a_line():
    draw = jax.jit(functools.partial(blur.camera_path, num_points=50))
    path = np.asarray(draw(KEY, 10.0, 0.0))
    assert np.linalg.svd(path - path.mean(axis=0), compute_uv=False)[1] < 1e-3
    extent = np.linalg.norm(path[-1] - path[0])
    assert 9 < extent <= 10


@pytest.mark.parametrize(
    ("degrade", "option", "sizes"),
    [
        (blur.gaussian_blur, "std", (0.0, 0.8, 2.5)),
        (blur.motion_blur, "length", (0.0, 12.0)),
    ],
)
def test_more_blur_loses_more_and_a_flat_image_nothing(degrade, option, sizes):
    image = np.random.default_rng(0).random((24, 24, 3), np.float32)
    functions = [jax.jit(functools.partial(degrade, **{option: s})) for s in sizes]
    errors = [np.mean((function(KEY, image) - image) ** 2) for function in functions]
    assert errors[0] < 1e-6
    assert errors == sorted(errors)
    assert errors[-1] > 1e-3
    flat = np.full((24, 24, 3), 0.4, np.float32)
    np.testing.assert_allclose(functions[-1](KEY, flat), flat, atol=1e-4)
