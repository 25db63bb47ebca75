"""Sets of synthetic pairs on disk: drawn once by several processes, interrupted at will."""

import hashlib
import multiprocessing
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from model.classifiers.inputs import resized
from model.flow import load_flow
from model.labels import CLASSES
from model.records import ArrayF32
from model.synthetic.pairs import ACTION_UNITS, Nuisance, synthetic_pair

CHUNK = 250
"""Pairs per file."""

_GENERATOR = (
    "classifiers/inputs.py",
    "flow/__init__.py",
    "flow/head.py",
    "flow/lk.py",
    "flow/phases.py",
    "flow/tvl1.py",
    "synthetic/action_units.py",
    "synthetic/action_units.toml",
    "synthetic/expressions.py",
    "synthetic/pairs.py",
    "synthetic/stills.py",
)  # what a pair depends on


@dataclass(frozen=True)
class PairSet:
    """N pairs, as the networks see them."""

    flows: NDArray[np.float16]
    """(N, 2, 2, 64, 64): phase, (u, v), y, x; px of the 128 px crop."""
    labels: NDArray[np.int64]
    """(N,) numbers in `model.labels.CLASSES`."""
    action_units: ArrayF32
    """(N, A) of zeros and ones, in the order of `model.synthetic.pairs.ACTION_UNITS`."""
    amplitude_px: ArrayF32
    """(N,) greatest displacement at the true apex."""


@dataclass(frozen=True)
class _Job:
    seed: int
    numbers: range
    flow: str
    path: Path


def open_pairs(
    count: int, *, seed: int, flow: str, cache: Path, workers: int, chunk: int = CHUNK
) -> PairSet:
    """The first `count` pairs of data set `seed` through the flow of that name, with the default
    nuisance.

    What `cache` does not hold is drawn, with a progress bar, by `workers` processes, or by this
    one if `workers` is 1, and kept in files of `chunk` pairs: an interruption costs no more than
    one file per process.
    """
    folder = cache / f"{flow}-{seed}-{chunk}-{_generator_hash(flow)}"
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [
        _Job(seed, range(first, first + chunk), flow, folder / f"{first:06d}.npz")
        for first in range(0, count, chunk)
    ]
    missing = [job for job in jobs if not job.path.exists()]
    if workers == 1:
        for job in tqdm(missing, desc=f"pairs of set {seed}", unit="file", disable=not missing):
            _draw(job)
    elif missing:
        # Spawned, not forked: a fork copies the locks of threads that it does not copy.
        context = multiprocessing.get_context("spawn")
        with context.Pool(min(workers, len(missing)), initializer=_calm) as pool:
            drawn = pool.imap_unordered(_draw, missing)
            for _ in tqdm(drawn, total=len(missing), desc=f"pairs of set {seed}", unit="file"):
                pass
    parts = [dict(np.load(job.path)) for job in jobs]
    joined = {name: np.concatenate([part[name] for part in parts])[:count] for name in parts[0]}
    return PairSet(**joined)


def _draw(job: _Job) -> None:
    flow = load_flow(job.flow)
    nuisance = Nuisance()
    pairs = [synthetic_pair((job.seed, number), flow, nuisance) for number in job.numbers]
    first_phase = torch.from_numpy(np.stack([pair.flows.onset_apex for pair in pairs]))
    # Every pair has its offset.
    second = [cast(ArrayF32, pair.flows.apex_offset) for pair in pairs]
    second_phase = torch.from_numpy(np.stack(second))
    small = torch.stack([resized(first_phase), resized(second_phase)], dim=1)
    partial = job.path.with_suffix(".partial.npz")
    np.savez(
        partial,
        flows=small.numpy().astype(np.float16),
        labels=np.array([CLASSES.index(pair.label) for pair in pairs], np.int64),
        action_units=np.array(
            [[unit in pair.action_units for unit in ACTION_UNITS] for pair in pairs], np.float32
        ),
        amplitude_px=np.array([pair.amplitude_px for pair in pairs], np.float32),
    )
    partial.replace(job.path)


def _calm() -> None:
    """One thread per process: there are several processes."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _generator_hash(flow: str) -> str:
    """Changes with anything that the pairs depend on, so that no stale pair is ever mixed in."""
    digest = hashlib.sha256(f"{load_flow(flow).parameters} {Nuisance()}".encode())
    for module in _GENERATOR:
        digest.update(files("model").joinpath(module).read_bytes())
    return digest.hexdigest()[:12]
