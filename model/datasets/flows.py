"""Flow pairs and frames of the clips of a data set, computed once (`model.datasets.cache`).

A clip goes the way of live frames: one `FaceAligner` over its pictures in order, crops averaged
around onset, apex and offset, flow of both phases, head motion removed.
"""

from itertools import takewhile
from pathlib import Path

import numpy as np

from model.datasets import DATASETS, open_dataset
from model.datasets.apex_search import align_frames, largest_motion, select_between
from model.datasets.cache import Content, compute_clips
from model.datasets.clips import Clip, Dataset, Problem
from model.datasets.flow_maps import read_maps
from model.datasets.pairs import FlowPairSet
from model.errors import InputError
from model.face.crop import CROP_PX
from model.flow import Flow
from model.flow.key_frames import MAX_AVERAGE_S, crops_around, frames_between
from model.flow.phase_flows import phase_flows
from model.records import AlignedFace, FlowPair, FramePair, Stamp


def flow_pairs(
    dataset: Dataset, flow: Flow, cache_dir: Path, *, workers: int | None = None
) -> FlowPairSet:
    """The flow pairs of all clips of `dataset`, from `cache_dir` where they are there, else
    computed by `workers` processes (see `model.datasets.cache.compute_clips`).

    Clips without a face at a moment they need, or with a damaged picture, are left out and listed
    in the result. `InputError` if none is left or a file of the cache is damaged.
    """
    usable: list[Clip] = []
    left_out = list(dataset.left_out)
    flows = np.zeros((len(dataset), 2, 2, CROP_PX, CROP_PX), np.float32)
    both = np.zeros(len(dataset), np.bool_)
    for clip, content in compute_clips(dataset, flows_of, flow, cache_dir, workers=workers):
        if isinstance(content, Problem):
            left_out.append(content)
            continue
        n = len(usable)
        flows[n, 0] = content["onset_apex"]
        if "apex_offset" in content:
            flows[n, 1] = content["apex_offset"]
            both[n] = True
        usable.append(clip)
    if not usable:
        why = f"; the first: {left_out[0].reason}" if left_out else ""
        raise InputError(f"no clip of {dataset.title} in {dataset.root} gave a flow{why}")
    return FlowPairSet(
        name=dataset.name,
        flows=flows[: len(usable)],
        both_phases=both[: len(usable)],
        subjects=tuple(clip.subject for clip in usable),
        clips=tuple(f"{clip.subject}/{clip.name}@{clip.onset}" for clip in usable),
        labels=tuple(clip.label for clip in usable),
        action_units=tuple(clip.action_units for clip in usable),
        flow_name=flow.name,
        flow_parameters=dict(flow.parameters),
        left_out=tuple(left_out),
    )


def open_flow_pairs(
    spec: str, flow: Flow, cache_dir: Path, *, workers: int | None = None
) -> FlowPairSet:
    """The micro-expressions that `spec` names: "casme2:PATH" for a data set of
    `model.datasets.DATASETS` (see `flow_pairs`), "maps:PATH" for maps computed elsewhere, whatever
    `flow` is (see `model.datasets.flow_maps`). `InputError` for any other form."""
    name, path = split_spec(spec)
    if name == "maps":
        return read_maps(path)
    return flow_pairs(open_dataset(name, path).micro(), flow, cache_dir, workers=workers)


def split_spec(spec: str) -> tuple[str, Path]:
    """ "NAME:PATH" in its two parts; `InputError` for any other form."""
    name, colon, path = spec.partition(":")
    if not colon or not path:
        known = ", ".join(f"{name}:PATH" for name in (*DATASETS, "maps"))
        raise InputError(f"data {spec!r} is not of the form NAME:PATH: give one of {known}")
    return name, Path(path)


def clip_flows(clip: Clip, flow: Flow) -> tuple[FlowPair, int]:
    """The flow of both phases of one clip, and the number of its apex (found by motion if none is
    annotated). Reads its pictures. Raises `InputError` where no face is found at a moment that is
    needed, and `SourceError` for a picture that cannot be read."""
    faces, moments = _followed(clip, flow)
    crops = {name: crops_around(faces, moment) for name, moment in moments.items()}
    flows = phase_flows(flow, crops["onset"], crops["apex"], crops.get("offset"))
    return flows, _number(clip, moments["apex"])


def clip_frames(clip: Clip, flow: Flow) -> FramePair:
    """The aligned frames of both phases of one clip. `flow` is for an apex that has to be found
    by motion. Reads and raises as `clip_flows` does."""
    faces, moments = _followed(clip, flow)
    onset, apex, offset = moments["onset"], moments["apex"], moments.get("offset")
    return FramePair(
        frames_between(faces, onset, apex),
        None if offset is None else frames_between(faces, apex, offset),
    )


def flows_of(clip: Clip, flow: Flow) -> Content:
    """What is kept of `clip_flows`."""
    flows, apex = clip_flows(clip, flow)
    content = {"apex": np.array(apex), "onset_apex": flows.onset_apex}
    return content if flows.apex_offset is None else content | {"apex_offset": flows.apex_offset}


def frames_of(clip: Clip, flow: Flow) -> Content:
    """What is kept of `clip_frames`."""
    frames = clip_frames(clip, flow)
    content = {"onset_apex": frames.onset_apex}
    return content if frames.apex_offset is None else content | {"apex_offset": frames.apex_offset}


def _followed(clip: Clip, flow: Flow) -> tuple[list[AlignedFace], dict[str, Stamp]]:
    """The clip's faces, and when its onset, its apex and, if it returns, its offset are: at each
    of them is a face."""
    footage = clip.footage
    end = clip.apex if clip.offset is None else clip.offset
    if end is None:
        raise InputError(f"{clip.key} has neither apex nor offset")
    last = footage.stamp(end)
    frames = takewhile(lambda f: f.stamp.time_s <= last.time_s + MAX_AVERAGE_S, clip.frames())
    faces = list(align_frames(frames))
    onset = footage.stamp(clip.onset)
    if clip.apex is None:
        within = select_between(faces, onset, last)
        if not within or within[0].stamp != onset:
            raise InputError(f"no face found at the onset, frame {clip.onset}")
        apex = largest_motion(within, flow)
    else:
        apex = footage.stamp(clip.apex)
    moments = {"onset": onset, "apex": apex}
    if clip.offset is not None and apex != last:
        moments["offset"] = last
    seen = {face.stamp for face in faces}
    for name, moment in moments.items():
        if moment not in seen:
            raise InputError(f"no face found at the {name}, frame {_number(clip, moment)}")
    return faces, moments


def _number(clip: Clip, moment: Stamp) -> int:
    return clip.footage.numbers[0] + moment.index
