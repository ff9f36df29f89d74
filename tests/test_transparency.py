"""Colour under transparent pixels never reaches the picture."""

import numpy as np
import pytest
import tiny_weights
from PIL import Image, ImageDraw
from tiny_restorers import photo, tiny_restorer

import irsde_jax
from irsde_jax.data.image_files import enlarging, images
from irsde_jax.restoration import noise_keys, transparency
from irsde_jax.restoration.files import one_file

KEY = noise_keys.file_key(0, "a.png")


def disk(level=240, side=24, under=0):
    """A disk with soft edges, `under` where it is transparent: uint8 [H, W, 4]."""
    mask = Image.new("L", (4 * side, 4 * side), 0)
    ImageDraw.Draw(mask).ellipse((8, 8, 4 * side - 8, 4 * side - 8), fill=255)
    alpha = np.asarray(mask.resize((side, side), Image.Resampling.BOX))
    colour = np.where(alpha[..., None] > 0, level, under).astype(np.uint8)
    return np.dstack([colour.repeat(3, axis=-1), alpha])


class TestFill:
    def test_what_is_seen_stays_and_the_rest_continues_it(self):
        """Also of a white picture: white is no hole here."""
        for level in (240, 255):
            sprite = disk(level) / np.float32(255)
            alpha, colour = sprite[..., 3:], sprite[..., :3]
            filled = transparency.fill_transparent(colour, alpha)
            seen = (alpha > 0)[..., 0]
            np.testing.assert_array_equal(filled[seen], colour[seen])
            np.testing.assert_allclose(filled, level / 255, atol=1e-6)

    def test_an_opaque_image_is_the_same_array(self):
        image = photo() / np.float32(255)
        assert transparency.fill_transparent(image, None) is image
        ones = np.ones((12, 10, 1), np.float32)
        assert transparency.fill_transparent(image, ones) is image


class TestFiles:
    def results(self, restorer, folder, **pictures):
        """The results of pictures that are written as PNG files."""
        found = []
        for name, picture in pictures.items():
            source, target = folder / f"{name}.png", folder / f"{name}_restored.png"
            Image.fromarray(picture).save(source)
            one_file.restore_file(restorer, source, target, KEY)
            found.append(np.asarray(Image.open(target)).astype(float))
        return found

    def test_an_enlarged_sprite_has_no_dark_fringe(self, tmp_path):
        """Over any background; 86 of 255 with the black underneath, Pillow's 15."""
        restorer = irsde_jax.load("super-resolution-x4-small")
        (found,) = self.results(restorer, tmp_path, sprite=disk())
        assert found.shape == (96, 96, 4)
        error = np.abs(240 - found[..., :3]) * found[..., 3:] / 255
        assert error.max() <= 12

    def test_transparency_is_enlarged_as_an_image_is(self, tmp_path):
        restorer = tiny_weights.make("super_resolution:small")
        (found,) = self.results(restorer, tmp_path, sprite=disk())
        alpha = disk()[..., 3:] / np.float32(255)
        right = enlarging.enlarge(alpha, 4).clip(0, 1)
        np.testing.assert_array_equal(found[..., 3:], images.to_uint8(right))

    @pytest.mark.parametrize("config", ["default", "super_resolution:small"])
    def test_what_is_underneath_does_not_matter(self, tmp_path, config):
        restorer = tiny_restorer() if config == "default" else tiny_weights.make(config)
        black, white = self.results(
            restorer, tmp_path, black=disk(under=0), white=disk(under=255)
        )
        np.testing.assert_array_equal(black, white)

    def test_an_opaque_alpha_changes_nothing(self, tmp_path):
        plain = photo()
        opaque = np.dstack([plain, np.full((12, 10, 1), 255, np.uint8)])
        first, second = self.results(
            tiny_restorer(), tmp_path, plain=plain, opaque=opaque
        )
        np.testing.assert_array_equal(first, second[..., :3])

    def test_the_noise_level_is_that_of_the_opaque_part(self, tmp_path):
        pytest.importorskip("pywt")
        noise = 20 * np.random.default_rng(0).normal(size=(96, 96, 3))
        noisy = np.round(128 + noise).clip(0, 255).astype(np.uint8)
        alpha = np.zeros((96, 96, 1), np.uint8)
        alpha[:48] = 255
        restorer = tiny_weights.make("denoising:small,blind")
        for under in (noisy, np.zeros_like(noisy)):
            pixels = np.where(alpha > 0, noisy, under)
            Image.fromarray(np.dstack([pixels, alpha])).save(tmp_path / "a.png")
            image = images.read_image(tmp_path / "a.png")
            given = one_file.as_given(restorer, image, "a.png")
            assert 255 * given.sigma == pytest.approx(20, rel=0.1)
        image = image._replace(alpha=None)
        assert one_file.as_given(restorer, image, "a.png").sigma is None
