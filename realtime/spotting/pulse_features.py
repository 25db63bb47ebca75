"""What a scorer is told of a pulse that has ended: numbers that know no region by name.

All is measured when the spotter decides, from the past alone, and in seconds of the stamps; sizes
are in thresholds, so that faces, cameras and rates are comparable. The courses are taken at
`MOMENTS` instants that follow the pulse's own pace: before it, through both its flanks, after it.
"""

from collections.abc import Sequence

import numpy as np

from model.records import ArrayF32, ArrayF64
from realtime.spotting.disturbances import Nuisances
from realtime.spotting.motion import LOWER, REGIONS, UPPER
from realtime.spotting.pulse import Pulse, PulseFollower
from realtime.spotting.rejection_rules import CALM_BEFORE_S, CALM_UNTIL_S
from realtime.spotting.smoothing import History

BEFORE_S = (0.7, 0.5, 0.35, 0.2, 0.1, 0.05)
_FLANK = np.linspace(0.0, 1.0, 5)
_ONSET = len(BEFORE_S)
_APEX = _ONSET + len(_FLANK) - 1
_OFFSET = _APEX + len(_FLANK) - 1
MOMENTS = _OFFSET + 3

COURSES = ("along", "aside", "other_half", "blink")
"""The half's motion along the pulse's direction (1 at the apex), across it, and the other half's,
both over the apex's height; whether an eye is closed."""
SCALARS = (
    *("lower_half", "height", "height_px", "over_threshold", "other_over_threshold"),
    *("floor_px", "threshold_over_floor", "noise_over_floor", "lasts_s", "rises", "depth"),
    *("detour", "head_travel", "mouth_stirs", "mouth_stirs_over_height", "half_stirs_over_height"),
    *("lower_lip_px", "lower_lip_over_height", "coherence", "lids_aside", "unrest"),
    *("factor", "waited_s", "period_s", "known", "regions"),
)
"""Heights, shares and ways as natural logarithms."""
TRAITS = len(COURSES) * MOMENTS + len(SCALARS)

_GROUPS = tuple(np.array(group, np.int64) for group in (UPPER, LOWER))
_MOUTH = 1
_LIP = REGIONS.index("lip_lower")
_LIDS = [i for i, name in enumerate(REGIONS) if name.startswith("lid")]
_HALF_STIRS_S = 0.4
_MOST = np.repeat([2.0, 3.0, 4.0, 1.0], MOMENTS)  # of each course, either way
_MOST_FACTOR = 9.0
_TINY = 1e-3


def traits(
    group: int,
    pulse: Pulse,
    followers: Sequence[PulseFollower],
    history: History,
    nuisances: Nuisances,
    *,
    period_s: float,
    patience_s: float,
) -> ArrayF32:
    """(TRAITS,) of a pulse that has ended: `COURSES` one after the other, then `SCALARS`.

    `group` is the half of the face that it is of (0 upper, 1 lower), `followers` are those of both
    halves; the newest entry of `history` is now. `period_s` lies between frames, and the face has
    been watched for `patience_s` since the pulse ended.
    """
    own, other = _GROUPS[group], _GROUPS[1 - group]
    now_s = float(history.times_s[-1])
    times_s = _moments(pulse, now_s)
    places = history.at(times_s).reshape(MOMENTS, -1, 2)
    places = places - (places[_ONSET] + places[_OFFSET]) / 2
    floor, threshold, noise = (np.empty(len(REGIONS)) for _ in range(3))
    for follower, regions in zip(followers, _GROUPS, strict=True):
        floor[regions] = follower.floor_px
        threshold[regions] = follower.threshold
        noise[regions] = follower.noise_px
    scaled = places / floor[:, None]
    peak = scaled[_APEX, own]
    height = float(np.sqrt((peak**2).sum())) + _TINY
    along = np.einsum("trk,rk->t", scaled[:, own], peak) / height**2
    aside = _sizes(scaled[:, own] - along[:, None, None] * peak) / height
    elsewhere = _sizes(scaled[:, other]) / height
    blink = nuisances.blinking(times_s)
    courses = np.concatenate([along, aside, elsewhere, blink])

    reach_px = np.hypot(*places[_APEX].T)
    top_px = float(reach_px[own].max()) + _TINY
    u, v = places[_APEX, _LIDS].T
    before_s = (pulse.onset_s - CALM_BEFORE_S, pulse.onset_s - CALM_UNTIL_S)
    mouth_px = followers[_MOUTH].stir(history, *before_s)
    half_px = followers[group].stir(history, pulse.onset_s - _HALF_STIRS_S, before_s[1])
    lasts_s = max(pulse.offset_s - pulse.onset_s, _TINY)
    factor = np.minimum(nuisances.factor(pulse.onset_s, pulse.offset_s), _MOST_FACTOR)
    scalars = [
        float(group == _MOUTH),
        _log(height),
        _log(top_px),
        _log((reach_px / threshold)[own].max()),
        _log((reach_px / threshold)[other].max()),
        _log(floor[own].mean()),
        _log(threshold[own].mean() / floor[own].mean()),
        _log(noise[own].mean() / floor[own].mean()),
        lasts_s,
        (pulse.apex_s - pulse.onset_s) / lasts_s,
        pulse.depth,
        _log(pulse.detour - 1 + 0.01),
        _log(1 + nuisances.travel_px(pulse.onset_s - 0.1, now_s)),
        _log((mouth_px / followers[_MOUTH].quiet_px).max()),
        _log(mouth_px.max() / top_px),
        _log(half_px.max() / top_px),
        reach_px[_LIP],
        reach_px[_LIP] / top_px,
        np.hypot(*places[_APEX].mean(axis=0)) / (reach_px.max() + _TINY),
        (abs(u.sum()) - np.abs(v).sum()) / top_px,
        _log(followers[group].unrest(history, now_s - patience_s / 2, np.inf)),
        _log(factor[own].min()),
        now_s - pulse.offset_s,
        period_s,
        float((times_s >= history.times_s[0]).mean()),
        float((reach_px[own] > top_px / 2).sum()),
    ]
    told: ArrayF32 = np.concatenate([np.clip(courses, -_MOST, _MOST), scalars]).astype(np.float32)
    return told


def _moments(pulse: Pulse, now_s: float) -> ArrayF64:
    """(MOMENTS,) s."""
    onset_s, apex_s, offset_s = pulse.onset_s, pulse.apex_s, pulse.offset_s
    return np.concatenate(
        [
            onset_s - np.array(BEFORE_S),
            onset_s + (apex_s - onset_s) * _FLANK[:-1],
            apex_s + (offset_s - apex_s) * _FLANK,
            [(offset_s + now_s) / 2, now_s],
        ]
    )


def _sizes(motion: ArrayF64) -> ArrayF64:
    """(M,) root of the summed squares of (M, regions, 2)."""
    size: ArrayF64 = np.sqrt((motion**2).sum(axis=(1, 2)))
    return size


def _log(value: float) -> float:
    return float(np.log(max(float(value), _TINY)))
