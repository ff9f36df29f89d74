"""Rain, haze and shadow: geometry, and the effect on flat images."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import rain_calibration
from irsde_jax.data.degradations import illumination, make_degradation, rain
from irsde_jax.data.image_files import images

KEY = jax.random.key(0)
KEYS = jax.random.split(KEY, 16)
GREY = jnp.full((64, 64, 3), 0.4)


@functools.partial(jax.jit, static_argnums=0)
def mapped(degrade, keys, image):
    return jax.vmap(degrade, in_axes=(0, None))(keys, image)


def test_a_streak_has_its_direction_length_and_width():
    draw = jax.jit(functools.partial(rain.streak_kernel, radius=20))
    kernel = np.asarray(draw(angle=0.0, length=30.0, width=2.0))
    assert kernel[20, 20] == 1
    np.testing.assert_allclose(kernel[20, 19:22], [0.5, 1, 0.5], atol=1e-6)
    assert np.flatnonzero(kernel[:, 20] > 0.01).tolist() == list(range(6, 35))
    tilted = np.asarray(draw(angle=30.0, length=30.0, width=2.0))
    rows, columns = np.mgrid[-20:21, -20:21]
    covariance = np.cov([rows.ravel(), columns.ravel()], aweights=tilted.ravel())
    along = np.linalg.eigh(covariance)[1][:, 1]
    np.testing.assert_allclose(along[1] / along[0], np.tan(np.deg2rad(30)), atol=0.02)


@jax.jit
def vertical_rain(brightness, veil):
    """Sixteen rains, all of one direction."""
    fall = functools.partial(
        rain.light_rain, angle=0.0, spread=0.0, density=3.0, length=30.0, airlight=0.8
    )
    fall = functools.partial(fall, brightness=brightness, veil=veil)
    return jax.vmap(fall, in_axes=(0, None))(KEYS, GREY)


def test_rain_brightens_in_stripes_along_its_direction_up_to_the_border():
    streaks = np.asarray(vertical_rain(0.6, 0.0)) - np.asarray(GREY)
    assert streaks.min() > -1e-6
    down, across = (np.diff(streaks, axis=axis).std() for axis in (1, 2))
    assert across > 3 * down
    dry = (streaks < 1e-3).mean()
    assert 0.3 < dry < 0.95
    rows = streaks.mean(axis=(0, 2, 3)).reshape(4, 16).mean(axis=1)
    assert rows.min() > 0.8 * rows.max()


def test_the_veil_mixes_with_the_airlight():
    veiled = vertical_rain(0.0, 0.25)
    np.testing.assert_allclose(veiled, 0.75 * 0.4 + 0.25 * 0.8, atol=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("name", rain_calibration.TARGETS)
def test_rain_is_as_strong_as_in_the_test_sets(name, shared_data):
    """Parts of sixteen photographs, a spread of 3 dB: a mean is known to 0.7 dB."""
    paths = images.list_images(shared_data / "BSDS500" / "val")
    photographs = [images.read_image(path).pixels for path in paths]
    landscape = [image for image in photographs if image.shape[0] < image.shape[1]]
    crops = [image[:160, :160] for image in landscape[:16]]
    psnrs = rain_calibration.rain_psnrs(make_degradation(name), crops, num_draws=4)
    target, _ = rain_calibration.TARGETS[name]
    assert abs(psnrs.mean() - target) < 2


def test_haze_is_the_law_at_the_depths_it_may_have():
    clear, thick = 0.2, 1.0  # nearest and farthest depth
    hazed = mapped(
        functools.partial(illumination.haze, beta=1.5, airlight=0.9), KEYS, GREY
    )
    kept = np.asarray((hazed - 0.9) / (0.4 - 0.9))
    assert kept.min() >= np.exp(-1.5 * thick) - 1e-5
    assert kept.max() <= np.exp(-1.5 * clear) + 1e-5
    top, bottom = kept[:, :8].mean(), kept[:, -8:].mean()
    assert top < bottom
    assert np.abs(np.diff(kept, axis=1)).max() < 0.1


def test_a_plane_without_relief_has_the_depth_of_a_ramp():
    degrade = functools.partial(illumination.haze, beta=1.0, airlight=1.0, relief=0.0)
    depth = -np.log((1 - np.asarray(jax.jit(degrade)(KEY, GREY))[..., 0]) / 0.6)
    expected = np.broadcast_to(np.linspace(1, 0.2, 64)[:, None], (64, 64))
    np.testing.assert_allclose(depth, expected, atol=1e-4)


def test_a_shadow_has_its_area_and_its_darkness():
    cast = functools.partial(
        illumination.shadow, light=0.5, area=0.3, penumbra=0.5, tint=(0.8, 1.0, 1.2)
    )
    kept = np.asarray(mapped(cast, KEYS, GREY) / GREY)
    dark = kept[..., 1] < 0.75
    np.testing.assert_allclose(dark.mean(axis=(1, 2)), 0.3, atol=0.03)
    np.testing.assert_allclose(kept.min(axis=(0, 1, 2)), [0.4, 0.5, 0.6], atol=1e-3)
    np.testing.assert_allclose(kept.max(axis=(0, 1, 2)), 1, atol=1e-3)
