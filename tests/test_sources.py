"""Images by address: every layout of a folder, parts of data sets, sizes of pairs."""

import pickle

import jax.numpy as jnp
import numpy as np
import pytest

from irsde_jax.data import resampling
from irsde_jax.data.image_files import hole_masks, images
from irsde_jax.data.image_files.hole_masks import HoleMask
from irsde_jax.data.image_files.images import ImageFile
from irsde_jax.data.sources import datasets, open_source, pairs


def save(path, shape=(6, 8, 3), seed=0, values=256):
    """Writes random 8-bit pixels; returns them in [0, 1]."""
    rng = np.random.default_rng(seed)
    step = 255 // (values - 1)
    pixels = (rng.integers(0, values, shape) * step).astype(np.float32) / 255
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write_image(path, ImageFile(pixels, None, 8))
    return pixels


def test_a_folder_is_opened_by_what_is_wanted(tmp_path):
    save(tmp_path / "GT" / "a.png")
    save(tmp_path / "LQ" / "a.png")
    root, clean = str(tmp_path), str(tmp_path / "GT")
    assert set(open_source(root, True)[0]) == {"x0", "mu"}
    assert set(open_source(root, None)[0]) == {"x0", "mu"}
    assert set(open_source(clean, None)[0]) == {"x0"}
    assert set(open_source(clean, False)[0]) == {"x0"}
    assert set(open_source(root, False)[0]) == {"x0"}
    with pytest.raises(FileNotFoundError, match="no folder GT and no folder LQ"):
        open_source(clean, True)


@pytest.mark.parametrize("stems", [("a", "b"), ("m1", "m2")])
def test_masks_leave_holes_of_white(tmp_path, stems):
    clean = {name: save(tmp_path / "GT" / f"{name}.png", seed=1) for name in "ab"}
    keep = [
        save(tmp_path / "mask" / f"{stem}.png", (6, 8, 1), i, values=2)
        for i, stem in enumerate(stems)
    ]
    source = open_source(str(tmp_path), True)
    for index, name in enumerate("ab"):
        expected = np.where(keep[index] == 1, clean[name], 1.0)
        np.testing.assert_array_equal(source[index]["mu"], expected)
    assert 0 < keep[0].mean() < 1


def test_soft_masks_are_read_as_those_of_the_command_line_are(tmp_path):
    """A pixel is known or it is not: half a hole is what no process fills."""
    clean = save(tmp_path / "GT" / "a.png", (16, 16, 3))
    keep = np.ones((16, 16, 1), np.float32)
    keep[5:10, 5:10] = np.float32(120 / 255)
    keep[6:9, 6:9] = 0
    (tmp_path / "mask").mkdir()
    images.write_image(tmp_path / "mask" / "a.png", ImageFile(keep, None, 8))
    mask = HoleMask(tmp_path / "mask" / "a.png", is_keep=True)
    hole = hole_masks.read(mask, 16, 16)
    degraded = open_source(str(tmp_path), True)[0]["mu"]
    np.testing.assert_array_equal(degraded, np.where(hole[..., None], 1.0, clean))
    assert hole[4, 4] and not hole[3, 3]


def test_a_mask_of_another_size_is_an_error_that_names_both(tmp_path):
    save(tmp_path / "GT" / "a.png", (6, 8, 3))
    save(tmp_path / "mask" / "a.png", (6, 7, 1))
    with pytest.raises(ValueError, match=r"mask/a\.png has 6 x 7 .*its image 6 x 8"):
        open_source(str(tmp_path), True)[0]


class FourTimes:
    """Pairs as `super_resolution` has them."""

    def __init__(self, tmp_path):
        self.root = str(tmp_path)
        self.x0 = save(tmp_path / "GT" / "a.png", (12, 16, 3))
        self.small = save(tmp_path / "LQ" / "a.png", (3, 4, 3), seed=1)


def test_smaller_images_are_enlarged(tmp_path):
    files = FourTimes(tmp_path)
    record = open_source(files.root, True, scale=4)[0]
    np.testing.assert_array_equal(record["x0"], files.x0)
    # a grey level is 4e-3; the device enlarges in the same way
    expected = resampling.resize(jnp.asarray(files.small), 12, 16)
    np.testing.assert_allclose(record["mu"], expected, atol=4e-6)
    nearest = open_source(files.root, True, scale=4, enlarge="nearest")[0]["mu"]
    np.testing.assert_array_equal(nearest, np.kron(files.small, np.ones((4, 4, 1))))
    left_small = open_source(files.root, True, scale=4, enlarge=None)[0]
    np.testing.assert_array_equal(left_small["mu"], files.small)


def test_sizes_that_do_not_fit_name_the_setting(tmp_path):
    root = FourTimes(tmp_path).root
    with pytest.raises(ValueError, match=r"12 x 16 .* 3 x 4 .*Set data\.scale=4"):
        open_source(root, True)[0]
    with pytest.raises(ValueError, match=r"data\.scale=2"):
        open_source(root, True, scale=2, enlarge=None)[0]
    with pytest.raises(ValueError, match=r"data\.scale must be at least 1, got 0"):
        open_source(root, True, scale=0)
    with pytest.raises(ValueError, match=r"'lanczos' is not one of \['bicubic', "):
        open_source(root, True, scale=4, enlarge="lanczos")[0]


@pytest.fixture
def dataset(monkeypatch):
    """Five images in place of every data set; the arguments it was asked for."""
    asked = []

    def fake(*arguments, channels, data_range):
        asked.append((*arguments, channels, data_range))
        x0 = [np.full((2, 2, 3), i / 4) for i in range(5)]
        return pairs.ArrayPairs(x0, x0)

    monkeypatch.setattr(datasets, "open_dataset", fake)
    return asked


def test_a_part_of_a_data_set(dataset, tmp_path):
    whole = open_source("tfds:gopro/train", True, manual_dir=str(tmp_path))
    assert dataset == [("gopro", "train", None, tmp_path / "gopro", 3, (0.0, 1.0))]
    assert len(whole) == 5
    first = open_source("tfds:gopro/train[:2]", True)
    rest = open_source("tfds:gopro/train[2:]", True)
    assert first.names + rest.names == whole.names
    levels = [source[i]["mu"].mean() for source in (first, rest) for i in range(2)]
    assert levels == [0.0, 0.25, 0.5, 0.75]
    assert set(open_source("tfds:gopro/train[-1:]", False)[0]) == {"x0"}
    assert pickle.loads(pickle.dumps(rest))[2]["x0"].mean() == 1.0


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("tfds:gopro", "write tfds:NAME/SPLIT"),
        ("tfds:gopro/train[1]", "names no data set"),
        ("tfds:gopro/train[9:]", r"train\[9:\] is empty: the split has 5 images"),
    ],
)
def test_an_address_that_means_nothing_is_an_error(dataset, address, message):
    with pytest.raises(ValueError, match=message):
        open_source(address, True)
