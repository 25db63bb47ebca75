"""Keeps the C library from holding memory that the program no longer uses.

glibc gives each thread its own heap, and keeps the memory there that another thread frees. Pictures
are made in one thread and freed in another, so a run would hold 70 MB for nothing. The C libraries
of other systems do not do this.
"""

import ctypes
import sys
from functools import cache

_ARENA_MAX = -8  # of mallopt, malloc.h


@cache
def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None


def share_heap() -> None:
    """Make threads that start later share one heap. Python's lock lets only one of them allocate at
    a time anyway."""
    library = _glibc()
    if library is not None:
        library.mallopt(_ARENA_MAX, 1)


def trim_heap() -> None:
    """Return free memory to the system."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)
