"""Sets of synthetic samples on disk. Several processes draw them once, and may be interrupted."""

import hashlib
import io
import math
import os
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.classifiers import Inputs
from model.classifiers.phase_inputs import INPUT_PX, PHASE_SHAPES, prepare_phase
from model.files import hash_code, write_whole
from model.flow import Flow, load_flow
from model.flow.phase_flows import long_flows
from model.inference.samples import SampleSet
from model.labels import ACTION_UNITS, CLASSES, NO_EXPRESSION
from model.parallel import Workers, map_jobs
from model.records import ArrayF32
from model.synthetic.flow_pairs import NEUTRAL, Truth, synthetic_course, synthetic_pair
from model.synthetic.sample_variation import MIXED_MAPS, View, World, choose_nuisance
from model.synthetic.scanned_face import SkinMotion

NAME = "synthetic"
CHUNK = 250
"""Samples per file."""
MANY = 500
"""From this many samples on, their time is estimated before they are drawn."""
TIMED = 8
"""Samples that are drawn for the estimate."""

_GENERATOR = (
    *("classifiers/phase_inputs.py", "flow/*.py", "labels.py"),
    *("face/aligned_crop.py", "face/mesh_points.py"),
    *(f"synthetic/*.{suffix}" for suffix in ("py", "toml", "csv", "npz")),
)
"""The files that a sample depends on."""


@dataclass(frozen=True)
class _PairFile:
    """A file of samples that are to be drawn."""

    seed: int
    numbers: range
    flow: str
    view: View
    world: World
    none_share: float
    inputs: Inputs
    motion: SkinMotion | None
    path: Path


class _Drawn(NamedTuple):
    """One sample."""

    phases: NDArray[np.float16]
    """(2, …), as `model.classifiers.phase_inputs.PHASE_SHAPES` says."""
    both_phases: bool
    truth: Truth


_flow = cache(load_flow)


def open_pairs(
    count: int,
    *,
    seed: int,
    flow: str,
    cache: Path,
    workers: Workers,
    view: View = "crop",
    world: World = "training",
    none_share: float = 0.0,
    inputs: Inputs = "flows",
    motion: SkinMotion | None = None,
    chunk: int = CHUNK,
) -> SampleSet:
    """The first `count` samples of data set `seed`, with the named `flow`.

    `view`: the aligned crop, maps as researchers exchange them (flows only), or a mix of both with
    a share `MIXED_MAPS` of maps, or maps that are cut as none in training. `world`: the ranges for
    training, or harder ones. A share `none_share` of the samples has no expression. `motion`: how
    the skin of all faces moves; None for some of each.

    Samples that are not in `cache` are drawn by `workers` processes and kept in files of `chunk`
    samples. An interruption costs the samples of one file at most, and those under way.
    """
    if inputs != "flows":
        view = "crop"  # nobody exchanges frames
    kind = "-".join([view, world, f"{none_share:g}", inputs, *([motion] if motion else [])])
    # A hash of everything the samples depend on, so that outdated ones are never used.
    key = f"{load_flow(flow).parameters} {hash_code(_GENERATOR)}"
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    folder = cache / f"{flow}-{kind}-{seed}-{chunk}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    given = flow, view, world, none_share, inputs, motion
    jobs = [
        _PairFile(seed, range(first, first + chunk), *given, folder / f"{first:06d}.npz")
        for first in range(0, count, chunk)
    ]
    missing = [job for job in jobs if not job.path.exists()]
    numbers = [number for job in missing for number in job.numbers]
    if len(numbers) >= MANY:
        _announce(missing[0], len(numbers), workers)
    if missing:
        # Which file a number belongs to changes nothing in its sample.
        drawn = map_jobs(partial(_draw, missing[0]), numbers, workers)
        title = f"samples of set {seed}"
        with closing(drawn):
            counted = iter(tqdm(drawn, title, len(numbers), unit="sample", disable=None))
            for job in missing:
                _write(job.path, list(islice(counted, len(job.numbers))))
    columns = _read(jobs, count)
    return SampleSet(
        name=NAME,
        inputs=inputs,
        phases=columns["phases"],
        both_phases=columns["both_phases"],
        labels=columns["labels"],
        classes=CLASSES,
        action_units=columns["action_units"],
        action_unit_names=ACTION_UNITS,
        amplitude_px=columns["amplitude_px"],
        subjects=tuple(f"{NAME}/{seed}-{person:03d}" for person in columns["persons"]),
        clips=tuple(f"{NAME}/{seed}-{number:06d}" for number in range(count)),
        landmarks=columns.get("landmarks"),
    )


