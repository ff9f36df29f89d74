"""`--mode restore` on what photographers have: formats, folders, hostile files."""

import errno
import importlib.metadata
import io
import os
import struct
import subprocess
import sys
import zlib

import jax
import numpy as np
import pytest
import tiny_weights
from PIL import Image, ImageCms
from tiny_restorers import photo, tiny_restorer

from irsde_jax.data.image_files import images
from irsde_jax.data.image_files.images import ImageFile
from irsde_jax.restoration import noise_keys
from irsde_jax.restoration.files import jobs, one_file, runner

ORIENTATION, MAKER, SOFTWARE, DESCRIPTION = 0x0112, 0x010F, 0x0131, 0x010E
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(scope="module")
def restorer():
    return tiny_restorer()


@pytest.fixture
def run(restorer, monkeypatch):
    """`restore.run` with weights that are loaded already."""
    monkeypatch.setattr(runner, "open_restorer", lambda *_: restorer)

    def call(source, output, **options):
        return runner.run(None, None, None, source, output, **options)

    return call


@pytest.fixture
def trip(tmp_path):
    """Two photographs, one in a folder of its own."""
    folder = tmp_path / "trip"
    (folder / "day").mkdir(parents=True)
    Image.fromarray(photo()).save(folder / "a.png")
    Image.fromarray(photo(seed=1)).save(folder / "day" / "b.png")
    return folder


class TestWhatBelongsToAPhotograph:
    @pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
    def test_exif_and_profile_are_kept_and_the_image_is_upright(
        self, run, tmp_path, suffix
    ):
        exif = Image.Exif()
        exif[ORIENTATION], exif[MAKER] = 6, "irsde"
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(photo()).save(path, exif=exif, icc_profile=SRGB)
        (written,) = run(path, tmp_path / "out")
        with Image.open(written) as image:
            assert image.size == (12, 10)  # 12 x 10 lay on its side
            assert image.getexif()[MAKER] == "irsde"
            assert ORIENTATION not in image.getexif()
            assert image.info["icc_profile"] == SRGB

    def test_sixteen_bits_keep_them_too(self, run, tmp_path):
        deep = np.random.default_rng(0).random((12, 10, 3), np.float32)
        images.write_image(tmp_path / "deep.png", ImageFile(deep, None, 16))
        data = (tmp_path / "deep.png").read_bytes()
        body = b"ICC profile\0\0" + zlib.compress(SRGB)
        chunk = struct.pack(">I", len(body)) + b"iCCP" + body
        chunk += struct.pack(">I", zlib.crc32(b"iCCP" + body))
        (tmp_path / "deep.png").write_bytes(data[:33] + chunk + data[33:])
        (written,) = run(tmp_path / "deep.png", tmp_path / "out")
        assert images.read_image(written).bits == 16
        with Image.open(written) as image:
            assert image.info["icc_profile"] == SRGB

    def test_data_of_a_camera_that_cannot_be_kept_cost_no_photograph(
        self, run, tmp_path, caplog
    ):
        """The directory of the EXIF data promises more tags than there are bytes."""
        damaged = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 200) + b"\0" * 14
        Image.fromarray(photo()).save(tmp_path / "a.jpg", exif=damaged)
        (written,) = run(tmp_path / "a.jpg", tmp_path / "out")
        assert "a.jpg: its EXIF data are damaged and not preserved" in caplog.text
        assert images.read_image(written).pixels.shape == (12, 10, 3)
        # a training does not ask for them
        caplog.clear()
        images.read_image(tmp_path / "a.jpg")
        assert not caplog.text

    def test_cmyk_becomes_rgb_without_a_profile_of_cmyk(self, run, tmp_path):
        cmyk = Image.fromarray(photo()).convert("CMYK")
        cmyk.save(tmp_path / "print.jpg", icc_profile=b"not a profile", quality=95)
        (written,) = run(tmp_path / "print.jpg", tmp_path / "out")
        with Image.open(written) as image:
            assert image.mode == "RGB"
            assert "icc_profile" not in image.info
        before = images.read_image(tmp_path / "print.jpg").pixels
        assert np.abs(before - photo() / 255).mean() < 0.05


