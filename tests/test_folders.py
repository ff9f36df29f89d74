"""Finding images: links, loops, and files that only look like images."""

import os

import pytest

from irsde_jax.data.image_files import folders
from irsde_jax.restoration.files import inputs


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


@pytest.fixture
def trip(tmp_path):
    """A folder with an image, a subfolder with another, and a folder beside it."""
    touch(tmp_path / "trip" / "a.png")
    touch(tmp_path / "trip" / "day" / "b.png")
    touch(tmp_path / "elsewhere" / "deep" / "c.png")
    return tmp_path / "trip"


def found(folder):
    paths = folders.list_images(folder, recursive=True)
    return [path.relative_to(folder).as_posix() for path in paths]


def matched(pattern, output):
    result = inputs.find(pattern, output)
    return [path.relative_to(result.root).as_posix() for path in result.paths]


def test_a_linked_folder_is_looked_into(trip):
    (trip / "link").symlink_to(trip.parent / "elsewhere")
    assert found(trip) == ["a.png", "day/b.png", "link/deep/c.png"]
    assert folders.list_images(trip) == [trip / "a.png"]
    pattern = trip / "**" / "*.png"
    assert matched(pattern, trip / "out") == ["a.png", "day/b.png", "link/deep/c.png"]


def test_nothing_is_found_twice_and_loops_end(trip, caplog):
    caplog.set_level("INFO")
    elsewhere = trip.parent / "elsewhere"
    (trip / "again").symlink_to(trip / "day")  # sorts before the folder itself
    (trip / "one").symlink_to(elsewhere / "deep")
    (trip / "two").symlink_to(elsewhere)
    (trip / "self").symlink_to(trip)
    (trip / "day" / "up").symlink_to(trip.parent)
    touch(trip.parent / "private.png")  # beside the folder: not asked for
    (elsewhere / "back").symlink_to(trip)
    (elsewhere / "loop").symlink_to(elsewhere)
    expected = ["a.png", "day/b.png", "one/c.png"]
    assert found(trip) == expected
    for name in ("again", "day/up", "self", "two/back", "two/deep", "two/loop"):
        assert name in caplog.text
    assert matched(trip / "**" / "*.png", trip / "out") == expected


def test_files_that_only_look_like_images_are_named(trip, caplog):
    (trip / "dangling.png").symlink_to(trip / "nowhere.png")
    (trip / "loop.png").symlink_to(trip / "loop.png")
    if hasattr(os, "mkfifo"):
        os.mkfifo(trip / "pipe.png")
        assert folders.why_not_regular(trip / "pipe.png") == "not a regular file"
        with pytest.raises(FileNotFoundError, match=r"pipe\.png is not a regular file"):
            inputs.find(trip / "pipe.png", trip / "out")
    assert found(trip) == ["a.png", "day/b.png"]
    assert "dangling.png (a link to nothing)" in caplog.text
    assert "loop.png (a link to nothing)" in caplog.text
    assert ("pipe.png (not a regular file)" in caplog.text) == hasattr(os, "mkfifo")
    caplog.clear()
    assert matched(trip / "*.png", trip / "out") == ["a.png"]
    assert "dangling.png (a link to nothing)" in caplog.text
    with pytest.raises(FileNotFoundError, match=r"dangling\.png is a link to nothing"):
        inputs.find(trip / "dangling.png", trip / "out")


def test_a_folder_that_cannot_be_listed_is_named(trip, caplog, monkeypatch):
    original = os.listdir

    def listdir(folder):
        if str(folder).endswith("day"):
            raise PermissionError(13, "Permission denied", str(folder))
        return original(folder)

    monkeypatch.setattr(os, "listdir", listdir)
    assert found(trip) == ["a.png"]
    assert "day: skipped, the folder cannot be listed: Permission denied" in caplog.text
    result = inputs.find(trip, trip / "out")
    assert result.failures == {trip / "day": "Permission denied"}
    with pytest.raises(PermissionError, match="day cannot be listed"):
        folders.list_images(trip / "day")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("**/*.png", ["a.png", "day/b.png", "day/x/y.png"]),
        ("**/day/**/*.png", ["day/b.png", "day/x/y.png"]),
        ("**", ["a.png", "day/b.png", "day/x/y.png"]),
        ("d*/**/y.*", ["day/x/y.png"]),
        ("*/*.png", ["day/b.png"]),
        ("**/[!b].png", ["a.png", "day/x/y.png"]),
    ],
)
def test_a_pattern_finds_what_glob_finds(trip, pattern, expected):
    touch(trip / "day" / "x" / "y.png")
    touch(trip / ".hidden" / "h.png")
    assert matched(trip / pattern, trip / "out") == expected


def test_results_are_no_inputs_wherever_the_output_is_linked_from(trip):
    results = trip.parent / "elsewhere"
    (trip / "link").symlink_to(results)
    assert matched(trip, results) == ["a.png", "day/b.png"]
    assert matched(trip, trip / "link") == ["a.png", "day/b.png"]
    # an output that holds the input holds the originals as well
    assert len(matched(trip, trip)) == len(matched(trip, trip.parent)) == 3
