"""Flow pairs of a data set, computed once: by several processes, interrupted at will.

A clip goes the way of live frames: one `FaceAligner` over its pictures in order, crops averaged
around onset, apex and offset, flow of both phases, head motion removed. What comes out is kept in
one file per clip, whose name says all it depends on: the pictures (name, size and time of change),
the annotated frames, the flow with its parameters, and the code in between. A file is there whole
or not at all, so a run that was stopped goes on where it stopped.
"""

import hashlib
import json
import multiprocessing
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import takewhile
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np
from tqdm import tqdm

from model.datasets import DATASETS, open_dataset
from model.datasets.apex import aligned, between, largest_motion
from model.datasets.clips import Clip, Dataset, Problem
from model.datasets.maps import read_maps
from model.datasets.pairs import FlowPairSet
from model.errors import InputError
from model.face import CROP_PX
from model.flow import Flow, load_flow
from model.flow.phases import phase_flows
from model.moments import MAX_AVERAGE_S, crops_around
from model.records import FlowPair

_DEPENDS_ON = (
    "datasets/apex.py",
    "datasets/flows.py",
    "face.py",
    "flow/head.py",
    "flow/lk.py",
    "flow/phases.py",
    "flow/tvl1.py",
    "moments.py",
)


@dataclass(frozen=True, slots=True)
class _Job:
    clip: Clip
    flow_name: str
    flow_parameters: Mapping[str, float]
    path: Path


def flow_pairs(
    dataset: Dataset, flow: Flow, cache_dir: Path, *, workers: int | None = None
) -> FlowPairSet:
    """The flow pairs of all clips of `dataset`, from `cache_dir` where they are there.

    Missing ones are computed by `workers` processes (default: one less than cores; 1: in this
    process) with a progress bar. Clips without a face at a moment they need, or with a damaged
    picture, are left out and listed in the result. `InputError` if none is left or a file of the
    cache is damaged.
    """
    if workers is not None and workers < 1:
        raise InputError(f"workers must be 1 or more, got {workers}")
    folder = cache_dir / dataset.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to the cache {folder}: {error.strerror}") from error
    parameters = dict(flow.parameters)
    jobs = [
        _Job(clip, flow.name, parameters, folder / f"{_key(clip, flow)}.npz") for clip in dataset
    ]
    missing = [job for job in jobs if not job.path.exists()]
    _compute_all(missing, workers or max(1, (os.cpu_count() or 2) - 1), dataset.title)
    return _read_all(dataset, jobs, flow)


def open_flow_pairs(
    spec: str, flow: Flow, cache_dir: Path, *, workers: int | None = None
) -> FlowPairSet:
    """The micro-expressions that `spec` names: "casme2:PATH" for a data set of
    `model.datasets.DATASETS` (see `flow_pairs`), "maps:PATH" for maps computed elsewhere, whatever
    `flow` is (see `model.datasets.maps`). `InputError` for any other form."""
    name, colon, path = spec.partition(":")
    if not colon or not path:
        known = ", ".join(f"{name}:PATH" for name in (*DATASETS, "maps"))
        raise InputError(f"data {spec!r} is not of the form NAME:PATH: give one of {known}")
    if name == "maps":
        return read_maps(Path(path))
    return flow_pairs(open_dataset(name, Path(path)).micro(), flow, cache_dir, workers=workers)


