"""Append-only text files that stay readable however the program ends.

Each write hands its line to the operating system, so a killed program loses none. `sync` puts the
lines on the disk, where a power cut cannot reach them. Reading skips a torn line. Deleted lines
leave empty ones.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from realtime.sessions.private_files import begin_private

BINARY: int = getattr(os, "O_BINARY", 0)
"""Without it, Windows ends lines with two characters."""
_BLOCK_BYTES = 2**20


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

    @property
    def size(self) -> int:
        """Of the file, in bytes."""
        return os.fstat(self._file).st_size

    def close(self) -> None:
        """Sync and close."""
        _sync(self._file)


def read_lines(path: Path, since: int = 0) -> Iterator[str]:
    """Yield the whole lines of `path` from byte `since` on; none if there is no such file. Skips a
    torn last line, lines that a power cut left as zeros, and blanked ones."""
    if not path.exists():
        return
    with path.open("rb") as file:
        if since:
            file.seek(since)
        for line in file:
            if line.endswith(b"\n") and line != b"\n" and b"\0" not in line:
                yield line[:-1].decode("utf-8", "replace")


def whole_lines(path: Path, size: int) -> Iterator[bytes]:
    """Yield the content of `path` in pieces of about `size` bytes that end with a line; nothing if
    there is no such file. Leaves out a torn last line. Lines that `read_lines` skips are empty."""
    if not path.exists():
        return
    with path.open("rb") as file:
        while piece := file.read(size) + file.readline():
            whole = piece[: piece.rfind(b"\n") + 1]
            if b"\0" in whole:
                rows = whole.split(b"\n")
                whole = b"\n".join(b"\n" * len(row) if b"\0" in row else row for row in rows)
            yield whole


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


def append_lines(path: Path, lines: Iterable[str]) -> None:
    """Append `lines`, and return when they are on the disk. What a torn last line says stays a line
    of its own."""
    with path.open("rb+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write("".join(f"{line}\n" for line in lines).encode())
        _flush(file)


def blank_lines(path: Path, keep: Callable[[str], bool], since: int = 0) -> None:
    """Overwrite the lines of `path` from byte `since` on that `keep` does not accept, and a torn
    one, with line breaks. All else stays where it is, so this takes no longer after a day of
    recording. Does nothing if there is no such file.

    First they are overwritten with zeros: if a power cut leaves the end of a line, it is not taken
    for a line with another number."""

    def unwanted(line: bytes) -> bool:
        return not line.endswith(b"\n") or not keep(line[:-1].decode("utf-8", "replace"))

    if not path.exists():
        return
    path.chmod(0o600)  # it may be of a version that left it open to others
    with path.open("rb+") as file:
        for goes, filler in ((unwanted, b"\0"), (_has_zeros, b"\n")):
            file.seek(since)
            while old := file.readlines(_BLOCK_BYTES):
                new = [filler * (len(s) - 1) + b"\n" if goes(s) else s for s in old]
                if new != old:
                    file.seek(-sum(map(len, old)), os.SEEK_CUR)
                    file.writelines(new)
            _flush(file)


def _has_zeros(line: bytes) -> bool:
    return b"\0" in line


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


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
