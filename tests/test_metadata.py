"""Metadata: what a format holds is preserved, and a warning names what it does not."""

import io
import struct

import numpy as np
import pytest
import tifffile
from odd_files import by_pillow, image, photograph, png, samples, tiff
from PIL import ExifTags, Image, ImageCms, JpegImagePlugin

from irsde_jax.data.image_files import exif, images, metadata, png_chunks
from irsde_jax.data.image_files.metadata import Metadata
from irsde_jax.data.image_files.png_chunks import Chunk

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a b="\xc3\xa9"/></x:xmpmeta>'
IPTC = b"\x1c\x02\x05\x00\x05title\x1c\x02\x78\x00\x07caption"
MAKER, SOFTWARE, DESCRIPTION = 0x010F, 0x0131, 0x010E
EXPOSURE, MAKER_NOTE = 0x829A, 0x927C
SUFFIXES = ("png", "jpg", "tif", "webp", "avif", "bmp", "npy")


def camera_data(order="<"):
    """EXIF data of a camera: the maker, an exposure, a place and a maker's note."""
    inner = {
        EXPOSURE: exif.Entry(exif.RATIONAL, 1, struct.pack(order + "II", 1, 250)),
        MAKER_NOTE: exif.Entry(7, 9, b"raw\0bytes"),
    }
    place = {1: exif.to_entry("N")}
    pointer = struct.pack(order + "I", 0)
    tags = {
        MAKER: exif.to_entry("maker"),
        DESCRIPTION: exif.to_entry("the user's own words"),
        exif.EXIF_DIRECTORY: exif.Entry(exif.LONG, 1, pointer, inner),
        exif.GPS_DIRECTORY: exif.Entry(exif.LONG, 1, pointer, place),
    }
    return exif.write(order, tags)


EVERYTHING = Metadata(
    exif=camera_data(),
    icc_profile=SRGB,
    xmp=XMP,
    iptc=IPTC,
    comment="a comment",
    dpi=(300.0, 150.0),
    chunks=(Chunk(b"cICP", b"\x09\x10\x00\x01"), Chunk(b"tEXt", b"Title\0a title")),
)
# What each format holds of it, by the specifications of the formats.
HELD = {
    "png": {"exif", "icc_profile", "xmp", "comment", "dpi", "chunks"},
    "jpg": {"exif", "icc_profile", "xmp", "iptc", "comment", "dpi"},
    "tif": {"exif", "icc_profile", "xmp", "iptc", "dpi"},
    "webp": {"exif", "icc_profile", "xmp"},
    "avif": {"exif", "icc_profile", "xmp"},
    "bmp": {"dpi"},
    "npy": set(),
}
NAMES = {
    "exif": "EXIF data",
    "icc_profile": "the colour profile",
    "xmp": "XMP data",
    "iptc": "IPTC data",
    "comment": "the comment",
    "dpi": "the density (dpi)",
    "chunks": "cICP, text 'Title'",
}


def assert_camera_data(block):
    """The data are those of `camera_data`, read by another library."""
    found = Image.Exif()
    found.load(b"Exif\0\0" + block)
    assert found[MAKER] == "maker"
    assert found[DESCRIPTION] == "the user's own words"
    inner = found.get_ifd(ExifTags.IFD.Exif)
    assert inner[EXPOSURE] == 1 / 250
    assert inner[MAKER_NOTE] == b"raw\0bytes"
    assert found.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_format_holds_what_it_can_and_a_warning_names_the_rest(
    tmp_path, caplog, suffix, bits
):
    path = tmp_path / f"photo.{suffix}"
    images.write_image(path, image(3, bits, EVERYTHING))
    found = images.read_image(path, with_metadata=True).metadata
    for field in HELD["png"] | HELD["jpg"]:
        value = getattr(found, field)
        if field not in HELD[suffix]:
            assert not value
            # The density goes on as a tag of EXIF where there is no other place.
            is_named = NAMES[field] in caplog.text
            assert is_named == (field != "dpi" or suffix == "npy")
            continue
        assert NAMES[field] not in caplog.text
        if field == "exif":
            assert_camera_data(value)
        elif field == "dpi":
            np.testing.assert_allclose(value, EVERYTHING.dpi, rtol=1e-3)
        elif field == "comment":
            assert value == "a comment"
        else:
            assert value == getattr(EVERYTHING, field)
    assert caplog.text == "" or f"photo.{suffix}" in caplog.text


@pytest.mark.parametrize("suffix", ["webp", "avif"])
def test_a_density_without_a_place_becomes_tags_of_exif(tmp_path, suffix):
    images.write_image(tmp_path / f"a.{suffix}", image(3, 8, Metadata(dpi=(300, 150))))
    with Image.open(tmp_path / f"a.{suffix}") as opened:
        found = dict(opened.getexif())
    assert found == {0x011A: 300, 0x011B: 150, 0x0128: 2}


