"""Where results go: seen to before anything is computed, not after hours of it."""

import os
from pathlib import Path

from model.errors import InputError


def make_folder(folder: Path) -> None:
    """Make `folder`, and those around it, unless they are there. Raises `InputError` if nothing
    can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"no permission to write into {folder}: give another folder")
