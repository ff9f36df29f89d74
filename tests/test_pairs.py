"""Sources of whole images: matched by name, of one size, opaque."""

import numpy as np
import pytest

from irsde_jax.data.image_files import images
from irsde_jax.data.image_files.images import ImageFile
from irsde_jax.data.sources import pairs


def save(path, shape=(6, 8, 3), seed=0, alpha=None):
    """Writes a random image and returns its pixels."""
    samples = np.random.default_rng(seed).integers(0, 256, shape).astype(np.float32)
    pixels = samples / np.float32(255)
    path.parent.mkdir(exist_ok=True)
    images.write_image(path, ImageFile(pixels, alpha, 8))
    return pixels


def test_pairs_are_matched_by_stem(tmp_path):
    for seed, stem in enumerate(("b", "a", "c.1")):
        save(tmp_path / "GT" / f"{stem}.png", seed=seed)
        save(tmp_path / "LQ" / f"{stem}.bmp", seed=10 + seed)
    source = pairs.PairedFolder(tmp_path)
    assert len(source) == 3
    assert source.names == ["a", "b", "c.1"]
    for index, seed in enumerate((1, 0, 2)):
        record = source[index]
        assert set(record) == {"x0", "mu"}
        np.testing.assert_array_equal(
            record["x0"], save(tmp_path / "other" / f"{seed}.png", seed=seed)
        )
        np.testing.assert_array_equal(
            record["mu"], save(tmp_path / "other" / f"{10 + seed}.png", seed=10 + seed)
        )
        assert record["x0"].dtype == record["mu"].dtype == np.float32


def test_images_without_a_partner_are_named(tmp_path):
    save(tmp_path / "GT" / "a.png")
    save(tmp_path / "LQ" / "a.png")
    save(tmp_path / "GT" / "alone.png")
    save(tmp_path / "LQ" / "lost.png")
    with pytest.raises(ValueError, match=r"2 images.*GT/alone\.png, LQ/lost\.png"):
        pairs.PairedFolder(tmp_path)
    for index in range(12):
        save(tmp_path / "GT" / f"z{index:02}.png")
    with pytest.raises(ValueError, match=r"14 images.*z08\.png, \.\.\.") as caught:
        pairs.PairedFolder(tmp_path)
    assert "z09" not in str(caught.value)


def test_two_files_of_one_stem_are_an_error(tmp_path):
    save(tmp_path / "GT" / "a.png")
    save(tmp_path / "GT" / "a.bmp")
    save(tmp_path / "LQ" / "a.png")
    with pytest.raises(ValueError, match=r"a\.bmp and .*a\.png share the name 'a'"):
        pairs.PairedFolder(tmp_path)


def test_a_folder_without_the_layout_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder GT and no folder LQ"):
        pairs.PairedFolder(tmp_path)
    save(tmp_path / "GT" / "a.png")
    with pytest.raises(FileNotFoundError, match="has no folder LQ"):
        pairs.PairedFolder(tmp_path)
    (tmp_path / "LQ").mkdir()
    with pytest.raises(ValueError, match="LQ holds no images"):
        pairs.PairedFolder(tmp_path)


def test_grey_is_repeated_and_other_channels_are_errors(tmp_path):
    grey = save(tmp_path / "GT" / "a.png", (6, 8, 1))
    colour = save(tmp_path / "LQ" / "a.png", (6, 8, 3))
    record = pairs.PairedFolder(tmp_path, channels=3)[0]
    np.testing.assert_array_equal(record["x0"], np.repeat(grey, 3, -1))
    np.testing.assert_array_equal(record["mu"], colour)
    with pytest.raises(ValueError, match=r"LQ/a\.png has 3 channels where 1"):
        pairs.PairedFolder(tmp_path, channels=1)[0]


def test_an_opaque_alpha_is_dropped_and_transparency_is_an_error(tmp_path):
    opaque = np.ones((6, 8, 1), np.float32)
    pixels = save(tmp_path / "opaque.png", alpha=opaque)
    opaque[2, 3] = 254 / 255
    save(tmp_path / "see_through.png", alpha=opaque)
    source = pairs.CleanFolder(tmp_path)
    assert source.names == ["opaque.png", "see_through.png"]
    assert set(source[0]) == {"x0"}
    np.testing.assert_array_equal(source[0]["x0"], pixels)
    with pytest.raises(ValueError, match=r"see_through\.png has transparent.*Flatten"):
        source[1]


def test_arrays_are_a_source():
    x0 = [np.full((4, 5, 3), 51, np.uint8), np.full((2, 3, 3), 0.5)]
    source = pairs.ArrayPairs(x0, [np.zeros((4, 5, 3)), np.ones((2, 3, 3))])
    assert len(source) == len(source.names) == 2
    np.testing.assert_allclose(source[0]["x0"], 0.2)
    np.testing.assert_array_equal(source[1]["mu"], 1)
    assert source[1]["x0"].dtype == np.float32
    assert set(pairs.ArrayPairs(x0)[0]) == {"x0"}


@pytest.mark.parametrize(
    ("x0", "mu", "message"),
    [
        ([], None, "no images"),
        ([np.zeros((2, 2, 3))], [], "1 images in x0, but 0 in mu"),
        ([np.zeros((2, 2, 3))], [np.zeros((2, 1, 3))], r"x0\[0\].*mu\[0\]"),
        ([np.full((2, 2, 3), 255.0)], None, r"x0\[0\].*255"),
        ([np.zeros((2, 2, 3))], [np.zeros((2, 2, 2, 3))], r"mu\[0\].*shape"),
    ],
)
def test_arrays_that_do_not_fit_are_errors(x0, mu, message):
    with pytest.raises(ValueError, match=message):
        pairs.ArrayPairs(x0, mu)
