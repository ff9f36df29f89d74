"""Many images in a run: odd names, odd places, other processes, full disks."""

import os
import random

import pytest
import tiny_weights
from PIL import Image
from tiny_restorers import names, photo, save, tiny_restorer

from irsde_jax.configuration import whole_files
from irsde_jax.data.image_files import images, limits
from irsde_jax.restoration.files import runner, turns
from irsde_jax.restoration.files.job import Job

POSIX = pytest.mark.skipif(os.name != "posix", reason="names and pipes of POSIX")


@pytest.fixture(scope="module")
def restorer():
    return tiny_restorer()


@pytest.fixture
def run(restorer, monkeypatch):
    """`restore.run` that copies pixels."""
    monkeypatch.setattr(runner, "open_restorer", lambda *_: restorer)
    monkeypatch.setattr(type(restorer), "__call__", lambda self, pixels, **_: pixels)

    def call(source, output, **options):
        written = runner.run(None, None, None, source, output, **options)
        return sorted(path.name for path in written)

    return call


@pytest.fixture
def photos(tmp_path):
    for name in ("a.png", "b.png"):
        save(tmp_path / "photos" / name)
    return tmp_path / "photos"


class TestSizes:
    @pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
    @pytest.mark.parametrize("quality", [None, 80])
    def test_the_limits_are_those_of_the_encoders(self, tmp_path, kind, quality):
        side = limits.LIMITS[kind].side
        path = tmp_path / f"a.{kind.lower()}"
        strip = images.ImageFile(photo((1, side, 3)) / 255, None, 8)
        images.check_size(path, 1, side)
        images.write_image(path, strip, quality=quality)
        assert images.read_size(path) == (1, side)
        path.unlink()
        strip = images.ImageFile(photo((side + 1, 1, 3)) / 255, None, 8)
        with pytest.raises(ValueError, match=rf"a\.{kind.lower()} cannot be.*{side}"):
            images.check_size(path, side + 1, 1)
        with pytest.raises(ValueError, match=rf"a\.{kind.lower()} cannot be written"):
            images.write_image(path, strip, quality=quality)
        assert names(tmp_path) == []

    @pytest.mark.parametrize("suffix", [".tif", ".bmp"])
    def test_four_gigabytes_are_the_most_of_these(self, tmp_path, suffix):
        path = tmp_path / f"a{suffix}"
        images.check_size(path, 30_000, 40_000, 3)
        with pytest.raises(ValueError, match=r"bytes of pixels, and .* 40000 x 40000"):
            images.check_size(path, 40_000, 40_000, 3)

    def test_sixteen_bits_need_twice_the_room_unless_they_are_rounded(self, tmp_path):
        images.check_size(tmp_path / "a.bmp", 30_000, 40_000, 3, bits=16)
        with pytest.raises(ValueError, match=r"a\.tif cannot be written"):
            images.check_size(tmp_path / "a.tif", 30_000, 40_000, 3, bits=16)

    def test_an_enlarged_image_is_measured_before_the_work(
        self, run, restorer, tmp_path, monkeypatch
    ):
        save(tmp_path / "in" / "small.png")
        for name in ("strip.webp", "strip.png"):
            Image.fromarray(photo((1, 4100, 3))).save(
                tmp_path / "in" / name, lossless=True
            )
        opened, read_image = [], images.read_image

        def read(path, *args, **options):
            opened.append(path.name)
            return read_image(path, *args, **options)

        monkeypatch.setattr(images, "read_image", read)
        enlarging = tiny_weights.changed(restorer, "data.scale=4")
        monkeypatch.setattr(runner, "open_restorer", lambda *_: enlarging)
        with pytest.raises(ValueError, match=r"1 of 3.*webp: .*16383.*4 x 164"):
            run(tmp_path / "in", tmp_path / "out")
        assert opened == ["small.png", "strip.png"]  # its header was enough
        assert names(tmp_path / "out") == ["small.png", "strip.png"]

    def test_bits_that_a_format_does_not_hold_are_named(self, tmp_path, caplog):
        deep = images.ImageFile(photo((4, 4, 1)) / 255, None, 16)
        images.write_image(tmp_path / "a.png", deep)
        images.write_image(tmp_path / "b.png", deep._replace(bits=8))
        images.write_image(tmp_path / "c.npy", deep._replace(bits=32))
        assert not caplog.messages
        images.write_image(tmp_path / "d.jpg", deep)
        images.write_image(tmp_path / "e.png", deep._replace(bits=32))
        first, second = caplog.messages
        assert "d.jpg: rounded from 16 bits to 8" in first
        assert "e.png: rounded from 32 bits to 8" in second


