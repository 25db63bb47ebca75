"""Processor time of the whole machine."""

import psutil

_IDLE = ("idle", "iowait")
_COUNTED_TWICE = ("guest", "guest_nice")
"""User time includes them."""


def processor_seconds() -> tuple[float, float]:
    """Return how many seconds all processors together were busy, and how many have passed for them,
    since the machine started. Both stand still where the system does not count."""
    times = psutil.cpu_times()
    idle, twice = (
        sum(getattr(times, name, 0.0) for name in names) for names in (_IDLE, _COUNTED_TWICE)
    )
    passed = sum(times) - twice
    return passed - idle, passed