@pytest.mark.parametrize("source", ["png", "jpg", "tif", "webp", "avif"])
@pytest.mark.parametrize("target", ["png", "jpg", "tif", "webp", "avif"])
def test_camera_data_and_profile_go_on_through_every_conversion(
    tmp_path, caplog, source, target
):
    kept = EVERYTHING._replace(iptc=None, comment=None, dpi=None, chunks=())
    images.write_image(tmp_path / f"a.{source}", image(3, 8, kept))
    first = images.read_image(tmp_path / f"a.{source}", with_metadata=True)
    images.write_image(tmp_path / f"b.{target}", first)
    found = images.read_image(tmp_path / f"b.{target}", with_metadata=True).metadata
    assert_camera_data(found.exif)
    assert (found.icc_profile, found.xmp) == (SRGB, XMP)
    assert caplog.text == ""


class TestReading:
    """Files that other libraries wrote."""

    def test_jpeg(self, tmp_path):
        block = camera_data(">")
        options = dict(exif=b"Exif\0\0" + block, icc_profile=SRGB, xmp=XMP)
        options |= dict(comment="words", dpi=(72, 96), quality=95)
        data = by_pillow(photograph(), "JPEG", **options)
        (tmp_path / "a.jpg").write_bytes(data)
        found = images.read_image(tmp_path / "a.jpg", with_metadata=True).metadata
        assert_camera_data(found.exif)
        assert (found.icc_profile, found.xmp, found.comment) == (SRGB, XMP, "words")
        assert found.dpi == (72, 96)

    @pytest.mark.parametrize("bigtiff", [False, True])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_tiff(self, tmp_path, caplog, bigtiff, order):
        extra = [(700, 1, len(XMP), XMP, True), (33723, 7, len(IPTC), IPTC, True)]
        extra += [(MAKER, 2, 0, "maker", True), (65123, 3, 1, 5, True)]
        options = dict(photometric="rgb", resolution=(100, 50), resolutionunit=3)
        options |= dict(iccprofile=SRGB, description="words", extratags=extra)
        data = tiff(samples(3, 16), bigtiff=bigtiff, byteorder=order, **options)
        (tmp_path / "a.tif").write_bytes(data)
        found = images.read_image(tmp_path / "a.tif", with_metadata=True).metadata
        assert (found.icc_profile, found.xmp, found.iptc) == (SRGB, XMP, IPTC)
        np.testing.assert_allclose(found.dpi, (254, 127), rtol=1e-6)
        tags = Image.Exif()
        tags.load(b"Exif\0\0" + found.exif)
        assert (tags[MAKER], tags[DESCRIPTION]) == ("maker", "words")
        assert set(tags) <= {MAKER, DESCRIPTION, SOFTWARE}  # none of the layout
        assert "a.tif: its TIFF tags 65123 are not preserved" in caplog.text

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_tiff_that_pillow_wrote(self, tmp_path, order):
        options = dict(exif=b"Exif\0\0" + camera_data(order), dpi=(300, 300))
        data = by_pillow(photograph(), "TIFF", **options)
        (tmp_path / "a.tif").write_bytes(data)
        found = images.read_image(tmp_path / "a.tif", with_metadata=True)
        assert_camera_data(found.metadata.exif)
        images.write_image(tmp_path / "b.tif", found)
        with Image.open(tmp_path / "b.tif") as opened:
            tags = opened.getexif()
            assert tags[MAKER] == "maker"
            assert tags.get_ifd(ExifTags.IFD.Exif)[EXPOSURE] == 1 / 250
            assert opened.info["dpi"] == (300, 300)

    def test_png_keeps_its_chunks_wherever_they_stand(self, tmp_path, caplog):
        kept = [
            (b"gAMA", struct.pack(">I", 100000)),
            (b"cHRM", bytes(32)),
            (b"tEXt", b"Title\0a title"),
            (b"iTXt", b"Author\0\0\0fr\0Auteur\0\xc3\xa9"),
            (b"prVa", b"private, may be copied"),
        ]
        lost = [(b"prVA", b"private, may not be copied")]
        of_the_samples = [(b"sBIT", b"\5\5\5"), (b"tIME", bytes(7))]
        late = [(b"zTXt", b"Late\0\0" + b"x\x9c\x03\x00\x00\x00\x00\x01")]
        before = [*of_the_samples, *lost, *kept]
        data = png(samples(3, 16), 16, 2, *before, late=late)
        (tmp_path / "a.png").write_bytes(data)
        found = images.read_image(tmp_path / "a.png", with_metadata=True)
        assert found.metadata.chunks == (*kept, *late)
        assert "a.png: its chunk prVA is not preserved" in caplog.text
        images.write_image(tmp_path / "b.png", found)
        again = images.read_image(tmp_path / "b.png", with_metadata=True)
        assert again.metadata.chunks == (*kept, *late)
        with Image.open(tmp_path / "b.png") as opened:  # libpng's order is respected
            opened.load()
            assert opened.text["Author"] == "\xe9"
            assert opened.info["gamma"] == 1

    def test_the_encoding_of_srgb_is_no_loss(self, tmp_path, caplog):
        primaries = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
        usual = (b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 45455))
        chunks = *usual, (b"cHRM", struct.pack(">8I", *primaries))
        (tmp_path / "a.png").write_bytes(png(samples(3), 8, 2, *chunks))
        found = images.read_image(tmp_path / "a.png", with_metadata=True)
        images.write_image(tmp_path / "a.bmp", found)
        assert caplog.text == ""

    def test_avif_with_another_encoding_is_named(self, tmp_path, caplog):
        data = by_pillow(photograph(), "AVIF", quality=90)
        at = data.index(b"colrnclx") + 8
        other = struct.pack(">HH", 9, 16)  # BT.2020, PQ
        (tmp_path / "a.avif").write_bytes(data[:at] + other + data[at + 4 :])
        images.read_image(tmp_path / "a.avif", with_metadata=True)
        assert "a.avif: the encoding of its colours, CICP 9/16/" in caplog.text

    def test_previews_behind_a_photograph_are_named(self, tmp_path, caplog):
        first, second = photograph(), photograph((24, 20))
        data = by_pillow(first, "MPO", save_all=True, append_images=[second])
        assert isinstance(JpegImagePlugin.jpeg_factory(io.BytesIO(data)), Image.Image)
        (tmp_path / "a.jpg").write_bytes(data)
        found = images.read_image(tmp_path / "a.jpg", with_metadata=True)
        assert found.pixels.shape == (40, 48, 3)
        assert "a.jpg: previews behind the image (MPO) are not preserved" in caplog.text


