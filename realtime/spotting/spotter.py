"""Finds expressions in a stream of motion samples: causal, pure, in seconds of their stamps.

The spotter looks in two ways. A matched filter over the whole face finds the patterns of
expressions where the face's own noise is weak. Beside it, upper and lower face are followed
separately, each region against its threshold, so that speech does not hide a brow. Pulses that
belong together become one window. Micro-expressions (ME) are pulses against the rest of the last
second; macro-expressions are followed in parallel, against the rest of the last seconds.

Other movements betray themselves by what comes with them: a blink silences the lids and raises all
other thresholds, head motion raises all thresholds, a jump of the light silences all regions.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from model.records import (
    MICRO_S,
    Kind,
    MotionSample,
    SpotSignal,
    SpotUpdate,
    Stamp,
    Window,
)
from realtime.spotting.baseline_file import Baseline
from realtime.spotting.expression_patterns import expression_patterns
from realtime.spotting.judgement import (
    GROUPS,
    LEAST_DEPTH,
    MOUTH,
    PROBABLY_SPEECH,
    WHOLE,
    Judgement,
    may_be_talk,
)
from realtime.spotting.matched_filter import MatchedPulses
from realtime.spotting.me_probability import AT_BAR, margin_of, me_probability
from realtime.spotting.motion import LOWER, REGIONS
from realtime.spotting.region_pulse import Band, Pulse, PulseFollower
from realtime.spotting.rejection_rules import Disturbances, is_talking
from realtime.spotting.smoothing import History
from realtime.spotting.windows import (
    cut_window,
    describe,
    is_improbable,
    is_same_expression,
    join_windows,
    positions,
)


@dataclass(frozen=True, slots=True)
class SpotterConfig:
    """What counts as an expression. Times in seconds of the capture clock, motion in crop px."""

    baseline: Baseline = field(default_factory=Baseline.default)
    shortest_s: float = 0.04
    """Shorter pulses are noise."""
    micro_s: float = MICRO_S
    """The longest micro-expression; a longer one is a macro-expression."""
    longest_s: float = 4.0
    """The longest macro-expression; a face held longer has a new resting place."""
    smoothing_s: float = 0.02
    """Standard deviation of the kernel that smooths the motion in time."""
    noise_factor: float = 4.0
    """Threshold over the median deviation from rest of the last seconds."""
    macro_px: float = 1.0
    """The smallest motion of a macro-expression."""
    apex_fall: float = 0.3
    """The apex has passed when this share of its height is gone."""
    least_me_probability: float = AT_BAR
    """What is less probably a micro-expression is none; see `me_probability`."""
    max_gap_s: float = 0.2
    """A gap between frames longer than this, and longer than three periods, ends the tracking."""


GAP_PERIODS = 3
LEAST_SHARE = 0.45
"""The strongest region of an expression of the whole face moves by this share of its threshold. A
face in constant motion bends all the time; its thresholds are high."""
PATIENCE_S = 0.055
"""How long an ended pulse waits. The face must stay at rest, or the person is speaking; and a pulse
of the other half of the face may belong to it."""
REST_SHARE = 0.3
"""A face is not at rest beyond this share of a pulse's height (and at least the threshold)…"""
END_THRESHOLDS, END_SHARE = 0.5, 0.15
"""…if it has also moved on since the pulse ended, by so many thresholds and this share of the
height: a head that turns slowly takes the face away from its rest, too."""
BLINK_STRENGTH = 1.3
"""Near a blink an expression of the whole face needs so much more strength, although the blink's
own motion counts as noise there."""
WORD_S, WORD_PATIENCE_S = 1.0, 0.6
"""In the first second of a face nobody knows whether the person talks. What may be a word waits for
so long after its offset: if the mouth goes on, it was one."""
JUMP_LEAD_S, JUMP_TAIL_S = 0.1, 0.2
"""What the light's jump seems to move is no noise of the face."""
MOVED_SD, MOVED_SHARE = 3.0, 0.5
"""The whole face is not at rest beyond this many standard deviations of its noise, and beyond this
share of a pulse's height."""


@dataclass(slots=True)
class _Candidate:
    number: int
    pulse: Pulse
    announced: bool = False


