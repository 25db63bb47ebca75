"""The window of a pulse: its onset, apex and offset as frames, and what moved in it."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model.records import ArrayF64, Kind, Window
from realtime.spotting.motion import REGIONS
from realtime.spotting.region_pulse import Pulse
from realtime.spotting.smoothing import History

MOTION_DECIMALS = 3
"""Of the motion in a window, px."""
SAME_OVERLAP = 1 / 3
"""Windows are one expression's if their intersection over union in time is at least this."""


def cut_window(
    history: History,
    pulse: Pulse,
    kind: Kind,
    regions: NDArray[np.int64],
    share: ArrayF64,
    score: float,
    me_probability: float | None,
    *,
    open_end: bool = False,
) -> Window:
    """Return the window of `pulse`. `regions` (G,) are those that it is of, and `share` (G,) is how
    far each moved against its threshold: the window names those that exceed it, strongest
    first."""
    order = np.argsort(-share, kind="stable")
    moved = [int(i) for i in order if share[i] >= 1] or [int(order[0])]
    onset, apex, offset = positions(history, pulse)
    values = history.values
    motion = (values[apex] - values[onset]).reshape(-1, 2).round(MOTION_DECIMALS).tolist()
    return Window(
        onset=history.stamp(onset),
        apex=history.stamp(apex),
        offset=None if open_end else history.stamp(offset),
        score=score,
        kind=kind,
        regions=tuple(REGIONS[regions[i]] for i in moved),
        motion_px={name: (u, v) for name, (u, v) in zip(REGIONS, motion, strict=True)},
        me_probability=me_probability,
    )


def positions(history: History, pulse: Pulse) -> tuple[int, int, int]:
    """Return the positions in `history` nearest to onset, apex and offset, in strict order."""
    times = history.times_s
    moments = np.array([pulse.onset_s, pulse.apex_s, pulse.offset_s])
    after = np.clip(np.searchsorted(times, moments), 1, len(times) - 1)
    nearer = moments - times[after - 1] < times[after] - moments
    onset, apex, offset = (int(i) for i in after - nearer)
    apex = min(max(apex, 1), len(times) - 1)
    return min(onset, apex - 1), apex, max(offset, min(apex + 1, len(times) - 1))


def is_same_expression(a: Window, b: Window) -> bool:
    """Return whether two windows overlap as those of one expression do."""
    spans = [(w.onset.time_s, w.end.time_s) for w in (a, b)]
    (a_from, a_to), (b_from, b_to) = spans
    shared = min(a_to, b_to) - max(a_from, b_from)
    return shared > 0 and shared >= SAME_OVERLAP * (max(a_to, b_to) - min(a_from, b_from))


def join_windows(a: Window, b: Window) -> Window:
    """Return the stronger of two windows of one ME, with the regions of both and the higher
    probability."""
    strong, weak = (b, a) if b.score > a.score else (a, b)
    return replace(
        strong,
        regions=tuple(dict.fromkeys(strong.regions + weak.regions)),
        me_probability=max(a.me_probability or 0.0, b.me_probability or 0.0),
    )


def is_improbable(window: Window, least: float) -> bool:
    """Return whether a window is less probably an ME than `least`; never of a macro-expression."""
    return window.me_probability is not None and window.me_probability < least


def describe(window: Window) -> str:
    """Return in words why a window counts as an expression."""
    return f"{', '.join(window.regions[:3])}: {window.score:.1f} × the noise threshold"
