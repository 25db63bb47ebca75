"""Chooses the pictures that represent a moment, for live events and for clips of a data set."""

from collections.abc import Iterable

import numpy as np

from model.errors import InputError
from model.records import AlignedFace, ArrayF32, ImageU8, Stamp

MAX_AVERAGE_S = 0.02
"""Frames within this time of onset, apex or offset are averaged. That reduces sensor noise, and at
the apex a face moves little within this time."""

PHASE_FRAMES = 5
"""Frames of a phase, including its first and last. At 30 fps a phase seldom has more."""


def crops_around(faces: Iterable[AlignedFace], moment: Stamp) -> list[ImageU8]:
    """Crops of the same track within `MAX_AVERAGE_S` of `moment`, that of `moment` first; empty if
    `faces` has none at `moment`."""
    near = [face for face in faces if abs(face.stamp.time_s - moment.time_s) <= MAX_AVERAGE_S]
    near.sort(key=lambda face: abs(face.stamp.time_s - moment.time_s))
    if not near or near[0].stamp != moment:
        return []
    return [face.crop for face in near if face.track == near[0].track]


def frames_between(faces: Iterable[AlignedFace], start: Stamp, end: Stamp) -> ArrayF32:
    """Crops evenly spaced in time from `start` to `end`, (`PHASE_FRAMES`, S, S) float32 grey 0 to
    255, each averaged as `crops_around` says.

    Frames are never interpolated: each is the nearest captured one, so a short phase repeats some.
    Raises `InputError` if `faces` has none at `start`.
    """
    kept = list(faces)
    within = [face for face in kept if start.time_s <= face.stamp.time_s <= end.time_s]
    if not within or within[0].stamp != start:
        raise InputError(f"no face found at {start.time_s:.3f} s, where the phase starts")
    within = [face for face in within if face.track == within[0].track]
    times_s = np.array([face.stamp.time_s for face in within])
    wanted_s = np.linspace(start.time_s, end.time_s, PHASE_FRAMES)
    nearest = np.abs(times_s[None, :] - wanted_s[:, None]).argmin(axis=1)
    averages = [
        np.mean(np.stack(crops_around(kept, within[i].stamp)), axis=0, dtype=np.float32)
        for i in nearest
    ]
    return np.stack(averages)
