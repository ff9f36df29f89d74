"""Sheets with images side by side, and a table of scores.

The images are not resampled, so that texture can be judged: a pixel of an image is one
pixel of the sheet, or a square of pixels if the image is tiny.
"""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from irsde_jax.data.image_files import file_names, images

# The margin around the sheet, the gap between images and the height of a text line.
_MARGIN, _GAP, _LINE = 24, 12, 26  # pixels
_MIN_WIDTH = 224  # pixels of a column, so that captions fit under small images
_STAGES = ("degraded", "restored")

Caption = str | Sequence[str]
"""The text under a row: one line for the whole row, or one for each image."""


class _Style(NamedTuple):
    """The style of a line of text.

    Attributes:
        size: The height of the font in pixels.
        ink: The colour of the text, RGB in 0..255.
    """

    size: int
    ink: tuple[int, int, int]


_BACKGROUND = (244, 244, 242)
_HEADING = _Style(20, (24, 24, 28))
_CAPTION = _Style(16, (24, 24, 28))
_NOTE = _Style(16, (110, 110, 116))


def comparison_sheet(
    rows: Sequence[Sequence[np.ndarray]],
    columns: Sequence[str],
    captions: Sequence[Caption] | None = None,
    *,
    crop_size: int = 320,
    max_rows: int = 8,
    num_omitted: int = 0,
) -> Image.Image:
    """Returns a sheet with a row for each example and a column for each version of it.

    Large images are cropped at their centre; tiny images are enlarged by a whole
    number. Values outside [0, 1] are clipped.

    Args:
        rows: The rows of images, each float [H, W, C] in [0, 1], one per column. Sizes
            may differ between rows. If C is not 3, the mean over channels is shown.
        columns: The headings, such as "degraded", "restored", "reference".
        captions: The captions, one for each row. Text that is too long is cut. Pillow's
            font has Latin letters and no arrows.
        crop_size: The largest side of an image in the sheet, in pixels.
        max_rows: The largest number of rows shown. The sheet says how many are omitted.
        num_omitted: The number of further rows that are not in `rows`.

    Raises:
        ValueError: If there are no rows, or if the numbers of rows, columns and
            captions do not match.
    """
    _check(rows, columns, captions, crop_size, max_rows)
    num_omitted += len(rows) - len(rows[:max_rows])
    shown = [[_to_tile(image, crop_size) for image in row] for row in rows[:max_rows]]
    width = max(_MIN_WIDTH, *(tile.width for row in shown for tile in row))
    heights = [max(tile.height for tile in row) for row in shown]
    caption_line = _LINE if captions is not None else 0
    sheet_height = 2 * _MARGIN + _LINE + sum(heights)
    sheet_height += (caption_line + _GAP) * len(shown) + (_LINE if num_omitted else 0)
    sheet_width = 2 * _MARGIN + (width + _GAP) * len(columns) - _GAP
    sheet = Image.new("RGB", (sheet_width, sheet_height), _BACKGROUND)
    pen = ImageDraw.Draw(sheet)
    lefts = [_MARGIN + (width + _GAP) * index for index in range(len(columns))]
    for left, heading in zip(lefts, columns):
        _write(pen, (left, _MARGIN - 8), heading, width, _HEADING)
    top = _MARGIN + _LINE
    for index, (row, height) in enumerate(zip(shown, heights)):
        for left, tile in zip(lefts, row):
            sheet.paste(tile, (left, top))
        top += height
        if captions is not None:
            _write_caption(pen, lefts, top + 4, captions[index], width)
        top += caption_line + _GAP
    if num_omitted:
        text = f"{len(shown)} of {len(shown) + num_omitted} images are shown."
        _write(pen, (_MARGIN, top), text, sheet_width, _NOTE)
    return sheet


def save_sheet(
    path: str | os.PathLike, sheet: Image.Image, overwrite: bool = False
) -> None:
    """Writes a sheet atomically, in the format of the path's suffix.

    Args:
        path: The file, such as NAME.png, in an existing folder.
        sheet: The sheet that `comparison_sheet` returned.
        overwrite: Whether an existing file may be replaced.

    Raises:
        FileExistsError: If the file exists and `overwrite` is False.
        FileNotFoundError: If the folder does not exist.
    """
    pixels = np.asarray(sheet, np.float32) / 255
    images.write_image(path, images.ImageFile(pixels, None, 8), overwrite)


