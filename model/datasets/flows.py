"""Computes flows and frames of one clip of a data set.

A clip is processed like live frames: one `FaceAligner` over its pictures in order, crops averaged
around onset, apex and offset, the flow of both phases, head motion removed.
"""

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np

from model.datasets import DATASETS
from model.datasets.clips import Clip
from model.errors import InputError
from model.face.aligned_crop import CROP_PX
from model.face.aligner import FaceAligner
from model.flow import Flow
from model.flow.head_motion import remove_head_motion
from model.flow.key_frames import MAX_AVERAGE_S, crops_around, frames_between
from model.flow.phase_flows import phase_flows
from model.records import AlignedFace, ArrayF32, FlowPair, FramePair, Stamp

EYE_BOXES_PX = ((14, 38, 50, 56), (78, 38, 114, 56))
"""(x0, y0, x1, y1) in px of the 128 px crop: lids and lashes, not brows."""
STRONGEST = 0.1
"""Only this share of the face, that with the strongest motion, counts: an expression moves a part
of the face."""


def split_data_spec(spec: str) -> tuple[str, Path]:
    """Split "NAME:PATH" into its two parts. Raises `InputError` for any other form."""
    name, colon, path = spec.partition(":")
    if not colon or not path:
        known = ", ".join(f"{name}:PATH" for name in (*DATASETS, "maps"))
        raise InputError(f"data {spec!r} does not have the form NAME:PATH: give one of {known}")
    return name, Path(path)


def compute_flows(clip: Clip, flow: Flow) -> FlowPair:
    """The flow of both phases of a clip, from its pictures. Raises `InputError` if no face is found
    at onset, apex or offset, and `SourceError` if a picture cannot be read."""
    faces, moments = follow_clip(clip, flow)
    return phase_flows(flow, *(crops_around(faces, moment) for moment in moments.values()))


def collect_frames(clip: Clip, flow: Flow) -> FramePair:
    """The aligned frames of both phases of a clip. `flow` finds the apex by motion if it is not
    annotated. Raises what `compute_flows` raises."""
    faces, moments = follow_clip(clip, flow)
    onset, apex, offset = moments["onset"], moments["apex"], moments.get("offset")
    return FramePair(
        frames_between(faces, onset, apex),
        None if offset is None else frames_between(faces, apex, offset),
    )


def follow_clip(clip: Clip, flow: Flow) -> tuple[list[AlignedFace], dict[str, Stamp]]:
    """The clip's faces, and the stamps of its onset, apex and, if known, offset, in order. There is
    a face at each of them. If the apex is not annotated, `flow` finds it by motion."""
    footage = clip.footage
    last = footage.stamp(clip.end)
    frames = takewhile(lambda f: f.stamp.time_s <= last.time_s + MAX_AVERAGE_S, clip.frames())
    aligner = FaceAligner()
    faces = [face for frame in frames if (face := aligner.align(frame)) is not None]
    onset = footage.stamp(clip.onset)
    if clip.apex is None:
        within = [face for face in faces if onset.index <= face.stamp.index <= last.index]
        if not within or within[0].stamp != onset:
            raise InputError(f"no face found at the onset, frame {clip.onset}")
        apex = find_apex(within, flow)
    else:
        apex = footage.stamp(clip.apex)
    moments = {"onset": onset, "apex": apex}
    if clip.offset is not None and apex != last:
        moments["offset"] = last
    seen = {face.stamp for face in faces}
    for name, moment in moments.items():
        if moment not in seen:
            number = footage.numbers[0] + moment.index
            raise InputError(f"no face found at the {name}, frame {number}")
    return faces, moments


def find_apex(faces: Sequence[AlignedFace], flow: Flow) -> Stamp:
    """The apex, where it is not annotated: the stamp of the face between the first and the last one
    that differs most from the first; of equals, the earliest. `faces` run from the onset to the
    clip's end, in order. The last one cannot be the apex: nothing would be left of the return.

    Researchers do this for SMIC, which has no apex frames; S.-T. Liong et al. (Less is more, Signal
    Processing: Image Communication 62, 2018) take the greatest divergence from the onset. Here it
    is measured on the aligned crop, without the head's motion and without the eyes, because a blink
    moves more than any micro-expression.

    Motion is smoothed over `MAX_AVERAGE_S`, like the crops of a phase. Raises `InputError` unless
    at least three faces belong to the first one's track.
    """
    kept = [face for face in faces if face.track == faces[0].track]
    if len(kept) < 3:
        raise InputError("an apex needs a face at the onset, after it and at the end")
    onset: ArrayF32 = np.mean(np.stack(crops_around(kept, kept[0].stamp)), axis=0, dtype=np.float32)
    motion = np.array([_motion(flow, onset, face) for face in kept])
    times = np.array([face.stamp.time_s for face in kept])
    near = np.abs(times[:, None] - times[None, :]) <= MAX_AVERAGE_S
    smooth = (near * motion).sum(axis=1) / near.sum(axis=1)
    return kept[1 + int(np.argmax(smooth[1:-1]))].stamp


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
