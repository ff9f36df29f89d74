"""The pages that are made from the code: the references, and copies of the notebooks.

`docs/conf.py` calls `write_pages` before Sphinx reads the sources. Nothing that it
writes is under version control.
"""

import shutil
from pathlib import Path

from docs.generators import api, command_line, configuration

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def write_pages() -> None:
    """Writes all generated pages below `docs/`, and removes earlier ones."""
    for folder in ("reference", "notebooks"):
        shutil.rmtree(DOCS / folder, ignore_errors=True)
    for name, text in pages().items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (DOCS / "notebooks").mkdir(exist_ok=True)
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        shutil.copy(notebook, DOCS / "notebooks" / notebook.name)


def pages() -> dict[str, str]:
    """The text of each generated page, by its path below `docs/`."""
    result = {
        "reference/command_line.md": command_line.page(),
        "reference/configuration.md": configuration.page(),
        "reference/api.md": api.overview(),
    }
    for title in api.PAGES:
        result[f"reference/{title}.md"] = api.page(title)
    return result
