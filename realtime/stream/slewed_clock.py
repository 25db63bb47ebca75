"""SlewedClock: another machine's clock brought to this one's, without steps.

The two drift apart by up to 100 ppm or so, 0.36 s an hour. What is known of their offset gets
better and worse with the network, so that following it at once would turn capture times back, or
make two frames of one distance further apart than they were.
"""

SLEW = 5e-4
"""The offset changes by no more, in seconds per second: five times what clocks drift."""
STEP_S = 1.0
"""If the other clock is behind by more, it stood still, as in a machine that slept: a gap."""


class SlewedClock:
    """Written by one thread."""

    def __init__(self) -> None:
        self._last_s: float | None = None
        self._offset_s = 0.0

    def here_s(self, there_s: float, offset_s: float) -> float:
        """`there_s` of the other clock on this one's, by `offset_s`, what is known now of this
        clock minus the other. Increases as `there_s` does."""
        if self._last_s is None:
            self._offset_s = offset_s
        else:
            most_s = SLEW * max(0.0, there_s - self._last_s)
            wrong_s = offset_s - self._offset_s
            step = wrong_s > STEP_S
            self._offset_s += wrong_s if step else min(max(wrong_s, -most_s), most_s)
        self._last_s = there_s if self._last_s is None else max(self._last_s, there_s)
        return there_s + self._offset_s
