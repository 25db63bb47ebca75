"""Append-only text that stays readable however the program ends.

Each write passes its line to the operating system, so a killed program loses none; `sync` puts it
on the disk, in case of a power cut. Reading leaves out a torn line.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

BINARY: int = getattr(os, "O_BINARY", 0)
"""Without it, Windows writes two characters for the end of a line."""


class LineFile:
    """A file that only grows, by whole lines. One thread writes it."""

    def __init__(self, path: Path, header: str = "") -> None:
        """Open `path`; a new or empty file gets `header` as its first line."""
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | BINARY, 0o644)
        if header and os.fstat(self._file).st_size == 0:
            self.write(header)

    def write(self, *lines: str) -> None:
        """Append `lines`, which must not contain line breaks; raises `OSError` on a full disk."""
        data = "".join(f"{line}\n" for line in lines).encode()
        while data:
            data = data[os.write(self._file, data) :]

    def sync(self) -> None:
        """Return when everything written is on the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Sync and close."""
        try:
            os.fsync(self._file)
        finally:
            os.close(self._file)


def read_lines(path: Path) -> Iterator[str]:
    """Yield the whole lines of `path`, or nothing if there is no such file. Leaves out a torn last
    line and lines that a power cut left as zeros."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n") and b"\0" not in line:
                yield line[:-1].decode("utf-8", "replace")


def replace_text(path: Path, lines: Iterable[str]) -> None:
    """Replace the content of `path` by `lines`, atomically: afterwards the file is either the old
    or the new one, on the disk too."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def keep_lines(path: Path, keep: Callable[[str], bool], *, header: bool = False) -> int:
    """Rewrite `path` with only the lines that `keep` accepts; return the number of removed lines. A
    `header` stays. Does nothing if there is no such file."""
    if not path.exists():
        return 0
    left_out = 0

    def kept() -> Iterator[str]:
        nonlocal left_out
        for number, line in enumerate(read_lines(path)):
            if (header and number == 0) or keep(line):
                yield line
            else:
                left_out += 1

    replace_text(path, kept())
    return left_out


def sync_folder(folder: Path) -> None:
    """Put the names in `folder` on the disk; a system that cannot open a folder does so itself."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