class TestHowItWasMade:
    def software(self, path):
        with Image.open(path) as image:
            if image.format == "PNG":
                return image.text.get("Software")
            return image.getexif().get(SOFTWARE)

    @pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
    def test_is_in_the_metadata_unless_it_is_unwanted(
        self, restorer, monkeypatch, tmp_path, suffix
    ):
        monkeypatch.setattr(runner, "open_restorer", lambda *_: restorer)
        source = tmp_path / f"a.{suffix}"
        Image.fromarray(photo()).save(source)
        command = (None, None, "some/folder/my.pth", source)
        (first,) = runner.run(*command, tmp_path / "one", seed=7)
        version = importlib.metadata.version("irsde_jax")
        solver = restorer.sampling.solver
        expected = (
            f"irsde_jax {version}, weights my.pth, solver {solver}, 2 evaluations, "
            "seed 7"
        )
        assert self.software(first) == expected
        (mean,) = runner.run(*command, tmp_path / "two", seed=7, num_samples=2)
        assert self.software(mean) == f"{expected}, mean of 2 samples"
        spread = mean.with_name(f"{mean.name}.uncertainty.png")
        assert self.software(spread) == f"{expected}, mean of 2 samples"
        (silent,) = runner.run(*command, tmp_path / "three", provenance=False, seed=7)
        assert self.software(silent) is None
        np.testing.assert_array_equal(
            images.read_image(first).pixels, images.read_image(silent).pixels
        )

    def test_what_the_user_wrote_stays(self, run, tmp_path):
        exif = Image.Exif()
        exif[SOFTWARE], exif[DESCRIPTION] = "Firmware 2", "my words"
        Image.fromarray(photo()).save(tmp_path / "a.jpg", exif=exif, comment="mine")
        (written,) = run(tmp_path / "a.jpg", tmp_path / "out")
        with Image.open(written) as image:
            assert image.getexif()[SOFTWARE].startswith("Firmware 2; irsde_jax ")
            assert image.getexif()[DESCRIPTION] == "my words"
            assert image.info["comment"] == b"mine"


class TestLargeImages:
    def test_are_refused_by_their_headers_and_restored_if_that_is_allowed(
        self, restorer, run, tmp_path, monkeypatch
    ):
        """Pillow's own limit, which is one for the whole process, plays no part."""
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
        Image.fromarray(photo((12, 10, 3))).save(tmp_path / "a.png")

        def never(*_, **__):
            raise AssertionError("it was read to its end")

        with monkeypatch.context() as patch:
            patch.setattr(images, "read_image", never)
            message = r"a\.png.*12 x 10.*at most 0\.0001.*--max_megapixels=1"
            with pytest.raises(ValueError, match=message):
                run(tmp_path / "a.png", tmp_path / "out", max_megapixels=0.0001)
        (written,) = run(tmp_path / "a.png", tmp_path / "out", max_megapixels=0.00012)
        assert images.read_size(written) == (12, 10)

    @pytest.mark.parametrize("limit", [0, -1, float("nan")])
    def test_a_limit_is_positive(self, run, tmp_path, limit):
        with pytest.raises(ValueError, match=r"--max_megapixels=.* positive"):
            run(tmp_path, tmp_path / "out", max_megapixels=limit)


def test_opaque_alpha_does_not_hinder_jpeg(run, tmp_path):
    Image.fromarray(photo()).convert("RGBA").save(tmp_path / "a.png")
    (written,) = run(tmp_path / "a.png", tmp_path / "out", kind="jpg")
    assert images.read_image(written).pixels.shape == (12, 10, 3)
    hole = Image.fromarray(photo()).convert("RGBA")
    hole.putpixel((3, 4), (0, 0, 0, 254))
    hole.save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"b\.jpg.*no transparency"):
        run(tmp_path / "b.png", tmp_path / "out", kind="jpg")


