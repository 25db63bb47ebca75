"""Copies made from a session outside its folder, listed so that a redaction finds them.

Each file that an export or a report writes has a line in `copies.jsonl`. When something of the
session must be forgotten, copies with pictures or sound are deleted, because they can be made again
from what remains. Copies that were changed since, and tables, which somebody may have worked on,
are only reported.
"""

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from model.text import parse_json
from realtime.results.values import text
from realtime.sessions.clock_anchors import iso
from realtime.sessions.folder import SessionFolder
from realtime.sessions.line_file import LineFile, read_lines

SEEN_OR_HEARD = frozenset({".mkv", ".mp4", ".wav", ".html", ".jpg", ".png"})
"""Endings of files with pictures or sound."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What happened to the copies."""

    deleted: tuple[Path, ...]
    left: tuple[Path, ...]
    """Still there: a person must look through them."""


def note_copies(folder: SessionFolder, paths: Iterable[Path]) -> None:
    """Record that `paths` were just made from the session."""
    with suppress(OSError):  # a read-only session cannot be redacted either
        lines = LineFile(folder.copies)
        try:
            for path in paths:
                state = path.stat()
                said = {
                    "utc": iso(time.time()),
                    "path": str(path.resolve()),
                    "bytes": state.st_size,
                    "changed_ns": state.st_mtime_ns,
                }
                lines.write(json.dumps(said, ensure_ascii=False))
        finally:
            lines.close()


def known_copies(folder: SessionFolder) -> list[Path]:
    """Return the copies that are still where they were made."""
    return [path for path in _noted(folder) if path.exists()]


def forget_copies(folder: SessionFolder) -> Forgotten:
    """Delete unchanged copies with pictures or sound. Raises `OSError` if one cannot be deleted."""
    deleted: list[Path] = []
    left: list[Path] = []
    for path, made in _noted(folder).items():
        try:
            state = path.stat()
        except OSError:  # it is gone, or its disk is
            continue
        if path.suffix in SEEN_OR_HEARD and (state.st_size, state.st_mtime_ns) == made:
            path.unlink()
            deleted.append(path)
        else:
            left.append(path)
    return Forgotten(tuple(deleted), tuple(left))


def _noted(folder: SessionFolder) -> dict[Path, tuple[int, int]]:
    """Return size and time of each copy when it was last made."""
    noted: dict[Path, tuple[int, int]] = {}
    for line in read_lines(folder.copies):
        with suppress(ValueError, KeyError, TypeError, OverflowError):  # a torn line
            said = parse_json(line)
            noted[Path(text(said["path"]))] = int(said["bytes"]), int(said["changed_ns"])
    return noted
