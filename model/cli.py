"""What all commands share: their names in help, defaults in help, folders for their results."""

import argparse
import os
import sys
from pathlib import Path

from model.errors import InputError


def program(command: str) -> str:
    """How `command`, a module and perhaps what to do, was called, for its help: with `fmanet JOB`
    in the module's place, or `python -m` before it."""
    _, _, what = command.partition(" ")
    typed = sys.argv[0] if sys.argv[0].startswith("fmanet ") else ""
    return f"{typed} {what}".rstrip() if typed else f"python -m {command}"


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows a default where it says something: not of switches, nor of what may be left out."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or isinstance(action.default, bool):
            return action.help
        return super()._get_help_string(action)


def make_folder(folder: Path) -> None:
    """Make `folder`, and those around it, unless they are there: before anything is computed, not
    after hours of it. Raises `InputError` if nothing can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"no permission to write into {folder}: give another folder")


def new_folder(path: Path) -> None:
    """Make the folder `path`, or take an empty one; `InputError` if there is something in it."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"--out {path} exists, and results are never overwritten: another --out")
    make_folder(path)
