"""Why a movement is rejected as an expression.

`Disturbances` raise the thresholds while something else moves the face: a blink, the head, a jump
of the light. The functions judge a pulse by where the face moved and by what came before: a slipped
crop, a glance, speech.
"""

import math
from collections import deque
from functools import cache

import numpy as np
from numpy.typing import NDArray

from model.records import ArrayF64, Kind, MotionSample
from realtime.spotting.blinks import Blinks
from realtime.spotting.expression_patterns import region_places
from realtime.spotting.motion import LOWER, REGIONS, UPPER
from realtime.spotting.region_pulse import Pulse
from realtime.spotting.smoothing import History
from realtime.spotting.windows import positions

BLINK_FACTOR = 2.5
"""A blink silences the lids and raises all other thresholds by this factor: brows and cheeks follow
the lids, and the mesh moves the crop a little."""
WHOLE_BLINK_FACTOR = 1.6
"""The same for an expression of the whole face, whose filter knows how a blink moves the
regions."""
HEAD_TRAVEL_S, HEAD_RISE_PER_PX = 0.3, 0.1
"""Each px that the head travels within `HEAD_TRAVEL_S` raises all thresholds by this share: a head
that turns out of the plane does not move as one."""
JUMP_S = 0.05
"""A jump of the light spoils this much time on either side."""

_LIDS = np.array([name.startswith("lid") for name in REGIONS])

LIP_PX = 1.2
"""A micro-expression parts the lips or pushes the lower lip up. If the lip moves further than this,
the jaw moved too, as in speech."""
SLIP, BLINK_SLIP = 0.8, 0.6
"""A slipped crop moves all regions alike: a shift, turn and scale of the whole face explain this
share of its squared motion. In blinks crops slip most, and brows and lids move besides."""
MOST_VARIATION_RATIO = 1.3
"""An expression rises and falls. A pulse with more back and forth than this is speech."""
MOUTH_REST_S, MOUTH_REST_UNTIL_S = 0.7, 0.05
"""Before a pulse of its own the mouth must rest from `MOUTH_REST_S` to `MOUTH_REST_UNTIL_S` before
onset; otherwise the person is speaking."""
MOUTH_REST_SHARE = 0.3
"""A mouth rests if it moves less than this share of the pulse's height, or less than a face at rest
does."""
TALK_S, TALK_STEP_S, TALK_PX_S = 2.0, 0.1, 5.0
"""A mouth talks that has moved so fast for so long before onset: px a second in the mean, in steps
of `TALK_STEP_S`, in which the noise of single frames is small."""
LEAST_TALK_S = 0.5
"""Of less time nobody can say that it was talk."""
GLANCE = 1.5
"""A glance moves the skin below both lids sideways, by this factor more than up or down."""

CLOSING = 1.2
"""A lid that closes takes the skin below it down, by this factor further than all else moves. An
expression tightens lower lids: they go up."""
ALONE_PX, NEIGHBOURS = 2.0, 3
"""Skin is of one piece: no region of an expression goes so much further than its `NEIGHBOURS`
nearest. An iris, hair or a hand before it does, and so does what lies behind a face's rim."""
STEP_PX = 1.5
"""A face that has moved on by more than this from onset to offset, and by more than in between, has
made a larger movement: a smile that fades, a word."""
SAME_BLINK_FACTOR = 1.5
"""An expression that takes just as long as a blink, and when it does, needs so much more
strength."""
EARLY_S, EARLY_FACTOR = 0.4, 1.5
"""An expression that begins so soon after the face was first seen needs so much more, because
nobody knows yet how that face rests."""
SMALL_POWER = 1.5
"""Of a face with fewer pixels than the crop more strength is asked of a micro-expression, by this
power of how many fewer there are along a line: what the picture cannot show is noise in the
crop."""

_LIP = LOWER.index(REGIONS.index("lip_lower"))
_NOSE = [i for i, name in enumerate(REGIONS) if name.startswith("nose")]
_UPPER_LIDS = [i for i, region in enumerate(UPPER) if REGIONS[region].startswith("lid")]


