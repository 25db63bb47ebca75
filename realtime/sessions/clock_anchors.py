"""Anchors: pairs of readings of the system's monotonic clock and UTC.

One is taken when a recording starts and one every minute, because the two drift apart and somebody
may set UTC meanwhile.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from realtime.stream.clock import monotonic_s

ANCHOR_S = 60.0
SOURCE_TIME = frozenset({"driver", "receipt", "browser"})
"""Clocks of sources (`realtime.sources.Clock`) that are this system's monotonic clock."""
_TRIES = 5
_SAME_S = 1e-3


@dataclass(frozen=True, slots=True)
class Tie:
    """Converts the source's clock to the system's, over a stretch without a pause: during a pause
    the clock of a file or the demo stands still."""

    from_s: float
    """Start on the source's clock; it holds until the next tie."""
    later_s: float
    """The system's monotonic clock minus the source's."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """The two clocks at one moment."""

    monotonic_s: float
    utc: str
    """ISO 8601 with microseconds."""
    within_s: float
    """The most by which the two readings can be apart."""


def take_anchor(
    monotonic: Callable[[], float] = monotonic_s, utc: Callable[[], float] = time.time
) -> Anchor:
    """Return both clocks now: the least disturbed of a few readings."""
    best: tuple[float, float, float] | None = None
    for _ in range(_TRIES):
        before_s = monotonic()
        utc_s = utc()
        after_s = monotonic()
        half_s = (after_s - before_s) / 2
        if best is None or half_s < best[0]:
            best = (half_s, before_s + half_s, utc_s)
    assert best is not None
    return Anchor(best[1], iso(best[2]), best[0])


def ties(seen: Iterable[tuple[float, float]]) -> tuple[Tie, ...]:
    """Return one tie per stretch between pauses. `seen`: for each frame, in order, its time on the
    source's clock and on the system's."""
    found: list[Tie] = []
    for time_s, received_s in seen:
        later_s = received_s - time_s
        if not found or abs(later_s - found[-1].later_s) > _SAME_S:
            found.append(Tie(time_s, later_s))
    return tuple(found)


def iso(utc_s: float) -> str:
    """Return Unix time as ISO 8601 in UTC, with microseconds."""
    return datetime.fromtimestamp(utc_s, UTC).isoformat(timespec="microseconds")
