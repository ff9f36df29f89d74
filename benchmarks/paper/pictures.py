"""Sheets, plots and tables as files: small ones, and the same of the same numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image


def save_sheet(path: Path, sheet: Image.Image, quality: int = 80) -> None:
    """A sheet of photographs, as JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=quality, optimize=True)
    print(path, flush=True)


def panels(num_columns: int, num_rows: int = 1) -> tuple[Any, Sequence[Any]]:
    """A figure with that many plots, row by row."""
    from matplotlib.figure import Figure

    size = (4.6 * num_columns, 3.6 * num_rows)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
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
