"""An apex that nobody annotated: the frame that has moved furthest from the onset.

What the field does for SMIC, which has none (S.-T. Liong et al., Less is more, Signal Processing:
Image Communication 62, 2018, take the greatest divergence from the onset), on the aligned crop,
with the head's motion removed and the eyes left out: a blink moves more than any micro-expression.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from model.errors import InputError
from model.face.aligner import FaceAligner
from model.face.crop import CROP_PX
from model.flow import Flow
from model.flow.head import remove_head_motion
from model.flow.key_frames import MAX_AVERAGE_S, crops_around
from model.records import AlignedFace, ArrayF32, Frame, Stamp

EYE_BOXES_PX = ((14, 38, 50, 56), (78, 38, 114, 56))
"""(x0, y0, x1, y1) in px of the 128 px crop: lids and lashes, not brows."""
STRONGEST = 0.1
"""Share of the face whose motion counts: an expression moves a part of it."""


def largest_motion(faces: Sequence[AlignedFace], flow: Flow) -> Stamp:
    """The stamp among `faces` (from the onset on, in order) after the first whose face differs
    most from the first one's; of equals, the earliest.

    Motion is smoothed over `MAX_AVERAGE_S`, as the crops of a phase are. `InputError` unless at
    least two faces belong to the first one's track.
    """
    kept = [face for face in faces if face.track == faces[0].track]
    if len(kept) < 2:
        raise InputError("an apex needs a face at the onset and after it")
    onset: ArrayF32 = np.mean(np.stack(crops_around(kept, kept[0].stamp)), axis=0, dtype=np.float32)
    motion = np.array([_motion(flow, onset, face) for face in kept])
    times = np.array([face.stamp.time_s for face in kept])
    near = np.abs(times[:, None] - times[None, :]) <= MAX_AVERAGE_S
    smooth = (near * motion).sum(axis=1) / near.sum(axis=1)
    return kept[1 + int(np.argmax(smooth[1:]))].stamp


def align_frames(frames: Iterator[Frame]) -> Iterator[AlignedFace]:
    """The followed face of each frame that shows it, through one aligner, as live."""
    aligner = FaceAligner()
    for frame in frames:
        face = aligner.align(frame)
        if face is not None:
            yield face


def select_between(faces: Sequence[AlignedFace], first: Stamp, last: Stamp) -> list[AlignedFace]:
    """Those from `first` to `last`, both included."""
    return [face for face in faces if first.index <= face.stamp.index <= last.index]


def _motion(flow: Flow, onset: ArrayF32, face: AlignedFace) -> float:
    (moved,) = flow(onset[None], face.crop[None].astype(np.float32))
    residual, _ = remove_head_motion(moved)
    length = np.hypot(residual[0], residual[1])
    for x0, y0, x1, y1 in EYE_BOXES_PX:
        length[y0:y1, x0:x1] = 0
    # The rim of the crop shows hair and background; an eighth of it is left out on each side.
    rim = CROP_PX // 8
    inside = np.sort(length[rim // 2 : -rim // 2, rim:-rim], axis=None)
    return float(inside[-int(STRONGEST * inside.size) :].mean())
