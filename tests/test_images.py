"""Image files: what is written is read back, and what cannot be read says so."""

import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from irsde_jax.data.image_files import arrays, enlarging, images
from irsde_jax.data.image_files.images import ImageFile


def random_image(channels=3, bits=8, alpha=False, shape=(7, 5)):
    """An image whose samples are exact integers of `bits` bits."""
    rng = np.random.default_rng(channels + bits)
    dtype = np.uint8 if bits == 8 else np.uint16

    def draw(count):
        samples = rng.integers(0, 2**bits, (*shape, count)).astype(dtype)
        return samples.astype(np.float32) / np.float32(2**bits - 1)

    return ImageFile(draw(channels), draw(1) if alpha else None, bits)


def assert_same(found, expected):
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    assert found.pixels.dtype == np.float32
    assert found.bits == expected.bits
    if expected.alpha is None:
        assert found.alpha is None
    else:
        np.testing.assert_array_equal(found.alpha, expected.alpha)


def png_bytes(depth, colour_type, samples):
    """A PNG made by hand: Pillow writes no 16-bit colour."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF", ".webp", ".bmp", ".npy"])
@pytest.mark.parametrize("shape", [(7, 5), (1, 1)])
def test_lossless_formats_give_back_what_was_written(tmp_path, suffix, shape):
    image = random_image(shape=shape)
    images.write_image(tmp_path / f"a{suffix}", image)
    assert_same(images.read_image(tmp_path / f"a{suffix}"), image)


def test_jpeg_is_close(tmp_path):
    ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16, 1)
    image = ImageFile(np.concatenate([ramp, ramp[::-1], ramp * 0.5], -1), None, 8)
    images.write_image(tmp_path / "a.jpg", image)
    found = images.read_image(tmp_path / "a.jpg")
    assert np.abs(found.pixels - image.pixels).mean() < 2 / 255
    assert (found.alpha, found.bits) == (None, 8)


@pytest.mark.parametrize(
    ("suffix", "channels", "bits", "alpha"),
    [
        (".png", 1, 8, False),
        (".tif", 1, 8, False),
        (".bmp", 1, 8, False),
        (".png", 1, 16, False),
        (".tif", 1, 16, False),
        (".npy", 1, 16, False),
        (".npy", 6, 8, False),
        (".png", 1, 8, True),
        (".png", 3, 8, True),
        (".tif", 3, 8, True),
        (".png", 1, 16, True),
        (".tif", 1, 16, True),
        (".tif", 5, 8, False),
        (".tif", 4, 16, False),
        (".webp", 3, 8, True),
    ],
)
def test_grey_depth_and_alpha_are_kept(tmp_path, suffix, channels, bits, alpha):
    image = random_image(channels, bits, alpha)
    if alpha:  # WebP may change the colour of what cannot be seen
        image = image._replace(alpha=np.maximum(image.alpha, np.float32(1 / 255)))
    images.write_image(tmp_path / f"a{suffix}", image)
    assert_same(images.read_image(tmp_path / f"a{suffix}"), image)


def test_float_arrays_are_kept(tmp_path):
    pixels = np.random.default_rng(0).random((4, 3, 2)).astype(np.float32)
    images.write_image(tmp_path / "a.npy", ImageFile(pixels, None, 32))
    assert_same(images.read_image(tmp_path / "a.npy"), ImageFile(pixels, None, 32))
    np.save(tmp_path / "grey.npy", pixels[..., 0].astype(np.float64))
    assert images.read_image(tmp_path / "grey.npy").pixels.shape == (4, 3, 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_with_a_range_of_their_own_are_neither_clipped_nor_rounded(
    tmp_path, dtype
):
    levels = np.array([-1000, -999.5, 0, 40, 3000], dtype).reshape(1, 5, 1)
    np.save(tmp_path / "a.npy", np.repeat(levels, 5, axis=-1))
    image = images.read_image(tmp_path / "a.npy", (-1000, 3000))
    assert image.pixels.dtype == np.float32
    expected = [0, 0.5 / 4000, 0.25, 0.26, 1]
    np.testing.assert_allclose(image.pixels[0, :, 3], expected, rtol=1e-6)
    images.write_image(tmp_path / "b.npy", image)
    written = np.load(tmp_path / "b.npy")
    assert written.dtype == np.float32
    np.testing.assert_allclose(written[..., :1], levels, atol=2e-4)
    # What a restoration makes of it may lie beyond: it is written as it is.
    images.write_image(tmp_path / "c.npy", image._replace(pixels=image.pixels * 2))
    assert np.load(tmp_path / "c.npy").max() == 7000
    for data_range in ((-1000, 2990), (-999, 3000), (0, 1)):
        with pytest.raises(
            ValueError, match=r"a\.npy.*found -1000.* to 3000.*data_ran"
        ):
            images.read_image(tmp_path / "a.npy", data_range)
    for data_range in ((1, 1), (2, 1), (0, np.inf), (np.nan, 1)):
        with pytest.raises(ValueError, match=r"a\.npy.*the smaller one first"):
            images.read_image(tmp_path / "a.npy", data_range)


def test_the_ends_of_a_range_are_those_of_the_type(tmp_path):
    """0.1 as a float32 is larger than 0.1, and no float16 reaches 1e5."""
    for value, dtype, high in ((0.1, np.float32, 0.1), (1000, np.float16, 1e5)):
        np.save(tmp_path / "a.npy", np.full((2, 2), value, dtype))
        pixels = images.read_image(tmp_path / "a.npy", (0, high)).pixels
        np.testing.assert_allclose(pixels, value / high, rtol=1e-6)


def test_16_bits_in_an_8_bit_format_are_rounded(tmp_path):
    image = random_image(3, 16)
    images.write_image(tmp_path / "a.bmp", image)
    found = images.read_image(tmp_path / "a.bmp")
    assert_same(
        found, ImageFile(images.to_uint8(image.pixels) / np.float32(255), None, 8)
    )


def test_rounding_is_half_to_even_and_clips():
    halves = np.array([0.5, 1.5, 2.5, 254.5], np.float64) / 255
    np.testing.assert_array_equal(np.float32(halves) * np.float32(255) % 1, 0.5)
    np.testing.assert_array_equal(images.to_uint8(halves), [0, 2, 2, 254])
    np.testing.assert_array_equal(images.to_uint8(np.array([-1.0, 2.0])), [0, 255])
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(images.to_uint8(levels / 255), levels)
    with pytest.raises(ValueError, match="finite"):
        images.to_uint8(np.array([np.nan]))


@pytest.mark.parametrize("transparent", [None, 1])
def test_palettes_become_rgb(tmp_path, transparent):
    picture = Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8))
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    options = {} if transparent is None else {"transparency": transparent}
    picture.save(tmp_path / "a.png", **options)
    with Image.open(tmp_path / "a.png") as opened:
        assert opened.mode == "P"
    found = images.read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(found.pixels, np.eye(3)[[[0, 1], [2, 0]]])
    if transparent is None:
        assert found.alpha is None
    else:
        np.testing.assert_array_equal(found.alpha[..., 0], [[1, 0], [1, 1]])


@pytest.mark.parametrize(
    ("mode", "dtype", "level"), [("L", np.uint8, 9), ("I;16", np.uint16, 900)]
)
def test_a_transparent_level_of_grey_becomes_alpha(tmp_path, mode, dtype, level):
    samples = np.array([[level, 5], [7, level]], dtype)
    picture = Image.fromarray(samples)
    assert picture.mode == mode
    picture.save(tmp_path / "a.png", transparency=level)
    found = images.read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(found.alpha[..., 0], [[0, 1], [1, 0]])
    np.testing.assert_array_equal(
        found.pixels[..., 0], np.float32(samples) / np.float32(np.iinfo(dtype).max)
    )


def test_bilevel_and_cmyk_are_converted(tmp_path):
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "a.png")
    np.testing.assert_array_equal(
        images.read_image(tmp_path / "a.png").pixels, [[[1], [0]]]
    )
    Image.new("CMYK", (2, 2), (0, 255, 255, 0)).save(tmp_path / "a.tif")
    found = images.read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels, np.broadcast_to([1, 0, 0], (2, 2, 3)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("bits", [8, 16])
def test_exif_orientation_is_applied(tmp_path, orientation, bits):
    upright = random_image(1, bits).pixels
    # Undo by hand what the tag asks a viewer to do, after the EXIF specification.
    stored = {
        1: upright,
        2: np.fliplr(upright),
        3: np.rot90(upright, 2),
        4: np.flipud(upright),
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.fromarray(arrays.to_integers(stored, bits)[..., 0])
    for suffix in (".png", ".tif"):
        picture.save(tmp_path / f"a{suffix}", exif=exif)
        found = images.read_image(tmp_path / f"a{suffix}").pixels
        np.testing.assert_array_equal(found, upright)


@pytest.mark.parametrize(("colour_type", "samples"), [(2, 3), (4, 2), (6, 4)])
def test_16_bit_colour_is_never_narrowed(tmp_path, colour_type, samples):
    content = np.random.default_rng(0).integers(0, 2**16, (3, 4, samples))
    (tmp_path / "a.png").write_bytes(png_bytes(16, colour_type, content))
    found = images.read_image(tmp_path / "a.png")
    assert found.bits == 16
    parts = [found.pixels] if found.alpha is None else [found.pixels, found.alpha]
    np.testing.assert_array_equal(
        np.concatenate(parts, -1), np.float32(content) / np.float32(65535)
    )


@pytest.mark.parametrize(
    ("suffix", "alpha"), [(s, a) for s in (".png", ".tif") for a in (False, True)]
)
def test_16_bit_colour_is_written_without_loss(tmp_path, suffix, alpha):
    image = random_image(3, 16, alpha)
    images.write_image(tmp_path / f"a{suffix}", image)
    assert_same(images.read_image(tmp_path / f"a{suffix}"), image)


@pytest.mark.parametrize("suffix", images.SUFFIXES)
def test_damaged_files_are_errors_that_name_them(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    images.write_image(path, random_image(shape=(64, 64)))
    whole = path.read_bytes()
    for damaged, message in [
        (whole[: len(whole) // 2], "cannot be read"),
        (whole[:20], "cannot be read"),
        (b"This is a text file, not an image.\n", "cannot be read"),
        (b"", "empty"),
    ]:
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"a{suffix} .*{message}"):
            images.read_image(path)


@pytest.mark.parametrize("suffix", images.SUFFIXES)
def test_decompression_bombs_are_errors(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    images.write_image(path, random_image(shape=(100, 200)))
    for read in (images.read_image, images.read_size):
        message = rf"a\{suffix}.*100 x 200.*at most 0\.0199.*bomb.*--max_megapixels=1"
        with pytest.raises(ValueError, match=message):
            read(path, max_megapixels=0.0199)
        read(path, max_megapixels=0.02)


def test_images_that_pillow_calls_bombs_are_read(tmp_path, monkeypatch):
    """The limit is ours: that of Pillow, one for the whole process, plays no part."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for suffix in images.SUFFIXES:
        images.write_image(tmp_path / f"a{suffix}", random_image(shape=(64, 64)))
        found = images.read_image(tmp_path / f"a{suffix}")
        assert found.pixels.shape[:2] == (64, 64)


