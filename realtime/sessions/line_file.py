"""Append-only text: what is written stays readable however the program ends.

A line reaches the operating system with the call that writes it, so a killed program loses none;
`sync` puts it on the disk, for the loss of power. A line that was torn is left out on reading.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

BINARY: int = getattr(os, "O_BINARY", 0)
"""Without it Windows writes two characters for the end of a line."""


class LineFile:
    """A file that only grows, by whole lines. One thread writes it."""

    def __init__(self, path: Path, header: str = "") -> None:
        """Opens `path`, made with `header` as its first line if it is new or empty."""
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | BINARY, 0o644)
        if header and os.fstat(self._file).st_size == 0:
            self.write(header)

    def write(self, *lines: str) -> None:
        """Append `lines`, none of which holds a line break; raises `OSError` on a full disk."""
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
    """The whole lines of `path`, none if there is no such file. A torn last line and lines that a
    loss of power left as zeros are left out."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n") and b"\0" not in line:
                yield line[:-1].decode("utf-8", "replace")


def replace_text(path: Path, lines: Iterable[str]) -> None:
    """Put `lines` in place of what `path` holds, at one stroke: afterwards the file is either the
    old or the new one, on the disk too."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def keep_lines(path: Path, keep: Callable[[str], bool], *, header: bool = False) -> int:
    """Rewrite `path` with only the lines that `keep` accepts; returns how many were left out. A
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
