"""An apex that nobody annotated: the frame that has moved furthest from the onset.

What the field does for SMIC, which has none (S.-T. Liong et al., Less is more, Signal Processing:
Image Communication 62, 2018, take the greatest divergence from the onset), on the aligned crop,
with the head's motion removed and the eyes left out: a blink moves more than any micro-expression.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np

from model.datasets.clips import Clip
from model.errors import InputError
from model.face import CROP_PX, FaceAligner
from model.flow import Flow
from model.flow.head import remove_head_motion
from model.moments import MAX_AVERAGE_S, crops_around
from model.records import AlignedFace, ArrayF32, ArrayF64, Frame, Stamp

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


def resolve_apex(clip: Clip, flow: Flow) -> Clip:
    """`clip` with an apex: itself if it has one, else found by motion between onset and offset.

    Faces are aligned as live; where none is found at the onset, the middle square of each picture
    stands in, and "apex-unaligned" is added to the repairs. Reads the clip's pictures.
    """
    if clip.apex is not None or clip.offset is None:
        return clip
    first, last = clip.footage.stamp(clip.onset), clip.footage.stamp(clip.offset)
    faces = between(list(aligned(clip.frames())), first, last)
    repairs = clip.repairs
    if not faces or faces[0].stamp != first:
        faces = between([_unaligned(frame) for frame in clip.frames()], first, last)
        repairs = (*repairs, "apex-unaligned")
    found = largest_motion(faces, flow)
    return replace(clip, apex=clip.footage.numbers[0] + found.index, repairs=repairs)


def aligned(frames: Iterator[Frame]) -> Iterator[AlignedFace]:
    """The followed face of each frame that shows it, through one aligner, as live."""
    aligner = FaceAligner()
    try:
        for frame in frames:
            face = aligner.align(frame)
            if face is not None:
                yield face
    finally:
        aligner.close()


def between(faces: Sequence[AlignedFace], first: Stamp, last: Stamp) -> list[AlignedFace]:
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


def _unaligned(frame: Frame) -> AlignedFace:
    height, width = frame.image.shape[:2]
    side = min(height, width)
    scale = CROP_PX / side
    transform: ArrayF64 = np.array(
        [[scale, 0, -scale * (width - side) / 2], [0, scale, -scale * (height - side) / 2]]
    )
    grey = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
    top, left = (height - side) // 2, (width - side) // 2
    square = grey[top : top + side, left : left + side]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    crop = np.asarray(cv2.resize(square, (CROP_PX, CROP_PX), interpolation=method), np.uint8)
    return AlignedFace(frame.stamp, crop, np.zeros((468, 2), np.float32), transform, 0)
