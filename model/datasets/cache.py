"""Computes something from each clip of a data set, once, in several processes.

The result of each clip is a file. Its name is a hash of everything it depends on: the pictures
(name, size and time of change), the annotated frames, the flow with its parameters, and the code.
Files are written whole or not at all, so an interrupted run continues where it stopped.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.datasets.clips import Clip, Dataset, Problem
from model.errors import InputError, error_line
from model.files import hash_code, write_whole
from model.flow import Flow, load_flow
from model.parallel import Workers, run_jobs
from model.records import ArrayF32, FlowPair, FramePair

PhaseArrays = tuple[ArrayF32, ArrayF32 | None]
"""Arrays of the first phase and, if known, of the second."""
Compute = Callable[[Clip, Flow], FlowPair | FramePair]
"""Returns both phases of a clip; raises `InputError` if the clip cannot be used. It must be a
function at the top of a module, so that other processes find it."""

_DEPENDS_ON = ("datasets/*.py", "face/*.py", "flow/*.py")


@dataclass(frozen=True, slots=True)
class _ClipJob:
    """A clip that is to be computed, and the file for its result."""

    clip: Clip
    compute: Compute
    flow_name: str
    flow_parameters: Mapping[str, float]
    path: Path


def compute_clips(
    dataset: Dataset, compute: Compute, flow: Flow, cache_dir: Path, *, workers: Workers
) -> Iterator[tuple[Clip, PhaseArrays | Problem]]:
    """Each clip of `dataset` with the result of `compute`, or with the reason why it cannot be
    used.

    Results that are not in `cache_dir` are computed first, by `workers` processes. Raises
    `InputError` if a file of the cache is damaged.
    """
    folder = cache_dir / dataset.name
    folder.mkdir(parents=True, exist_ok=True)
    given = compute, flow.name, dict(flow.parameters)
    jobs = [_ClipJob(clip, *given, folder / f"{_key(clip, compute, flow)}.npz") for clip in dataset]
    missing = [job for job in jobs if not job.path.exists()]
    run_jobs(_compute, missing, workers, f"{compute.__name__} of {dataset.title}", "clip")
    return ((job.clip, _read(job)) for job in jobs)


def _compute(job: _ClipJob) -> None:
    """Write the job's file. If the clip cannot be used, the file holds the reason."""
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
    write_whole(job.path, archive.getbuffer())


def _read(job: _ClipJob) -> PhaseArrays | Problem:
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
        status = path.stat()
        pictures.append((path.name, status.st_size, status.st_mtime_ns))
    parts = (
        clip.key,
        (clip.onset, clip.apex, clip.offset, clip.footage.fps),
        pictures,
        (compute.__name__, flow.name, sorted(flow.parameters.items())),
        hash_code(_DEPENDS_ON),
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