def _read(jobs: Sequence[_PairFile], count: int) -> dict[str, NDArray[Any]]:
    """The first `count` samples of the files, as columns. These take gigabytes, so no file is kept
    once it is copied."""
    columns: dict[str, NDArray[Any]] = {}
    for job in jobs:
        with np.load(job.path) as file:
            for name in file.files:
                values = file[name]
                if name not in columns:
                    columns[name] = np.empty((count, *values.shape[1:]), values.dtype)
                into = columns[name][job.numbers.start : job.numbers.stop]
                into[:] = values[: len(into)]
    return columns


def _announce(job: _PairFile, count: int, workers: Workers) -> None:
    """Say on stderr how long `count` samples like those of `job` will take; of a cluster, nobody
    knows how fast it is."""
    how_long = "on the cluster"
    if isinstance(workers, int):
        processes = min(workers, os.cpu_count() or 1)
        minutes = math.ceil(count * _time_sample(job) / processes / 60)
        words = "process" if processes == 1 else "processes"
        how_long = f"about {minutes} min in {processes} {words}"
    kept = f"they are kept in {job.path.parent}"
    print(f"drawing {count} samples, {how_long}; {kept}", file=sys.stderr)


def _time_sample(job: _PairFile) -> float:
    """Return how long one sample takes on one core, s."""
    flow = load_flow(job.flow)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        _sample(job, job.numbers[0], flow)  # the first one loads faces and compiles
        began_s = time.perf_counter()
        timed = job.numbers[1 : 1 + TIMED]
        for number in timed:
            _sample(job, number, flow)
        return (time.perf_counter() - began_s) / max(1, len(timed))
    finally:
        cv2.setNumThreads(threads)


def _draw(job: _PairFile, number: int) -> _Drawn:
    first, second, truth = _sample(job, number, _flow(job.flow))
    phases = [_prepare(job.inputs, first), _prepare(job.inputs, second)]
    return _Drawn(np.array(phases, np.float16), second is not None, truth)


def _write(path: Path, samples: Sequence[_Drawn]) -> None:
    truths = [sample.truth for sample in samples]
    landmarks = [truth.landmarks for truth in truths if truth.landmarks is not None]
    content = io.BytesIO()
    np.savez(
        content,
        phases=np.stack([sample.phases for sample in samples]),
        both_phases=np.array([sample.both_phases for sample in samples]),
        labels=np.array([_label(truth) for truth in truths], np.int64),
        action_units=np.array(
            [[unit in truth.action_units for unit in ACTION_UNITS] for truth in truths], np.float32
        ),
        amplitude_px=np.array([truth.amplitude_px for truth in truths], np.float32),
        persons=np.array([truth.person for truth in truths], np.int64),
        **({"landmarks": np.stack(landmarks)} if landmarks else {}),
    )
    write_whole(path, content.getbuffer())


def _sample(job: _PairFile, number: int, flow: Flow) -> tuple[ArrayF32, ArrayF32 | None, Truth]:
    """Both phases of one sample in the form of `job.inputs`, on a crop of any size; and the
    truth."""
    choose = np.random.default_rng((job.seed, number, 1))
    label = NEUTRAL if choose.random() < job.none_share else None
    view = job.view
    if view == "mixed":
        view = "maps" if choose.random() < MIXED_MAPS else "crop"
    nuisance = choose_nuisance(view, job.world)
    if job.motion is not None:
        nuisance = replace(nuisance, scan_share=float(job.motion == "scan"))
    seed = (job.seed, number)
    if job.inputs == "flows":
        pair = synthetic_pair(seed, flow, nuisance, label)
        return pair.flows.onset_apex, pair.flows.apex_offset, pair.truth
    frames, truth = synthetic_course(seed, nuisance, label)
    if job.inputs == "frames":
        return frames.onset_apex, frames.apex_offset, truth
    return *long_flows(flow, frames), replace(truth, landmarks=None)


def _prepare(inputs: Inputs, phase: ArrayF32 | None) -> ArrayF32:
    """The phase in the form that networks take; zeros if it is unknown."""
    if phase is None:
        return np.zeros((*PHASE_SHAPES[inputs], INPUT_PX, INPUT_PX), np.float32)
    small: ArrayF32 = prepare_phase(inputs, phase[None])[0]
    return small


def _label(truth: Truth) -> int:
    return NO_EXPRESSION if truth.label == NEUTRAL else CLASSES.index(truth.label)
