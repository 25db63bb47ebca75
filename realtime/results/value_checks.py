"""Checks values that are read back from files, because a damaged line may still be valid JSON or
CSV. All functions raise `TypeError` or `ValueError` for values that the recorder never writes."""

import math
import reprlib
from collections.abc import Mapping
from typing import Any

from model.records import Stamp

FURTHEST_S = 1e10
"""Limit of times of a source or a clock: three centuries."""
FURTHEST_MS = 10**12
"""Limit of times since the beginning of a video: 30 years."""
MAX_WHOLE = 2**53
"""Limit of the numbers of frames, events and milliseconds."""


def describe_misfit(fault: Mapping[str, Any]) -> str:
    """Return an entry of pydantic's `errors()` in words: the place, the value there, what is wrong
    with it."""
    place = ".".join(str(part + 1 if isinstance(part, int) else part) for part in fault["loc"])
    if fault["type"] not in ("missing", "value_error", "json_invalid"):  # the message has it
        place += f" is {reprlib.repr(fault['input'])}"
    return f"{place}: {fault['msg']}" if place else str(fault["msg"])


def as_text(value: Any) -> str:
    """Return a string."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def as_number(value: Any) -> float:
    """Return a number, finite or not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError("a number is too large") from None


def as_share(value: Any) -> float:
    """Return a probability."""
    share = as_number(value)
    if not 0 <= share <= 1:
        raise ValueError(f"{share} is no probability")
    return share


def as_seconds(value: Any) -> float:
    """Return a time."""
    time_s = as_number(value)
    if not abs(time_s) <= FURTHEST_S:
        raise ValueError(f"{time_s} s is no time")
    return time_s


def as_whole(value: Any) -> int:
    """Return a whole number of either sign."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_WHOLE:
        raise TypeError(f"{value!r} is no whole number")
    return value


def as_shares(value: Any) -> Mapping[str, float]:
    """Return finite numbers by name."""
    found = {as_text(name): as_number(share) for name, share in dict(value).items()}
    if not all(map(math.isfinite, found.values())):
        raise ValueError(f"{found} are not finite")
    return found


def as_vectors(value: Any) -> Mapping[str, tuple[float, float]]:
    """Return finite pairs of numbers by name."""
    found = {}
    for name, (first, second) in dict(value).items():
        found[as_text(name)] = as_number(first), as_number(second)
    if not all(math.isfinite(number) for pair in found.values() for number in pair):
        raise ValueError(f"{found} are not finite")
    return found


def as_stamp(pair: Any) -> Stamp:
    """Return a stamp from a pair: the frame's number and its time."""
    index, time_s = pair
    return Stamp(as_whole(index), as_seconds(time_s))
