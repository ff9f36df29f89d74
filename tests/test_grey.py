"""Grey photographs in a colour denoiser: independent noise, nothing lost, no seams."""

import jax
import numpy as np
import pytest
from one_conv import OneConv, denoiser, make, photo
from skimage import data

import irsde_jax
from irsde_jax.data.image_files import images
from irsde_jax.data.image_files.images import ImageFile
from irsde_jax.data.sources import pairs
from irsde_jax.evaluation import scores
from irsde_jax.restoration import grey, noise_keys
from irsde_jax.restoration.files import one_file
from irsde_jax.restoration.restorer import Restorer

KEY = jax.random.key(5)


def noisy_grey(sigma, shape=(24, 20), seed=0):
    """A grey image of 1/2 with noise, float32 [H, W]."""
    noise = np.random.default_rng(seed).normal(size=shape)
    return (0.5 + sigma * noise).astype(np.float32)


def tiled(restore, side=16):
    """The same weights, restoring in tiles."""
    config = restore.config.copy_and_resolve_references()
    with config.unlocked():
        config.sampling.tile = side
    return Restorer.from_config(config, restore.params, restore.network)


def psnr(found, right):
    return -10 * np.log10(np.mean((np.asarray(found, float) - right) ** 2))


class TestSpread:
    @pytest.mark.parametrize("channels", [2, 3, 5])
    def test_channels_are_independent_and_of_one_level(self, channels):
        """Covariances to six standard errors of 65,536 draws."""
        sigma, size = 0.05, 256
        image = noisy_grey(sigma, (size, size))[..., None]
        made = grey.spread(KEY, image, sigma, channels, highest=1.0)
        assert made.contrast == 1.0
        assert made.sigma == pytest.approx(channels**0.5 * sigma)
        found = np.cov((made.pixels - 0.5).reshape(-1, channels).T)
        right = channels * sigma**2 * np.eye(channels)
        np.testing.assert_allclose(found, right, atol=6 * right.max() * 1.5 / size)

    def test_the_mean_of_the_channels_is_the_image(self):
        image = noisy_grey(0.1)[..., None]
        made = grey.spread(KEY, image, 0.1, 3, highest=1.0)
        mean = made.pixels.mean(axis=-1, keepdims=True)
        np.testing.assert_allclose(mean, image, atol=1e-6)

    def test_follows_its_key_and_nothing_else(self):
        image = noisy_grey(0.1)[..., None]
        first, same, other = (
            grey.spread(key, image, 0.1, 3, highest=1.0).pixels
            for key in (KEY, KEY, jax.random.key(6))
        )
        np.testing.assert_array_equal(first, same)
        assert np.abs(first - other).mean() > 0.05

    def test_a_high_level_is_brought_within_reach(self):
        """By less contrast, which is undone; the channels stay independent."""
        sigma, size = 0.2, 256
        image = noisy_grey(sigma, (size, size))[..., None]
        made = grey.spread(KEY, image, sigma, 3, highest=0.25)
        assert made.sigma == pytest.approx(0.25)
        found = np.cov((made.pixels - 0.5).reshape(-1, 3).T)
        np.testing.assert_allclose(
            found, 0.25**2 * np.eye(3), atol=6 * 0.25**2 * 1.5 / size
        )
        mean = made.pixels.mean(axis=-1, keepdims=True)
        back = grey.unspread(mean, made.contrast)
        np.testing.assert_allclose(back, image, atol=1e-6)

    def test_rounding_of_a_lossy_format_is_grey_and_a_tint_is_not(self):
        image = np.repeat(noisy_grey(0.1)[..., None], 3, axis=-1)
        np.testing.assert_array_equal(grey.plane_of(image), image[..., :1])
        image[3, 4, 1] += 1 / 255
        plane = grey.plane_of(image)
        assert plane is not None
        assert np.abs(plane - image).max() < 1 / 255
        image[3, 4, 1] += 2 / 255
        assert grey.plane_of(image) is None


