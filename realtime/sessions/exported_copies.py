"""Copies: files made from a session outside its folder, listed so that a redaction finds them.

Each file that an export or a report writes has a line in `copies.jsonl`. When something in the
session must be forgotten, copies with pictures or sound are deleted: they can be made again from
what remains. Tables, copies that were changed since, and files about several sessions are only
reported, because somebody may have worked on them.
"""

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from model.text import parse_json
from realtime.results.value_checks import as_text
from realtime.sessions.clock_anchors import format_utc
from realtime.sessions.folder import SessionFolder
from realtime.sessions.line_file import LineFile, read_lines

SEEN_OR_HEARD = frozenset({".mkv", ".mp4", ".wav", ".html", ".jpg", ".png"})
"""Endings of files with pictures or sound."""


@dataclass(frozen=True, slots=True)
class ForgottenCopies:
    """What happened to the copies."""

    deleted: tuple[Path, ...]
    left: tuple[Path, ...]
    """Not deleted: a person must look through them."""


class _Made(NamedTuple):
    """A copy when it was last made."""

    size_bytes: int
    changed_ns: int
    shared: bool


def note_copies(folder: SessionFolder, paths: Iterable[Path], *, shared: bool = False) -> None:
    """Note that `paths` were just made from the session. `shared`: from other sessions too."""
    with suppress(OSError):  # a read-only session cannot be redacted either
        lines = LineFile(folder.copies)
        try:
            for path in paths:
                state = path.stat()
                entry = {
                    "utc": format_utc(time.time()),
                    "path": str(path.resolve()),
                    "bytes": state.st_size,
                    "changed_ns": state.st_mtime_ns,
                    "shared": shared,
                }
                lines.write(json.dumps(entry, ensure_ascii=False))
        finally:
            lines.close()


def known_copies(folder: SessionFolder) -> list[Path]:
    """Return the copies that are still where they were made."""
    return [path for path in _entries(folder) if path.exists()]


def forget_copies(folder: SessionFolder) -> ForgottenCopies:
    """Delete unchanged copies with pictures or sound. Raises `OSError` if one cannot be deleted."""
    deleted: list[Path] = []
    left: list[Path] = []
    for path, made in _entries(folder).items():
        try:
            state = path.stat()
        except OSError:  # it is gone, or its disk is
            continue
        unchanged = (state.st_size, state.st_mtime_ns) == (made.size_bytes, made.changed_ns)
        if path.suffix in SEEN_OR_HEARD and unchanged and not made.shared:
            path.unlink()
            deleted.append(path)
        else:
            left.append(path)
    return ForgottenCopies(tuple(deleted), tuple(left))


def _entries(folder: SessionFolder) -> dict[Path, _Made]:
    entries: dict[Path, _Made] = {}
    for line in read_lines(folder.copies):
        with suppress(ValueError, KeyError, TypeError, OverflowError):  # a torn line
            entry = parse_json(line)
            entries[Path(as_text(entry["path"]))] = _Made(
                int(entry["bytes"]),
                int(entry["changed_ns"]),
                bool(entry.get("shared")),  # earlier versions did not write it
            )
    return entries
