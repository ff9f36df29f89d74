"""The estimate of the noise level: right on noise, 0 without it, and never NaN."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from skimage import data
from skimage.restoration import estimate_sigma

from irsde_jax.data.noise_level import estimate_noise_level

pytest.importorskip("pywt", reason="the estimate needs PyWavelets")


def with_noise(clean, sigma, seed=0):
    """Noise of `sigma` grey levels, as a file of 8 bits keeps it."""
    noise = np.random.default_rng(seed).normal(size=clean.shape)
    noisy = np.round(clean * 255.0 + sigma * noise).clip(0, 255)
    return (noisy / 255).astype(np.float32)


def photograph():
    """An even part of a photograph, away from black and white."""
    return 0.25 + 0.5 * data.chelsea()[:160, :200] / 255


@pytest.mark.parametrize("sigma", [5, 15, 25])
def test_finds_the_level_of_a_noisy_photograph(sigma):
    found = 255 * estimate_noise_level(with_noise(photograph(), sigma))
    assert found == pytest.approx(sigma, rel=0.1)


def test_is_that_of_scikit_image_where_nothing_is_black():
    noisy = with_noise(photograph(), 10)
    theirs = estimate_sigma(noisy, average_sigmas=True, channel_axis=-1)
    assert estimate_noise_level(noisy) == theirs


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_a_constant_image_has_no_noise(channels, level):
    image = np.full((32, 40, channels), level, np.float32)
    assert estimate_noise_level(image) == 0.0


@pytest.mark.parametrize("constant", [0.0, 0.3, 1.0])
def test_constant_channels_do_not_count(constant):
    noisy = with_noise(photograph(), 15)
    noisy[..., 1:] = constant
    assert estimate_noise_level(noisy) == estimate_noise_level(noisy[..., :1])


def test_letters_on_black_are_no_noise():
    """scikit-image, which leaves out zeros one by one, finds 28 of 255 here."""
    picture = Image.new("RGB", (160, 128))
    ImageDraw.Draw(picture).text((10, 10), "2024-01-01 12:00", fill="white")
    assert estimate_noise_level(np.asarray(picture) / np.float32(255)) == 0.0


def test_a_black_margin_does_not_count():
    whole = np.zeros((400, 400, 3), np.float32)
    whole[64:224, 80:280] = with_noise(photograph(), 15)
    assert 255 * estimate_noise_level(whole) == pytest.approx(15, rel=0.1)