class TestNames:
    @POSIX
    def test_a_name_that_is_not_utf_8_is_restored(self, run, photos):
        odd = os.fsdecode(b"\xe9t\xe9.png")
        try:
            save(photos / odd)
        except OSError:
            pytest.skip("this file system wants UTF-8")
        out = photos.parent / "out"
        assert odd in run(photos, out)
        assert os.fsencode(odd) in os.listdir(os.fsencode(out))

    @POSIX
    def test_a_name_that_is_too_long_is_named_and_stops_nobody_else(self, run, photos):
        longest = os.pathconf(photos, "PC_NAME_MAX")
        long = "x" * (longest - 4) + ".png"
        save(photos / long)
        out = photos.parent / "out"
        for expected in ("1 of 3", "1 of 1"):
            with pytest.raises(
                ValueError, match=rf"{expected}.*xxx.*{longest + 2} byt"
            ):
                run(photos, out, suffix="_c")
            assert names(out) == ["a_c.png", "b_c.png"]
        # without a suffix there is room, also for the file that is being written
        assert long in run(photos, out)


class TestPlaces:
    def test_an_input_that_disappears_is_named(self, run, restorer, photos, tmp_path):
        def vanish(self, pixels, **_):
            (photos / "b.png").unlink()
            return pixels

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(restorer), "__call__", vanish)
            with pytest.raises(ValueError, match=r"1 of 2.*b\.png: There is no file"):
                run(photos, tmp_path / "out")
        assert names(tmp_path / "out") == ["a.png"]

    def test_what_is_in_the_way_of_a_result_is_named(self, run, photos, tmp_path):
        out = tmp_path / "out"
        for name in ("c", "d"):
            save(photos / f"{name}.png")
        (out / "a.png").mkdir(parents=True)
        (out / "b.png").symlink_to(tmp_path / "nowhere.png")
        expected = r"a\.png: .*a folder has the name.*b\.png: .*a link to nothing"
        if hasattr(os, "mkfifo"):
            os.mkfifo(out / "c.png")
            expected += r".*c\.png: .*not a regular file"
        with pytest.raises(ValueError, match=expected):
            run(photos, out)
        assert (out / "d.png").is_file()
        assert not (tmp_path / "nowhere.png").exists()
        with pytest.raises(ValueError, match=r"a\.png: .*a folder has the name"):
            run(photos, out, overwrite=True)
        assert not (tmp_path / "nowhere.png").exists()
        assert (out / "b.png").is_file()

    def test_a_file_in_the_place_of_a_folder_is_named(self, run, photos, tmp_path):
        save(photos / "day" / "c.png")
        out = tmp_path / "out"
        out.mkdir()
        (out / "day").write_text("mine")
        with pytest.raises(ValueError, match=r"1 of 3.*day/c\.png: .*a folder is need"):
            run(photos, out)
        assert (out / "day").read_text() == "mine"

    @pytest.mark.parametrize("kind", ["file", "dangling"])
    def test_an_output_that_is_no_folder_is_an_error(self, run, photos, tmp_path, kind):
        if kind == "file":
            (tmp_path / "out").write_text("mine")
        else:
            (tmp_path / "out").symlink_to(tmp_path / "nowhere")
        with pytest.raises(FileExistsError, match="out is not a folder"):
            run(photos, tmp_path / "out")

    def test_an_output_that_is_a_link_to_a_folder_is_that_folder(self, run, photos):
        (photos.parent / "real").mkdir()
        link = photos.parent / "link"
        link.symlink_to(photos.parent / "real")
        assert run(photos, link) == ["a.png", "b.png"]
        assert names(photos.parent / "real") == ["a.png", "b.png"]

    def test_a_folder_that_cannot_be_written_is_found_out_before_the_work(
        self, run, restorer, photos, tmp_path, monkeypatch
    ):
        save(photos / "day" / "c.png")
        original, work = whole_files._open_partial, []

        def denied(folder):
            if folder.name == "day":
                raise PermissionError(13, "Permission denied", str(folder / ".x.tmp"))
            return original(folder)

        def count(self, pixels, **_):
            work.append(pixels)
            return pixels

        monkeypatch.setattr(whole_files, "_open_partial", denied)
        monkeypatch.setattr(type(restorer), "__call__", count)
        with pytest.raises(ValueError, match=r"1 of 3.*denied \(make the.*day/c\.png'"):
            run(photos, tmp_path / "out")
        assert len(work) == 2

    def test_a_folder_that_cannot_be_listed_is_a_failure(
        self, run, photos, tmp_path, monkeypatch
    ):
        save(photos / "day" / "c.png")
        original = os.listdir

        def listdir(folder):
            if str(folder).endswith("day"):
                raise PermissionError(13, "Permission denied", str(folder))
            return original(folder)

        monkeypatch.setattr(os, "listdir", listdir)
        with pytest.raises(ValueError, match=r"1 of 3.*day: the folder cannot be list"):
            run(photos, tmp_path / "out")
        assert len(list((tmp_path / "out").glob("*.png"))) == 2

    @POSIX
    def test_no_half_file_is_left_where_the_room_ends(self, tmp_path):
        resource = pytest.importorskip("resource", reason="limits of processes")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
            with pytest.raises(OSError, match=r"File too large.*a\.png'"):
                whole_files.write(tmp_path / "a.png", bytes(5000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert names(tmp_path) == []

    def test_errors_that_are_alike_are_told_once(self):
        outcome = turns.Outcome(failures={"a": "no.", "b": "not.", "c": "no."})
        assert outcome.report(5) == "3 of 5 images were not restored. a, c: no. b: not."


class TestOtherProcesses:
    def sized(self, folder, count):
        targets = [folder / f"{number}.png" for number in range(count)]
        return [turns.Sized(Job(t.name, t, t), 1, 1) for t in targets]

    def write(self, job):
        whole_files.write(job.target, b"whole")

    def test_what_another_process_writes_is_skipped_and_the_rest_is_shared(
        self, tmp_path, monkeypatch
    ):
        """The other one writes image 0 while it is restored here, and image 1 first."""
        monkeypatch.setattr(random, "shuffle", lambda left: left.reverse())
        outcome, order = turns.Outcome(), []

        def restore_one(job):
            order.append(job.name)
            if job.name == "0.png":
                (tmp_path / "0.png").write_bytes(b"theirs")
                (tmp_path / "1.png").write_bytes(b"theirs")
            self.write(job)

        turns.take(self.sized(tmp_path, 5), restore_one, outcome)
        assert outcome.failures == {}
        assert outcome.taken == ["0.png", "1.png"]
        # the rest was reversed after image 0
        assert order == ["0.png", "4.png", "3.png", "2.png"]
        assert len(outcome.written) == 3
        contents = [(tmp_path / f"{i}.png").read_bytes() for i in range(5)]
        assert contents == [b"theirs"] * 2 + [b"whole"] * 3
        assert names(tmp_path) == [f"{i}.png" for i in range(5)]
        text = outcome.describe(5, "out")
        assert text.startswith("restored 3 of 5 images to out; skipped 2 that exist al")

    def test_one_run_within_another_leaves_nothing_to_do(self, tmp_path):
        outer, inner = turns.Outcome(), turns.Outcome()
        sized = self.sized(tmp_path, 4)

        def restore_one(job):
            if not inner.written:
                turns.take(sized, self.write, inner)
            self.write(job)

        turns.take(sized, restore_one, outer)
        assert (len(inner.written), len(outer.taken)) == (4, 4)
        assert not (inner.failures or outer.failures)
