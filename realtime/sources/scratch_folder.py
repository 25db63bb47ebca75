"""A private temporary folder for films that are not this program's to keep.

A run that is killed cannot delete its own, so a later run does: no face stays behind in it. A lock,
which the system releases however a program ends, tells a folder that is in use. Windows has no such
lock for folders: there, what a killed run has left stays.
"""

import os
import re
import shutil
import stat
import tempfile
import time
import weakref
from contextlib import ExitStack, suppress
from pathlib import Path

from model.files import lock_folder

_PREFIX = "fmanet-scratch-"
_NAME = re.compile(_PREFIX + r"[a-z0-9_]{8}")  # as mkdtemp makes it
_NEW_S = 10.0  # a folder is made first, and locked then


class ScratchFolder:
    """An empty folder that only this user can read, until `delete` or the program's end. Making one
    deletes those that killed runs have left. Raises OSError if it cannot be made."""

    def __init__(self) -> None:
        _delete_abandoned()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))  # 0700
        lock = ExitStack()
        with suppress(OSError):  # a file system without locks: there nobody takes it for abandoned
            lock.callback(lock_folder(self.path))
        self._end = weakref.finalize(self, _delete, self.path, lock)

    def delete(self) -> None:
        """Delete the folder. Raises OSError if something in it cannot be deleted."""
        if self.path.exists():
            shutil.rmtree(self.path)
        self._end()


def _delete_abandoned() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it is in use, or another run is deleting it
            if _is_ours(folder):
                with ExitStack() as lock:
                    lock.callback(lock_folder(folder))
                    shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """Return whether this user's program made a folder, and long enough ago to have locked it."""
    try:
        user = os.getuid()
    except AttributeError:  # Windows: nothing could be told by a lock
        return False
    state = folder.lstat()
    private = stat.S_ISDIR(state.st_mode) and stat.S_IMODE(state.st_mode) == 0o700
    made_here = private and state.st_uid == user and _NAME.fullmatch(folder.name) is not None
    return made_here and time.time() - state.st_mtime > _NEW_S


def _delete(folder: Path, lock: ExitStack) -> None:
    with lock:
        shutil.rmtree(folder, ignore_errors=True)
