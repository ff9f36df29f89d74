"""Tables of a comparison, as text and as CSV files."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from irsde_jax.data.image_files import file_names

Entry = Mapping[str, Any]

METRICS = {
    "psnr_rgb": "PSNR RGB",
    "ssim_rgb": "SSIM RGB",
    "psnr_y": "PSNR Y",
    "ssim_y": "SSIM Y",
    "lpips": "LPIPS",
}
"""The metrics that an entry may hold, with the names that tables show."""

LOWER_IS_BETTER = ("lpips", "fid", "seconds")

# The text shows only these intervals; the CSV files and the report show all.
_WITH_INTERVAL = ("psnr_rgb", "ssim_rgb", "lpips")


def heading(metric: str) -> str:
    """Returns the name of a metric, with a note if lower is better."""
    return METRICS[metric] + (" (lower is better)" if metric == "lpips" else "")


def decimals(metric: str) -> int:
    """Returns the number of decimals with which a score is shown."""
    return 2 if metric.startswith("psnr") or metric in ("fid", "seconds") else 4


def number(value: float | None, metric: str, sign: str = "") -> str:
    """Returns a score as text; "-" stands for None and NaN."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:{sign}.{decimals(metric)}f}"


def with_interval(score: Mapping[str, Any] | None, metric: str, sign: str = "") -> str:
    """Returns a mean with its interval as text, such as "29.56 [29.10, 30.02]"."""
    if not score:
        return "-"
    mean = number(score["mean"], metric, sign)
    if score["low"] is None:
        return mean
    low, high = (number(score[end], metric, sign) for end in ("low", "high"))
    return f"{mean} [{low}, {high}]"


def shown_metrics(entries: Sequence[Entry]) -> list[str]:
    """Returns the metrics that any entry holds, in the order of `METRICS`."""
    return [name for name in METRICS if any(name in e["scores"] for e in entries)]


def aligned(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligns cells as lines of text: the first column left, the others right.

    Args:
        heading: The heading of each column.
        rows: The cells of each row, one for each column.

    Returns:
        The line of the heading, a rule, and a line for each row.
    """
    widths = [max(map(len, column)) for column in zip(heading, *rows)]
    lines = [
        "  ".join([first.ljust(widths[0]), *map(str.rjust, others, widths[1:])])
        for first, *others in (heading, *rows)
    ]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def comparison_table(report: Mapping[str, Any]) -> str:
    """Returns a table with one line for each method, and the notes below it."""
    entries = report["methods"]
    metrics = shown_metrics(entries)
    titles = ["method", "evals", *map(heading, metrics), "gain dB", "FID", "seconds"]
    lines = []
    for entry in entries:
        if entry["not_computed"]:
            continue
        cells = [entry["name"], str(entry["num_evals"] or "-")]
        for name in metrics:
            score = entry["scores"].get(name)
            is_wide = name in _WITH_INTERVAL
            cells.append(
                with_interval(score, name)
                if is_wide
                else number(score and score["mean"], name)
            )
        cells.append(with_interval(entry["gain"].get("psnr_rgb"), "psnr_rgb", "+"))
        cells.append(number(entry["fid"], "fid"))
        cells.append(number(entry["median_seconds"], "seconds"))
        lines.append(cells)
    return "\n".join([*aligned(titles, lines), *notes(report)])


def notes(report: Mapping[str, Any]) -> list[str]:
    """Returns the sentences that a reader of the table must know."""
    confidence = report["confidence"]
    count = len(report["images"])
    lines = [
        f"Intervals: {confidence['level']:.0%}, bootstrap of the mean over "
        f"{count} image{'s' if count != 1 else ''}"
        + (", too few for it to be trusted." if count < 10 else ".")
    ]
    if report.get("pairing"):
        lines.append(f"Pairs: {report['pairing']}.")
    if report.get("cropping"):
        lines.append(report["cropping"])
    if not report["lpips"]["not_computed"]:
        origin = report["lpips"].get("origin")
        source = f" (weights of {origin})" if origin else ""
        lines.append(f"LPIPS: AlexNet{source}, lower is better.")
    for name in ("lpips", "fid"):
        if report[name]["not_computed"]:
            reason = report[name]["not_computed"]
            lines.append(f"{name.upper()}: not computed: {reason}.")
    if not report["fid"]["not_computed"] and count < 2048:
        lines.append(
            f"FID: of {count} images, where 2048 are the least for a full covariance; "
            "compare it within this table alone. The border is not left out."
        )
    for entry in report["methods"]:
        if entry["not_computed"]:
            lines.append(f"{entry['name']}: not computed: {entry['not_computed']}.")
    if report["no_baselines"]:
        lines.append(f"Baselines: {report['no_baselines']}.")
    return lines


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes rows as a CSV file, with the keys of the first row as columns.

    Text is passed through `file_names.escaped`, because not all names fit into UTF-8.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {
                    key: file_names.escaped(cell) if isinstance(cell, str) else cell
                    for key, cell in row.items()
                }
            )


def summary_rows(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Returns the rows of `summary.csv`, one for each method."""
    metrics, rows = shown_metrics(entries), []
    for entry in entries:
        row = {"method": entry["name"], "kind": entry["kind"]}
        row |= {key: entry[key] for key in ("weights", "solver", "num_evals")}
        row["num_images"] = len(entry["images"])
        for prefix, found in (("", entry["scores"]), ("gain_", entry["gain"])):
            for name in metrics:
                for key in ("mean", "low", "high"):
                    row[f"{prefix}{name}_{key}"] = found.get(name, {}).get(key)
        for key in ("fid", "median_seconds", "folder", "not_computed"):
            row[key] = entry[key]
        rows.append(row)
    return rows


def image_rows(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Returns the rows of `per_image.csv`, one for each image of each method."""
    metrics = shown_metrics(entries)
    return [
        dict(method=entry["name"], image=image["name"])
        | {key: image[key] for key in ("height", "width")}
        | {name: image.get(name) for name in metrics}
        | {key: image.get(key) for key in ("seconds", "compiled")}
        for entry in entries
        for image in entry["images"]
    ]
