"""Text in the cells of a table of Markdown."""


def cell(text: str) -> str:
    """Text on one line, in which the separators of cells are escaped."""
    return " ".join(text.split()).replace("|", "\\|").replace("*", "\\*")