class TestSoftware:
    """How an image was made."""

    MADE_BY = "irsde_jax 9, weights name, seed 0"

    def written(self, tmp_path, suffix, found=EVERYTHING):
        path = tmp_path / f"a.{suffix}"
        found = found._replace(software=self.MADE_BY, iptc=None, comment=None)
        images.write_image(path, image(3, 16, found))
        return path

    @pytest.mark.parametrize("suffix", ["jpg", "tif", "webp", "avif"])
    def test_is_a_tag_of_exif_and_description_and_maker_stay(self, tmp_path, suffix):
        with Image.open(self.written(tmp_path, suffix)) as opened:
            found = opened.getexif()
            assert found[SOFTWARE] == self.MADE_BY
            assert found[MAKER] == "maker"
            assert found[DESCRIPTION] == "the user's own words"
            assert found.get_ifd(ExifTags.IFD.Exif)[MAKER_NOTE] == b"raw\0bytes"

    def test_is_a_text_of_png(self, tmp_path):
        with Image.open(self.written(tmp_path, "png")) as opened:
            assert opened.text["Software"] == self.MADE_BY
            assert opened.text["Title"] == "a title"
            assert SOFTWARE not in opened.getexif()

    @pytest.mark.parametrize("suffix", ["jpg", "tif", "webp", "avif"])
    def test_comes_behind_what_the_file_says(self, tmp_path, suffix):
        block = exif.with_tags(camera_data(), {SOFTWARE: exif.to_entry("Firmware 2")})
        path = self.written(tmp_path, suffix, Metadata(exif=block))
        with Image.open(path) as opened:
            assert opened.getexif()[SOFTWARE] == f"Firmware 2; {self.MADE_BY}"
        first = images.read_image(path, with_metadata=True)
        images.write_image(tmp_path / f"b.{suffix}", first)  # without any
        with Image.open(tmp_path / f"b.{suffix}") as opened:
            assert opened.getexif()[SOFTWARE] == f"Firmware 2; {self.MADE_BY}"

    @pytest.mark.parametrize("before", ["GIMP", "\u7167\u7247"])
    def test_comes_behind_the_text_of_a_png(self, tmp_path, before):
        chunks = (png_chunks.text_chunk("Software", before),)
        with Image.open(self.written(tmp_path, "png", Metadata(chunks=chunks))) as file:
            assert file.text["Software"] == f"{before}; {self.MADE_BY}"

    @pytest.mark.parametrize("suffix", ["bmp", "npy"])
    def test_is_nowhere_where_there_is_no_place(self, tmp_path, caplog, suffix):
        path = tmp_path / f"a.{suffix}"
        images.write_image(path, image(3, 8, Metadata(software=self.MADE_BY)))
        assert b"irsde_jax" not in path.read_bytes()
        assert caplog.text == ""

    def test_texts_of_a_png_become_tags_of_exif(self, tmp_path, caplog):
        texts = dict(Author="\xe9", Description="words", Copyright="c", Software="GIMP")
        chunks = tuple(png_chunks.text_chunk(*each) for each in texts.items())
        path = self.written(tmp_path, "jpg", Metadata(chunks=chunks))
        _, tags = exif.read(images.read_image(path, with_metadata=True).metadata.exif)
        found = {tag: exif.text(entry) for tag, entry in tags.items()}
        expected = {exif.ARTIST: "\xe9", DESCRIPTION: "words", exif.COPYRIGHT: "c"}
        assert found == expected | {SOFTWARE: f"GIMP; {self.MADE_BY}"}
        # The test image has 16 bits, which JPEG does not hold: nothing else is said.
        assert [text for text in caplog.messages if "rounded from 16" not in text] == []


