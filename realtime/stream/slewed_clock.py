"""SlewedClock: converts another machine's clock to this one's, without steps.

The two clocks drift apart by up to 100 ppm or so, 0.36 s an hour. The network makes estimates of
their offset noisy. Applying each new estimate at once would make capture times jump back or forth.
"""

SLEW = 5e-4
"""The fastest change of the offset, in seconds per second: five times the drift of clocks."""
STEP_S = 1.0
"""If the other clock is behind by more, it stood still, as on a sleeping machine. Then the offset
jumps, which makes a gap."""


class SlewedClock:
    """Converts times. Only one thread may use it."""

    def __init__(self) -> None:
        self._last_s: float | None = None
        self._offset_s = 0.0

    def here_s(self, there_s: float, offset_s: float) -> float:
        """Convert `there_s` of the other clock to this one's, with `offset_s`, the latest estimate
        of this clock minus the other. The result increases as `there_s` does."""
        if self._last_s is None:
            self._offset_s = offset_s
        else:
            most_s = SLEW * max(0.0, there_s - self._last_s)
            wrong_s = offset_s - self._offset_s
            step = wrong_s > STEP_S
            self._offset_s += wrong_s if step else min(max(wrong_s, -most_s), most_s)
        self._last_s = there_s if self._last_s is None else max(self._last_s, there_s)
        return there_s + self._offset_s
