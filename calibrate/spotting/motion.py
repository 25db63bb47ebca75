"""The motion of footage, computed once and kept, so that comparing spotters takes seconds.

A file's name depends on its footage and on the code that made it, so a change in the code of the
face, the flow, the motion or the synthetic face makes a new file.
"""

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from inspect import getsource
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibrate.spotting.footage import TestFootage
from model.errors import InputError, error_line
from model.files import hash_code, write_whole
from model.parallel import Workers, run_jobs
from model.records import ArrayF32, ArrayF64, MotionSample, SpotUpdate, Stamp
from realtime.perception.spotting_steps import FrameSpotter, Perception
from realtime.spotting import eyes, head_fit, motion
from realtime.spotting.motion import FLAGS, REGIONS
from realtime.spotting.spotter import Spotter, SpotterConfig

_CODE = (
    "face/*.py",
    "flow/lk.py",
    "flow/head_motion.py",
    *(f"synthetic/*.{s}" for s in ("py", "toml", "csv", "npz")),
)
_NO_FIELD = np.zeros((2, 1, 1), np.float32)


@dataclass(frozen=True)
class Motions:
    """The motion samples of N frames, without their dense fields."""

    index: NDArray[np.int64]
    """(N,)"""
    time_s: ArrayF64
    """(N,)"""
    track: NDArray[np.int64]
    """(N,) the face track; -1 if there is no face, and then the other fields mean nothing."""
    displacement: ArrayF32
    """(N, R, 2) crop px."""
    head: ArrayF32
    """(N, 4)"""
    eye_openness: ArrayF32
    """(N, 2)"""
    resolution: ArrayF32
    """(N,) px of the picture for one of the crop"""
    flags: NDArray[np.int64]
    """(N,) a bit for each of `realtime.spotting.motion.FLAGS`, the first one lowest."""

    def samples(self) -> Iterator[MotionSample | Stamp]:
        """The samples in order; just a stamp for a frame without a face."""
        for i, (index, time_s) in enumerate(zip(self.index, self.time_s, strict=True)):
            stamp = Stamp(int(index), float(time_s))
            if self.track[i] < 0:
                yield stamp
                continue
            yield MotionSample(
                stamp=stamp,
                displacement=self.displacement[i],
                field=_NO_FIELD,
                head=self.head[i],
                eye_openness=self.eye_openness[i],
                resolution=float(self.resolution[i]),
                track=int(self.track[i]),
                flags=_name_flags(int(self.flags[i])),
            )


@dataclass(frozen=True, slots=True)
class SpotDecision:
    """A decision of the spotter, and its time."""

    update: SpotUpdate
    known_s: float


def spot(motions: Motions, config: SpotterConfig) -> tuple[SpotDecision, ...]:
    """All decisions of a spotter on these motions, driven as in the pipeline."""
    watch = FrameSpotter(Spotter(config))
    decisions: list[SpotDecision] = []
    now_s = 0.0
    for sample in motions.samples():
        stamp, moved = (sample, None) if isinstance(sample, Stamp) else (sample.stamp, sample)
        now_s = stamp.time_s
        signal = watch.push(stamp, moved)
        if signal is not None:
            decisions += [SpotDecision(update, now_s) for update in signal.updates]
    decisions += [SpotDecision(update, now_s) for update in watch.finish()]
    return tuple(decisions)


def measure_motions(footage: TestFootage) -> Motions:
    """The motion of all frames of `footage`."""
    perception = Perception()
    rows: list[tuple[Stamp, MotionSample | None]] = []
    for frame in footage.frames():
        sample = perception.step(frame).motion
        if sample is not None:  # drop the field: minutes of them do not fit into memory
            sample = replace(sample, field=_NO_FIELD)
        rows.append((frame.stamp, sample))
    n = len(rows)
    motions = Motions(
        index=np.array([stamp.index for stamp, _ in rows], np.int64),
        time_s=np.array([stamp.time_s for stamp, _ in rows]),
        track=np.full(n, -1, np.int64),
        displacement=np.zeros((n, len(REGIONS), 2), np.float32),
        head=np.zeros((n, 4), np.float32),
        eye_openness=np.zeros((n, 2), np.float32),
        resolution=np.zeros(n, np.float32),
        flags=np.zeros(n, np.int64),
    )
    for i, (_, sample) in enumerate(rows):
        if sample is not None:
            motions.track[i] = sample.track
            motions.displacement[i] = sample.displacement
            motions.head[i] = sample.head
            motions.eye_openness[i] = sample.eye_openness
            motions.resolution[i] = sample.resolution
            motions.flags[i] = sum(1 << k for k, name in enumerate(FLAGS) if name in sample.flags)
    return motions


class MotionCache:
    """A folder of motions."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._code = _code_digest()

    def get(self, footage: TestFootage) -> Motions:
        """The motion of `footage`, measured if it is not there yet."""
        path = self._path(footage)
        if path.exists():
            try:
                with path.open("rb") as kept, np.load(kept) as arrays:
                    return Motions(**{name: arrays[name] for name in arrays.files})
            except Exception as error:  # numpy's and zip's readers raise anything
                raise InputError(f"{path} is damaged ({error_line(error)}): delete it") from error
        motions = measure_motions(footage)
        content = io.BytesIO()
        np.savez(content, **{each.name: getattr(motions, each.name) for each in fields(motions)})
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, content.getbuffer())
        return motions

    def fill(self, footage: Sequence[TestFootage], workers: Workers) -> None:
        """Measure missing motions in `workers` processes. Raises `InputError` if `workers` is below
        1."""
        missing = {each.name: each for each in footage if not self._path(each).exists()}
        run_jobs(partial(_measure_into, self), [*missing.values()], workers, "motion", "piece")

    def _path(self, footage: TestFootage) -> Path:
        name = hashlib.sha256((self._code + footage.name).encode()).hexdigest()[:24]
        return self._folder / f"{name}.npz"


def _measure_into(cache: MotionCache, footage: TestFootage) -> None:
    cache.get(footage)


def _code_digest() -> str:
    digest = hashlib.sha256(hash_code(_CODE).encode())
    for module in (motion, eyes, head_fit):
        digest.update(getsource(module).encode())
    return digest.hexdigest()


def _name_flags(bits: int) -> frozenset[str]:
    return frozenset(name for k, name in enumerate(FLAGS) if bits >> k & 1)
