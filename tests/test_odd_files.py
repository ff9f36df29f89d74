"""Odd but sound files: each is read exactly, or refused by name with the reason."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from odd_files import by_pillow, photograph, png, samples, tiff
from PIL import Image

from irsde_jax.data.image_files import images


def scaled(array, bits):
    return np.atleast_3d(array).astype(np.float32) / np.float32(2**bits - 1)


def exact_png(depth, colour_type, channels, **options):
    """A PNG of random samples, and the samples in [0, 1]."""
    stored = samples(channels, depth)
    return png(stored, depth, colour_type, **options), scaled(stored, depth)


def transparent_png(depth, colour_type, channels):
    """A PNG of which one level or colour is declared transparent (tRNS)."""
    stored = samples(channels, depth)
    level = np.atleast_1d(stored[3, 4])
    body = struct.pack(f">{len(level)}H", *(int(value) for value in level))
    seen = (np.atleast_3d(stored) != level).any(axis=-1, keepdims=True)
    expected = np.concatenate([scaled(stored, depth), seen], axis=-1)
    return png(stored, depth, colour_type, (b"tRNS", body)), expected


def palette_png(depth):
    """A PNG of a palette of few bits, half of it with transparency."""
    stored = samples(1, depth)
    table = samples(3, 8, (2**depth, 1))[:, 0]
    alpha = np.full(2**depth, 255)
    alpha[: 2**depth // 2] = 7
    chunks = [(b"PLTE", table.tobytes())]
    chunks += [(b"tRNS", bytes(alpha[: 2**depth // 2].tolist()))]
    colour = np.concatenate([table[stored], alpha[stored][..., None]], axis=-1)
    return png(stored, depth, 3, *chunks), scaled(colour, 8)


def long_text_png():
    """Three megabytes of text, plain and packed, of which Pillow reads one."""
    text = b"x" * (3 << 20)
    chunks = (
        (b"tEXt", b"workflow\0" + text),
        (b"zTXt", b"prompt\0\0" + zlib.compress(text)),
    )
    stored = samples(3)
    return png(stored, 8, 2, *chunks), scaled(stored, 8)


def single_frame_apng():
    stored = samples(3)
    acting = (b"acTL", struct.pack(">II", 1, 0))
    return png(stored, 8, 2, acting), scaled(stored, 8)


def white_is_zero_bigtiff():
    stored = samples(1, 16)
    options = dict(bigtiff=True, byteorder=">", photometric="miniswhite")
    data = tiff(stored, **options, tile=(16, 16), compression="deflate")
    return data, scaled(65535 - stored, 16)


# Name -> the bytes, and the samples in [0, 1] with alpha as the last channel.
EXACT = {
    "1 bit.png": exact_png(1, 0, 1),
    "2 bits.png": exact_png(2, 0, 1),
    "4 bits, interlaced.png": exact_png(4, 0, 1, is_interlaced=True),
    "16 bits, grey with alpha.png": exact_png(16, 4, 2),
    "16 bits, interlaced.png": exact_png(16, 2, 3, is_interlaced=True),
    "16 bits, RGBA, interlaced.png": exact_png(16, 6, 4, is_interlaced=True),
    "16 bits, a colour transparent.png": transparent_png(16, 2, 3),
    "16 bits, a level transparent.png": transparent_png(16, 0, 1),
    "8 bits, a colour transparent.png": transparent_png(8, 2, 3),
    "2 bits, a level transparent.png": transparent_png(2, 0, 1),
    "1 bit, a level transparent.png": transparent_png(1, 0, 1),
    "palette of 2 bits.png": palette_png(2),
    "palette of 4 bits.png": palette_png(4),
    "long text.png": long_text_png(),
    "an animation of one frame.png": single_frame_apng(),
    "BigTIFF, big-endian, white is 0, tiles.tif": white_is_zero_bigtiff(),
    "a TIFF that is called.png": (tiff(samples(1, 16)), scaled(samples(1, 16), 16)),
    "a PNG that is called.jpg": exact_png(16, 2, 3),
}


@pytest.mark.parametrize("name", EXACT)
def test_odd_files_are_read_exactly(tmp_path, name):
    data, expected = EXACT[name]
    (tmp_path / name).write_bytes(data)
    found = images.read_image(tmp_path / name)
    parts = [found.pixels] if found.alpha is None else [found.pixels, found.alpha]
    np.testing.assert_array_equal(np.concatenate(parts, axis=-1), expected)
    assert images.read_size(tmp_path / name) == expected.shape[:2]


def frames(kind):
    first, second = (Image.new("RGB", (8, 6), colour) for colour in ("red", "blue"))
    return by_pillow(first, kind, save_all=True, append_images=[second], duration=40)


def deep_avif(bits):
    import imagecodecs

    return bytes(imagecodecs.avif_encode(samples(3, 16) >> 6, bitspersample=bits))


def stack(**options):
    """Three images that one page of a TIFF file stands for."""
    buffer = io.BytesIO()
    planes = samples(1, 16, (3 * 8, 10)).reshape(3, 8, 10)
    tifffile.imwrite(buffer, planes, photometric="minisblack", **options)
    return buffer.getvalue()


SOUND = {
    "an animation.png": (frames("PNG"), "2 frames"),
    "an animation.webp": (frames("WEBP"), "2 frames"),
    "an animation.avif": (frames("AVIF"), "2 frames"),
    "a stack.tif": (stack(metadata=dict(axes="ZYX"), truncate=True), "3 frames"),
    "a stack of ImageJ.tif": (
        stack(imagej=True, metadata=dict(axes="ZYX")),
        "3 frames",
    ),
    "ten bits.avif": (deep_avif(10), "10 bits.*16 bits"),
}
NO_IMAGES = {
    "a GIF that is called.png": (frames("GIF"), "it is a GIF"),
    "a JPEG 2000 that is called.jpg": (by_pillow(photograph(), "JPEG2000"), "2000"),
    "a document.tif": (b"%PDF-1.7\n" + b"0" * 99, "PDF"),
    "a photograph of a phone.jpg": (
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 99,
        "HEIC",
    ),
    "a web page.png": (b"<!DOCTYPE html><html></html>", "web page"),
    "an array.png": (b"\x93NUMPY" + b"\0" * 99, r"name does not end in \.npy"),
}


@pytest.mark.parametrize("name", SOUND | NO_IMAGES)
def test_odd_files_are_refused_with_the_reason(tmp_path, name):
    data, message = (SOUND | NO_IMAGES)[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=f"{name} cannot be read.*{message}") as caught:
        images.read_image(tmp_path / name)
    # A training goes on without what is no image, but not without an image that it
    # cannot read.
    assert isinstance(caught.value, images.UnreadableImage) == (name in NO_IMAGES)


def test_copies_in_directories_below_the_image_are_named(tmp_path, caplog):
    """Pyramids of microscopes."""
    buffer = io.BytesIO()
    whole = samples(3, 8, (32, 32))
    options = dict(photometric="rgb", metadata=None)
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(whole, subifds=1, **options)
        writer.write(whole[::2, ::2], subfiletype=1, **options)
    (tmp_path / "a.tif").write_bytes(buffer.getvalue())
    found = images.read_image(tmp_path / "a.tif", with_metadata=True)
    np.testing.assert_array_equal(found.pixels, scaled(whole, 8))
    assert "a.tif: the smaller copies beside the image are not preserved" in caplog.text


@pytest.mark.parametrize("place", [b"IHDR", b"IDAT", b"tRNS"])
def test_a_damaged_png_is_no_image(tmp_path, place):
    data, _ = transparent_png(16, 2, 3)
    at = data.index(place) + 5
    (tmp_path / "a.png").write_bytes(data[:at] + b"\x55" + data[at + 1 :])
    with pytest.raises(images.UnreadableImage, match=r"a\.png.*damaged"):
        images.read_image(tmp_path / "a.png")


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("place", ["before", "behind"])
@pytest.mark.parametrize("kind", ["eXIf", "XMP", "raw profile"])
def test_the_orientation_of_a_png_is_applied_wherever_it_stands(
    tmp_path, depth, place, kind
):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    packet = b'<x tiff:Orientation="6"/>'
    raw = b"\nexif\n%8d\n" % len(block) + block.hex().encode() + b"\n"
    chunk = {
        "eXIf": (b"eXIf", block),
        "XMP": (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet),
        "raw profile": (
            b"zTXt",
            b"Raw profile type exif\0\0" + zlib.compress(raw),
        ),
    }[kind]
    stored = samples(3, depth, (4, 7))
    before, late = ([chunk], ()) if place == "before" else ([], [chunk])
    (tmp_path / "a.png").write_bytes(png(stored, depth, 2, *before, late=late))
    assert images.read_size(tmp_path / "a.png") == (7, 4)
    image = images.read_image(tmp_path / "a.png", with_metadata=True)
    turned = scaled(np.rot90(stored, -1), depth)
    np.testing.assert_array_equal(image.pixels, turned)
    # Written again, it is upright once and for all, and nothing else is lost.
    images.write_image(tmp_path / "b.png", image)
    again = images.read_image(tmp_path / "b.png", with_metadata=True)
    np.testing.assert_array_equal(again.pixels, turned)
    if kind == "XMP":
        assert again.metadata.xmp == b'<x tiff:Orientation="1"/>'
    else:
        with Image.open(tmp_path / "b.png") as opened:
            assert dict(opened.getexif()) == {0x010F: "maker"}


@pytest.mark.parametrize("options", [{}, dict(progressive=True)], ids=str)
@pytest.mark.parametrize("cut", [1, 2])
def test_a_jpeg_without_its_end_marker_is_read_with_a_warning(
    tmp_path, caplog, options, cut
):
    data = by_pillow(photograph(), "JPEG", quality=95, **options)
    (tmp_path / "a.jpg").write_bytes(data)
    whole = images.read_image(tmp_path / "a.jpg", with_metadata=True)
    assert caplog.text == ""
    (tmp_path / "b.jpg").write_bytes(data[:-cut])
    found = images.read_image(tmp_path / "b.jpg", with_metadata=True)
    np.testing.assert_array_equal(found.pixels, whole.pixels)
    assert "b.jpg: its end marker is missing, but none of its pixels" in caplog.text


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("seed", range(3))
def test_a_jpeg_that_lacks_pixels_is_never_filled(tmp_path, mode, seed):
    noise = samples(3, 8, (40, 56), seed)
    data = by_pillow(Image.fromarray(noise).convert(mode), "JPEG", quality=90)
    (tmp_path / "a.jpg").write_bytes(data)
    whole = images.read_image(tmp_path / "a.jpg").pixels
    for cut in (4, 5, 8, 40, len(data) // 2):
        (tmp_path / "b.jpg").write_bytes(data[:-cut])
        with pytest.raises(images.UnreadableImage, match=r"b\.jpg.*truncated"):
            images.read_image(tmp_path / "b.jpg")
    # The last byte may hold nothing but the bits that fill it up.
    (tmp_path / "b.jpg").write_bytes(data[:-3])
    try:
        found = images.read_image(tmp_path / "b.jpg").pixels
    except images.UnreadableImage:
        return
    np.testing.assert_array_equal(found, whole)


def test_cmyk_jpeg_of_adobe_is_inverted_once(tmp_path):
    picture = photograph().convert("CMYK")
    data = by_pillow(picture, "JPEG", quality=95)
    assert b"Adobe" in data
    (tmp_path / "a.jpg").write_bytes(data)
    found = images.read_image(tmp_path / "a.jpg").pixels * 255
    assert np.abs(found - np.asarray(photograph())).mean() < 4


def test_avif_and_jfif_are_formats_like_others(tmp_path):
    picture = photograph()
    (tmp_path / "a.avif").write_bytes(by_pillow(picture, "AVIF", quality=90))
    (tmp_path / "b.jfif").write_bytes(by_pillow(picture, "JPEG", quality=95))
    names = [path.name for path in images.list_images(tmp_path)]
    assert names == ["a.avif", "b.jfif"]
    for name in names:
        found = images.read_image(tmp_path / name)
        assert np.abs(found.pixels * 255 - np.asarray(picture)).mean() < 3
        images.write_image(tmp_path / f"again_{name}", found)
        again = images.read_image(tmp_path / f"again_{name}")
        assert np.abs(again.pixels - found.pixels).mean() < 2 / 255
        with Image.open(tmp_path / f"again_{name}") as opened:
            assert opened.format == ("AVIF" if name == "a.avif" else "JPEG")


@pytest.mark.parametrize("suffix", [".jpg", ".bmp", ".npy"])
def test_alpha_without_transparency_is_left_out_where_there_is_no_place(
    tmp_path, suffix
):
    opaque = np.ones((6, 8, 1), np.float32)
    pixels = np.asarray(photograph((8, 6)), np.float32) / 255
    image = images.ImageFile(pixels, opaque, 8)
    images.check_writable(tmp_path / f"a{suffix}", 3, image.is_transparent)
    images.write_image(tmp_path / f"a{suffix}", image)
    found = images.read_image(tmp_path / f"a{suffix}")
    assert found.alpha is None
    assert np.abs(found.pixels - pixels).mean() < 4 / 255
    hole = opaque.copy()
    hole[0, 0] = 254 / 255
    with pytest.raises(ValueError, match="no transparency"):
        images.write_image(tmp_path / f"b{suffix}", image._replace(alpha=hole))
    images.write_image(tmp_path / "c.png", image)  # where there is one, it is kept
    assert images.read_image(tmp_path / "c.png").alpha is not None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_arrays_keep_their_number_of_axes(tmp_path, dtype):
    levels = samples(1, 8).astype(dtype) / (255 if dtype == np.float32 else 1)
    levels = levels.astype(dtype)
    for name, array in (("flat", levels), ("deep", levels[..., None])):
        np.save(tmp_path / f"{name}.npy", array)
        image = images.read_image(tmp_path / f"{name}.npy")
        assert image.pixels.shape == (*levels.shape, 1)
        images.write_image(tmp_path / f"{name}_again.npy", image)
        written = np.load(tmp_path / f"{name}_again.npy")
        np.testing.assert_array_equal(written, array)
        assert written.dtype == dtype