class TestDenoising:
    def test_a_photograph_gains_as_a_grey_one_should(self):
        """Repeated in three channels it reached 22.8 dB, non-local means 28."""
        clean = data.camera()[100:228, 120:280] / 255
        noise = np.random.default_rng(0).normal(size=clean.shape)
        noisy = np.round(clean * 255 + 25 * noise).clip(0, 255).astype(np.uint8)
        restore = irsde_jax.load("denoising-small")
        restored = restore(noisy)
        assert restored.dtype == np.uint8
        assert restored.shape == noisy.shape
        assert psnr(restored / 255, clean) > 27.5
        as_rgb = restore(np.repeat(noisy[..., None], 3, axis=-1))
        np.testing.assert_array_equal(
            as_rgb, np.repeat(restored[..., None], 3, axis=-1)
        )

    def test_the_highest_levels_gain_too(self):
        """sqrt(3) 50/255 is beyond the shipped network; dependent noise gave 20 dB."""
        clean = data.camera()[100:228, 120:280] / 255
        noise = np.random.default_rng(0).normal(size=clean.shape)
        noisy = (clean + 50 / 255 * noise).astype(np.float32)
        restored = irsde_jax.load("denoising-small")(noisy, sigma=50 / 255)
        assert psnr(restored, clean) > 25.5

    @pytest.mark.parametrize("sigma", [None, 0.1])
    def test_is_the_same_in_any_batch_and_layout(self, sigma):
        if sigma is None:
            pytest.importorskip("pywt")
        restore = denoiser()
        first, second = noisy_grey(0.1), noisy_grey(0.15, seed=1)
        colour = 0.3 + 0.3 * photo((24, 20, 3))  # noise that can be estimated
        keys = jax.random.split(KEY, 3)
        as_rgb = [np.repeat(x[..., None], 3, axis=-1) for x in (first, second)]
        batch = np.stack([as_rgb[0], colour, as_rgb[1]])
        together = restore(batch, key=keys, sigma=sigma)
        alone = [
            restore(image, key=key[None], sigma=sigma)
            for image, key in zip((first, colour, second), keys)
        ]
        np.testing.assert_allclose(together[0, ..., 1], alone[0], atol=1e-6)
        np.testing.assert_allclose(together[1], alone[1], atol=1e-6)
        np.testing.assert_allclose(together[2, ..., 2], alone[2], atol=1e-6)
        grey_batch = np.stack([first, second])[..., None]
        both = restore(grey_batch, key=keys[np.array([0, 2])], sigma=sigma)
        assert both.shape == (2, 24, 20, 1)
        np.testing.assert_allclose(both[1, ..., 0], alone[2], atol=1e-6)

    def test_is_the_same_in_tiles(self):
        """A 1 x 1 convolution sees no borders: only the noise could differ."""
        restore, image = denoiser(), noisy_grey(0.1, (40, 36))
        whole = restore(image, key=KEY, sigma=0.1)
        assert np.abs(whole - restore(image, sigma=0.1)).max() > 1e-4  # another key
        cut = tiled(restore)(image, key=KEY, sigma=0.1)
        np.testing.assert_allclose(cut, whole, atol=1e-5)

    @pytest.mark.parametrize("side", [0, 16])
    @pytest.mark.parametrize("sigma", [0.1, 0.2])
    def test_uncertainty_is_that_of_the_grey_result(self, side, sigma):
        """Mean and spread of restorations that see the same noise of ours.

        At 0.2 the contrast is reduced, and the spread is given in that of before.
        """
        restore = denoiser(sampling=dict(num_evals=2, solver="posterior", tile=side))
        image = noisy_grey(sigma, (20, 18))
        found = restore.uncertainty(image, num_samples=4, key=KEY, sigma=sigma)
        assert found.mean.shape == found.std.shape == image.shape
        assert found.std.min() > 0
        twice = restore.uncertainty(image, num_samples=4, key=KEY, sigma=sigma)
        np.testing.assert_array_equal(found.std, twice.std)
        once = restore.uncertainty(image, num_samples=1, key=KEY, sigma=sigma)
        assert np.abs(once.mean - found.mean).max() < 8 * found.std.max()

    def test_rounding_of_a_lossy_format_stays(self):
        image = np.repeat(noisy_grey(0.05)[..., None], 3, axis=-1)
        tint = np.float32(1 / 255) * np.random.default_rng(3).integers(
            0, 2, image.shape
        )
        restored = denoiser()(image + tint.astype(np.float32), sigma=0.05)
        inside = restored.min(axis=-1, keepdims=True) > 0
        inside &= restored.max(axis=-1, keepdims=True) < 1
        found = restored - restored.mean(axis=-1, keepdims=True)
        right = tint - tint.mean(axis=-1, keepdims=True)
        assert inside.mean() > 0.9
        np.testing.assert_allclose((found - right) * inside, 0, atol=1e-6)

    def test_a_colour_photograph_is_given_to_the_network_as_it_is(self):
        seen = []

        class Watching(OneConv):
            def __call__(self, x, mu, t):
                jax.debug.callback(lambda x: seen.append(np.asarray(x)), x)
                return OneConv.__call__(self, x, mu, t)

        restore, image = denoiser(), photo()
        watching = Restorer.from_config(restore.config, restore.params, Watching())
        watching(image, sigma=0.1, num_evals=1)
        jax.effects_barrier()
        np.testing.assert_array_equal(seen[0][0], image)


