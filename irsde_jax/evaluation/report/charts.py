"""Plots of a comparison as PNG data, drawn by matplotlib if it is installed."""

import importlib.util
import io
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from irsde_jax.evaluation import tables

Entry = Mapping[str, Any]

COLOURS = {"input": "#77777c", "restored": "#1f5fbf", "baseline": "#c8641c"}
"""The colours of the kinds of methods."""

_MARKERS = "osD^vP*X"


def missing() -> str:
    """Returns the command that installs what plots need; "" if nothing is missing."""
    has_matplotlib = importlib.util.find_spec("matplotlib") is not None
    return "" if has_matplotlib else "pip install matplotlib"


def means_chart(entries: Sequence[Entry]) -> bytes:
    """Plots the mean of each method with its interval, and its gain on every image."""
    from matplotlib.figure import Figure

    shown = [entry for entry in entries if not entry["not_computed"]]
    metrics = [
        name
        for name in ("psnr_rgb", "ssim_rgb", "lpips")
        if name in tables.shown_metrics(shown)
    ]
    size = (3.1 * (len(metrics) + 1) + 1.5, 1.3 + 0.42 * len(shown))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(metrics) + 1, sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, metrics):
        for place, entry in enumerate(shown):
            _draw_interval(panel, place, entry["scores"].get(name), entry["kind"])
        is_low = name in tables.LOWER_IS_BETTER
        better = "lower is better" if is_low else "higher is better"
        panel.set_xlabel(f"{tables.METRICS[name]} ({better})")
    _draw_gains(panels[-1], shown)
    for panel in panels:
        panel.grid(axis="x", color="#dddddd")
        panel.set_axisbelow(True)
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.tick_params(left=False)
        panel.locator_params(axis="x", nbins=5)
    panels[0].set_yticks(range(len(shown)), [_plain(e["name"]) for e in shown])
    panels[0].set_ylim(len(shown) - 0.5, -0.5)
    return _to_png(figure)


def difficulty_chart(entries: Sequence[Entry]) -> bytes:
    """Plots PSNR after against PSNR before, a point for each image of each method."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 4.6), layout="constrained")
    panel = figure.subplots()
    before = _finite(entries[0])
    shown = [entry for entry in entries[1:] if not entry["not_computed"]]
    for place, entry in enumerate(shown):
        after = _finite(entry)
        names = [name for name in before if name in after]
        panel.plot(
            [before[name] for name in names],
            [after[name] for name in names],
            _MARKERS[place % len(_MARKERS)],
            color=COLOURS[entry["kind"]],
            alpha=0.75,
            markersize=5,
            label=_plain(entry["name"]),
        )
    if before:
        ends = [min(before.values()), max(before.values())]
        panel.plot(ends, ends, color="#999999", linewidth=1, label="no gain")
    panel.set_xlabel("PSNR RGB of the degraded image, dB")
    panel.set_ylabel("PSNR RGB of the result, dB")
    panel.grid(color="#e5e5e5")
    panel.spines[["top", "right"]].set_visible(False)
    if panel.get_legend_handles_labels()[0]:
        # Beside the panel, the legend cannot hide a point.
        figure.legend(fontsize=8, frameon=False, loc="outside right upper")
    return _to_png(figure)


def _draw_interval(
    panel: Any, place: int, score: Mapping[str, Any] | None, kind: str
) -> None:
    if not score or score["mean"] is None or not math.isfinite(score["mean"]):
        return
    if score["low"] is not None:
        ends = [score["low"], score["high"]]
        panel.plot(ends, [place, place], color=COLOURS[kind], linewidth=2)
    panel.plot([score["mean"]], [place], "o", color=COLOURS[kind], markersize=6)


def _draw_gains(panel: Any, shown: Sequence[Entry]) -> None:
    before = _finite(shown[0])
    for place, entry in enumerate(shown):
        if entry["kind"] == "input":
            continue
        after = _finite(entry)
        gains = [after[name] - before[name] for name in before if name in after]
        # The spread is not random, so the same results give the same plot.
        heights = place + 0.24 * np.resize([-1, 0, 1, -0.5, 0.5], len(gains))
        colour = COLOURS[entry["kind"]]
        panel.plot(gains, heights, "o", color=colour, alpha=0.5, markersize=4)
    panel.axvline(0, color="#999999", linewidth=1)
    panel.set_xlabel("gain on each image, dB PSNR RGB")


def _finite(entry: Entry) -> dict[str, float]:
    """Returns the PSNR of each image by name, if it is finite."""
    found = {image["name"]: image["psnr_rgb"] for image in entry["images"]}
    return {
        name: value
        for name, value in found.items()
        if value is not None and math.isfinite(value)
    }


def _plain(name: str) -> str:
    """Escapes dollar signs, with which matplotlib would start a formula."""
    return name.replace("$", r"\$")


def _to_png(figure: Any) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        # A folder's name may have characters that matplotlib's font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(file, format="png", dpi=130, metadata={"Software": None})
    return file.getvalue()
