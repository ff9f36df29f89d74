"""The mark of a result is found wherever its format puts it, and nowhere else."""

import numpy as np
import pytest

from irsde_jax.data.image_files import exif, images
from irsde_jax.data.image_files.arrays import ImageFile
from irsde_jax.data.image_files.metadata import Metadata
from irsde_jax.restoration.files import marks

MARKED = ("png", "jpg", "tif", "webp", "avif")
PATH = b"<a>/home/u/irsde_jax/a.psd, irsde_jax 1.0, solver b, seed 1</a>"


def write(path, made_by):
    """An image with 60 kB and more on both sides of its middle, and between its tags.

    Its XMP data name a folder of this package, as those of an original may.
    """
    pixels = np.random.default_rng(0).random((250, 200, 3), np.float32)
    long = exif.Entry(7, 60_000, b"n" * 60_000)
    tags = {0x010E: exif.to_entry("d" * 60_000), 0x9C9C: long}
    found = Metadata(
        xmp=PATH.ljust(65_000),
        exif=exif.write("<", tags if path.suffix != ".jpg" else {0x9C9C: long}),
        software=made_by,
    )
    images.write_image(path, ImageFile(pixels, None, 8, found))
    return path


@pytest.mark.parametrize("kind", MARKED)
def test_results_are_told_from_originals(kind, tmp_path):
    made_by = marks.describe("mr_ode_2", 5, 7, "runs/rain", 3)
    assert marks.is_marked(write(tmp_path / f"result.{kind}", made_by))
    assert not marks.is_marked(write(tmp_path / f"original.{kind}", None))


@pytest.mark.parametrize("weights", [None, "a, b\n; 1, solver x.pth", "雨" * 80, "é"])
def test_any_name_of_weights_leaves_the_mark_what_it_is(weights, tmp_path):
    made_by = marks.describe("euler_maruyama", 100, 0, weights)
    for kind in MARKED:
        path = tmp_path / f"a.{kind}"
        found = Metadata(software=made_by)
        grey = np.zeros((8, 8, 1), np.float32)
        images.write_image(path, ImageFile(grey, None, 8, found))
        assert marks.is_marked(path), kind


def test_what_cannot_be_read_is_no_result(tmp_path):
    (tmp_path / "empty.png").touch()
    for name in ("empty.png", "missing.png", "."):
        assert not marks.is_marked(tmp_path / name)


def test_the_line_names_what_made_the_image():
    line = marks.describe("mr_ode_2", 5, 7, "/home/u/runs/rain", 3)
    version, rest = line.split(", ", 1)
    assert version.startswith("irsde_jax ")
    expected = "weights rain, solver mr_ode_2, 5 evaluations, seed 7, mean of 3 samples"
    assert rest == expected