def score_table(rows: Sequence[Mapping[str, Any]], mean: Mapping[str, float]) -> str:
    """Returns the scores of degraded and restored images as a table of text.

    Args:
        rows: The rows of the images, each from `scores.Result.row` and perhaps with
            "degraded_lpips" and "restored_lpips".
        mean: The means of the scores over all images, and "median_seconds".

    Returns:
        Lines of text, one for each image and one for the mean. A score that is NaN is
        shown as "-".
    """
    width = max(5, *(len(row["name"]) for row in rows))
    psnr, ssim = f"{'degr.':>9}{'rest.':>7}{'gain':>8}", f"{'degr.':>9}{'rest.':>8}"
    has_lpips = "restored_lpips" in rows[0]
    groups = [("PSNR RGB", 24), ("SSIM RGB", 17), ("PSNR Y", 24), ("SSIM Y", 17)]
    groups += [("LPIPS", 17)] if has_lpips else []
    title = "".join(f"{group:>{len(group) + 4}}".ljust(size) for group, size in groups)
    columns = (psnr + ssim) * 2 + (ssim if has_lpips else "")
    heading = f"{'image':{width}}{columns}{'seconds':>10}"
    rule = "-" * len(heading)
    summary = dict(mean, name="mean", seconds=mean["median_seconds"], compiled=False)
    lines = [" " * width + title.rstrip(), heading, rule]
    lines += [_score_line(row, width) for row in rows]
    lines += [rule, _score_line(summary, width)]
    notes = ["PSNR and gain in dB; seconds: of the mean, the median."]
    if has_lpips:
        notes.append("LPIPS: lower is better; -: it needs 31 x 31 pixels.")
    if any(row["compiled"] for row in rows):
        notes.append("*: with compilation, the first of its size; not in the median.")
    if any(math.isnan(row["restored_ssim_rgb"]) for row in rows):
        notes.append("-: SSIM needs 11 x 11 pixels inside the border.")
    return "\n".join(lines + notes)


def _score_line(row: Mapping[str, Any], width: int) -> str:
    line = f"{row['name']:{width}}"
    for channels in ("rgb", "y"):
        before, after = (row[f"{stage}_psnr_{channels}"] for stage in _STAGES)
        line += f"{before:9.2f}{after:7.2f}{after - before:+8.2f}"
        line += _pair(row, f"ssim_{channels}")
    line += _pair(row, "lpips") if "restored_lpips" in row else ""
    seconds = "-" if math.isnan(row["seconds"]) else f"{row['seconds']:.2f}"
    return f"{line}{seconds:>10}{'*' if row['compiled'] else ''}"


def _pair(row: Mapping[str, Any], metric: str) -> str:
    """Returns a score before and after restoration, each with four decimals."""
    values = [row[f"{stage}_{metric}"] for stage in _STAGES]
    shown = ["-" if math.isnan(value) else f"{value:.4f}" for value in values]
    return f"{shown[0]:>9}{shown[1]:>8}"


def _check(
    rows: Sequence[Sequence[np.ndarray]],
    columns: Sequence[str],
    captions: Sequence[Caption] | None,
    crop_size: int,
    max_rows: int,
) -> None:
    """Raises ValueError unless the arguments of `comparison_sheet` fit together."""
    if crop_size < 1 or max_rows < 1:
        raise ValueError(
            f"crop_size and max_rows must be at least 1: {crop_size}, {max_rows}."
        )
    if not rows or not columns:
        raise ValueError("there must be at least one row and one column.")
    for index, row in enumerate(rows):
        if len(row) != len(columns):
            raise ValueError(
                f"row {index} has {len(row)} images for {len(columns)} columns."
            )
    if captions is None:
        return
    if len(captions) != len(rows):
        raise ValueError(f"{len(captions)} captions for {len(rows)} rows.")
    for index, caption in enumerate(captions):
        if not isinstance(caption, str) and len(caption) != len(columns):
            raise ValueError(
                f"row {index} has {len(caption)} captions for {len(columns)} columns."
            )


def _to_tile(image: np.ndarray, crop_size: int) -> Image.Image:
    """Returns the central crop of [H, W, C], enlarged by a whole number if tiny."""
    image = np.asarray(image)
    if image.ndim != 3 or 0 in image.shape:
        raise ValueError(f"an image has shape {image.shape} where [H, W, C] is wanted.")
    height, width = image.shape[:2]
    top, left = max(0, height - crop_size) // 2, max(0, width - crop_size) // 2
    crop = image[top : top + crop_size, left : left + crop_size]
    if crop.shape[-1] != 3:
        crop = np.repeat(crop.mean(axis=-1, keepdims=True), 3, axis=-1)
    factor = max(1, crop_size // max(crop.shape[:2]))
    enlarged = crop.repeat(factor, axis=0).repeat(factor, axis=1)
    return Image.fromarray(images.to_uint8(enlarged))


def _write_caption(
    pen: Any, lefts: list[int], top: int, caption: Caption, width: int
) -> None:
    if isinstance(caption, str):
        caption, lefts, width = [caption], lefts[:1], lefts[-1] + width - lefts[0]
    for left, text in zip(lefts, caption):
        _write(pen, (left, top), text, width, _CAPTION)


def _write(
    pen: Any, corner: tuple[int, int], text: str, width: int, style: _Style
) -> None:
    """Draws one line of text, cut to `width` pixels."""
    text = file_names.escaped(" ".join(text.split()))
    font = ImageFont.load_default(style.size)
    if font.getlength(text) > width:
        while text and font.getlength(text + "...") > width:
            text = text[:-1]
        text += "..."
    pen.text(corner, text, fill=style.ink, font=font)