class Disturbances:
    """Blinks, jumps of the light and head motion of the last seconds."""

    def __init__(self, keep_s: float) -> None:
        """`keep_s` is how far back queries may go."""
        self._keep_s = keep_s
        self.blinks = Blinks(keep_s)
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.blinks.clear()
        self._jumps: deque[float] = deque()
        self._travels: deque[tuple[float, float]] = deque()
        self._places: deque[tuple[float, complex]] = deque()
        self._since_s = -math.inf
        self._resolution = 1.0

    def push(self, sample: MotionSample) -> None:
        """Take in one sample; stamps increase."""
        now_s = sample.stamp.time_s
        self._resolution = sample.resolution
        if self._since_s == -math.inf:
            self._since_s = now_s
        self.blinks.push(now_s, "blink" in sample.flags)
        if sample.flags & {"light", "texture"}:
            self._jumps.append(now_s)
        u, v = sample.head[:2].tolist()
        place = complex(u, v) + (self._places[-1][1] if self._places else 0)
        self._places.append((now_s, place))
        while now_s - self._places[0][0] > HEAD_TRAVEL_S:
            self._places.popleft()
        self._travels.append((now_s, abs(place - self._places[0][1])))
        while now_s - self._travels[0][0] > self._keep_s:
            self._travels.popleft()
        while self._jumps and now_s - self._jumps[0] > self._keep_s:
            self._jumps.popleft()

    def factor(self, from_s: float, to_s: float, *, whole: bool = False) -> ArrayF64:
        """Return the factor by which thresholds rise in that time, (R,) 1 or more; inf silences a
        region. `whole`: for an expression of the whole face."""
        factor = np.full(len(REGIONS), 1 + HEAD_RISE_PER_PX * self.travel_px(from_s, to_s))
        if self.blinks.moved_in(from_s, to_s):
            factor *= WHOLE_BLINK_FACTOR if whole else BLINK_FACTOR
            factor[_LIDS] = np.inf
        if self._has_jump(from_s, to_s):
            factor[:] = np.inf
        return factor

    def asked(self, pulse: Pulse, kind: Kind) -> float:
        """Return how many times the usual strength is asked of a pulse of the newest samples."""
        asked = 1.0
        if self.blinks.fills(pulse.onset_s, pulse.offset_s):
            asked *= SAME_BLINK_FACTOR
        if self.seen_s(pulse) < EARLY_S:
            asked *= EARLY_FACTOR
        if kind == "micro" and self._resolution < 1:
            asked *= self._resolution**-SMALL_POWER
        return asked

    def blinked(self, pulse: Pulse) -> bool:
        """Return whether an eye moved while a pulse lasted."""
        return self.blinks.moved_in(pulse.onset_s, pulse.offset_s)

    def seen_s(self, pulse: Pulse) -> float:
        """Return how long the face had been seen when a pulse began."""
        return pulse.onset_s - self._since_s

    def name(self, from_s: float, to_s: float) -> str | None:
        """Return the worst disturbance in that time, in words, or None."""
        if self._has_jump(from_s, to_s):
            return "the light jumped"
        if self.blinks.moved_in(from_s, to_s):
            return "a blink"
        if HEAD_RISE_PER_PX * self.travel_px(from_s, to_s) > 0.5:
            return "the head moved"
        return None

    def travel_px(self, from_s: float, to_s: float) -> float:
        """Return the furthest that the head moved within `HEAD_TRAVEL_S`, in that time, crop px."""
        if from_s == to_s:  # the newest sample: every push asks for it
            return self._travels[-1][1]
        return max((px for t, px in self._travels if from_s <= t <= to_s), default=0.0)

    def _has_jump(self, from_s: float, to_s: float) -> bool:
        return any(from_s - JUMP_S <= t <= to_s + JUMP_S for t in self._jumps)


def is_crop_slip(motion: ArrayF64, *, blinked: bool) -> bool:
    """Return whether all regions, (R, 2) px from onset to apex, moved alike: the crop slipped.
    `blinked`: in a blink."""
    alike = _similarities() @ motion.ravel()
    return bool(alike @ alike > (BLINK_SLIP if blinked else SLIP) * np.square(motion).sum())


@cache
def _similarities() -> ArrayF64:
    """Return an orthonormal base of shift, scale and turn of the face, (4, 2 R)."""
    x, y, _ = (region_places() - region_places().mean(axis=0)).T  # so that they are orthogonal
    one, zero = np.ones_like(x), np.zeros_like(x)
    ways = np.array([(one, zero), (zero, one), (x, y), (-y, x)]).transpose(0, 2, 1).reshape(4, -1)
    base: ArrayF64 = ways / np.linalg.norm(ways, axis=1, keepdims=True)
    return base


def is_closing_lid(motion: ArrayF64) -> bool:
    """Return whether the regions' motion from onset to apex, (R, 2) px, is that of a closing lid: a
    blink that neither the mesh nor the pictures of the eyes show, as behind glasses."""
    lids = motion[_LIDS]
    aside_px, down_px = lids[lids[:, 1].argmax()]
    others_px = np.hypot(*motion[~_LIDS].T).max()
    return bool(down_px > max(CLOSING * others_px, abs(aside_px)))


