"""Files: written whole or not at all, read as JSON; hashes of the program's own code."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from model.errors import InputError
from model.text import parse_json, read_text


@contextmanager
def whole_file(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Yield the path of a file to write, which takes the place of `path` in one step at the end: an
    interruption leaves the old file or none. If it is `private`, only its owner can read it. Raises
    `OSError`, as for a full disk."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        if private:
            partial.touch(mode=0o600)
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes | memoryview, *, private: bool = False) -> None:
    """Write `content` to `path` as `whole_file` does."""
    with whole_file(path, private=private) as partial:
        partial.write_bytes(content)


def lock_folder(path: Path) -> Callable[[], None]:
    """Lock the folder `path` for this program; return a function that releases it. The end of the
    program, even a crash, releases it too. Raises OSError if it is locked, or cannot be. Windows
    has no such lock for folders: there, nothing is locked."""
    try:
        import fcntl
    except ImportError:
        return lambda: None
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return partial(os.close, handle)


def require_new(path: Path) -> Path:
    """Return `path`. Raises `InputError` if it exists: nothing is overwritten."""
    if path.exists():
        raise InputError(f"{path} exists, and results are never overwritten: give another name")
    return path


def distinct_names(paths: Iterable[Path]) -> dict[Path, str]:
    """A name for each of the `paths`, in their order: the file's without its suffix; with it, and
    then with the folders above it, where two would be the same."""
    names = {path: path.stem for path in paths}
    for parts in range(1, 1 + max((len(path.parts) for path in names), default=0)):
        often = Counter(names.values())
        for path, name in names.items():
            if often[name] > 1:
                names[path] = "-".join(part for part in path.parts[-parts:] if part != path.anchor)
    return names


def read_json(path: Path, option: str = "") -> Any:
    """The JSON value in the file `path`, which `option` named. Raises `InputError` if there is no
    such file or no such value."""
    named = f"{option} {path}".lstrip()
    try:
        return parse_json(read_text(path))
    except OSError as error:
        raise InputError(f"{named} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{named} is damaged: it is not JSON: {error}") from None


def hash_code(patterns: Iterable[str]) -> str:
    """SHA-256, in hex, of the files of the package `model` that match the glob `patterns`. Raises
    `ValueError` if a pattern matches none: a file that was renamed must not leave the hash."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    found = {pattern: list(package.glob(pattern)) for pattern in patterns}
    if missing := [pattern for pattern, paths in found.items() if not paths]:
        raise ValueError(f"no file of the package matches {', '.join(missing)}")
    for path in sorted(path for paths in found.values() for path in paths):
        digest.update(path.read_bytes())
    return digest.hexdigest()
