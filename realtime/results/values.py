"""Read back values that were written down: a damaged line may still be JSON, or numbers between
commas. All functions raise `TypeError` or `ValueError` for what the recorder never writes."""

import math
from collections.abc import Mapping
from typing import Any

from model.records import Stamp

FURTHEST_S = 1e10
"""No time of a source or a clock is further from its zero: three centuries."""
FURTHEST_MS = 10**12
"""No picture is further from the beginning of its video: 30 years."""
MOST = 2**53
"""No number of a frame, an event or a millisecond is larger."""


def text(value: Any) -> str:
    """Return a string."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def number(value: Any) -> float:
    """Return a number, finite or not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError("a number is too large") from None


def seconds(value: Any) -> float:
    """Return a time."""
    time_s = number(value)
    if not abs(time_s) <= FURTHEST_S:
        raise ValueError(f"{time_s} s is no time")
    return time_s


def whole(value: Any) -> int:
    """Return a whole number of either sign."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MOST:
        raise TypeError(f"{value!r} is no whole number")
    return value


def shares(value: Any) -> Mapping[str, float]:
    """Return finite numbers by name."""
    found = {text(name): number(share) for name, share in dict(value).items()}
    if not all(map(math.isfinite, found.values())):
        raise ValueError(f"{found} are not finite")
    return found


def stamp(pair: Any) -> Stamp:
    """Return a stamp from a pair: the frame's number and its time."""
    index, time_s = pair
    return Stamp(whole(index), seconds(time_s))