def moves_alone(motion: ArrayF64) -> bool:
    """Return whether the region that moves furthest from onset to apex, (R, 2) px, leaves those
    around it behind."""
    size = np.hypot(*motion.T)
    furthest = int(size.argmax())
    return bool(size[furthest] - size[_neighbours()[furthest]].max() > ALONE_PX)


@cache
def _neighbours() -> NDArray[np.int64]:
    """Return the nearest regions of each, (R, `NEIGHBOURS`)."""
    places = region_places()[:, :2]
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    nearest: NDArray[np.int64] = apart.argsort(axis=1)[:, 1 : NEIGHBOURS + 1]
    return nearest


def is_part_of_larger(pulse: Pulse, history: History) -> bool:
    """Return whether a region went further from onset to offset than any region in between."""
    onset, apex, offset = positions(history, pulse)
    values = history.values
    step = values[offset] - values[onset]
    between = values[apex] - values[onset] - (apex - onset) / (offset - onset) * step
    step_px, between_px = (np.hypot(each[0::2], each[1::2]).max() for each in (step, between))
    return bool(step_px > max(STEP_PX, between_px))


def lip_went_far(pulse: Pulse) -> bool:
    """Return whether the lower lip moved as far as only speech moves it (lower-face `pulse`)."""
    return bool(np.hypot(*pulse.motion[_LIP]) > LIP_PX)


def is_glance(pulse: Pulse) -> bool:
    """Return whether both lids moved to the same side, further than all else (upper-face `pulse`).
    Lids do not do that. Irises do, and the flow spreads it to the skin beside them."""
    u, v = pulse.motion[_UPPER_LIDS].T
    aside = u.prod() > 0 and abs(u.sum()) > GLANCE * np.abs(v).sum()
    size = np.hypot(*pulse.motion.T)
    return bool(aside and size[_UPPER_LIDS].min() > np.delete(size, _UPPER_LIDS).max())


def spoke_before(pulse: Pulse, quiet_px: ArrayF64, history: History) -> bool:
    """Return whether the mouth moved just before `pulse` began: beyond `quiet_px`, (L,) of a lower
    face at rest, and not with the nose or in a steady drift, as all of a head does that sways."""
    times, moved = _mouth(history, pulse.onset_s - MOUTH_REST_S, pulse.onset_s - MOUTH_REST_UNTIL_S)
    if len(times) < 3:
        return False
    times = times - times.mean()
    moved -= moved.mean(axis=0)
    moved -= times[:, None, None] * np.tensordot(times, moved, 1) / (times @ times)
    height_px = float(np.hypot(*pulse.motion.T).max())
    reach_px = np.hypot(moved[..., 0], moved[..., 1]).max(axis=0)
    return bool((reach_px > np.maximum(quiet_px, MOUTH_REST_SHARE * height_px)).any())


def talked_before(pulse: Pulse, history: History) -> bool:
    """Return whether the person was talking when `pulse` began."""
    return is_talking(history, pulse.onset_s - TALK_S, pulse.onset_s - MOUTH_REST_UNTIL_S)


def is_talking(history: History, from_s: float, to_s: float) -> bool:
    """Return whether the person talks in that time: the mouth moves all the time. Between two words
    it may rest."""
    times, moved = _mouth(history, from_s, to_s)
    if len(times) < 2 or times[-1] - times[0] < LEAST_TALK_S:
        return False
    ends = np.arange(times.searchsorted(times[0] + TALK_STEP_S), len(times))
    # At low rates two frames may be further apart than a step.
    starts = np.minimum(times.searchsorted(times[ends] - TALK_STEP_S), ends - 1)
    u, v = np.moveaxis(moved[ends] - moved[starts], 2, 0)
    speed_px_s = np.hypot(u, v) / (times[ends] - times[starts])[:, None]
    return bool(speed_px_s.mean(axis=0).max() > TALK_PX_S)


def _mouth(history: History, from_s: float, to_s: float) -> tuple[ArrayF64, ArrayF64]:
    """Return the times in that span, (n,), and where the lower face was then, (n, L, 2) px from
    the nose."""
    span = slice(history.since(from_s), history.since(to_s))
    motion = history.values[span].reshape(-1, len(REGIONS), 2)
    nose = motion[:, _NOSE].mean(axis=1, keepdims=True)
    return history.times_s[span], motion[:, LOWER] - nose
