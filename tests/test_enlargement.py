"""Super-resolution: what enlarges, and what has been enlarged already."""

import numpy as np
import pytest
import tiny_weights
from PIL import Image

from irsde_jax import configuration
from irsde_jax.data.image_files import enlarging, images
from irsde_jax.data.sources import pairs
from irsde_jax.evaluation import scores
from irsde_jax.restoration import noise_keys
from irsde_jax.restoration.files import one_file
from irsde_jax.restoration.restorer import Restorer

KEY = noise_keys.file_key(0, "a.png")


def photo(shape=(8, 10, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.fixture(scope="module")
def restorer():
    return tiny_weights.make("super_resolution:small")


@pytest.mark.parametrize(
    ("shape", "right"),
    [
        ((8, 10), (32, 40)),
        pytest.param((8, 10, 1), (32, 40, 1), marks=pytest.mark.long),
        ((8, 10, 3), (32, 40, 3)),
        ((2, 8, 10, 1), (2, 32, 40, 1)),
        pytest.param((2, 8, 10, 3), (2, 32, 40, 3), marks=pytest.mark.long),
    ],
)
def test_a_restorer_enlarges(restorer, shape, right):
    small = photo(shape)
    restored = restorer(small)
    assert restored.shape == right
    assert restored.dtype == np.uint8
    found = restorer.uncertainty(small, num_samples=2)
    assert found.mean.shape == found.std.shape == right


def test_it_restores_what_the_training_enlarged(restorer):
    """And a caller who has enlarged the image says so."""
    small = photo() / np.float32(255)
    large = enlarging.enlarge(small, 4)
    np.testing.assert_array_equal(restorer.enlarge(small), large)
    restored = restorer(small, key=KEY)
    np.testing.assert_array_equal(restorer(large, key=KEY, enlarged=True), restored)
    moments = [
        restorer.uncertainty(image, num_samples=2, key=KEY, enlarged=image is large)
        for image in (small, large)
    ]
    np.testing.assert_array_equal(moments[0].std, moments[1].std)


def test_the_configuration_says_how(restorer):
    config = configuration.override(
        restorer.config, ["--config.data.scale=2", "--config.data.enlarge=nearest"]
    )
    doubling = Restorer.from_config(config, restorer.params, restorer.network)
    assert doubling.scale == 2
    small = photo() / np.float32(255)
    doubled = small.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(
        doubling(small, key=KEY), doubling(doubled, key=KEY, enlarged=True)
    )


def test_a_file_is_restored_as_an_array(restorer, tmp_path):
    Image.fromarray(photo()).save(tmp_path / "a.png")
    one_file.restore_file(restorer, tmp_path / "a.png", tmp_path / "b.png", KEY)
    found = np.asarray(Image.open(tmp_path / "b.png"))
    np.testing.assert_array_equal(found, restorer(photo(), key=KEY))


def test_an_evaluation_enlarges_once(restorer):
    """The degraded images of a test set have the size of their references."""
    clean = photo((32, 40, 3)) / np.float32(255)
    large = enlarging.enlarge(photo() / np.float32(255), 4).clip(0, 1)
    source = pairs.ArrayPairs([clean], [large])
    (result,) = scores.evaluate_images(restorer, source)
    right = restorer(large, key=noise_keys.file_key(0, "0"), enlarged=True)
    found = images.to_uint8(result.images["restored"])
    np.testing.assert_array_equal(found, images.to_uint8(right))


def test_tiles_are_planned_for_the_result(restorer):
    config = configuration.override(restorer.config, ["--config.sampling.tile=16"])
    tiled = Restorer.from_config(config, restorer.params, restorer.network)
    assert tiled(photo()).shape == (32, 40, 3)
