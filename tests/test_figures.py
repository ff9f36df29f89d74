"""Comparison sheets and tables: all images are there, pixel for pixel, with text."""

import math

import numpy as np
import pytest

from irsde_jax.data.image_files import images
from irsde_jax.evaluation import figures

COLUMNS = ("degraded", "restored", "reference")


def make_row(height, width, channels, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.random((height, width, channels)) for _ in COLUMNS]


def contains(sheet, tile):
    """Whether the uint8 tile [h, w, 3] is somewhere in the sheet, pixel for pixel."""
    pixels = np.asarray(sheet)
    corners = np.argwhere((pixels == tile[0, 0]).all(axis=-1))
    height, width = tile.shape[:2]
    return any(
        np.array_equal(pixels[y : y + height, x : x + width], tile) for y, x in corners
    )


def test_large_images_are_shown_as_their_central_pixels():
    row = make_row(101, 140, 3)
    sheet = figures.comparison_sheet([row], COLUMNS, ["a"], crop_size=64)
    assert sheet.mode == "RGB"
    for image in row:
        assert contains(sheet, images.to_uint8(image[18:82, 38:102]))


def test_tiny_and_grey_images_are_enlarged_by_whole_numbers():
    row = make_row(5, 3, 1)
    sheet = figures.comparison_sheet([row], COLUMNS, crop_size=32)
    expected = images.to_uint8(row[0]).repeat(6, 0).repeat(6, 1).repeat(3, 2)
    assert contains(sheet, expected)


def test_rows_of_any_size_and_any_channels_fit_into_one_sheet():
    rows = [make_row(1, 1, 3), make_row(40, 9, 1), make_row(20, 300, 4)]
    rows[0][0][:] = 7.5  # clipped
    captions = ["one \N{RIGHTWARDS ARROW} line\nof text", ("x" * 500, "", "b"), "c"]
    sheet = figures.comparison_sheet(rows, COLUMNS, captions)
    assert np.asarray(sheet).min() < 100  # there is text


def test_rows_that_are_left_out_are_counted():
    rows = [make_row(8, 8, 3, seed) for seed in range(3)]
    sizes = [
        figures.comparison_sheet(rows[:2], COLUMNS, **options).size
        for options in ({}, {"num_omitted": 4})
    ]
    cut = figures.comparison_sheet(rows, COLUMNS, max_rows=2)
    assert sizes[0][1] < sizes[1][1] == cut.size[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": []}, "at least one row"),
        ({"columns": ("a", "b")}, "row 0 has 3 images for 2 columns"),
        ({"captions": ["a", "b"]}, "2 captions for 1 rows"),
        ({"captions": [("a", "b")]}, "row 0 has 2 captions for 3 columns"),
        ({"crop_size": 0}, "crop_size"),
        ({"rows": [[np.zeros((4, 4))] * 3]}, r"shape \(4, 4\)"),
    ],
)
def test_what_does_not_fit_is_an_error(change, message):
    arguments = dict(rows=[make_row(4, 4, 3)], columns=COLUMNS, captions=["a"])
    with pytest.raises(ValueError, match=message):
        figures.comparison_sheet(**{**arguments, **change})


def test_a_sheet_is_written_and_never_overwritten_unasked(tmp_path):
    sheet = figures.comparison_sheet([make_row(9, 9, 3)], COLUMNS)
    path = tmp_path / "sheet.png"
    figures.save_sheet(path, sheet)
    np.testing.assert_array_equal(
        images.to_uint8(images.read_image(path).pixels), np.asarray(sheet)
    )
    with pytest.raises(FileExistsError, match=r"sheet\.png"):
        figures.save_sheet(path, sheet)
    figures.save_sheet(path, sheet, overwrite=True)


def make_scores(name, degraded, restored, ssim=0.5, seconds=1.5, compiled=False):
    row = dict(name=name, seconds=seconds, median_seconds=seconds, compiled=compiled)
    for channels in ("rgb", "y"):
        row[f"degraded_psnr_{channels}"] = degraded
        row[f"restored_psnr_{channels}"] = restored
        row[f"degraded_ssim_{channels}"] = row[f"restored_ssim_{channels}"] = ssim
    return row


def test_the_table_has_a_line_an_image_with_the_gain():
    rows = [make_scores("astronaut", 20.2, 27.9), make_scores("b", 21.0, math.inf)]
    table = figures.score_table(rows, make_scores("", 20.6, 28.0)).splitlines()
    assert table[3].startswith("astronaut    20.20  27.90   +7.70   0.5000  0.5000")
    assert table[4].split()[2:4] == ["inf", "+inf"]
    assert table[6].split()[:4] == ["mean", "20.60", "28.00", "+7.40"]
    assert len({len(line) for line in table[1:7]}) == 1  # in columns
    assert "*" not in "".join(table)


def test_the_table_has_lpips_where_it_was_computed():
    scores = make_scores("a", 20.0, 21.0)
    assert "LPIPS" not in figures.score_table([scores], scores)
    scores |= dict(degraded_lpips=0.3125, restored_lpips=0.125)
    small = scores | dict(degraded_lpips=math.nan, restored_lpips=math.nan)
    table = figures.score_table([scores, small], scores).splitlines()
    assert table[0].endswith("LPIPS")
    assert table[3].split()[-3:] == ["0.3125", "0.1250", "1.50"]
    assert table[4].split()[-3:] == ["-", "-", "1.50"]
    assert len({len(line) for line in table[1:7]}) == 1  # in columns
    assert any("LPIPS: lower is better" in line for line in table)


def test_the_table_explains_its_marks():
    rows = [make_scores("tiny", 20.0, 21.0, ssim=math.nan, compiled=True)]
    table = figures.score_table(rows, make_scores("", 20.0, 21.0, math.nan, math.nan))
    assert "1.50*" in table
    assert "*: with compilation" in table
    assert "-: SSIM needs 11 x 11 pixels" in table
