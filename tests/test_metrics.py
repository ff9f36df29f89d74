"""PSNR and SSIM against closed forms, scikit-image and the official test script."""

import json
import pathlib

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import parameterized
from PIL import Image

from irsde_jax import metrics

pytestmark = pytest.mark.core

GOLDEN = json.loads(
    (pathlib.Path(__file__).with_name("golden") / "metrics.json").read_text()
)


def noisy_pair(shape=(24, 30, 3)):
    """A photograph-like image and a noisy copy, rounded to 8 bits."""
    image_key, noise_key = jax.random.split(jax.random.key(0))
    coarse = jax.random.uniform(image_key, (6, 6, shape[-1]))
    image = jax.image.resize(coarse, shape, "bicubic").clip(0, 1)
    noisy = image + 0.1 * jax.random.normal(noise_key, shape)
    return tuple(jnp.round(x.clip(0, 1) * 255) / 255 for x in (noisy, image))


class PsnrTest(chex.TestCase):
    def test_is_minus_20_log_of_a_constant_error(self):
        image = jnp.full((5, 7, 3), 0.5)
        np.testing.assert_allclose(metrics.psnr(image + 0.1, image), 20.0, rtol=1e-5)

    def test_equal_images_are_infinitely_good(self):
        image, _ = noisy_pair()
        self.assertEqual(metrics.psnr(image, image), jnp.inf)
        np.testing.assert_allclose(metrics.ssim(image, image), 1.0, rtol=1e-6)

    def test_border_is_left_out(self):
        image = jnp.zeros((16, 16, 3))
        wrong_border = jnp.ones_like(image).at[2:-2, 2:-2].set(0.1)
        psnr = metrics.psnr(wrong_border, image, crop_border=2)
        np.testing.assert_allclose(psnr, 20.0, rtol=1e-5)

    def test_batch_is_image_by_image(self):
        noisy, image = noisy_pair()
        batch, references = jnp.stack([noisy, image * 0.9]), jnp.stack([image, image])
        for metric in (metrics.psnr, metrics.ssim):
            values = metric(batch, references, luma=True)
            chex.assert_shape(values, (2,))
            for i in range(2):
                one = metric(batch[i], references[i], luma=True)
                np.testing.assert_allclose(values[i], one, rtol=1e-5)

    def test_luma_of_white_and_black_is_the_studio_swing(self):
        images = jnp.stack([jnp.ones((1, 1, 3)), jnp.zeros((1, 1, 3))])
        levels = metrics.luma(images).ravel() * 255
        np.testing.assert_allclose(levels, [235, 16], rtol=1e-5)

    def test_grey_is_its_own_luma(self):
        noisy, image = noisy_pair((24, 30, 1))
        luma = metrics.psnr(noisy, image, luma=True)
        self.assertEqual(metrics.psnr(noisy, image), luma)


class SsimTest(chex.TestCase):
    @parameterized.parameters((24, 30, 3), (11, 11, 1))
    def test_is_scikit_images(self, *shape):
        skimage_metrics = pytest.importorskip("skimage.metrics")
        noisy, image = noisy_pair(shape)
        full = skimage_metrics.structural_similarity(
            np.asarray(noisy, np.float64),
            np.asarray(image, np.float64),
            channel_axis=-1,
            gaussian_weights=True,
            use_sample_covariance=False,
            sigma=1.5,
            data_range=1.0,
            full=True,
        )[1]
        valid = full[5 : shape[0] - 5, 5 : shape[1] - 5].mean()
        np.testing.assert_allclose(metrics.ssim(noisy, image), valid, atol=1e-5)


class TestGolden:
    """The official script on pairs of Rain100 (0.001 dB, 1e-4)."""

    @pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row["image"])
    def test_official_script(self, row, shared_data):
        image, reference = (
            jnp.asarray(np.asarray(Image.open(shared_data / row[key])), jnp.float32)
            for key in ("image", "reference")
        )
        images, border = (image / 255, reference / 255), row["crop_border"]
        for name, luma in (("", False), ("_luma", True)):
            psnr = metrics.psnr(*images, luma=luma, crop_border=border)
            ssim = metrics.ssim(*images, luma=luma, crop_border=border)
            assert abs(psnr - row["psnr" + name]) < 1e-3
            assert abs(ssim - row["ssim" + name]) < 1e-4


class BadInputTest(chex.TestCase):
    @parameterized.parameters(
        ((8, 8, 3), (8, 9, 3), 0, "shapes"),
        ((8, 8), (8, 8), 0, "H, W, C"),
        ((8, 8, 3), (8, 8, 3), 4, "crop_border=4 leaves 0"),
        ((8, 8, 3), (8, 8, 3), -1, "crop_border"),
    )
    def test_wrong_shape_or_border_is_a_clear_error(self, a, b, border, message):
        with self.assertRaisesRegex(ValueError, message):
            metrics.psnr(jnp.zeros(a), jnp.zeros(b), crop_border=border)

    def test_image_smaller_than_the_window_is_an_error_of_ssim(self):
        image = jnp.zeros((10, 20, 3))
        with self.assertRaisesRegex(ValueError, "at least 11"):
            metrics.ssim(image, image)

    def test_8_bit_images_are_refused(self):
        image = jnp.zeros((16, 16, 3), jnp.uint8)
        with self.assertRaisesRegex(ValueError, "Divide"):
            metrics.psnr(image, image)
