"""Private files: only their owner can read what is written, from the first byte on."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = threading.Lock()
_PRIVATE = 0o077
_depth = 0
_before = 0


def begin_private(path: Path) -> None:
    """Put an empty file that only its owner can read in the place of `path`."""
    path.unlink(missing_ok=True)  # one that a killed program left may be open to others
    path.touch(mode=0o600)


@contextmanager
def private_files() -> Iterator[None]:
    """Make new files and folders private while the block runs, also those that libraries open by
    their path. The mask belongs to the whole process, so what other threads create meanwhile is
    private too; the last block that ends restores it."""
    global _depth, _before
    with _LOCK:
        if _depth == 0:
            _before = os.umask(_PRIVATE)
        _depth += 1
    try:
        yield
    finally:
        with _LOCK:
            _depth -= 1
            if _depth == 0:
                os.umask(_before)
