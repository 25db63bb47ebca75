"""Thresholds for labelled footage, from the noise between its expressions.

A region's noise is its greatest motion within half a second between the labelled expressions, on
average. Half seconds in which the face moves far, as in speech, do not count. All thresholds are
the same multiple of the noise: the one with the best F1 on micro-expressions among those that keep
to the allowed rate of false alarms. To measure how good this is, each piece of footage in turn is
left out of the choice.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

import numpy as np

from calibrate.baseline.rest_thresholds import RestingFace
from calibrate.spotting.motion import Motions
from calibrate.spotting.outcomes import FigureRow, Outcome, outcome
from model.errors import InputError
from model.face.aligner import FaceAligner
from model.records import ArrayF64, Frame, MotionSample, Stamp
from realtime.spotting.baseline import Baseline, Measurement, Setting
from realtime.spotting.metrics import Expression
from realtime.spotting.motion import REGIONS
from realtime.spotting.spotter import SpotterConfig

FACTORS = tuple(float(f) for f in np.geomspace(0.5, 8.0, 13).round(2))
"""Multiples of the noise that are tried as thresholds."""
AROUND_S = 0.3
"""Motion this close before or after a labelled expression does not count as noise."""
_LEAST_PX = 0.05


@dataclass(frozen=True)
class Piece:
    """Labelled footage."""

    name: str
    motions: Motions
    truth: Sequence[Expression]
    first: Frame
    """Its first frame with a face, for the size."""
    crop_px_per_image_px: float


@dataclass(frozen=True)
class Fitted:
    """Thresholds, and how well they do on footage that did not choose them."""

    baseline: Baseline
    """The thresholds as a baseline; its rate of false alarms is that of `left_out`."""
    factor: float
    """Thresholds as a multiple of the noise."""
    left_out: FigureRow
    """The figures of each piece with the thresholds that the other pieces chose."""


def fit(
    pieces: Sequence[Piece],
    per_min: float,
    *,
    now: datetime,
    software: Mapping[str, str],
    tick: Callable[[], None] = lambda: None,
) -> Fitted:
    """Choose thresholds for labelled footage that keep to `per_min` false alarms a minute.
    Calls `tick` after each multiple of the noise. Raises `InputError` unless there are two pieces,
    with micro-expressions, and half a minute without."""
    if len(pieces) < 2:
        raise InputError("one piece of footage cannot be left out of itself: give two or more")
    if not any(row.kind == "micro" for each in pieces for row in each.truth):
        raise InputError("no micro-expression is labelled: nothing to fit thresholds to")
    noise_px = _noise(pieces)
    tried: list[list[Outcome]] = []
    for factor in FACTORS:
        config = SpotterConfig(baseline=_baseline(noise_px, factor))
        tried.append([outcome(each.motions, each.truth, config) for each in pieces])
        tick()
    everything = range(len(pieces))
    left_out = []
    for piece in everything:
        chosen = _choose(tried, [k for k in everything if k != piece], per_min)
        left_out.append(tried[chosen][piece])
    best = _choose(tried, list(everything), per_min)
    row = FigureRow("left out", f"{len(pieces)} pieces", tuple(left_out))
    factor = FACTORS[best]
    measured = _measurement(pieces, noise_px, row, now=now, software=software)
    return Fitted(replace(_baseline(noise_px, factor), measured=measured), factor, row)


def _choose(tried: Sequence[Sequence[Outcome]], pieces: Sequence[int], per_min: float) -> int:
    """Index of the best factor; if none keeps to the rate, of the one with the fewest false
    alarms."""
    rows = [FigureRow("", "", tuple(outcomes[k] for k in pieces)) for outcomes in tried]
    false = [row.false_per_min("micro") for row in rows]
    allowed = [k for k, rate in enumerate(false) if rate <= per_min]
    if not allowed:
        return int(np.argmin(false))
    return max(allowed, key=lambda k: rows[k].score("micro").f1)


def _noise(pieces: Sequence[Piece]) -> ArrayF64:
    """(R,) crop px."""
    maxima = []
    for each in pieces:
        face = RestingFace()
        for sample in each.motions.samples():
            if isinstance(sample, MotionSample) and not _expresses(sample.stamp, each.truth):
                face.push(sample)
            else:
                face.lost()
        maxima.append(face.maxima())
    blocks = np.concatenate(maxima)
    if len(blocks) < 60:
        raise InputError(
            f"{len(blocks) / 2:g} s without a labelled expression are too few: 30 s are needed"
        )
    noise_px: ArrayF64 = np.maximum(blocks.mean(axis=0), _LEAST_PX)
    return noise_px


def _expresses(stamp: Stamp, truth: Sequence[Expression]) -> bool:
    return any(row.onset_s - AROUND_S <= stamp.time_s <= row.offset_s + AROUND_S for row in truth)


def _baseline(noise_px: ArrayF64, factor: float) -> Baseline:
    return Baseline(_by_region(factor * noise_px))


def _measurement(
    pieces: Sequence[Piece],
    noise_px: ArrayF64,
    left_out: FigureRow,
    *,
    now: datetime,
    software: Mapping[str, str],
) -> Measurement:
    first = pieces[0]
    height, width = first.first.image.shape[:2]
    seconds = sum(each.seconds for each in left_out.outcomes)
    blinks, speeds_px_s = 0, []
    for each in pieces:
        flagged = each.motions.flagged("blink")
        blinks += int((flagged[1:] & ~flagged[:-1]).sum())
        # Without a face the head's motion is unknown, not zero.
        known = (each.motions.track[1:] >= 0) & (each.motions.track[:-1] >= 0)
        shift_px = np.hypot(each.motions.head[1:, 0], each.motions.head[1:, 1])
        speeds_px_s.append((shift_px / np.diff(each.motions.time_s))[known])
    return Measurement(
        setting=Setting(
            kind="file",
            camera=", ".join(each.name for each in pieces),
            fps_nominal=None,
            fps=1 / left_out.outcomes[0].frame_s,
            width=width,
            height=height,
            crop_px_per_image_px=first.crop_px_per_image_px,
        ),
        date=now.isoformat(timespec="seconds"),
        participant="",
        seconds=seconds,
        noise_px=_by_region(noise_px),
        false_alarms_per_min=left_out.false_per_min("micro"),
        blinks_per_min=60 * blinks / seconds,
        head_px_s=float(np.median(np.concatenate(speeds_px_s))),
        software=MappingProxyType(dict(software)),
    )


def _by_region(values: ArrayF64) -> Mapping[str, float]:
    return MappingProxyType(dict(zip(REGIONS, values.round(4).tolist(), strict=True)))


def find_first_face(frames: Iterable[Frame]) -> tuple[Frame, float]:
    """The first frame with a face, and the factor by which its crop is enlarged. Raises
    `InputError` if no frame shows a face."""
    aligner = FaceAligner()
    for frame in frames:
        face = aligner.align(frame)
        if face is not None:
            return frame, float(np.hypot(*face.crop_from_image[:, 0]))
    raise InputError("no face in any frame: nothing to fit thresholds to")
