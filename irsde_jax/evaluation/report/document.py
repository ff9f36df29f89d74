"""The report of an evaluation: one self-contained HTML file.

Plots and images are data URIs and the script is inside the file, so that the report can
be sent, archived and opened without a network. All text from outside, such as the names
of files, is escaped.
"""

import base64
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from string import Template
from typing import Any

import numpy as np
from PIL import Image

from irsde_jax.evaluation import tables
from irsde_jax.evaluation.report import charts
from irsde_jax.evaluation.report.frame import PAGE, SCRIPT, STYLE
from irsde_jax.evaluation.report.highlights import Case

Report = Mapping[str, Any]


def to_html(report: Report, cases: Sequence[Case]) -> str:
    """Returns the HTML page.

    Args:
        report: The contents of `metrics.json`, with None for numbers that are not
            finite.
        cases: The images that are shown with before/after sliders.
    """
    settings = report["config"]
    versions = ", ".join(f"{key} {value}" for key, value in report["versions"].items())
    count = len(report["images"])
    kept = "kept as floats" if report["bits"] == 32 else "rounded to 8 bits"
    protocol = (
        f"{count} image{'s' if count != 1 else ''} of {report['folder']}. Degraded "
        f"images: {report['degraded']}. Results are {kept} and compared with the "
        f"reference, {report['crop_border']} pixels left out on every side. "
        f"Seed {report['seed']}. "
        f"Task {settings['task']}, process {settings['process']}. "
        f"{report['device']}; {versions}."
    )
    return Template(PAGE).substitute(
        style=STYLE,
        script=SCRIPT,
        title=_text(f"Evaluation on {report['folder']}"),
        protocol=_text(protocol),
        summary=_summary_table(report["methods"]),
        notes="".join(f"<li>{_text(note)}</li>" for note in tables.notes(report)),
        plots=_plots(report["methods"]),
        cases="".join(_case(case) for case in cases),
        images=_image_table(report["methods"]),
        settings=_settings_table(settings),
    )


def _summary_table(entries: Sequence[Report]) -> str:
    """Returns the table of methods, in which the best mean of a column is bold."""
    metrics = tables.shown_metrics(entries)
    columns = [*metrics, "fid", "seconds"]
    best = {name: _best([_mean(e, name) for e in entries], name) for name in columns}
    headings = ["method", "evaluations"]
    headings += map(tables.heading, metrics)
    headings += ["FID", "s / image", "gain, dB"]
    lines = [_row(map(_text, headings), "th")]
    for entry in entries:
        name = f'<span class="{_text(entry["kind"])}">{_text(entry["name"])}</span>'
        if entry["not_computed"]:
            reason = _text(f"not computed: {entry['not_computed']}")
            cell = f'<td class="reason" colspan="{len(headings) - 1}">{reason}</td>'
            lines.append(f"<tr><td>{name}</td>{cell}</tr>")
            continue
        cells = [name, _text(entry["num_evals"] or "-")]
        for column in columns:
            mean = _mean(entry, column)
            text = _text(tables.number(mean, column))
            if mean is not None and mean == best[column]:
                text = f"<b>{text}</b>"
            cells.append(text + _interval(entry["scores"].get(column), column))
        gain = entry["gain"].get("psnr_rgb")
        text = tables.number(gain and gain["mean"], "psnr_rgb", "+")
        cells.append(_text(text) + _interval(gain, "psnr_rgb", "+"))
        lines.append(_row(cells))
    return f"<table>{''.join(lines)}</table>"


def _image_table(entries: Sequence[Report]) -> str:
    """Returns tables of PSNR and SSIM in RGB and of LPIPS, by image and method."""
    shown = [entry for entry in entries if not entry["not_computed"]]
    available = tables.shown_metrics(shown)
    metrics = [name for name in ("psnr_rgb", "ssim_rgb", "lpips") if name in available]
    found = []
    for metric in metrics:
        lines = [_row(["image", *(_text(entry["name"]) for entry in shown)], "th")]
        for group in zip(*(entry["images"] for entry in shown)):
            values = [image.get(metric) for image in group]
            best = _best(values, metric)
            cells = [_text(group[0]["name"])]
            for value in values:
                text = _text(tables.number(value, metric))
                is_best = value is not None and value == best
                cells.append(f"<b>{text}</b>" if is_best else text)
            lines.append(_row(cells))
        heading = _text(f"{tables.heading(metric)} of each image")
        table = f"<table>{''.join(lines)}</table>"
        found.append(f"<details><summary>{heading}</summary>{table}</details>")
    return "".join(found)


