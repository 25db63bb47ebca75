"""Append-only text files that stay readable however the program ends.

Each write hands its line to the operating system, so a killed program loses none. `sync` puts the
lines on the disk, where a power cut cannot reach them. Reading skips a torn line.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from realtime.sessions.private_files import begin_private

BINARY: int = getattr(os, "O_BINARY", 0)
"""Without it, Windows ends lines with two characters."""


class LineFile:
    """A file to which one thread appends whole lines."""

    def __init__(self, path: Path, header: str = "") -> None:
        """Open `path`. A new file is its owner's alone; a new or empty one gets `header` as its
        first line."""
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | BINARY, 0o600)
        if header and os.fstat(self._file).st_size == 0:
            self.write(header)

    def write(self, *lines: str) -> None:
        """Append `lines`, without line breaks in them. Raises `OSError` if the disk is full."""
        data = "".join(f"{line}\n" for line in lines).encode()
        while data:
            data = data[os.write(self._file, data) :]

    def sync(self) -> None:
        """Return when everything written is on the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Sync and close."""
        _sync(self._file)


def read_lines(path: Path) -> Iterator[str]:
    """Yield the whole lines of `path`; none if there is no such file. Skips a torn last line and
    lines that a power cut left as zeros."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n") and b"\0" not in line:
                yield line[:-1].decode("utf-8", "replace")


def whole_lines(path: Path, size: int) -> Iterator[bytes]:
    """Yield the content of `path` in pieces of about `size` bytes that end with a line; nothing if
    there is no such file. Leaves out a torn last line."""
    if not path.exists():
        return
    with path.open("rb") as file:
        while piece := file.read(size) + file.readline():
            yield piece[: piece.rfind(b"\n") + 1]


def replace_text(path: Path, lines: Iterable[str]) -> None:
    """Replace the content of `path` by `lines`, atomically: even after a power cut the file is
    either the old or the new one. The new one is its owner's alone."""
    partial = path.with_name(path.name + ".partial")
    begin_private(partial)
    with partial.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def keep_lines(path: Path, keep: Callable[[str], bool], *, header: bool = False) -> int:
    """Rewrite `path` with only the lines that `keep` accepts, and the first line if `header`;
    return the number of removed lines. Does nothing if there is no such file."""
    if not path.exists():
        return 0
    removed = 0

    def lines_to_keep() -> Iterator[str]:
        nonlocal removed
        for number, line in enumerate(read_lines(path)):
            if (header and number == 0) or keep(line):
                yield line
            else:
                removed += 1

    replace_text(path, lines_to_keep())
    return removed


def sync_file(path: Path) -> None:
    """Put what was written to `path` on the disk."""
    _sync(os.open(path, os.O_RDWR))


def sync_folder(folder: Path) -> None:
    """Put the names in `folder` on the disk. Windows, which opens no folders, does so itself."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows
        return
    _sync(handle)


def _sync(handle: int) -> None:
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
