"""Templates of file names: `norain-{id}` matches `norain-1`, `norain-2` and so on.

A placeholder matches text without a slash. `{id:int}` matches digits only, and
`{folder:path}` matches text that may contain slashes. Case is ignored, except in the
text of a placeholder. Some names can be read in several ways: `{id}_{level}` reads
`1_2_3` as 1 and 2_3, or as 1_2 and 3. All readings are given, and none has priority.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

Reading = tuple[tuple[str, str], ...]
"""The text of each placeholder of a template: (placeholder, text), in their order."""

_KINDS = {"": r"[^/]+", "int": r"[0-9]+", "path": r"(?s:.+)"}
_PARTS = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDER = re.compile(r"([A-Za-z]\w*)(?::(\w+))?")


class _Placeholder(NamedTuple):
    """A placeholder and the pattern of the text that it matches."""

    name: str
    allowed: re.Pattern[str]


class Template:
    """A name with placeholders.

    Args:
        text: The text of the template, such as "img_{id}_HR". If a placeholder occurs
            repeatedly, it matches the same text each time.

    Attributes:
        placeholders: The names of the placeholders, in order.

    Raises:
        ValueError: If the text has braces that do not form a placeholder, a placeholder
            of an unknown kind, or two placeholders with nothing between them.
    """

    def __init__(self, text: str):
        self._parts: list[_Placeholder | re.Pattern[str]] = []
        for index, part in enumerate(_PARTS.split(text)):
            if index % 2:
                self._parts.append(_placeholder(part, text))
            elif "{" in part or "}" in part:
                raise ValueError(
                    f"the template {text!r} has a brace that is open. Write a "
                    "placeholder as {id}."
                )
            elif part:
                self._parts.append(re.compile(re.escape(part), re.IGNORECASE))
        names = [part.name for part in self._parts if isinstance(part, _Placeholder)]
        self.placeholders = tuple(dict.fromkeys(names))
        for part, following in zip(self._parts, self._parts[1:]):
            if isinstance(part, _Placeholder) and isinstance(following, _Placeholder):
                raise ValueError(
                    f"the template {text!r} has nothing between two placeholders, so "
                    "that nobody knows where the first one ends. Write text between "
                    "them."
                )

    def readings(self, name: str) -> Iterator[Reading]:
        """Yields all ways to read a name, or nothing if it does not match."""
        yield from (tuple(found.items()) for found in self._read(name, 0, 0, {}))

    def _read(
        self, name: str, start: int, index: int, found: dict[str, str]
    ) -> Iterator[dict[str, str]]:
        """Yields the readings of the rest of a name by the remaining parts."""
        if index == len(self._parts):
            if start == len(name):
                yield found
            return
        part = self._parts[index]
        if isinstance(part, re.Pattern):
            if match := part.match(name, start):
                yield from self._read(name, match.end(), index + 1, found)
            return
        for end in self._ends(name, start, index):
            text = name[start:end]
            if part.allowed.fullmatch(text) and found.get(part.name, text) == text:
                yield from self._read(name, end, index + 1, found | {part.name: text})

    def _ends(self, name: str, start: int, index: int) -> Iterator[int]:
        """Yields where a placeholder may end: before each match of the next part."""
        if index + 1 == len(self._parts):
            yield len(name)
            return
        following = self._parts[index + 1]
        assert isinstance(following, re.Pattern)
        while match := following.search(name, start + 1):
            start = match.start()
            yield start


def _placeholder(text: str, template: str) -> _Placeholder:
    match = _PLACEHOLDER.fullmatch(text)
    if match is None or (match[2] or "") not in _KINDS:
        raise ValueError(
            f"the template {template!r} has the placeholder {{{text}}}. Write a name, "
            "as in {id}, or a name and its kind, {id:int} for digits or {folder:path} "
            "for folders."
        )
    return _Placeholder(match[1], re.compile(_KINDS[match[2] or ""]))
