"""Names of results: results among their originals, and originals that are spared."""

import pytest
from tiny_restorers import names, save, tiny_restorer

from irsde_jax.restoration.files import jobs, marks, runner

RESULT = marks.describe("mr_ode_1", 1, seed=0)


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
    """Two photographs in JPEG."""
    for name in ("a.jpg", "b.jpg"):
        save(tmp_path / "photos" / name)
    return tmp_path / "photos"


class TestFormatWithinAFolder:
    def test_a_stopped_run_goes_on(self, run, photos, caplog):
        caplog.set_level("INFO")
        assert run(photos, photos, kind="png") == ["a.png", "b.png"]
        (photos / "b.png").unlink()
        before = (photos / "a.png").stat().st_mtime_ns
        assert run(photos, photos, kind="png") == ["b.png"]
        assert run(photos, photos, kind="png") == []
        assert (photos / "a.png").stat().st_mtime_ns == before
        assert names(photos) == ["a.jpg", "a.png", "b.jpg", "b.png"]
        assert "taken for results, not originals: a.png, b.png" in caplog.text

    def test_so_it_does_with_folders_in_it(self, run, photos):
        save(photos / "day" / "c.jpg")
        run(photos, photos, kind="png")
        (photos / "day" / "c.png").unlink()
        assert run(photos, photos, kind="png") == ["c.png"]

    def test_what_may_be_an_original_is_spared_even_if_results_are_replaced(
        self, run, photos, caplog
    ):
        before = save(photos / "a.png", seed=7).read_bytes()
        assert run(photos, photos, kind="png") == ["b.png"]
        assert "a.png (of a.jpg)" in caplog.text
        with pytest.raises(ValueError, match=r"a\.jpg.*a\.png exists and is not repl"):
            run(photos, photos, kind="png", overwrite=True)
        # nor if the pattern leaves it out
        with pytest.raises(ValueError, match=r"a\.jpg.*a\.png exists and is not repl"):
            run(f"{photos}/*.jpg", photos, kind="png", overwrite=True)
        with pytest.raises(ValueError, match=r"a\.jpg.*a\.png exists and is not repl"):
            run(photos / "a.jpg", photos, kind="png", overwrite=True)
        assert (photos / "a.png").read_bytes() == before
        # a file that the user names is meant
        run(photos / "a.jpg", photos / "a.png", overwrite=True)
        assert (photos / "a.png").read_bytes() != before

    def test_a_result_that_says_so_may_be_replaced(self, run, photos, caplog):
        caplog.set_level("INFO")
        before = save(photos / "a.png", seed=7, by=RESULT).read_bytes()
        assert run(photos, photos, kind="png") == ["b.png"]
        assert "taken for results, not originals: a.png" in caplog.text
        (photos / "b.png").unlink()
        assert run(photos, photos, kind="png", overwrite=True) == ["a.png", "b.png"]
        assert (photos / "a.png").read_bytes() != before

    def test_results_of_a_run_in_another_format_are_no_inputs(self, run, photos):
        save(photos / "a.png", seed=7, by=RESULT)
        assert run(photos, photos, kind="webp") == ["a.webp", "b.webp"]
        # elsewhere they are: a second network may go on with them
        assert "a.png" in run(photos / "a.png", photos.parent / "out")
        assert run(f"{photos}/*.png", photos.parent / "o") == ["a.png"]

    def test_an_original_in_the_wanted_format_is_named(self, run, photos):
        before = save(photos / "c.png").read_bytes()
        with pytest.raises(ValueError, match=r"1 of 3.*c\.png would replace its orig"):
            run(photos, photos, kind="png")
        assert names(photos) == ["a.jpg", "a.png", "b.jpg", "b.png", "c.png"]
        with pytest.raises(ValueError, match=r"1 of 1.*c\.png would replace its orig"):
            run(photos, photos, kind="png")
        assert (photos / "c.png").read_bytes() == before

    def test_maps_of_uncertainty_are_no_inputs(self, photos):
        save(photos / "a.png", by=RESULT)
        save(photos / "a.png.uncertainty.png")
        found = jobs.plan(photos, photos, kind="png")
        assert [job.name for job in found] == ["a.jpg", "b.jpg"]

    def test_a_map_that_may_be_an_original_is_spared(self, photos):
        def problems(source):
            options = dict(kind="png", overwrite=True, with_spread=True)
            return [job.problem for job in jobs.plan(source, photos, **options)]

        save(photos / "a.png", by=RESULT)
        spread = save(photos / "a.png.uncertainty.png", by=RESULT)
        assert problems(photos) == ["", ""]
        assert problems(photos / "a.jpg") == [""]
        save(spread)
        for source in (photos / "a.jpg", f"{photos}/*.jpg"):
            text = problems(source)[0]
            assert f"{spread} exists and is not replaced" in text

    def test_why_a_result_that_cannot_say_so_is_spared_is_told(self, photos):
        save(photos / "a.bmp")
        first, _ = jobs.plan(photos, photos, kind="bmp", overwrite=True)
        assert "in BMP and NPY, and those of --no_metadata, never say" in first.problem


class TestNamesThatMeet:
    def test_two_originals_of_one_stem_are_restored_in_their_formats(self, run, photos):
        save(photos / "a.png")
        out = photos.parent / "out"
        assert run(photos, out) == ["a.jpg", "a.png", "b.jpg"]
        assert run(photos, photos, suffix="_x") == ["a_x.jpg", "a_x.png", "b_x.jpg"]
        assert run(photos, photos, suffix="_x") == []

    def test_a_map_and_a_result_of_one_name_are_named(self, photos):
        for name in ("c.png", "c.png.uncertainty.png"):
            save(photos / name)
        out = photos.parent / "out"
        assert not any(job.problem for job in jobs.plan(photos, out))
        found = jobs.plan(photos, out, with_spread=True)
        problems = [job.name for job in found if "would all be" in job.problem]
        assert problems == ["c.png", "c.png.uncertainty.png"]

    def test_a_mirrored_result_never_takes_the_place_of_an_original(self, run, photos):
        """photos/day/day/b.jpg goes to photos/day/b.jpg, where there is one."""
        before = save(photos / "day" / "b.jpg", seed=1).read_bytes()
        save(photos / "day" / "day" / "b.jpg", seed=2)
        save(photos / "day" / "c.jpg", seed=3)
        with pytest.raises(ValueError, match=r"day/b\.jpg.*exists and is not replaced"):
            run(photos / "day", photos, overwrite=True)
        assert (photos / "day" / "b.jpg").read_bytes() == before
        assert (photos / "c.jpg").exists()

    def test_a_result_that_is_a_link_to_an_original_is_refused(self, run, photos):
        out = photos.parent / "out"
        out.mkdir()
        (out / "a.jpg").symlink_to(photos / "b.jpg")
        before = (photos / "b.jpg").read_bytes()
        with pytest.raises(ValueError, match=r"1 of 2.*a\.jpg would replace its orig"):
            run(photos, out, overwrite=True)
        assert (photos / "b.jpg").read_bytes() == before
