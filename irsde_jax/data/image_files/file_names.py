"""Names of files as bytes and as text: any name, in any report and on any console.

A name that is not UTF-8 reaches Python with surrogates in it ("surrogateescape"), which
no encoder accepts. A console may lack a character of a sound name as well.
"""

import io
import sys


def to_bytes(name: str) -> bytes:
    """The bytes of a name, for keys and digests: of a UTF-8 name, its UTF-8.

    They do not depend on the locale: bytes that Python could not decode come back.
    """
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # Windows allows any surrogate in a name
        return name.encode("utf-8", "surrogatepass")


def escaped(text: str) -> str:
    r"""The text with surrogates written as `\udce9`, so that UTF-8 can hold it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def escape_on_consoles() -> None:
    r"""Lets this process print any name: `\u7167` where a console lacks a character."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
