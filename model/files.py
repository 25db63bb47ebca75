"""Files that are written whole or not at all, and hashes of the program's own code."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write `content` to `path` in one step: an interruption leaves the old file or none. Raises
    `OSError`, as for a full disk."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def hash_code(patterns: Iterable[str]) -> str:
    """SHA-256, in hex, of the files of the package `model` that match the glob `patterns`."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for path in sorted(path for pattern in patterns for path in package.glob(pattern)):
        digest.update(path.read_bytes())
    return digest.hexdigest()
