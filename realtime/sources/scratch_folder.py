"""A private temporary folder for films that are not this program's to keep.

A run that is killed cannot delete its own, so the next run does: no face stays behind in it. A lock
tells a folder that is in use, and the system releases it however a program ends.
"""

import os
import shutil
import tempfile
import time
import weakref
from contextlib import suppress
from pathlib import Path

_PREFIX = "fmanet-scratch-"
_LOCK = "in-use"
_NEW_S = 60.0  # a folder is made first, and locked then


class ScratchFolder:
    """A folder that only this user can read, until `delete` or the program's end. Making one
    deletes those that killed runs have left. Raises OSError if it cannot be made."""

    def __init__(self) -> None:
        _delete_abandoned()
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))  # 0700
        lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        self._end = weakref.finalize(self, _delete, folder, lock)
        _take(lock)
        self.films = folder / "films"
        """Empty at first."""
        self.films.mkdir(mode=0o700)

    def delete(self) -> None:
        """Delete the folder. Raises OSError if something in it cannot be deleted."""
        shutil.rmtree(self.films)
        self._end()


def _delete_abandoned() -> None:
    root = Path(tempfile.gettempdir())
    for folder in root.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another run may be deleting it
            if _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    state = folder.lstat()
    if folder.is_symlink() or (hasattr(os, "getuid") and state.st_uid != os.getuid()):
        return False
    age_s = time.time() - state.st_mtime
    lock = folder / _LOCK
    # Without its lock nobody can tell whose a folder is, so it stays.
    return age_s > _NEW_S and lock.is_file() and not _is_locked(lock)


def _is_locked(lock: Path) -> bool:
    """Windows does not delete an open file; elsewhere the file is locked."""
    try:
        import fcntl
    except ImportError:
        try:
            lock.unlink()
        except PermissionError:
            return True
        return False
    handle = os.open(lock, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _take(handle: int) -> None:
    try:
        import fcntl
    except ImportError:
        return
    fcntl.flock(handle, fcntl.LOCK_EX)


def _delete(folder: Path, lock: int) -> None:
    os.close(lock)
    shutil.rmtree(folder, ignore_errors=True)