def test_metadata_that_a_conversion_loses_are_named(run, tmp_path, caplog):
    exif = Image.Exif()
    exif[MAKER] = "irsde"
    options = dict(exif=exif, comment="words", icc_profile=SRGB)
    Image.fromarray(photo()).save(tmp_path / "a.jpg", **options)
    run(tmp_path / "a.jpg", tmp_path / "out", kind="bmp")
    lost = "BMP cannot hold, and so does not preserve: EXIF data, the colour profile, "
    assert f"a.bmp: {lost}the comment." in caplog.text


def test_bands_that_a_network_does_not_know_are_refused_by_name(run, tmp_path):
    bands = np.random.default_rng(0).random((12, 10, 4), np.float32)
    images.write_image(tmp_path / "a.tif", ImageFile(bands, None, 8))
    with pytest.raises(ValueError, match=r"a\.tif has 4 channels where 3"):
        run(tmp_path / "a.tif", tmp_path / "out")


class TestNames:
    def test_a_pattern_is_mirrored_from_its_first_wildcard(self, trip, tmp_path):
        found = jobs.plan(f"{trip}/**/*.png", tmp_path / "out")
        assert [job.name for job in found] == ["a.png", "day/b.png"]
        assert found[1].target == tmp_path / "out" / "day" / "b.png"
        # so that the noise of an image is the same, however it was named
        assert found == jobs.plan(trip, tmp_path / "out")

    def test_a_pattern_without_images_is_a_clear_error(self, trip, tmp_path):
        with pytest.raises(FileNotFoundError, match="matches no images"):
            jobs.plan(f"{trip}/*.jpg", tmp_path / "out")

    def test_suffix_format_and_quality(self, run, trip, caplog):
        """With a suffix the results may lie beside their originals."""
        written = run(trip, trip, suffix="_clean", kind="jpg", quality=30)
        assert [p.name for p in written] == ["a_clean.jpg", "b_clean.jpg"]
        # the same command again finds them finished, and takes them for no originals
        caplog.set_level("INFO")
        assert run(trip, trip, suffix="_clean", kind="jpg", quality=30) == []
        assert "not originals: a_clean.jpg, day/b_clean.jpg" in caplog.text
        finer = run(trip / "a.png", trip / "out", kind="jpg", quality=100)
        assert finer[0].stat().st_size > written[0].stat().st_size

    def test_two_results_of_one_name_are_named_and_stop_nobody_else(
        self, run, trip, tmp_path
    ):
        Image.fromarray(photo()).save(trip / "a.bmp")
        with pytest.raises(ValueError, match=r"2 of 3.*a\.bmp, a\.png would all be"):
            run(trip, tmp_path / "out", kind="png")
        done = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        assert done == [tmp_path / "out" / "day" / "b.png"]

    @pytest.mark.parametrize("kind", ["gif", ".png"])
    def test_unknown_format_is_a_clear_error(self, trip, tmp_path, kind):
        with pytest.raises(ValueError, match="is not one of png"):
            jobs.plan(trip, tmp_path / "out", kind=kind)

    def test_quality_is_of_formats_that_lose(self, run, trip, tmp_path):
        Image.fromarray(photo()).save(trip / "c.jpg")
        plain = run(trip, tmp_path / "plain")
        coarse = run(trip, tmp_path / "coarse", quality=10)
        same = [a.read_bytes() == b.read_bytes() for a, b in zip(plain, coarse)]
        assert same == [True, False, True]  # a.png, c.jpg, day/b.png

    @pytest.mark.parametrize("quality", [0, 101])
    def test_quality_out_of_range_is_a_clear_error(self, run, trip, tmp_path, quality):
        with pytest.raises(ValueError, match=r"1\.\.100"):
            run(trip, tmp_path / "out", quality=quality)

    def test_what_a_format_cannot_hold_is_said_before_the_work(
        self, run, restorer, tmp_path, monkeypatch
    ):
        Image.fromarray(photo((12, 10, 4))).save(tmp_path / "a.png")
        monkeypatch.setattr(type(restorer), "__call__", None)  # it is not called
        with pytest.raises(ValueError, match=r"1 of 1.*JPEG holds no transparency"):
            run(tmp_path / "a.png", tmp_path / "out", kind="jpg")

    def test_an_output_inside_the_input_is_no_input_of_the_next_run(self, run, trip):
        assert len(run(trip, trip / "out")) == 2
        assert len(run(trip, trip / "out", overwrite=True)) == 2
        assert (trip / "out" / "day" / "b.png").exists()
        with pytest.raises(FileNotFoundError, match="only results of --output"):
            jobs.plan(f"{trip}/*/*/b.png", trip / "out")


