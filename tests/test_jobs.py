"""Where results go: flags that contradict the name of the result are errors."""

from pathlib import Path

import pytest
from PIL import Image

from irsde_jax.restoration.files import jobs, runner


@pytest.fixture
def trip(tmp_path) -> Path:
    """A folder with a PNG and a JPEG image."""
    folder = tmp_path / "trip"
    folder.mkdir()
    for name in ("a.png", "b.jpg"):
        Image.new("RGB", (8, 8), "grey").save(folder / name)
    return folder


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("r.png", {"suffix": "_x"}, "--suffix=_x has no effect where --output=.*r.png"),
        ("r.png", {"kind": "jpg"}, "--format=jpg contradicts --output=.*r.png"),
        ("r.tiff", {"kind": "png"}, "--format=png contradicts"),
    ],
)
def test_an_output_that_is_a_file_goes_without_other_names(
    trip, tmp_path, output, options, message
):
    with pytest.raises(ValueError, match=message):
        jobs.plan(trip / "a.png", tmp_path / output, **options)


@pytest.mark.parametrize(
    ("output", "kind"), [("r.jpeg", "jpg"), ("r.JPG", "JPEG"), ("r.tif", "tiff")]
)
def test_a_format_that_agrees_with_the_output_is_no_error(trip, tmp_path, output, kind):
    [job] = jobs.plan(trip / "a.png", tmp_path / output, kind=kind)
    assert job.target == tmp_path / output


@pytest.mark.parametrize("source", ["", "*.png"])
def test_several_images_need_a_folder(trip, tmp_path, source):
    with pytest.raises(ValueError, match=r"r.png names one image, but .*give a folder"):
        jobs.plan(trip / source, tmp_path / "r.png")
    (tmp_path / "r.png").mkdir()
    assert jobs.plan(trip / source, tmp_path / "r.png")


def test_a_quality_needs_a_result_that_has_one(trip, tmp_path):
    def check(source, **options):
        jobs.check_quality(80, jobs.plan(source, tmp_path / "out", **options))

    check(trip)  # b.jpg has one
    check(trip / "b.jpg")
    check(trip / "a.png", kind="webp")
    for source, options in ((trip / "a.png", {}), (trip, {"kind": "tif"})):
        with pytest.raises(ValueError, match=r"--quality=80 has no effect.*\.jpg"):
            check(source, **options)
    with pytest.raises(ValueError, match=r"--quality=80 has no effect"):
        runner.run(None, None, "w", trip / "a.png", tmp_path / "out", quality=80)
    jobs.check_quality(None, jobs.plan(trip / "a.png", tmp_path / "out"))


def test_a_folder_of_nothing_but_results_is_named(trip, tmp_path):
    with pytest.raises(
        FileNotFoundError,
        match=f"--input={tmp_path} holds only results of --output={trip}. Give the fol",
    ):
        jobs.plan(tmp_path, trip)
