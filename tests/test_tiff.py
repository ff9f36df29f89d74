"""TIFF files: every layout gives the samples that were stored, or an error."""

import io

import numpy as np
import pytest
import tifffile
from odd_files import by_pillow, photograph, samples, tiff
from PIL import Image, ImageCms
from skimage.color import lab2rgb

from irsde_jax.data.image_files import images, limits, tiff_writer
from irsde_jax.data.image_files.metadata import Metadata


def read(tmp_path, data, name="a.tif"):
    (tmp_path / name).write_bytes(data)
    return images.read_image(tmp_path / name)


def assert_samples(found, expected, bits):
    """The image holds these integers; channels beyond the colour are its alpha."""
    levels = np.atleast_3d(expected).astype(np.float32) / np.float32(2**bits - 1)
    parts = [found.pixels] if found.alpha is None else [found.pixels, found.alpha]
    np.testing.assert_array_equal(np.concatenate(parts, axis=-1), levels)
    assert found.bits == (8 if bits <= 8 else 16)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planar", [None, "contig", "separate"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize(
    "layout",
    [
        dict(),
        dict(rowsperstrip=5),
        dict(tile=(16, 16)),
        dict(compression="lzw"),
        dict(compression="lzw", predictor=True, tile=(16, 32)),
        dict(compression="deflate", predictor=True, rowsperstrip=4),
        dict(compression="packbits"),
        dict(compression="zstd", bigtiff=True),
    ],
    ids=str,
)
def test_layouts_give_the_samples_that_were_stored(
    tmp_path, bits, planar, byteorder, layout
):
    """Grey images have no planes; RGB is stored by pixels or by planes."""
    stored = samples(1 if planar is None else 3, bits)
    array, options = stored, {}
    if planar is not None:
        array = np.moveaxis(stored, -1, 0) if planar == "separate" else stored
        options = dict(photometric="rgb", planarconfig=planar)
    data = tiff(array, byteorder=byteorder, **layout, **options)
    found = read(tmp_path, data)
    assert_samples(found, stored, bits)
    assert found.alpha is None
    assert images.read_size(tmp_path / "a.tif") == stored.shape[:2]


def test_planes_do_not_show_the_file_that_was_read_before(tmp_path):
    """OpenCV left memory unset, in which the pixels of another file stood."""
    stored = samples(3, 16, (64, 80))
    read(tmp_path, tiff(np.full_like(stored, 0xBEEF), compression="deflate"))
    planes = np.moveaxis(stored, -1, 0)
    data = tiff(planes, photometric="rgb", planarconfig="separate")
    assert_samples(read(tmp_path, data), stored, 16)


@pytest.mark.parametrize("bits", [1, 2, 4, 12])
def test_unusual_depths_are_scaled_exactly(tmp_path, bits):
    stored = samples(1, bits)
    array = stored.astype(bool) if bits == 1 else stored
    options = {} if bits == 1 else dict(bitspersample=bits)
    data = tiff(array, photometric="minisblack", **options)
    assert_samples(read(tmp_path, data), stored, bits)
    data = tiff(array, photometric="miniswhite", **options)
    assert_samples(read(tmp_path, data), 2**bits - 1 - stored, bits)


def test_scans_in_black_and_white_are_read(tmp_path):
    """CCITT group 4, as scanners write it; 0 is white there."""
    stored = samples(1, 1, (40, 50)).astype(bool)
    data = by_pillow(Image.fromarray(stored), "TIFF", compression="group4")
    np.testing.assert_array_equal(read(tmp_path, data).pixels[..., 0], stored)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_is_transparency(tmp_path, bits, channels):
    stored = samples(channels + 1, bits)
    photometric = "rgb" if channels == 3 else "minisblack"
    data = tiff(
        stored,
        photometric=photometric,
        planarconfig="contig",
        extrasamples=["unassalpha"],
    )
    found = read(tmp_path, data)
    assert found.pixels.shape[-1] == channels
    assert_samples(found, stored, bits)