class TestRuns:
    def test_a_stopped_run_goes_on(self, run, trip, tmp_path):
        whole = run(trip, tmp_path / "whole")
        (one, two) = run(trip, tmp_path / "out")
        two.unlink()
        before = one.stat().st_mtime_ns
        assert run(trip, tmp_path / "out") == [two]
        assert one.stat().st_mtime_ns == before
        assert two.read_bytes() == whole[1].read_bytes()

    def test_the_cost_is_told_before(self, run, trip, tmp_path, caplog):
        caplog.set_level("INFO")
        run(trip, tmp_path / "out", num_samples=3)
        assert "2 image(s), 0.00024 megapixels x 6 evaluations" in caplog.text
        assert "12 x 10, needs" in caplog.text

    def test_too_little_memory_is_said_before(
        self, run, restorer, trip, tmp_path, monkeypatch
    ):
        poor = tiny_weights.changed(restorer, "sampling.memory_gigabytes=1e-9")
        monkeypatch.setattr(runner, "open_restorer", lambda *_: poor)
        with pytest.raises(ValueError, match=r"2 of 2.*memory_gigabytes"):
            run(trip, tmp_path / "out")

    def test_several_samples_give_their_mean_and_a_map(
        self, run, restorer, trip, tmp_path
    ):
        (written,) = run(trip / "a.png", tmp_path / "out", num_samples=3, seed=2)
        key = noise_keys.file_key(2, "a.png")
        found = restorer.uncertainty(photo() / 255, num_samples=3, key=key)
        mean, spread = (
            images.read_image(tmp_path / "out" / name).pixels
            for name in ("a.png", "a.png.uncertainty.png")
        )
        np.testing.assert_allclose(mean, found.mean, atol=0.51 / 255)
        expected = (one_file.SPREAD_GAIN * found.std.mean(-1, keepdims=True)).clip(0, 1)
        np.testing.assert_allclose(spread, expected, atol=0.51 / 255)
        # stopped between the two: the map alone is written
        before = written.stat().st_mtime_ns
        (tmp_path / "out" / "a.png.uncertainty.png").unlink()
        run(trip / "a.png", tmp_path / "out", num_samples=3, seed=2)
        assert (tmp_path / "out" / "a.png.uncertainty.png").exists()
        assert written.stat().st_mtime_ns == before

    def test_samples_that_cannot_differ_are_refused(self, trip, tmp_path, monkeypatch):
        denoiser = tiny_restorer(
            process="denoising",
            schedule=dict(max_sigma=75 / 255, delta=0.04),
            sampling=dict(solver="mr_ode_2"),
        )
        monkeypatch.setattr(runner, "open_restorer", lambda *_: denoiser)
        with pytest.raises(ValueError, match=r"every restoration is the same"):
            runner.run(None, None, None, trip, tmp_path / "out", num_samples=2)

    def test_an_image_that_exhausts_the_memory_stops_nobody_else(
        self, run, restorer, trip, tmp_path, monkeypatch
    ):
        original = type(restorer).__call__

        def exhausted(self, pixels, **options):
            if abs(float(pixels[0, 0, 0]) - photo()[0, 0, 0] / 255) < 1e-6:
                raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: 9 GB")
            return original(self, pixels, **options)

        monkeypatch.setattr(type(restorer), "__call__", exhausted)
        with pytest.raises(ValueError, match=r"1 of 2.*a\.png.*memory_gigabytes"):
            run(trip, tmp_path / "out")
        assert (tmp_path / "out" / "day" / "b.png").exists()

    def test_two_runs_into_one_folder_lose_nothing(self, run, trip, tmp_path, caplog):
        """What another run wrote in the meantime stays, and is skipped."""
        out, original = tmp_path / "out", images._encode
        out.mkdir()

        def meanwhile(*args):
            (out / "a.png").write_bytes(b"theirs")
            return original(*args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(images, "_encode", meanwhile)
            caplog.set_level("INFO")
            assert run(trip / "a.png", out) == []
        assert "restored 0 of 1" in caplog.text
        assert "skipped 1 that exist already" in caplog.text
        assert (out / "a.png").read_bytes() == b"theirs"
        assert [path.name for path in out.iterdir()] == ["a.png"]

    def test_a_full_disk_stops_the_run_and_leaves_no_pieces(
        self, run, trip, tmp_path, monkeypatch
    ):
        def full(source, target):
            if target.name == "b.png":
                raise OSError(errno.ENOSPC, "No space left on device", str(source))
            os.rename(source, target)

        monkeypatch.setattr(os, "link", full)
        monkeypatch.setattr(os, "replace", full)  # where there are no links
        expected = (
            r"No space left.*make room.*day.b\.png'\. .*1 image\(s\) were restored"
        )
        with pytest.raises(OSError, match=expected):
            run(trip, tmp_path / "out")
        found = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        assert [path.name for path in found] == ["a.png"]


def bomb():
    """A PNG of a few bytes that promises 40 000 x 40 000 pixels."""

    def chunk(name, body):
        check = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + check

    head = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + data + chunk(b"IEND", b"")


def encoded(kind):
    buffer = io.BytesIO()
    Image.fromarray(photo((40, 40, 3))).save(buffer, kind)
    return buffer.getvalue()


HOSTILE = {
    "bomb.png": bomb(),
    "cut.png": encoded("PNG")[:-900],
    "cut.jpg": encoded("JPEG")[:-700],
    "empty.png": b"",
    "words.png": b"these are words, not pixels\n",
}


class TestHostileFiles:
    @pytest.mark.parametrize("name", HOSTILE)
    def test_is_named_and_stops_nobody_else(self, run, trip, tmp_path, name):
        (trip / name).write_bytes(HOSTILE[name])
        with pytest.raises(ValueError, match=f"1 of 3 images were not.*{name}"):
            run(trip, tmp_path / "out")
        done = [path.name for path in (tmp_path / "out").rglob("*.*")]
        assert sorted(done) == ["a.png", "b.png"]
        assert (trip / name).read_bytes() == HOSTILE[name]

    def test_folders_and_links_that_look_like_images(self, run, trip, tmp_path, caplog):
        (trip / "x.png").mkdir()
        (trip / "dangling.png").symlink_to(trip / "nowhere.png")
        (trip / "loop").symlink_to(trip)
        assert len(run(trip, tmp_path / "out")) == 2
        assert "dangling.png" in caplog.text
        assert len(jobs.plan(f"{trip}/**/*.png", tmp_path / "out")) == 2

    @pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5000, 3), (5000, 1, 3)])
    def test_thin_images_are_restored_whole_and_in_tiles(
        self, run, restorer, tmp_path, shape, monkeypatch
    ):
        Image.fromarray(photo(shape)).save(tmp_path / "thin.png")
        run(tmp_path / "thin.png", tmp_path / "whole")
        tiled = tiny_weights.changed(restorer, "sampling.tile=64")
        monkeypatch.setattr(runner, "open_restorer", lambda *_: tiled)
        run(tmp_path / "thin.png", tmp_path / "tiled")
        for name in ("whole", "tiled"):
            found = images.read_image(tmp_path / name / "thin.png")
            assert found.pixels.shape == shape


def test_the_command_line_reads_its_flags(trip, tmp_path):
    """A wrong one is an error of its own, before anything is loaded."""
    command = [sys.executable, "-m", "irsde_jax.main", "--mode=restore"]
    command += ["--weights=none", f"--input={trip}", f"--output={tmp_path / 'out'}"]
    found = subprocess.run(
        [*command, "--quality=high"], capture_output=True, text=True, env=os.environ
    )
    assert found.returncode == 2
    assert "quality" in found.stderr
