"""File names as bytes and as text, so that any name can be reported and printed.

A name that is not UTF-8 reaches Python with surrogates in it ("surrogateescape"), which
no encoder accepts. A console may also lack a character of a valid name.
"""

import io
import sys


def to_bytes(name: str) -> bytes:
    """Returns the bytes of a name, for keys and digests; UTF-8 names give UTF-8.

    The result does not depend on the locale. Bytes that Python could not decode are
    restored.
    """
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # Windows names may have any surrogate
        return name.encode("utf-8", "surrogatepass")


def escaped(text: str) -> str:
    r"""Returns the text with surrogates as `\udce9`, which UTF-8 can encode."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def escape_on_consoles() -> None:
    r"""Lets this process print any name.

    A character that the console lacks is printed as `\u7167`.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
