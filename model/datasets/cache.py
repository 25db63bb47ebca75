"""What is computed of each clip of a data set, once: by several processes, interrupted at will.

What comes out is kept in one file per clip, whose name says all it depends on: the pictures (name,
size and time of change), the annotated frames, the flow with its parameters, and the code in
between. A file is there whole or not at all, so a run that was stopped goes on where it stopped.
"""

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.datasets.clips import Clip, Dataset, Problem
from model.errors import InputError, error_line
from model.flow import Flow, load_flow

Content = Mapping[str, NDArray[np.generic]]
Compute = Callable[[Clip, Flow], Content]
"""A function of a module, so that other processes find it: what is to be kept of a clip, or
`InputError` where the clip cannot be used."""

_DEPENDS_ON = (
    "datasets/apex_search.py",
    "datasets/clips.py",
    "datasets/flows.py",
    "datasets/cache.py",
    "face/aligner.py",
    "face/crop.py",
    "face/detector.py",
    "face/landmarks.py",
    "face/network.py",
    "face/network_files.py",
    "face/pose.py",
    "face/region.py",
    "face/search.py",
    "flow/dis.py",
    "flow/head.py",
    "flow/lk.py",
    "flow/phase_flows.py",
    "flow/tvl1.py",
    "flow/key_frames.py",
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
) -> Iterator[tuple[Clip, Content | Problem]]:
    """Each clip of `dataset`, and what `compute` makes of it or why it cannot be used, from
    `cache_dir` where it is there.

    Missing ones are computed first, by `workers` processes (default: one less than cores; 1: in
    this process) with a progress bar. `InputError` where the cache cannot be written or one of its
    files is damaged.
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
    try:
        content = job.compute(job.clip, load_flow(job.flow_name, **job.flow_parameters))
    except InputError as error:
        content = {"problem": np.array(str(error))}
    partial = job.path.with_suffix(f".{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            np.savez(file, **content)
        partial.replace(job.path)
    except OSError as error:
        raise InputError(f"cannot write to the cache {partial}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def _read(job: _Job) -> Content | Problem:
    try:
        # Opened here: numpy would leave a damaged file open.
        with job.path.open("rb") as file, np.load(file) as archive:
            content = dict(archive)
    except Exception as error:  # numpy's and zip's readers raise whatever they stumble over
        raise InputError(f"{job.path} is damaged ({error_line(error)}): delete it") from error
    if "problem" in content:
        return Problem(str(job.clip.footage.folder), job.clip.key, str(content["problem"]))
    return content


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
    """Tells apart what older code computed."""
    digest = hashlib.sha256()
    for name in _DEPENDS_ON:
        digest.update(files("model").joinpath(name).read_bytes())
    return digest.hexdigest()
