"""Says what a pulse is if it is no micro-expression: a blink, a word, a glance, part of something
larger. What the face does after a pulse is judged by the spotter.
"""

from dataclasses import replace

import numpy as np

from model.records import Window
from realtime.spotting.matched_filter import MatchedPulses
from realtime.spotting.motion import LOWER, REGIONS, UPPER
from realtime.spotting.region_pulse import Pulse, PulseFollower
from realtime.spotting.rejection_rules import (
    MOST_VARIATION_RATIO,
    Disturbances,
    is_closing_lid,
    is_crop_slip,
    is_glance,
    is_part_of_larger,
    lip_went_far,
    moves_alone,
    spoke_before,
    talked_before,
)
from realtime.spotting.smoothing import History
from realtime.spotting.windows import positions

GROUPS = tuple(np.array(group, np.int64) for group in (UPPER, LOWER, range(len(REGIONS))))
"""The regions that are followed together: upper half of the face, lower half, all of it."""
MOUTH, WHOLE = 1, 2
LEAST_DEPTH = 0.5
"""The smallest `Pulse.depth` of an expression."""
PROBABLY_SPEECH = "probably speech"
TALK_STRENGTH = 2.0
"""While someone talks, brows move along a little. An expression needs so much strength there, and
one of the lower face cannot be told from a word."""


def may_be_talk(window: Window) -> bool:
    """Return whether an expression could not be told from what moves while someone talks."""
    return REGIONS.index(window.regions[0]) in LOWER or window.score < TALK_STRENGTH


class Judgement:
    """Judges the pulses of one face by its motion so far."""

    def __init__(
        self,
        history: History,
        disturbances: Disturbances,
        whole: MatchedPulses,
        mouth: PulseFollower,
        *,
        shortest_s: float,
        micro_s: float,
    ) -> None:
        """`mouth` follows the lower half of the face, `whole` all of it. `shortest_s` and `micro_s`
        bound the length of a micro-expression."""
        self._history, self._disturbances = history, disturbances
        self._whole, self._mouth = whole, mouth
        self._shortest_s, self._micro_s = shortest_s, micro_s
        self.margin = 1.0
        """A pulse that is less than so many times as strong as is asked for is too weak."""

    def find_fault(self, group: int, pulse: Pulse, window: Window, period_s: float) -> str | None:
        """Return why an ended pulse is not a micro-expression, or None. `period_s`: between two
        frames."""
        if pulse.state == "held":
            return f"longer than {self._micro_s:g} s: not a micro-expression"
        duration_s = pulse.offset_s - pulse.onset_s
        if duration_s > self._micro_s + period_s:
            return f"{duration_s:.2f} s long: not a micro-expression"
        if duration_s < self._shortest_s - period_s:
            return f"{1000 * duration_s:.0f} ms long: too short"
        if pulse.depth < LEAST_DEPTH:
            return "rose or returned only in part"
        objection = self.find_objection(group, pulse, window)
        if objection is None and is_part_of_larger(pulse, self._history):
            return "part of a larger movement"
        return objection

    def find_objection(self, group: int, pulse: Pulse, window: Window) -> str | None:
        """Return what speaks against a pulse, whatever its course, or None."""
        if self._disturbances.seen_s(pulse) <= 0:
            return "began before the face was seen"
        if window.score < self.margin:
            return self._disturbances.name(pulse.onset_s, pulse.offset_s) or "too weak"
        onset, apex, _ = positions(self._history, pulse)
        values = self._history.values
        motion = (values[apex] - values[onset]).reshape(-1, 2)
        if is_crop_slip(motion, blinked=self._disturbances.blinked(pulse)):
            return "the whole face moved as one"
        if group != MOUTH and is_closing_lid(motion):
            return "a blink"
        if moves_alone(motion):
            return "one place moved alone"
        if group == WHOLE:
            if self._whole.moved_before(pulse):
                return "the face moved before"
            size = np.hypot(*pulse.motion.T)
            group = int(size[GROUPS[MOUTH]].max() > size[GROUPS[0]].max())
            pulse = replace(pulse, motion=pulse.motion[GROUPS[group]])
        elif self._whole.backing(pulse) < self.margin:
            return "a blink" if self._disturbances.blinked(pulse) else "too weak"
        if group == MOUTH and lip_went_far(pulse):
            return PROBABLY_SPEECH
        if may_be_talk(window) and talked_before(pulse, self._history):
            return PROBABLY_SPEECH
        return self.other_course(group, pulse)

    def other_course(self, group: int, pulse: Pulse) -> str | None:
        """Return what a pulse is instead, judged by its course, or None for an expression."""
        if pulse.variation_ratio > MOST_VARIATION_RATIO:
            return PROBABLY_SPEECH
        if group != MOUTH:
            return "a glance" if is_glance(pulse) else None
        if spoke_before(pulse, self._mouth.quiet_px, self._history):
            return PROBABLY_SPEECH
        return None
