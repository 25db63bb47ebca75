"""Which pictures stand for a moment: the same for a live event and for a clip of a data set."""

from collections.abc import Iterable

from model.records import AlignedFace, ImageU8, Stamp

MAX_AVERAGE_S = 0.02
"""Frames at most this far from onset, apex and offset are averaged with them: sensor noise falls
with their number, and at the apex a face moves little within this time."""


def crops_around(faces: Iterable[AlignedFace], moment: Stamp) -> list[ImageU8]:
    """Crops within `MAX_AVERAGE_S` of `moment` and of the same track, that of `moment` itself
    first; empty if `faces` has none at `moment`."""
    near = [face for face in faces if abs(face.stamp.time_s - moment.time_s) <= MAX_AVERAGE_S]
    near.sort(key=lambda face: abs(face.stamp.time_s - moment.time_s))
    if not near or near[0].stamp != moment:
        return []
    return [face.crop for face in near if face.track == near[0].track]
