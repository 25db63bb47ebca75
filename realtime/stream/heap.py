"""The memory that the C library holds for this process, kept to what is used.

glibc gives threads heaps of their own, and what one thread frees of another's stays there: pictures
are made in one thread and let go in another, so that a run would hold 70 MB of nothing. Other
systems' libraries do without this, and are left alone.
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
    """Have threads that begin later allocate from one heap. Python's lock lets them allocate one
    at a time anyway."""
    library = _glibc()
    if library is not None:
        library.mallopt(_ARENA_MAX, 1)


def trim_heap() -> None:
    """Give back to the system what is free."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)
