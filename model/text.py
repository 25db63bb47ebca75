"""Text from outside: files in whatever encoding editors save them, names that are no text."""

import codecs
import json
import re
from pathlib import Path
from typing import Any

REPLACED = "�"
"""Stands for what is no character."""

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Control characters but for tab, line feed and carriage return, lone surrogates, and the two code
# points that are none: XML 1.0 holds none of them (section 2.2), and JSON in UTF-8 no surrogate.
_UNUSABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def decode_text(content: bytes) -> str:
    """The text of a file: UTF-8, with or without byte order mark, or UTF-16 with one. Raises
    `UnicodeDecodeError`."""
    return content.decode("utf-16" if content.startswith(_UTF16) else "utf-8-sig")


def read_text(path: Path) -> str:
    """The text of the file `path`, see `decode_text`. Raises `OSError`, `UnicodeDecodeError`."""
    return decode_text(path.read_bytes())


def parse_json(text: str | bytes) -> Any:
    """The JSON value that `text` is. Raises `ValueError`, also where it is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def clean_text(text: str) -> str:
    """`text` as any program can read it: what is no character, as an arrow key leaves in a terminal
    or a file name of another system has, is replaced."""
    return _UNUSABLE.sub(REPLACED, text)


def clean_line(text: str) -> str:
    """The same in one line."""
    return " ".join(clean_text(text).split())
