"""Sheets, plots and tables as files: small ones, and the same of the same numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image


def save_sheet(path: Path, sheet: Image.Image) -> None:
    """A sheet of photographs, as JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=80, optimize=True)
    print(path, flush=True)


def panels(num_panels: int) -> tuple[Any, Sequence[Any]]:
    """A figure with that many plots side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * num_panels, 3.6), layout="constrained")
    axes = figure.subplots(1, num_panels, squeeze=False)[0]
    for axis in axes:
        axis.grid(alpha=0.3)
    return figure, axes


def save_plot(path: Path, figure: Any) -> None:
    """A plot as PNG, without metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100, metadata={"Software": None})
    print(path, flush=True)


def save_table(
    path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """A table in Markdown, printed too."""
    lines = [columns, ["---"] * len(columns), *rows]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    print(text, flush=True)
