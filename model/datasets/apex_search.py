"""Finds an apex that is not annotated: the frame that has moved furthest from the onset.

Researchers do this for SMIC, which has no apex frames; S.-T. Liong et al. (Less is more, Signal
Processing: Image Communication 62, 2018) take the greatest divergence from the onset. Here it is
measured on the aligned crop, without the head's motion and without the eyes, because a blink moves
more than any micro-expression.
"""

from collections.abc import Sequence

import numpy as np

from model.errors import InputError
from model.face.crop import CROP_PX
from model.flow import Flow
from model.flow.head import remove_head_motion
from model.flow.key_frames import MAX_AVERAGE_S, crops_around
from model.records import AlignedFace, ArrayF32, Stamp

EYE_BOXES_PX = ((14, 38, 50, 56), (78, 38, 114, 56))
"""(x0, y0, x1, y1) in px of the 128 px crop: lids and lashes, not brows."""
STRONGEST = 0.1
"""Only this share of the face, that with the strongest motion, counts: an expression moves a part
of the face."""


def find_apex(faces: Sequence[AlignedFace], flow: Flow) -> Stamp:
    """The stamp of the face that differs most from the first one; of equals, the earliest. `faces`
    start at the onset and are in order.

    Motion is smoothed over `MAX_AVERAGE_S`, like the crops of a phase. Raises `InputError` unless
    at least two faces belong to the first one's track.
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


def _motion(flow: Flow, onset: ArrayF32, face: AlignedFace) -> float:
    (moved,) = flow(onset[None], face.crop[None].astype(np.float32))
    residual, _ = remove_head_motion(moved)
    length = np.hypot(residual[0], residual[1])
    for x0, y0, x1, y1 in EYE_BOXES_PX:
        length[y0:y1, x0:x1] = 0
    # Leave out the edges of the crop, which show hair and background.
    rim = CROP_PX // 8
    inside = np.sort(length[rim // 2 : -rim // 2, rim:-rim], axis=None)
    return float(inside[-int(STRONGEST * inside.size) :].mean())
