"""Computes something from each clip of a data set, once, in several processes.

The result of each clip is a file. Its name is a hash of everything it depends on: the pictures
(name, size and time of change), the annotated frames, the flow with its parameters, and the code.
Files are written whole or not at all, so an interrupted run continues where it stopped.
"""

import hashlib
import io
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.datasets.clips import Clip, Dataset, Problem
from model.errors import InputError, error_line
from model.files import hash_code, write_whole
from model.flow import Flow, load_flow
from model.records import ArrayF32, FlowPair, FramePair

Phases = tuple[ArrayF32, ArrayF32 | None]
"""Arrays of the first phase and, if known, of the second."""
Compute = Callable[[Clip, Flow], FlowPair | FramePair]
"""Returns both phases of a clip; raises `InputError` if the clip cannot be used. It must be a
function at the top of a module, so that other processes find it."""

_DEPENDS_ON = (
    "datasets/apex_search.py",
    "datasets/clips.py",
    "datasets/flows.py",
    "datasets/cache.py",
    "face/*.py",
    "flow/*.py",
)


@dataclass(frozen=True, slots=True)
class _Job:
    clip: Clip
    compute: Compute
    flow_name: str
    flow_parameters: Mapping[str, float]
    path: Path


def compute_clips(
    dataset: Dataset, compute: Compute, flow: Flow, cache_dir: Path, *, workers: int | None = None
) -> Iterator[tuple[Clip, Phases | Problem]]:
    """Each clip of `dataset` with the result of `compute`, or with the reason why it cannot be
    used.

    Results that are not in `cache_dir` are computed first, by `workers` processes (default: one
    less than there are cores; 1: in this process) with a progress bar. Raises `InputError` if the
    cache cannot be written or one of its files is damaged.
    """
    if workers is not None and workers < 1:
        raise InputError(f"workers must be 1 or more, got {workers}")
    folder = cache_dir / dataset.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write to the cache {folder}: {error.strerror}") from error
    jobs = [
        _Job(
            clip,
            compute,
            flow.name,
            dict(flow.parameters),
            folder / f"{_key(clip, compute, flow)}.npz",
        )
        for clip in dataset
    ]
    missing = [job for job in jobs if not job.path.exists()]
    title = f"{compute.__name__} of {dataset.title}"
    _compute_all(missing, workers or max(1, (os.cpu_count() or 2) - 1), title)
    return ((job.clip, _read(job)) for job in jobs)


def _compute_all(jobs: list[_Job], workers: int, title: str) -> None:
    if not jobs:
        return
    with tqdm(total=len(jobs), desc=title, unit="clip", disable=None) as bar:
        if workers == 1:
            for job in jobs:
                _compute(job)
                bar.update()
            return
        # Spawn, because a fork copies locks but not the threads that hold them.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(
            min(workers, len(jobs)), context, initializer=cv2.setNumThreads, initargs=(1,)
        )
        try:
            for done in as_completed([pool.submit(_compute, job) for job in jobs]):
                done.result()
                bar.update()
        finally:
            # A `with` block would wait for everything in the queue, even after an interruption.
            pool.shutdown(wait=True, cancel_futures=True)


def _compute(job: _Job) -> None:
    """Write the job's file, atomically. If the clip cannot be used, the file holds the reason."""
    content: dict[str, NDArray[np.generic]]
    try:
        phases = job.compute(job.clip, load_flow(job.flow_name, **job.flow_parameters))
        content = {"onset_apex": phases.onset_apex}
        if phases.apex_offset is not None:
            content["apex_offset"] = phases.apex_offset
    except InputError as error:
        content = {"problem": np.array(str(error))}
    archive = io.BytesIO()
    np.savez(archive, **content)
    try:
        write_whole(job.path, archive.getbuffer())
    except OSError as error:
        raise InputError(f"cannot write to the cache {job.path}: {error.strerror}") from error


def _read(job: _Job) -> Phases | Problem:
    try:
        # Open the file here, because numpy would leave a damaged file open.
        with job.path.open("rb") as file, np.load(file) as archive:
            content = dict(archive)
        if "problem" in content:
            return Problem(str(job.clip.footage.folder), job.clip.key, str(content["problem"]))
        return content["onset_apex"], content.get("apex_offset")
    except Exception as error:  # numpy's and zip's readers raise anything
        raise InputError(f"{job.path} is damaged ({error_line(error)}): delete it") from error


def _key(clip: Clip, compute: Compute, flow: Flow) -> str:
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
        (compute.__name__, flow.name, sorted(flow.parameters.items())),
        _code(),
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


@cache
def _code() -> str:
    """A hash of the code, so that results of older code are not used."""
    return hash_code(_DEPENDS_ON)