@pytest.mark.parametrize(("bits", "largest"), [(8, 255), (16, 65535)])
def test_premultiplied_colours_are_divided_by_their_alpha(tmp_path, bits, largest):
    colour = np.array([0.0, 0.25, 0.5, 1.0])[:, None] * np.ones(3)
    alpha = np.array([1.0, 0.5, 0.25, 0.0])[:, None]
    stored = np.concatenate([colour * alpha, alpha], axis=-1)[None] * largest
    stored = stored.round().astype(np.uint8 if bits == 8 else np.uint16)
    data = tiff(stored, photometric="rgb", extrasamples=["assocalpha"])
    found = read(tmp_path, data)
    np.testing.assert_allclose(found.alpha[0], alpha, atol=1 / largest)
    # What cannot be seen has no colour of its own.
    np.testing.assert_allclose(found.pixels[0, :3], colour[:3], atol=4 / largest)
    np.testing.assert_array_equal(found.pixels[0, 3], 0)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("bands", [4, 5])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_bands_are_channels_and_are_written_again(tmp_path, bits, bands, planar):
    stored = samples(bands, bits)
    array = np.moveaxis(stored, -1, 0) if planar == "separate" else stored
    data = tiff(
        array,
        photometric="rgb",
        planarconfig=planar,
        extrasamples=["unspecified"] * (bands - 3),
    )
    found = read(tmp_path, data)
    assert found.alpha is None
    assert_samples(found, stored, bits)
    images.write_image(tmp_path / "b.tif", found)
    assert_samples(images.read_image(tmp_path / "b.tif"), stored, bits)


@pytest.mark.parametrize("kind", ["YCbCr", "RGB"])
def test_jpeg_in_tiff_is_as_pillow_decodes_it(tmp_path, kind):
    """YCbCr in two resolutions by libtiff; RGB by tifffile, in tiles."""
    picture = photograph()
    if kind == "YCbCr":
        data = by_pillow(picture.convert("YCbCr"), "TIFF", compression="jpeg")
    else:
        options = dict(photometric="rgb", tile=(16, 16))
        data = tiff(np.asarray(picture), compression="jpeg", **options)
    found = read(tmp_path, data)
    with Image.open(io.BytesIO(data)) as opened:
        expected = np.asarray(opened.convert("RGB"))
    # Two libraries upsample the chroma.
    assert np.abs(found.pixels * 255 - expected).max() <= 6
    assert np.abs(found.pixels * 255 - np.asarray(picture)).mean() < 4


@pytest.mark.parametrize("mode", ["YCbCr", "CMYK", "LAB", "P"])
def test_other_colour_spaces_become_srgb(tmp_path, mode, caplog):
    picture = photograph()
    data = by_pillow(picture.convert(mode), "TIFF")
    found = read(tmp_path, data)
    expected = np.asarray(picture.convert(mode).convert("RGB"))
    np.testing.assert_allclose(found.pixels * 255, expected, atol=0.01)
    image = images.read_image(tmp_path / "a.tif", with_metadata=True)
    assert image.metadata.icc_profile is None  # not that of Lab
    remark = {"CMYK": "a.tif: its CMYK", "LAB": "a.tif: its L*a*b*"}.get(mode, "")
    assert remark in caplog.text
    assert bool(remark) == bool(caplog.text)


def test_lab_has_the_colours_that_its_formula_gives(tmp_path):
    """scikit-image computes them by itself, for another white (D65 and not D50)."""
    lab = np.array([[[50, 20, -30], [70, -20, 20], [90, 0, 0], [10, 0, 0]]])
    stored = lab * [2.55, 1, 1]
    stored = stored.round().astype(np.int16).astype(np.uint8)  # a, b: two's complement
    photometric = tifffile.PHOTOMETRIC.CIELAB
    found = read(tmp_path, tiff(stored, photometric=photometric))
    expected = lab2rgb(lab.astype(float))
    np.testing.assert_allclose(found.pixels, expected, atol=6 / 255)
    icc = stored ^ np.array([0, 128, 128], np.uint8)
    again = read(tmp_path, tiff(icc, photometric=tifffile.PHOTOMETRIC.ICCLAB))
    np.testing.assert_array_equal(again.pixels, found.pixels)


@pytest.mark.parametrize("times", [1, 256, 257])
def test_palettes_of_three_habits_are_read(tmp_path, times):
    """Their 16-bit numbers are v 257 by rule; some programs store v 256, or v."""
    table = samples(3, 8, (1, 256))[0].T.astype(np.uint16)
    stored = samples(1, 8)
    data = tiff(stored, photometric="palette", colormap=table * np.uint16(times))
    assert_samples(read(tmp_path, data), table.T[stored], 8)
    wide = samples(3, 16, (1, 256))[0].T
    data = tiff(stored, photometric="palette", colormap=wide)
    assert_samples(read(tmp_path, data), wide.T[stored], 16)


