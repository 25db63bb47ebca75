"""Copies: files made from a session outside its folder, listed so that a redaction finds them.

Each file that an export or a report writes has a line in `copies.jsonl`. When something in the
session must be forgotten, copies with pictures or sound are deleted: they can be made again from
what remains. Tables, and copies that were changed since, are only reported, because somebody may
have worked on them.
"""

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

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


def note_copies(folder: SessionFolder, paths: Iterable[Path]) -> None:
    """Note that `paths` were just made from the session."""
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
        if path.suffix in SEEN_OR_HEARD and (state.st_size, state.st_mtime_ns) == made:
            path.unlink()
            deleted.append(path)
        else:
            left.append(path)
    return ForgottenCopies(tuple(deleted), tuple(left))


def _entries(folder: SessionFolder) -> dict[Path, tuple[int, int]]:
    """Return each copy's size (bytes) and time of change (ns) when it was last made."""
    entries: dict[Path, tuple[int, int]] = {}
    for line in read_lines(folder.copies):
        with suppress(ValueError, KeyError, TypeError, OverflowError):  # a torn line
            entry = parse_json(line)
            entries[Path(as_text(entry["path"]))] = int(entry["bytes"]), int(entry["changed_ns"])
    return entries
