"""Measures a participant's baseline: thresholds from 10–20 s of a neutral face.

    python -m calibrate baseline --source 0 --out P07.json --participant P07

`calibrate.baseline.rest_thresholds` explains how the thresholds are derived. A recording that
cannot be a baseline (too short, no face, a face that smiles or talks) gives a one-line error, and
nothing is saved.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

import numpy as np

from calibrate.baseline.rest_thresholds import REST_BLOCK_S, RestingFace, floors_for
from model.errors import InputError
from model.records import ArrayF64, Step
from realtime.recording.plan import check_participant
from realtime.sources import SourceInfo
from realtime.spotting.baseline_file import (
    USUAL_FLOOR_PX,
    Baseline,
    Measurement,
    Setting,
    camera_name,
)
from realtime.spotting.motion import REGIONS

USUAL_S = 20.0
MIN_S = 10.0
"""Least seconds of rest; with less, the tail would be a guess."""
FALSE_ALARMS_PER_MIN = 0.5
MIN_FACES = 0.5
"""Share of the frames that must show a face."""
MOVED_BLOCKS = 2
"""With this many half seconds of movement the face is not neutral. A single twitch is ignored."""
MIN_BLINKS = 2
"""With fewer blinks, we do not know how blinking moves this person's brows."""

_BROWS = np.array([name.startswith("brow") for name in REGIONS])


def parse_participant(code: str) -> str:
    """`code` without surrounding blanks; may be empty. Raises `InputError` if it is not a code,
    because baselines are stored in sessions, which must not hold names."""
    code = code.strip()
    return check_participant(code) if code else ""


class BaselineMeasure:
    """Takes the steps of one source in order; `baseline()` returns the result."""

    def __init__(self, *, false_alarms_per_min: float = FALSE_ALARMS_PER_MIN) -> None:
        """`false_alarms_per_min`: the acceptable rate while the face rests, at most 60."""
        if not 0 < false_alarms_per_min <= 60:
            raise InputError(
                f"--false-alarms-per-min {false_alarms_per_min:g}: choose more than 0 and at "
                "most 60"
            )
        self._false_alarms_per_min = false_alarms_per_min
        self._rest = RestingFace()
        self._times_s: list[float] = []
        self._faces = 0
        self._scales: list[float] = []
        self._speeds_px_s: list[float] = []
        self._blinks = 0
        self._blinking = False
        self._last_s: float | None = None
        self._size = (0, 0)
        self._track: int | None = None
        self._tracks = 0

    def push(self, step: Step) -> None:
        """Take in the next step."""
        time_s = step.frame.stamp.time_s
        self._times_s.append(time_s)
        self._size = step.frame.image.shape[1], step.frame.image.shape[0]
        if step.face is None or step.motion is None:
            self._rest.lose_face()
            self._last_s = None
            return
        self._faces += 1
        if step.face.track != self._track:
            self._track, self._tracks = step.face.track, self._tracks + 1
        self._scales.append(float(np.hypot(*step.face.crop_from_image[:, 0])))
        if self._last_s is not None:
            shift_px = float(np.hypot(*step.motion.head[:2]))
            self._speeds_px_s.append(shift_px / (time_s - self._last_s))
        self._last_s = time_s
        blinking = "blink" in step.motion.flags
        self._blinks += blinking and not self._blinking
        self._blinking = blinking
        self._rest.push(step.motion)

    @property
    def seconds(self) -> float:
        """Seconds since the first frame."""
        return self._times_s[-1] - self._times_s[0] if self._times_s else 0.0

    @property
    def hint(self) -> str:
        """What is wrong right now, in words; empty if nothing is."""
        if self._times_s and self._last_s is None:
            return "no face: look into the camera"
        if self._rest.moved_blocks:
            return (
                f"the face moves ({_regions(self._rest.moved)}): neutral, lips closed, no talking"
            )
        return ""

    def baseline(
        self,
        info: SourceInfo,
        *,
        now: datetime,
        software: Mapping[str, str],
        participant: str = "",
    ) -> Baseline:
        """The baseline of all steps so far. Raises `InputError`, in one line, if they do not make
        one."""
        self._check()
        maxima = self._rest.maxima()
        floors = floors_for(maxima, self._false_alarms_per_min)
        floor_px = floors.floor_px
        if self._blinks < MIN_BLINKS:
            floor_px = np.where(_BROWS, np.maximum(floor_px, USUAL_FLOOR_PX), floor_px)
        minutes = self.seconds / 60
        setting = Setting(
            kind=info.kind,
            camera=camera_name(info),
            fps_nominal=info.fps_nominal,
            fps=(len(self._times_s) - 1) / self.seconds,
            width=self._size[0],
            height=self._size[1],
            crop_px_per_image_px=float(np.median(self._scales)),
        )
        return Baseline(
            floor_px=_by_region(floor_px),
            measured=Measurement(
                setting=setting,
                date=now.isoformat(timespec="seconds"),
                participant=participant,
                seconds=self._rest.seconds,
                noise_px=_by_region(floors.noise_px),
                false_alarms_per_min=self._false_alarms_per_min,
                blinks_per_min=self._blinks / minutes,
                head_px_s=float(np.median(self._speeds_px_s)),
                software=MappingProxyType(dict(software)),
            ),
        )

    def _check(self) -> None:
        frames = len(self._times_s)
        if not self._faces:
            raise InputError("no face in any frame: nothing to measure; look into the camera")
        if self._faces < MIN_FACES * frames:
            share = 100 * self._faces / frames
            raise InputError(
                f"a face in only {share:.0f} % of the frames: keep it in the picture, and repeat"
            )
        if self._tracks > 1 + self.seconds / 10:
            raise InputError(
                f"the face was lost and found {self._tracks - 1} times: use more light, keep one "
                "person in the picture, and repeat"
            )
        if self._rest.moved_blocks >= MOVED_BLOCKS:
            raise InputError(
                f"the face moved for {REST_BLOCK_S * self._rest.moved_blocks:g} s "
                f"({_regions(self._rest.moved)}), as in a smile or speech: keep it neutral, and "
                "repeat"
            )
        if self._rest.seconds < MIN_S:
            raise InputError(
                f"{self._rest.seconds:g} s of a face at rest is too short: at least {MIN_S:g} s "
                f"are needed, {USUAL_S:g} s are good"
            )


def _regions(moved: Mapping[str, int]) -> str:
    """The regions that moved most, in words."""
    most = sorted(moved, key=lambda name: -moved[name])[:2]
    return " and ".join(name.replace("_", " ") for name in most)


def _by_region(values: ArrayF64) -> Mapping[str, float]:
    return MappingProxyType(
        {name: round(float(value), 4) for name, value in zip(REGIONS, values, strict=True)}
    )