@dataclass(slots=True, eq=False)
class _Ended:
    candidate: _Candidate
    group: int
    window: Window
    since_s: float
    may_be_word: bool
    rested: bool = False


class Spotter:
    """Turns the motion samples of one source, in order, into expressions. Deterministic."""

    def __init__(self, config: SpotterConfig | None = None) -> None:
        self._config = c = config or SpotterConfig()
        floor = np.array([c.baseline.floor_px[name] for name in REGIONS])
        self._history = History(2 * len(REGIONS), c.longest_s + 2.0, c.smoothing_s)
        micro = Band(longest_s=c.micro_s + 0.1, rest_s=0.8, settle_s=0.06)
        macro = Band(longest_s=c.longest_s, rest_s=6.0, settle_s=0.3)
        self._micro = [PulseFollower(g, micro, floor[g], c.noise_factor) for g in GROUPS[:WHOLE]]
        self._macro = [
            PulseFollower(g, macro, np.maximum(floor[g], c.macro_px), c.noise_factor)
            for g in GROUPS[:WHOLE]
        ]
        self._open: list[_Candidate | None] = [None, None, None]
        self._ended: list[_Ended] = []
        self._emitted: deque[Window] = deque(maxlen=8)
        self._disturbances = Disturbances(c.longest_s + 2.0)
        self._whole = MatchedPulses(expression_patterns(), self._disturbances.blinks)
        self._judgement = Judgement(
            self._history,
            self._disturbances,
            self._whole,
            self._micro[MOUTH],
            shortest_s=c.shortest_s,
            micro_s=c.micro_s,
        )
        self._numbers = 0
        self._track: int | None = None
        self._last: Stamp | None = None
        self._period_s = 0.0
        self.ask_for(c.least_me_probability)

    def ask_for(self, least_me_probability: float) -> None:
        """From now on, take for micro-expressions what is one with at least this probability."""
        least_margin = margin_of(least_me_probability)
        self._least = me_probability(least_margin)
        # What is asked for beyond the usual is asked at the end: it changes nothing of the rest.
        self._judgement.margin = self._whole.opening = min(1.0, least_margin)

    def push(self, sample: MotionSample) -> SpotSignal:
        """Take in one sample. Stamps must increase; otherwise raises ValueError."""
        updates: list[SpotUpdate] = []
        if self._last is not None:
            apart_s = sample.stamp.time_s - self._last.time_s
            if apart_s <= 0 or sample.stamp.index <= self._last.index:
                raise ValueError(f"stamp {sample.stamp} does not follow {self._last}")
            if sample.track != self._track:
                updates += self._abandon("another face")
            elif apart_s > max(self._config.max_gap_s, GAP_PERIODS * self._period_s):
                updates += self._abandon(f"no frame for {apart_s:.2f} s")
            else:
                self._period_s += 0.1 * (apart_s - self._period_s) if self._period_s else apart_s
        self._last, self._track = sample.stamp, sample.track

        self._history.push(sample.stamp, sample.displacement.astype(np.float64).ravel())
        self._disturbances.push(sample)
        factor = self._disturbances.factor(sample.stamp.time_s, sample.stamp.time_s)
        factors = [factor[regions] for regions in GROUPS[:WHOLE]]
        strength = np.empty(len(REGIONS), np.float32)
        threshold = np.empty(len(REGIONS), np.float32)
        for i, (follower, raised) in enumerate(zip(self._micro, factors, strict=True)):
            threshold[GROUPS[i]] = follower.threshold * raised
            pulse = follower.push(self._history, raised * self._whole.opening)
            strength[GROUPS[i]] = follower.strength
            if pulse is not None:
                updates += self._micro_update(i, pulse)
        if sample.flags & {"light", "texture"}:
            self._whole.skip(sample.stamp.time_s - JUMP_LEAD_S, sample.stamp.time_s + JUMP_TAIL_S)
        whole = self._whole.push(self._history)
        if whole is not None:
            updates += self._micro_update(WHOLE, whole)
        updates += self._settle()
        large: list[str] = []
        for i, (follower, raised) in enumerate(zip(self._macro, factors, strict=True)):
            pulse = follower.push(self._history, raised)
            far = follower.strength > self._config.macro_px * raised
            large += (REGIONS[region] for region in GROUPS[i][far])
            if pulse is not None and pulse.state == "ended":
                updates += self._macro_update(i, pulse)
        return SpotSignal(
            strength=strength,
            threshold=threshold,
            updates=tuple(updates),
            large=frozenset(large),
        )

    def lose_face(self, stamp: Stamp) -> SpotSignal:
        """Handle the loss of the face at `stamp`: reject whatever is open."""
        return SpotSignal(
            strength=np.zeros(len(REGIONS), np.float32),
            threshold=np.full(len(REGIONS), np.inf, np.float32),
            updates=tuple(self._abandon("the face was lost")),
        )

    def finish(self) -> tuple[SpotUpdate, ...]:
        """Return the last updates, at the end of the source: emit pulses that came to rest,
        reject all others."""
        return tuple(self._abandon("the footage ended"))

    # --- micro-expressions

    def _micro_update(self, group: int, pulse: Pulse) -> Iterable[SpotUpdate]:
        candidate = self._open[group]
        if candidate is None:
            candidate = self._open[group] = self._new_candidate(pulse)
        candidate.pulse = pulse
        if pulse.state == "open":
            window = self._announcement(group, candidate)
            if window is not None:
                candidate.announced = True
                yield SpotUpdate(candidate.number, "apex", window, describe(window))
            return
        self._open[group] = None
        window = self._window(group, pulse, "micro")
        reason = self._judgement.find_fault(group, pulse, window, self._period_s)
        if reason is None:
            now_s = float(self._history.times_s[-1])
            new = self._disturbances.seen_s(pulse) < WORD_S and may_be_talk(window)
            self._ended.append(_Ended(candidate, group, window, now_s, may_be_word=new))
        else:
            if group == WHOLE:
                self._whole.reject()
            yield SpotUpdate(candidate.number, "rejected", window, reason)

    def _announcement(self, group: int, candidate: _Candidate) -> Window | None:
        """Return the window to announce at the apex, or None if it is too early or one too many."""
        pulse = candidate.pulse
        if candidate.announced or pulse.fall < self._config.apex_fall:
            return None
        others = [a.candidate for a in self._ended] + [c for c in self._open if c is not None]
        if any(other.announced for other in others):
            return None
        if 2 * (pulse.apex_s - pulse.onset_s) > 1.5 * self._config.micro_s:
            return None
        window = self._window(group, pulse, "micro", open_end=True)
        weak = is_improbable(window, self._least)
        return None if weak or self._judgement.find_objection(group, pulse, window) else window

    def _settle(self) -> Iterable[SpotUpdate]:
        """Emit pulses that ended a while ago, unless the face moves on. A pulse of the other half
        of the face is emitted with it if it belongs to the same expression."""
        now_s = float(self._history.times_s[-1]) + self._period_s / 2
        for ended in tuple(self._ended):
            if ended not in self._ended or now_s - ended.since_s < PATIENCE_S:
                continue
            if not ended.rested and self._moves_on(ended):
                yield self._reject(ended, "movement continued")
                continue
            ended.rested = True
            offset_s = ended.candidate.pulse.offset_s
            if ended.may_be_word and now_s - offset_s < WORD_PATIENCE_S:
                continue
            if ended.may_be_word and is_talking(self._history, offset_s, now_s):
                for word in self._parts_of(ended):
                    yield self._reject(word, PROBABLY_SPEECH)
            else:
                self._ended.remove(ended)
                yield self._emit(ended)

    def _reject(self, ended: _Ended, reason: str) -> SpotUpdate:
        self._ended.remove(ended)
        return SpotUpdate(ended.candidate.number, "rejected", ended.window, reason)

    def _moves_on(self, ended: _Ended) -> bool:
        """Return whether the face has kept moving since a pulse ended."""
        since_s = float(self._history.times_s[-1]) - PATIENCE_S / 2
        pulse, group = ended.candidate.pulse, ended.group
        _, apex, offset = positions(self._history, pulse)
        fall = self._history.values[apex] - self._history.values[offset]
        moved = self._history.values[self._history.since(since_s) :] - self._history.values[offset]
        if group == WHOLE and REGIONS.index(ended.window.regions[0]) not in LOWER:
            assert pulse.direction is not None
            away = np.abs(moved @ pulse.direction).max()
            return bool(away > max(MOVED_SD, MOVED_SHARE * (fall @ pulse.direction)))
        follower = self._micro[MOUTH if group == WHOLE else group]
        from_rest, height = follower.distance_from_rest, ended.window.score
        if group == WHOLE:  # that score is the filter's, not in thresholds of regions
            height = from_rest(self._history, pulse.onset_s, pulse.offset_s)
        if from_rest(self._history, since_s, np.inf) <= max(1.0, REST_SHARE * height):
            return False
        least = max(END_THRESHOLDS, END_SHARE * follower.distance(fall[None]))
        return follower.distance(moved) > least

    def _parts_of(self, ended: _Ended) -> list[_Ended]:
        """Return what has ended and belongs to the same expression, itself included if it waits."""
        return [each for each in self._ended if is_same_expression(each.window, ended.window)]

    def _emit(self, first: _Ended) -> SpotUpdate:
        window, candidate = first.window, first.candidate
        for partner in self._parts_of(first):
            self._ended.remove(partner)
            window = join_windows(window, partner.window)
            if partner.candidate.announced:
                candidate, partner = partner.candidate, first
        if any(is_same_expression(earlier, window) for earlier in self._emitted):
            return SpotUpdate(candidate.number, "rejected", window, "part of the last expression")
        self._emitted.append(window)
        self._whole.skip(window.onset.time_s, window.end.time_s)
        if is_improbable(window, self._least):
            return SpotUpdate(candidate.number, "rejected", window, "too weak")
        return SpotUpdate(candidate.number, "closed", window, describe(window))

    # --- macro-expressions

    def _macro_update(self, group: int, pulse: Pulse) -> Iterable[SpotUpdate]:
        duration_s = pulse.offset_s - pulse.onset_s
        if duration_s <= self._config.micro_s + self._period_s or pulse.depth < LEAST_DEPTH:
            return
        window = self._window(group, pulse, "macro")
        if window.score < 1 or any(
            w.kind == "macro" and is_same_expression(w, window) for w in self._emitted
        ):
            return
        candidate = self._new_candidate(pulse)
        reason = self._judgement.other_course(group, pulse)
        if reason is not None:
            yield SpotUpdate(candidate.number, "rejected", window, reason)
            return
        self._emitted.append(window)
        yield SpotUpdate(candidate.number, "closed", window, describe(window))

    # --- common

    def _new_candidate(self, pulse: Pulse) -> _Candidate:
        self._numbers += 1
        return _Candidate(self._numbers, pulse)

    def _abandon(self, reason: str) -> list[SpotUpdate]:
        # Nobody saw whether the face stayed where it had returned to.
        unsettled = [ended for ended in self._ended if not ended.rested]
        updates = [self._reject(ended, reason) for ended in unsettled]
        while self._ended:
            updates.append(self._emit(self._ended.pop(0)))
        for group, candidate in enumerate(self._open):
            if candidate is not None:
                window = self._window(group, candidate.pulse, "micro", open_end=True)
                updates.append(SpotUpdate(candidate.number, "rejected", window, reason))
        self._open = [None, None, None]
        for follower in (*self._micro, *self._macro):
            follower.reset()
        self._whole.reset()
        self._history.clear()
        self._disturbances.clear()
        return updates

    def _window(self, group: int, pulse: Pulse, kind: Kind, *, open_end: bool = False) -> Window:
        regions = GROUPS[group]
        followers = self._micro if kind == "micro" else self._macro
        threshold = np.empty(len(REGIONS))
        for half, follower in zip(GROUPS, followers, strict=False):
            threshold[half] = follower.threshold
        whole = group == WHOLE
        threshold *= self._disturbances.factor(pulse.onset_s, pulse.offset_s, whole=whole)
        share = np.hypot(*pulse.motion.T) / threshold[regions]
        score = float(share.max())
        if group == WHOLE:
            asked = BLINK_STRENGTH if self._disturbances.blinked(pulse) else 1.0
            score = 0.0 if score < LEAST_SHARE else pulse.strength / asked
        score /= self._disturbances.asked(pulse, kind)
        margin = score if group == WHOLE else min(score, self._whole.backing(pulse))
        p = me_probability(margin) if kind == "micro" else None
        return cut_window(self._history, pulse, kind, regions, share, score, p, open_end=open_end)