def test_profiles_of_16_bits_are_preserved(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = tiff(samples(3, 16), photometric="rgb", iccprofile=profile)
    (tmp_path / "a.tif").write_bytes(data)
    image = images.read_image(tmp_path / "a.tif", with_metadata=True)
    images.write_image(tmp_path / "b.tif", image)
    with tifffile.TiffFile(tmp_path / "b.tif") as written:
        assert written.pages.first.iccprofile == profile
        assert written.pages.first.bitspersample == 16


def pages(*options):
    """A TIFF file of several pages, each with options of its own."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for each in options:
            writer.write(samples(3), photometric="rgb", metadata=None, **each)
    return buffer.getvalue()


REFUSED = {
    "two pages": (pages({}, {}), "2 frames"),
    "a preview before the image": (pages(dict(subfiletype=1)), "first page.*preview"),
    "floats": (tiff(samples(1).astype(np.float32)), "floats, 32-bit.*npy"),
    "half floats": (tiff(samples(1).astype(np.float16)), "floats, 16-bit"),
    "32-bit integers": (tiff(samples(1).astype(np.uint32)), "32-bit"),
    "integers with a sign": (tiff(samples(1).astype(np.int16)), "with a sign, 16-bit"),
    "complex numbers": (tiff(samples(1).astype(np.complex64)), "samples.*bit"),
    "a volume": (
        tiff(
            samples(1, 8, (64, 16)).reshape(4, 16, 16),
            photometric="minisblack",
            volumetric=True,
            tile=(1, 16, 16),
        ),
        "volume of 4 planes",
    ),
    "CMYK of 16 bits": (tiff(samples(4, 16), photometric="separated"), "16 bits"),
    "a raw file": (tiff(samples(1, 16), photometric="cfa"), "CFA"),
    "alpha and a band": (
        tiff(samples(5), photometric="rgb", extrasamples=["unassalpha", "unspecified"]),
        "2 bands beside",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_exactly_is_refused_by_name(tmp_path, name):
    data, message = REFUSED[name]
    with pytest.raises(ValueError, match=rf"(?i)a\.tif.*{message}") as caught:
        read(tmp_path, data)
    assert not isinstance(caught.value, images.UnreadableImage)  # the file is sound


def test_a_preview_behind_the_image_is_left_out_with_a_warning(tmp_path, caplog):
    found = read(tmp_path, pages({}, dict(subfiletype=1)))
    assert_samples(found, samples(3), 8)
    images.read_image(tmp_path / "a.tif", with_metadata=True)
    assert "a.tif: a preview or mask beside the image is not preserved" in caplog.text


@pytest.mark.parametrize(
    "layout",
    [
        dict(compression="lzw", rowsperstrip=4),
        dict(tile=(16, 16)),
        dict(compression="jpeg", rowsperstrip=8),
        dict(compression="deflate", predictor=True),
    ],
    ids=str,
)
def test_files_that_break_off_are_never_read_in_part(tmp_path, layout):
    data = tiff(samples(3, 8, (64, 80)), photometric="rgb", **layout)
    for length in (len(data) - 1, len(data) - 40, len(data) // 2, 200):
        with pytest.raises(images.UnreadableImage, match=r"a\.tif"):
            read(tmp_path, data[:length])


def test_strips_that_are_missing_are_no_zeros(tmp_path):
    """tifffile reads a strip without a place as zeros, as sparse GeoTIFF mean it."""
    buffer = io.BytesIO(tiff(samples(3), rowsperstrip=5, photometric="rgb"))
    with tifffile.TiffFile(buffer, mode="r+") as opened:
        tag = opened.pages.first.tags["StripByteCounts"]
        tag.overwrite([0, *tag.value[1:]])
    with pytest.raises(images.UnreadableImage, match=r"a\.tif.*1 of its 5 strips"):
        read(tmp_path, buffer.getvalue())


def test_what_is_too_long_for_the_format_is_refused_as_before_the_work():
    side = 2**16
    most = side - 2**9  # rows: 2^32 - 2^25 bytes
    limits.check_size("TIFF", most, side)
    samples = np.broadcast_to(np.uint8(0), (most + 1, side, 1))
    with pytest.raises(ValueError, match="TIFF holds at most 4261412864 bytes"):
        tiff_writer.encode(samples, False, Metadata())
    with pytest.raises(ValueError, match="TIFF holds at most 4261412864 bytes"):
        limits.check_size("TIFF", most // 2 + 1, side, bits=16)
