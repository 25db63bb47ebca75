"""Text from outside: files in any encoding that editors save, and names with invalid characters."""

import codecs
import json
import re
from pathlib import Path
from typing import Any

REPLACED = "�"
"""Replaces whatever is not a character."""

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Control characters except tab, line feed and carriage return; lone surrogates; and the two
# noncharacters. XML 1.0 allows none of them (section 2.2); JSON in UTF-8 allows no surrogates.
_UNUSABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def decode_text(content: bytes) -> str:
    """The text of a file: UTF-8, with or without byte order mark, or UTF-16 with one. Raises
    `UnicodeDecodeError`."""
    return content.decode("utf-16" if content.startswith(_UTF16) else "utf-8-sig")


def read_text(path: Path) -> str:
    """The text of the file `path`, see `decode_text`. Raises `OSError`, `UnicodeDecodeError`."""
    return decode_text(path.read_bytes())


def parse_json(text: str | bytes) -> Any:
    """The JSON value in `text`. Raises `ValueError` if it is invalid or nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def clean_text(text: str) -> str:
    """`text` with whatever is not a character replaced, so that any program can read it. Arrow keys
    typed in a terminal and file names of other systems contain such codes."""
    return _UNUSABLE.sub(REPLACED, text)


def count_noun(number: int, noun: str) -> str:
    """`number` and `noun`, which takes an s in the plural: "1 session", "2 sessions"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def clean_line(text: str) -> str:
    """`clean_text` on one line: every run of white space becomes one space."""
    return " ".join(clean_text(text).split())
