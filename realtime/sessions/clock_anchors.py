"""Anchors: pairs of readings of the system's monotonic clock and UTC.

One is taken when a recording starts and then every minute, because the two clocks drift apart and
somebody may set UTC meanwhile.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter

import numpy as np

from model.records import ArrayF64
from realtime.stream.clock import monotonic_s

ANCHOR_S = 60.0
SOURCE_TIME = frozenset({"driver", "receipt", "browser"})
"""The values of `realtime.sources.Clock` that mean the system's monotonic clock."""
_TRIES = 5
_SAME_S = 1e-3


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """Converts the source's clock to the system's between two pauses. During a pause the clock of a
    file or the demo stands still."""

    from_s: float
    """Where it starts to hold, on the source's clock; it holds until the next one."""
    offset_s: float
    """The system's monotonic clock minus the source's."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The two clocks at one moment."""

    monotonic_s: float
    utc: str
    """ISO 8601 with microseconds."""
    within_s: float
    """The greatest possible time between the two readings."""


def take_anchor(
    monotonic: Callable[[], float] = monotonic_s, utc: Callable[[], float] = time.time
) -> Anchor:
    """Read both clocks."""
    within_s, at_s, utc_s = read_clock(utc, monotonic)
    return Anchor(at_s, format_utc(utc_s), within_s)


def read_clock(
    clock: Callable[[], float], monotonic: Callable[[], float] = monotonic_s
) -> tuple[float, float, float]:
    """Return the most exact of a few readings of `clock`: the greatest possible time between the
    two readings, the monotonic clock, and `clock`."""

    def read() -> tuple[float, float, float]:
        before_s, value, after_s = monotonic(), clock(), monotonic()
        return (after_s - before_s) / 2, (before_s + after_s) / 2, value

    return min((read() for _ in range(_TRIES)), key=itemgetter(0))


def find_clock_offsets(times_s: ArrayF64, system_s: ArrayF64) -> tuple[ClockOffset, ...]:
    """Return the offset for each stretch between pauses. Both (N,): the time of each frame, in
    order, on the source's clock and on the system's."""
    offsets_s = system_s - times_s
    found: list[ClockOffset] = []
    place = 0
    while place < len(offsets_s):
        offset_s = float(offsets_s[place])
        found.append(ClockOffset(float(times_s[place]), offset_s))
        place = _first_other(offsets_s, place, offset_s)
    return tuple(found)


def _first_other(offsets_s: ArrayF64, place: int, offset_s: float) -> int:
    """Return the first place after `place` with another offset; the length if there is none."""
    size = 16
    while place < len(offsets_s):  # in growing steps: they may be near, or a day away
        other = np.abs(offsets_s[place : place + size] - offset_s) > _SAME_S
        if other.any():
            return place + int(other.argmax())
        place, size = place + size, 2 * size
    return len(offsets_s)


def format_utc(utc_s: float) -> str:
    """Return Unix time as ISO 8601 in UTC, with microseconds."""
    return datetime.fromtimestamp(utc_s, UTC).isoformat(timespec="microseconds")
