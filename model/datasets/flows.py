"""Computes flows and frames of one clip of a data set.

A clip is processed like live frames: one `FaceAligner` over its pictures in order, crops averaged
around onset, apex and offset, the flow of both phases, head motion removed.
"""

from itertools import takewhile
from pathlib import Path

from model.datasets import DATASETS
from model.datasets.apex_search import find_apex
from model.datasets.clips import Clip
from model.errors import InputError
from model.face.aligner import FaceAligner
from model.flow import Flow
from model.flow.key_frames import MAX_AVERAGE_S, crops_around, frames_between
from model.flow.phase_flows import phase_flows
from model.records import AlignedFace, FlowPair, FramePair, Stamp


def split_spec(spec: str) -> tuple[str, Path]:
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
