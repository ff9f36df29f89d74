"""Which pixels of a file are holes: painted, erased, or marked in a mask."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from irsde_jax.data.image_files import compression, painted_holes
from irsde_jax.data.image_files.images import ImageFile
from irsde_jax.restoration.files import filling

data = pytest.importorskip("skimage.data", reason="scikit-image is missing")


def photograph():
    """A photograph of 96 x 96 pixels without white."""
    return data.chelsea()[90:186, 150:246]


def stroke(width=8.0, soft=0.0):
    """The opacity of a round brush along a line, from 0 to 1 over `soft` pixels."""
    rows, columns = np.mgrid[:96, :96] - 48
    along = np.clip(0.8 * rows - 0.6 * columns, -28, 28)
    distance = np.hypot(rows - 0.8 * along, columns + 0.6 * along)
    return np.clip((width / 2 - distance) / max(soft, 1e-6) + 0.5, 0, 1)


def painted(opacity, level=255, photo=None):
    photo = photograph() if photo is None else photo
    mixed = photo * (1 - opacity[..., None]) + level * opacity[..., None]
    return mixed.round().astype(np.uint8)


def compressed(image, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return np.asarray(Image.open(buffer).convert("RGB"))


def find(image, is_lossy=False):
    return painted_holes.find_white(image.astype(np.float32) / 255, is_lossy)


class TestWhite:
    @pytest.mark.parametrize("level", [255, 254, 250])
    def test_a_pencil_leaves_exactly_its_pixels(self, level):
        pencil = stroke() > 0.5
        found = find(painted(pencil, level))
        np.testing.assert_array_equal(found.hole, pencil)
        assert (found.num_areas, found.doubtful) == (1, 0)

    @pytest.mark.parametrize("soft", [1.5, 3, 8])
    def test_the_rim_of_a_brush_is_in_the_hole(self, soft):
        """Little of the paint is left outside, and little of the photograph lost."""
        opacity = stroke(16, soft)
        hole = find(painted(opacity)).hole
        assert opacity[~hole].max() < 0.25
        around = ndimage.binary_dilation(opacity > 0, iterations=3)
        assert not hole[~around].any()

    @pytest.mark.parametrize(
        ("kind", "options"),
        [
            ("JPEG", {"quality": 95, "subsampling": 0}),
            ("JPEG", {"quality": 75}),
            ("WEBP", {"quality": 90}),
        ],
    )
    def test_compressed_strokes_are_found_with_what_leaks_from_them(
        self, kind, options
    ):
        pencil = stroke(12) > 0.5
        image = compressed(painted(pencil), kind, **options)
        hole = find(image, is_lossy=True).hole
        assert hole[pencil].all()
        assert not hole[~ndimage.binary_dilation(pencil, iterations=6)].any()
        leaked = np.abs(image.astype(int) - photograph()).max(axis=-1)
        assert leaked[~hole].max() < 100

    def test_a_photograph_without_white_has_no_hole(self):
        found = find(photograph(), is_lossy=True)
        assert not found.hole.any()

    def test_highlights_are_no_holes(self):
        image = photograph().copy()
        image[10:12, 10:14] = 255  # eight pixels: fewer than a dab
        image[50, 60] = 255
        found = find(image)
        assert not found.hole.any()
        assert found.num_specks == 2
        image[10:13, 10:13] = 255
        assert find(image).hole.sum() == 11  # the dab and what it touches

    def test_bright_grain_of_a_lossless_photograph_is_no_hole(self):
        """Uneven areas are holes in lossy files alone."""
        image, (rows, columns) = photograph().copy(), np.mgrid[:40, :40]
        noise = np.random.default_rng(0).integers(247, 256, (40, 40, 1))
        image[20:60, 20:60] = np.where((rows + columns)[..., None] % 3, noise, 250)
        assert not find(image).hole.any()

    def test_an_overexposed_area_is_doubtful(self):
        """A sky along the border, and a lamp that fades; a stroke is neither."""
        sky = photograph().copy()
        sky[:30] = 255
        assert find(sky).doubtful == pytest.approx(30 / 96)
        rows, columns = np.mgrid[:96, :96]
        glow = np.hypot(rows - 48, columns - 48)
        lamp = painted(np.clip(1.2 - glow / 30, 0, 1))
        assert find(lamp).doubtful > 0
        assert find(painted(stroke(12, 1.5))).doubtful == 0

    def test_uneven_white_of_a_lossy_file_is_doubtful(self):
        """A compressed stroke and an overexposed shirt look alike."""
        image = photograph().copy()
        noise = np.random.default_rng(0).integers(248, 256, (40, 40, 1))
        image[20:60, 20:60] = noise
        found = find(image, is_lossy=True)
        assert found.hole[20:60, 20:60].all()
        assert found.doubtful == pytest.approx((40 / 96) ** 2)

    def test_black_areas_are_counted(self):
        image = painted(stroke() > 0.5, 0)
        share = painted_holes.black_share(image / np.float32(255))
        assert share == pytest.approx((stroke() > 0.5).mean())


class TestErased:
    def test_transparent_areas_and_their_soft_rims_are_holes(self):
        alpha = 1 - stroke(12, 4)[..., None]
        hole = painted_holes.find_erased(alpha)
        assert hole[alpha[..., 0] < 0.97].all()
        assert not hole[alpha[..., 0] == 1].any()

    def test_glass_is_no_hole(self):
        alpha = np.full((9, 9, 1), 0.7, np.float32)
        assert not painted_holes.find_erased(alpha).any()
        alpha[2:4, 2:4] = 0.2
        assert painted_holes.find_erased(alpha).all()

    def test_lossy_colours_beside_an_erased_area_are_in_it(self):
        alpha = np.ones((20, 20, 1), np.float32)
        alpha[8:12, 8:12] = 0
        assert painted_holes.find_erased(alpha).sum() == 16
        assert painted_holes.find_erased(alpha, is_lossy=True).sum() == 64


class TestFilling:
    def image(self, pixels, alpha=None, bits=8):
        pixels = np.asarray(pixels, np.float32) / 255
        return ImageFile(pixels, alpha, bits)

    def find(self, image, tmp_path):
        return filling.find(image, tmp_path / "none.png")

    def test_erased_areas_decide_and_white_stays(self, tmp_path):
        alpha = np.ones((96, 96, 1), np.float32)
        alpha[70:80, 70:80] = 0
        found = self.find(self.image(painted(stroke() > 0.5), alpha), tmp_path)
        np.testing.assert_array_equal(found.hole, alpha[..., 0] == 0)

    def test_what_is_put_back_is_opaque_and_else_to_the_bit(self, tmp_path):
        generator = np.random.default_rng(0)
        alpha = np.ones((96, 96, 1), np.float32)
        alpha[70:80, 70:80], alpha[:5] = 0, 0.8
        original = ImageFile(
            generator.uniform(0, 0.9, (96, 96, 3)).astype(np.float32), alpha, 32
        )
        found = self.find(original, tmp_path)
        other = original._replace(pixels=original.pixels + 0.1)
        result = filling.put_back(found, original, other)
        hole = alpha[..., 0] == 0
        np.testing.assert_array_equal(result.pixels[hole], other.pixels[hole])
        np.testing.assert_array_equal(result.pixels[~hole], original.pixels[~hole])
        assert (result.alpha[hole] == 1).all()
        np.testing.assert_array_equal(result.alpha[~hole], alpha[~hole])

    def test_the_share_is_told(self, tmp_path):
        image = self.image(painted(stroke() > 0.5))
        found = self.find(image, tmp_path)
        share = 100 * (stroke() > 0.5).mean()
        assert str(found) == f"{share:.1f} % of its pixels are filled (1 white area)"
        assert found.warnings == ()

    def test_what_has_no_hole_is_a_warning_and_black_is_mentioned(self, tmp_path):
        (text,) = self.find(self.image(photograph()), tmp_path).warnings
        assert "no hole" in text
        assert "black" not in text
        (text,) = self.find(self.image(painted(stroke() > 0.5, 0)), tmp_path).warnings
        assert "is black, which is no hole" in text

    def test_an_image_of_which_nothing_is_known_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="nothing is known"):
            self.find(self.image(np.full((20, 20, 3), 255)), tmp_path)

    def test_a_sky_is_warned_of(self, tmp_path):
        sky = photograph().copy()
        sky[:30] = 255
        (text,) = self.find(self.image(sky), tmp_path).warnings
        assert "31.2 % of the image may be overexposed" in text


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("a.png", {}, False),
        ("a.jpg", {}, True),
        ("a.webp", {"quality": 80}, True),
        ("a.webp", {"lossless": True}, False),
        ("a.webp", {"quality": 80, "icc_profile": b"x" * 131}, True),
        ("a.webp", {"lossless": True, "exif": b"y" * 7}, False),
        ("a.tif", {}, False),
        ("a.tif", {"compression": "tiff_lzw"}, False),
        ("a.tif", {"compression": "jpeg"}, True),
        ("a.avif", {}, True),
        ("a.bmp", {}, False),
    ],
)
def test_lossy_files_are_told_by_their_content(
    name, options, expected, tmp_path, monkeypatch
):
    path = tmp_path / name
    Image.fromarray(photograph()).save(path, **options)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # it may be of any size
    assert compression.is_lossy(path) == expected
    assert not compression.is_lossy(tmp_path / "missing.png")


@pytest.mark.parametrize("number", [6, 7, 34892, 33007, 50001])
def test_every_number_of_lossy_compression_in_tiff_counts(number, tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(photograph()).save(path)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags["Compression"].overwrite(number)
    assert compression.is_lossy(path)
