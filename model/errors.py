"""Errors that reach a person.

    FMANetLiveError
    └── InputError              bad option, file or footage: exit code 2
        ├── SourceError         a source cannot be opened or read
        └── CheckpointError     weights are missing, damaged or do not fit

Each message is one line: what is wrong, the value given, the remedy. Refusals by the operating
system, such as a missing folder or a full disk, are printed as one line too. Anything else that
escapes is a bug and prints its traceback.
"""

import errno
import sys
from importlib.util import find_spec

from model.text import clean_line

_REFUSED = {
    errno.ENOSPC,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EIO,
    errno.EDQUOT,
    errno.ESTALE,
}  # the operating system refuses a file or folder


PACKAGES = {
    "torch": "PyTorch is not installed, and this needs it: pip install torch",
    "onnx": "onnx is not installed, and this needs it: pip install onnx",
    "onnxscript": "onnxscript is not installed, and this needs it: pip install onnxscript",
}
"""Packages that a live run on a CPU does not need, and the message for when one is needed."""


class FMANetLiveError(Exception):
    """Base of every error this project raises on purpose."""


class InputError(FMANetLiveError):
    """An option, a file or footage that the user gave cannot be used."""


class SourceError(InputError):
    """A source of frames cannot be opened, or broke while it was read."""


class CheckpointError(InputError):
    """A checkpoint is missing, damaged, or does not fit its use."""


def error_line(error: BaseException) -> str:
    """The message of the first cause of `error`, in one line. For errors raised by libraries, to
    quote them in a message of ours."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, ModuleNotFoundError) and error.name in PACKAGES:
        return explain_missing(error.name)
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {clean_line(lines[0])}" if lines else type(error).__name__


def describe_error(error: BaseException) -> str:
    """`error` in one line for a person: an `InputError` in its own words, others by `error_line`.
    File names may hold line breaks and terminal control characters; this line never does."""
    return clean_line(str(error)) if isinstance(error, InputError) else error_line(error)


def is_refused(error: BaseException) -> bool:
    """Whether the system refuses a file or folder. This is no bug and is reported in one line."""
    return isinstance(error, OSError) and error.errno in _REFUSED


def explain_missing(module: str) -> str:
    """The message if `module` is needed and not installed, with the command that installs it."""
    return PACKAGES.get(module, f"{module} is not installed: pip install {module}")


def demand(module: str) -> None:
    """End the program with code 2 if `module` is not installed. Commands that import it
    at the top call this first."""
    if find_spec(module) is None:
        print(f"error: {explain_missing(module)}", file=sys.stderr)
        sys.exit(2)