def _plots(entries: Sequence[Report]) -> str:
    lacks = charts.missing()
    if lacks:
        return f"<p>Plots: not computed: {_text(lacks)}.</p>"
    plots = {
        "Means with their intervals, and the gain on every image": charts.means_chart,
        "Which images gain: each against its degraded version": charts.difficulty_chart,
    }
    found = []
    for title, draw in plots.items():
        image = f'<img class="plot" alt="" src="{_png_uri(draw(entries))}">'
        caption = f"<figcaption>{_text(title)}</figcaption>"
        found.append(f"<figure>{image}{caption}</figure>")
    return "".join(found)


def _case(case: Case) -> str:
    """Returns an image with its slider, and all its versions below."""
    labels = [
        name if psnr is None else f"{name}, {tables.number(psnr, 'psnr')} dB"
        for name, psnr, _ in case.versions
    ]
    height, width = case.versions[0].pixels.shape[:2]
    strip = "".join(
        f'<figure><img alt="{_text(label)}" src="{image_uri(version.pixels)}">'
        f"<figcaption>{_text(label)}</figcaption></figure>"
        for label, version in zip(labels, case.versions)
    )
    rows, columns = case.shape
    part = f"{columns} x {rows} pixels"
    if (height, width) != case.shape:
        part = f"{width} x {height} of {part}, where it errs most"
    title = f"{case.kind}: {case.name}"
    return f"""
<section class="case">
<h3>{_text(title)} <small>{case.gain:+.2f} dB; {_text(part)}</small></h3>
<div class="slider" style="--ratio: {width} / {height}; --width: {max(width, 320)}px">
<img class="right" alt=""><img class="left" alt=""><i></i>
<input type="range" min="0" max="100" value="50" aria-label="left or right image">
</div>
<p class="choice"><label>left {_select(labels, 0)}</label>
<label>right {_select(labels, 1)}</label></p>
<div class="strip">{strip}</div>
</section>"""


def _select(labels: Sequence[str], chosen: int) -> str:
    options = "".join(
        f'<option value="{index}"{" selected" if index == chosen else ""}>'
        f"{_text(label)}</option>"
        for index, label in enumerate(labels)
    )
    return f"<select>{options}</select>"


def _settings_table(settings: Mapping[str, Any]) -> str:
    """Returns the configuration of the first weights, one line per value."""
    lines = []
    for key, value in settings.items():
        group = value if isinstance(value, dict) else {"": value}
        for name, item in group.items():
            label = f"{key}.{name}" if name else key
            lines.append(_row([_text(label), _text(item)]))
    return f"<table>{''.join(lines)}</table>"


def image_uri(pixels: np.ndarray) -> str:
    """Returns uint8 pixels [H, W, 3] as the data URI of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return _png_uri(file.getvalue())


def _png_uri(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


def _mean(entry: Report, column: str) -> float | None:
    if column == "fid":
        return entry["fid"]
    if column == "seconds":
        return entry["median_seconds"]
    return entry["scores"].get(column, {}).get("mean")


def _best(values: Iterable[float | None], column: str) -> float | None:
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return None
    return min(known) if column in tables.LOWER_IS_BETTER else max(known)


def _interval(score: Mapping[str, Any] | None, metric: str, sign: str = "") -> str:
    if not score or score["low"] is None:
        return ""
    low, high = (tables.number(score[end], metric, sign) for end in ("low", "high"))
    return f" <small>{_text(f'{low} to {high}')}</small>"


def _row(cells: Iterable[str], tag: str = "td") -> str:
    """Returns a table row; the cells must be HTML."""
    return f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in cells)}</tr>"


def _text(value: Any) -> str:
    return html.escape(str(value))
