"""What native libraries print, less the lines that say nothing to who runs the program."""

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

_STDERR = 2
_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def stderr_without(idle: re.Pattern[bytes]) -> Iterator[None]:
    """Hold back what is written to stderr meanwhile, by any thread and by native code, which
    Python's own `sys.stderr` does not see; afterwards let all of it out but what `idle` matches, to
    the end of its line: other threads' progress bars may stand before it on the same line."""
    with _ONE_AT_A_TIME:
        try:
            real = os.dup(_STDERR)
        except OSError:  # a program without a console has none
            yield
            return
        try:
            with TemporaryFile() as held:
                if sys.stderr is not None:
                    sys.stderr.flush()
                os.dup2(held.fileno(), _STDERR)
                try:
                    yield
                finally:
                    if sys.stderr is not None:
                        sys.stderr.flush()
                    os.dup2(real, _STDERR)
                    held.seek(0)
                    os.write(real, re.sub(b"(?:%b)[^\n]*\n?" % idle.pattern, b"", held.read()))
        finally:
            os.close(real)