def clip_flows(clip: Clip, flow: Flow) -> tuple[FlowPair, int]:
    """The flow of both phases of one clip, and the number of its apex (found by motion if none is
    annotated). Reads its pictures. Raises `InputError` where no face is found at a moment that is
    needed, and `SourceError` for a picture that cannot be read."""
    footage = clip.footage
    end = clip.apex if clip.offset is None else clip.offset
    if end is None:
        raise InputError(f"{clip.key} has neither apex nor offset")
    last = footage.stamp(end)
    frames = takewhile(lambda f: f.stamp.time_s <= last.time_s + MAX_AVERAGE_S, clip.frames())
    faces = list(aligned(frames))
    onset = footage.stamp(clip.onset)
    if clip.apex is None:
        within = between(faces, onset, last)
        if not within or within[0].stamp != onset:
            raise InputError(f"no face found at the onset, frame {clip.onset}")
        apex = largest_motion(within, flow)
    else:
        apex = footage.stamp(clip.apex)
    moments = {"onset": onset, "apex": apex}
    if clip.offset is not None and apex != last:
        moments["offset"] = last
    crops = {name: crops_around(faces, moment) for name, moment in moments.items()}
    for name, found in crops.items():
        if not found:
            number = footage.numbers[0] + moments[name].index
            raise InputError(f"no face found at the {name}, frame {number}")
    flows = phase_flows(flow, crops["onset"], crops["apex"], crops.get("offset"))
    return flows, footage.numbers[0] + apex.index


def _compute_all(jobs: list[_Job], workers: int, title: str) -> None:
    if not jobs:
        return
    with tqdm(total=len(jobs), desc=f"flows of {title}", unit="clip", disable=None) as bar:
        if workers == 1:
            for job in jobs:
                _compute(job)
                bar.update()
            return
        # Spawned, not forked: a fork copies the locks of threads that it does not copy.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(
            min(workers, len(jobs)), context, initializer=cv2.setNumThreads, initargs=(1,)
        )
        try:
            for done in as_completed([pool.submit(_compute, job) for job in jobs]):
                done.result()
                bar.update()
        finally:
            # Not `with`: it waits for all that is queued, also after an interruption.
            pool.shutdown(wait=True, cancel_futures=True)


def _compute(job: _Job) -> None:
    """Write the job's file, atomically; a clip that cannot be used is a file with the reason."""
    content: dict[str, object] = {}
    try:
        flows, apex = clip_flows(job.clip, load_flow(job.flow_name, **job.flow_parameters))
    except InputError as error:
        content["problem"] = str(error)
    else:
        content["apex"] = apex
        content["onset_apex"] = flows.onset_apex
        if flows.apex_offset is not None:
            content["apex_offset"] = flows.apex_offset
    partial = job.path.with_suffix(f".{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            np.savez(file, **content)  # type: ignore[arg-type]
        partial.replace(job.path)
    except OSError as error:
        raise InputError(f"cannot write to the cache {partial}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def _read_all(dataset: Dataset, jobs: list[_Job], flow: Flow) -> FlowPairSet:
    usable: list[Clip] = []
    left_out = list(dataset.left_out)
    flows = np.zeros((len(jobs), 2, 2, CROP_PX, CROP_PX), np.float32)
    both = np.zeros(len(jobs), np.bool_)
    for job in jobs:
        try:
            # Opened here: numpy would leave a damaged file open.
            with job.path.open("rb") as file, np.load(file) as content:
                if "problem" in content:
                    folder = str(job.clip.footage.folder)
                    left_out.append(Problem(folder, job.clip.key, str(content["problem"])))
                    continue
                n = len(usable)
                flows[n, 0] = content["onset_apex"]
                if "apex_offset" in content:
                    flows[n, 1] = content["apex_offset"]
                    both[n] = True
        except (OSError, BadZipFile, ValueError, KeyError) as error:
            raise InputError(f"{job.path} is damaged ({error}): delete it") from error
        usable.append(job.clip)
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


def _key(clip: Clip, flow: Flow) -> str:
    pictures = []
    for path in clip.footage.paths:
        try:
            status = path.stat()
        except OSError as error:
            raise InputError(f"cannot find {path} any more: {error.strerror}") from error
        pictures.append((path.name, status.st_size, status.st_mtime_ns))
    parts = (
        clip.key,
        (clip.onset, clip.apex, clip.offset, clip.footage.fps),
        pictures,
        (flow.name, sorted(flow.parameters.items())),
        _code(),
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


@cache
def _code() -> str:
    """Tells apart what older code computed."""
    digest = hashlib.sha256()
    for name in _DEPENDS_ON:
        digest.update(files("model").joinpath(name).read_bytes())
    return digest.hexdigest()
