"""Docstrings for Sphinx: plain text with a little Markdown becomes reST.

Single backticks name objects or code, indented blocks are formulas or code, and tables
are those of Markdown. Everything else that reST would take for markup is escaped.
"""

import re
from collections.abc import Callable, Iterator, Sequence

Link = Callable[[str], str | None]

_SECTION = re.compile(
    r"(Args|Arguments|Attributes|Examples?|Notes?|Raises|References|Returns|Yields):$"
)
_SPAN = re.compile(r"(``.+?``|`[^`]+`)")
_ENTRY = re.compile(r"(\s+\*{0,2}\w+(?: \([^)]*\))?: )(.*)$")


def to_rest(lines: Sequence[str], link: Link) -> list[str]:
    """The lines of a docstring in reST; napoleon still has to read its sections.

    Args:
        lines: The lines, without common indentation.
        link: Returns the full name of the object that a name in backticks stands for,
            or None if it stands for none.
    """
    result: list[str] = []
    in_section = False
    index = 0
    while index < len(lines):
        line = lines[index]
        if line and not line[0].isspace():
            in_section = bool(_SECTION.match(line))
        if _SECTION.match(line):
            result.append(line)
            index += 1
        elif not in_section and line.startswith("|"):
            end = _end(lines, index, lambda each: each.startswith("|"))
            result += _table(lines[index:end], link)
            index = end
        elif not in_section and index and _starts_block(lines, index):
            end = _end(lines, index, lambda each: not each or each.startswith("    "))
            result += _literal(lines[index:end])
            index = end
        else:
            result.append(_escape_line(line, link, in_section))
            index += 1
    return result


def _end(lines: Sequence[str], start: int, belongs: Callable[[str], bool]) -> int:
    """The index after the run of lines that belong together."""
    end = start
    while end < len(lines) and belongs(lines[end]):
        end += 1
    return end


def _starts_block(lines: Sequence[str], index: int) -> bool:
    """Whether an indented block starts here: below an empty line."""
    return lines[index].startswith("    ") and not lines[index - 1].strip()


def _literal(block: Sequence[str]) -> list[str]:
    """A block of formulas or code, shown as it stands."""
    if block[0].lstrip().startswith(">>>"):
        return list(block)
    return ["::", "", *block, ""]


def _table(rows: Sequence[str], link: Link) -> list[str]:
    """A table of Markdown as a list-table."""
    result = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        cells = [cell.strip() for cell in row.strip().strip("|").split("|")]
        if set("".join(cells)) <= set("-: "):
            continue
        for number, cell in enumerate(cells):
            start = "   * - " if number == 0 else "     - "
            result.append(start + _escape(cell, link))
    return [*result, ""]


def _escape_line(line: str, link: Link, in_section: bool) -> str:
    """A line of text; the name of an argument at its start stays as it is."""
    entry = _ENTRY.match(line) if in_section else None
    if entry:
        return entry[1] + _escape(entry[2], link)
    indent = len(line) - len(line.lstrip())
    return line[:indent] + _escape(line[indent:], link)


def _escape(text: str, link: Link) -> str:
    return "".join(_pieces(text, link))


def _pieces(text: str, link: Link) -> Iterator[str]:
    """The text in pieces: spans of code as links or literals, the rest escaped."""
    parts = _SPAN.split(text)
    for number, part in enumerate(parts):
        if number % 2 == 0:
            yield _escape_words(part)
            continue
        name = part.strip("`")
        target = link(name)
        before = parts[number - 1][-1:]
        after = parts[number + 1][:1]
        if before.isalnum() or before == "\\":
            yield "\\ "
        yield f":py:obj:`{name} <{target}>`" if target else f"``{name}``"
        if after and (after.isalnum() or after == "_"):
            yield "\\ "


def _escape_words(text: str) -> str:
    """Escapes what reST takes for markup; *emphasis* of words stays."""
    text = text.replace("\\", "\\\\").replace("|", "\\|").replace("`", "\\`")
    text = re.sub(r"\*(?!\w[\w ]*\*(?!\w))(?<!\w\*)", r"\\*", text)
    return re.sub(r"(?<=\w)_(?!\w)", r"\\_", text)