def test_metadata_that_are_too_long_for_jpeg_are_named(tmp_path, caplog):
    long = exif.with_tags(camera_data(), {DESCRIPTION: exif.to_entry("x" * 66000)})
    found = Metadata(exif=long, xmp=b"x" * 66000, comment="c" * 66000, icc_profile=SRGB)
    images.write_image(tmp_path / "a.jpg", image(3, 8, found))
    kept = images.read_image(tmp_path / "a.jpg", with_metadata=True).metadata
    assert kept == Metadata(icc_profile=SRGB)
    for name in ("EXIF data", "XMP data", "the comment"):
        assert f"{name} (longer than a JPEG segment" in caplog.text


@pytest.mark.parametrize("room", [20, 200])
def test_how_an_image_was_made_never_costs_the_data_of_a_camera(tmp_path, caplog, room):
    """EXIF data that just fit into a JPEG have no room for a line of ours."""
    empty = exif.with_tags(camera_data(), {MAKER: exif.to_entry("")})
    text = "x" * (65527 - len(empty) - room)
    block = exif.with_tags(camera_data(), {MAKER: exif.to_entry(text)})
    assert len(block) <= 65527
    found = Metadata(exif=block, software="weights name, solver, seed 0")
    images.write_image(tmp_path / "a.jpg", image(3, 8, found))
    kept = images.read_image(tmp_path / "a.jpg", with_metadata=True).metadata
    tags = exif.read(kept.exif)[1]
    assert exif.text(tags[MAKER]) == text
    assert (SOFTWARE in tags) == (room == 200)
    assert ("how the image was made" in caplog.text) == (room == 20)


def test_editing_moves_nothing_that_a_maker_points_to():
    """A maker's note may hold offsets from the beginning of the block."""
    block = camera_data()
    at = block.index(b"raw\0bytes")
    put = {SOFTWARE: exif.to_entry("some software"), MAKER: exif.to_entry("abc")}
    edited = exif.edit(block, {DESCRIPTION}, put)
    assert edited.index(b"raw\0bytes") == at
    order, tags = exif.read(edited)
    texts = {tag: exif.text(entry) for tag, entry in tags.items()}
    assert texts[SOFTWARE] == "some software"
    assert texts[MAKER] == "abc"
    assert DESCRIPTION not in texts
    assert order == "<"


def test_directories_survive_a_change_of_place():
    order, tags = exif.read(camera_data(">"))
    assert exif.read(exif.write(order, tags)) == (order, tags)
    moved = b"\0" * 50 + exif.write_directory(order, tags, 50)
    head = b"MM\0*" + struct.pack(">I", 50)
    assert exif.read(head + moved[8:])[1].keys() == tags.keys()


def test_nothing_is_asked_of_metadata_that_nobody_wants(tmp_path, caplog):
    """A training reads pixels alone, and is told of nothing else."""
    images.write_image(tmp_path / "a.jpg", image(3, 8, EVERYTHING))
    caplog.clear()
    assert images.read_image(tmp_path / "a.jpg").metadata == Metadata()
    assert caplog.text == ""
    assert metadata.fit(Metadata(), "NPY") == (Metadata(), [])


def test_the_tags_of_a_written_tiff_are_sorted_and_whole(tmp_path):
    images.write_image(tmp_path / "a.tif", image(3, 16, EVERYTHING))
    with tifffile.TiffFile(tmp_path / "a.tif") as opened:
        codes = [tag.code for tag in opened.pages.first.tags]
        assert codes == sorted(codes)
        assert opened.pages.first.tags["ExifTag"].value["ExposureTime"] == (1, 250)
        assert opened.pages.first.tags["GPSTag"].value["GPSLatitudeRef"] == "N"