class TestWithoutNoise:
    @pytest.mark.parametrize("sigma", [None, 0.1])
    @pytest.mark.parametrize("value", [0, 77, 255])
    def test_a_constant_image_comes_back(self, value, sigma):
        restore = denoiser()
        for shape in [(4, 6), (12, 10, 3), (2, 12, 10, 3)]:
            image = np.full(shape, value, np.uint8)
            np.testing.assert_array_equal(restore(image, sigma=sigma), image)
            found = restore.uncertainty(image, num_samples=2, sigma=sigma)
            np.testing.assert_array_equal(found.mean, image)
            np.testing.assert_array_equal(found.std, 0)

    def test_a_constant_channel_comes_back_and_the_others_are_restored(self):
        pytest.importorskip("pywt")
        image = 0.3 + 0.3 * photo((24, 20, 3))
        image[..., 1] = 0.25
        for sigma in (None, 0.1):
            restored = denoiser()(image, sigma=sigma)
            np.testing.assert_array_equal(restored[..., 1], image[..., 1])
            assert (np.abs(restored - image).max(axis=(0, 1))[[0, 2]] > 0.01).all()

    @pytest.mark.parametrize("channel", [0, 1, 2])
    def test_a_photograph_in_one_channel_is_a_grey_one(self, channel):
        pytest.importorskip("pywt")
        plane, restore = noisy_grey(0.1), denoiser()
        image = np.zeros((24, 20, 3), np.float32)
        image[..., channel] = plane
        restored = restore(image, key=KEY)
        np.testing.assert_array_equal(restored[..., channel], restore(plane, key=KEY))
        assert restored.sum() == pytest.approx(restored[..., channel].sum())


class TestOtherProcesses:
    def test_grey_is_repeated_and_averaged(self):
        restore, image = make(), photo((12, 10))
        colour = restore(np.repeat(image[..., None], 3, axis=-1), key=KEY)
        assert np.ptp(colour, axis=-1).max() > 1e-3
        found = restore(image, key=KEY)
        np.testing.assert_allclose(found, colour.mean(axis=-1), atol=1e-6)

    def test_uncertainty_is_that_of_the_mean_over_channels(self):
        restore, image = make(), photo((12, 10))
        found = restore.uncertainty(image, num_samples=3, key=KEY)
        image_key = jax.random.fold_in(KEY, 0)
        singles = np.stack(
            [
                restore(image, key=jax.random.fold_in(image_key, i)[None])
                for i in range(3)
            ]
        )
        np.testing.assert_allclose(found.mean, singles.mean(0), atol=1e-6)
        np.testing.assert_allclose(found.std, singles.std(0, ddof=1), atol=1e-6)

    def test_a_file_of_three_equal_channels_is_restored_as_a_grey_one(self, tmp_path):
        restorer, plane = make(), photo((12, 10, 1))
        restored = []
        for channels in (1, 3):
            source, target = (tmp_path / f"{channels}{end}.png" for end in "ab")
            pixels = plane.repeat(channels, axis=-1).astype(np.float32)
            images.write_image(source, ImageFile(pixels, None, 16))
            one_file.restore_file(restorer, source, target, KEY)
            restored.append(images.read_image(target).pixels)
        assert [pixels.shape[-1] for pixels in restored] == [1, 3]
        np.testing.assert_array_equal(restored[0].repeat(3, axis=-1), restored[1])

    def test_a_grey_pair_is_evaluated_as_its_file_is_restored(self):
        restorer, plane = make(), photo((12, 10, 1)).astype(np.float32)
        grey_image, colour = plane.repeat(3, axis=-1), photo().astype(np.float32)
        source = pairs.ArrayPairs([grey_image] * 2, [grey_image, colour])
        first, second = scores.evaluate_images(restorer, source, seed=3, bits=32)
        key = noise_keys.file_key(3, "0")
        expected = restorer(plane, key=key)
        np.testing.assert_array_equal(
            first.images["restored"], expected.repeat(3, axis=-1)
        )
        assert np.ptp(second.images["restored"], axis=-1).max() > 0.01


class TestDegradation:
    def test_noise_of_a_grey_image_is_grey(self):
        def add_noise(key, image):
            return image + 0.1 * jax.random.normal(key, image.shape)

        degrade = grey.in_one_channel(add_noise)
        plane = photo((12, 10, 1))
        found = np.asarray(degrade(KEY, plane.repeat(3, axis=-1)))
        np.testing.assert_array_equal(found, np.repeat(found[..., :1], 3, axis=-1))
        np.testing.assert_array_equal(found[..., :1], add_noise(KEY, plane))
        colour = photo()
        np.testing.assert_array_equal(degrade(KEY, colour), add_noise(KEY, colour))