def test_animations_are_errors(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=r"a\.webp.*2 frames"):
        images.read_image(tmp_path / "a.webp")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 4, 5)), "shape"),
        (np.zeros((2, 2, 3), np.int64), "int64"),
        (np.full((2, 2), 255.0), "255"),
        (np.full((2, 2), np.nan), "nan"),
        (np.array([{"a": 1}]), "object"),
    ],
)
def test_arrays_that_are_no_images_are_errors(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=f"(?i)a.npy .*{message}"):
        images.read_image(tmp_path / "a.npy")


def test_missing_files_and_unknown_suffixes_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.png"):
        images.read_image(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.gif.*\.png"):
        images.read_image(tmp_path / "a.gif")
    with pytest.raises(ValueError, match=r"a\.gif.*\.png"):
        images.write_image(tmp_path / "a.gif", random_image())
    (tmp_path / "b.png").mkdir()
    with pytest.raises(IsADirectoryError, match=r"b\.png"):
        images.read_image(tmp_path / "b.png")
    with pytest.raises(FileNotFoundError, match="Create it"):
        images.write_image(tmp_path / "none" / "a.png", random_image())


def test_an_existing_file_is_overwritten_only_on_request(tmp_path):
    first, second = random_image(1), random_image(3)
    images.write_image(tmp_path / "a.png", first)
    with pytest.raises(FileExistsError, match=r"a\.png"):
        images.write_image(tmp_path / "a.png", second)
    assert_same(images.read_image(tmp_path / "a.png"), first)
    images.write_image(tmp_path / "a.png", second, overwrite=True)
    assert_same(images.read_image(tmp_path / "a.png"), second)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    image = random_image()
    images.write_image(tmp_path / "a.png", image)

    def full_disk(source, target):
        assert os.path.dirname(source) == os.path.dirname(target)
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    monkeypatch.setattr(os, "link", full_disk)  # then it tries to replace
    with pytest.raises(OSError, match="No space"):
        images.write_image(tmp_path / "a.png", random_image(1), overwrite=True)
    with pytest.raises(OSError, match="No space"):
        images.write_image(tmp_path / "b.png", image)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert_same(images.read_image(tmp_path / "a.png"), image)


@pytest.mark.parametrize(
    ("name", "image", "message"),
    [
        ("a.jpg", random_image(alpha=True), "transparency"),
        ("a.npy", random_image(alpha=True), "transparency"),
        ("a.png", random_image(5), "5"),
        ("a.png", ImageFile(np.full((2, 2, 3), np.nan, np.float32), None, 8), "finite"),
        ("a.png", ImageFile(np.zeros((2, 2), np.float32), None, 8), "shape"),
    ],
)
def test_what_a_format_cannot_hold_is_an_error(tmp_path, name, image, message):
    with pytest.raises(ValueError, match=f"{name}.*{message}"):
        images.write_image(tmp_path / name, image)
    assert list(tmp_path.iterdir()) == []


def test_grey_becomes_rgb_and_nothing_else_does():
    grey, colour = random_image(1).pixels, random_image(3).pixels
    assert images.to_channels(colour, 3, "a.png") is colour
    np.testing.assert_array_equal(
        images.to_channels(grey, 3, "a.png"), np.concatenate([grey] * 3, -1)
    )
    for pixels, channels in ((colour, 1), (grey, 2), (colour, 6)):
        with pytest.raises(ValueError, match=f"a.png.*{channels} are wanted"):
            images.to_channels(pixels, channels, "a.png")


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("method", enlarging.ENLARGEMENTS)
def test_a_part_of_an_enlarged_image_is_cut_from_it(scale, method):
    small = random_image(shape=(7, 9)).pixels
    whole = enlarging.enlarge(small, scale, method)
    assert whole.shape == (7 * scale, 9 * scale, 3)
    for top, left, side in ((0, 0, 5), (1, 2, 3), (2, 4, 5), (scale, 1, 1)):
        part = slice(top, top + side), slice(left, left + side)
        found = enlarging.enlarge(small, scale, method, part)
        np.testing.assert_allclose(found, whole[part], atol=1e-6)
    last = slice(7 * scale - 2, 7 * scale), slice(9 * scale - 5, 9 * scale)
    found = enlarging.enlarge(small, scale, method, last)
    np.testing.assert_allclose(found, whole[last], atol=1e-6)


def test_folders_are_listed_in_order(tmp_path, caplog):
    (tmp_path / "inner").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("b.png", "A.JPG", "c.npy", "inner/d.tif", ".e.png", ".hidden/f.png"):
        (tmp_path / name).write_bytes(b"")
    assert images.list_images(tmp_path) == [
        tmp_path / name for name in ("A.JPG", "b.png", "c.npy")
    ]
    assert caplog.messages == []
    for name in ("notes.txt", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"")
    assert images.list_images(tmp_path, recursive=True) == [
        tmp_path / name for name in ("A.JPG", "b.png", "c.npy", "inner/d.tif")
    ]
    (message,) = caplog.messages
    assert "Thumbs.db, notes.txt" in message


def test_folders_without_images_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        images.list_images(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(NotADirectoryError, match=r"notes\.txt"):
        images.list_images(tmp_path / "notes.txt")
    with pytest.raises(ValueError, match=r"\.png, .*\.npy"):
        images.list_images(tmp_path)
    (tmp_path / "GT").mkdir()
    with pytest.raises(ValueError, match=r"inside it \(GT\)"):
        images.list_images(tmp_path)


def test_the_suffix_does_not_decide_what_is_read(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), "white").save(buffer, "JPEG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.png").pixels, 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_of_which_zero_is_white_is_inverted(tmp_path, dtype):
    samples = np.array([[0, 3], [90, 7]], dtype)
    Image.fromarray(samples).save(tmp_path / "a.tif", tiffinfo={262: 0})
    with Image.open(tmp_path / "a.tif") as opened:
        assert opened.tag_v2[262] == 0
    stored = np.frombuffer((tmp_path / "a.tif").read_bytes()[-samples.nbytes :], dtype)
    largest = np.float32(np.iinfo(dtype).max)
    np.testing.assert_array_equal(
        images.read_image(tmp_path / "a.tif").pixels.ravel(),
        (largest - stored.astype(np.float32)) / largest,
    )


def test_reading_images_needs_neither_grain_nor_tensorflow():
    code = "import sys, irsde_jax.data.sources.pairs; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert {"grain", "tensorflow", "tensorflow_datasets"}.isdisjoint(
        result.stdout.split()
    )
