"""Errors that reach a person.

    FMANetLiveError
    └── InputError              bad option, file or footage: exit code 2
        ├── SourceError         a source cannot be opened or read
        └── CheckpointError     weights are missing, damaged or do not fit

Each message is one line: what is wrong, the value given, the remedy. What the system refuses, a
folder that is not there or a disk that is full, is told in one line too. Anything else that
escapes is a bug, and its traceback is shown.
"""

import errno
import sys
from collections.abc import Callable
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
}  # of a file or folder, by the system


_PACKAGES = {
    "torch": "PyTorch is not installed, and this needs it: pip install torch",
    "onnx": "onnx is not installed, and this needs it: pip install onnx",
    "onnxscript": "onnxscript is not installed, and this needs it: pip install onnxscript",
}
"""What the live path does without on a CPU, and what is said where it is needed."""


class FMANetLiveError(Exception):
    """Base of every error this project raises on purpose."""


class InputError(FMANetLiveError):
    """What the user gave cannot be used: an option, a file, a piece of footage."""


class SourceError(InputError):
    """A source of frames cannot be opened, or broke while it was read."""


class CheckpointError(InputError):
    """A checkpoint is missing, damaged, or does not fit what it was asked to do."""


def error_line(error: BaseException) -> str:
    """What the first cause of `error` says, in one line: for errors of libraries, whose words have
    to stand in a line of ours."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, ModuleNotFoundError) and error.name in _PACKAGES:
        return missing(error.name)
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {clean_line(lines[0])}" if lines else type(error).__name__


def describe_error(error: BaseException) -> str:
    """`error` in one line for a person: an `InputError` in its own words, else as `error_line`. A
    name of a file in it may hold line breaks and what commands a terminal; the line does not."""
    return clean_line(str(error)) if isinstance(error, InputError) else error_line(error)


def is_refused(error: BaseException) -> bool:
    """Whether the system refuses a file or folder: that is told in one line, and is no bug."""
    return isinstance(error, OSError) and error.errno in _REFUSED


def missing(module: str) -> str:
    """What is said where `module` is needed and not installed, with what brings it."""
    return _PACKAGES.get(module, f"{module} is not installed: pip install {module}")


def demand(module: str) -> None:
    """End the program, as `exit_code` does, if `module` is not installed. For commands whose own
    imports need it: called before these."""
    if find_spec(module) is None:
        print(f"error: {missing(module)}", file=sys.stderr)
        sys.exit(2)


def exit_code(main: Callable[[], None]) -> int:
    """Run a command's `main`; an `InputError`, a file or folder that the system refuses, or a
    package that is missing and not always needed becomes one line on stderr and exit code 2,
    Ctrl-C where the command makes nothing of it one line and exit code 130, as shells have it."""
    try:
        main()
    except InputError as error:
        print(f"error: {describe_error(error)}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES:
            raise
        print(f"error: {missing(error.name)}", file=sys.stderr)
        return 2
    except OSError as error:
        if not is_refused(error):
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {clean_line(f'{where}{error.strerror}')}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0
