"""Checks whether a camera in its room can show micro-expressions, and what to change if not.

    python -m calibrate camera --source 0 --seconds 8

The verdict names the shortest and the smallest micro-expression (ME) that the camera resolves:

- shortest: three intervals between pictures, at their 95th percentile (`calibrate.camera.timing`);
- smallest: the spotter's threshold for a region's mean motion, divided by `GAIN`, the share of an
  expression's peak that remains in that mean. It is the threshold during the check: the larger of
  its floor and the measured noise of the flow. Sensor noise, face size and compression all add to
  that noise.

On synthetic footage of varied rate, noise and size (seeds 220–253), at least four of five MEs
at both limits are found with IoU ≥ 0.5.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from calibrate.camera.picture import PictureMeasure, PictureQuality
from calibrate.camera.timing import FrameTiming, Timing
from calibrate.camera.verdict import FaceQuality, Finding, TrafficLight, judge
from model.errors import InputError
from model.face.aligned_crop import INNER_EYE_CORNERS
from model.records import ArrayF32, ArrayF64, Step
from realtime.sources import SourceInfo
from realtime.spotting.spotter import SpotterConfig

USUAL_CHECK_S = 8.0
MIN_CHECK_S = 3.0
GAIN = 0.5
"""A region's Gaussian mean holds about half of an expression's peak displacement."""
REGION_SHARE = 0.9
"""The verdict uses this quantile of the regions' thresholds, so it holds for nearly all regions."""


@dataclass(frozen=True, slots=True)
class CameraReport:
    """What a check found. All values are plain, so `asdict` gives JSON."""

    source: str
    timing: Timing
    picture: PictureQuality
    face: FaceQuality | None
    least_s: float
    """The shortest ME that the camera resolves, s."""
    least_px: float | None
    """The smallest ME that it resolves, peak px of the 128 px crop; None without a face."""
    light: TrafficLight
    verdict: str
    findings: tuple[Finding, ...]

    def plain(self) -> dict[str, Any]:
        """The report as plain values for JSON."""
        return asdict(self)


class CameraCheck:
    """Takes the steps of one source in order; `report()` returns the findings."""

    def __init__(self, info: SourceInfo) -> None:
        self._info = info
        self._timing = FrameTiming(tells_delay=info.clock in ("driver", "browser"))
        self._pictures = PictureMeasure()
        self._faces: list[tuple[float, ...]] = []
        self._thresholds: list[ArrayF64] = []
        self._places: list[tuple[int, ArrayF32]] = []  # frame, displacement
        self._frames = 0
        self._last_s: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds since the first frame."""
        return self._timing.seconds

    @property
    def hint(self) -> str:
        """What is wrong right now, in words; empty if nothing is."""
        return "no face: look into the camera" if self._frames and self._last_s is None else ""

    def push(self, step: Step) -> None:
        """Take in the next step; about a millisecond for 640×480."""
        frame = step.frame
        self._frames += 1
        self._timing.push(frame, repeated=self._pictures.push(frame))
        if step.face is None or step.motion is None or step.signal is None:
            self._last_s = None
            return
        apart_s = frame.stamp.time_s - self._last_s if self._last_s is not None else math.inf
        self._last_s = frame.stamp.time_s
        right, left = step.face.landmarks_px[list(INNER_EYE_CORNERS)]
        crop = step.face.crop
        self._faces.append(
            (
                float(np.hypot(*(left - right))),
                float(np.hypot(*step.face.crop_from_image[:, 0])),
                float(crop.mean()),
                float(crop.std()),
                float(((crop < 4) | (crop > 251)).mean()),
                float(np.hypot(*step.motion.head[:2])) / apart_s,
            )
        )
        self._places.append((self._frames, step.motion.displacement))
        threshold = step.signal.threshold.astype(np.float64)
        if np.isfinite(threshold).all():
            self._thresholds.append(threshold)

    def report(self, *, behind: int = 0) -> CameraReport:
        """The report so far. `behind`: number of frames that this machine was too slow for. Raises
        `InputError` if there are too few frames to judge."""
        if self._frames < 3 or self.seconds < MIN_CHECK_S:
            raise InputError(
                f"{self.seconds:.1f} s of {self._info.description} are too few to judge a camera "
                f"by: at least {MIN_CHECK_S:g} s, {USUAL_CHECK_S:g} s are good"
            )
        timing = self._timing.timing()
        try:
            picture = self._pictures.quality()
        except ValueError:
            raise InputError(
                f"{self._info.description} shows one and the same picture all the time: is it a "
                "still, or a camera that hangs?"
            ) from None
        face = self._face()
        least_px = None if face is None else face.threshold_px / GAIN
        light, verdict, findings = judge(self._info, timing, picture, face, least_px, behind)
        return CameraReport(
            source=self._info.description,
            timing=timing,
            picture=picture,
            face=face,
            least_s=timing.least_s,
            least_px=least_px,
            light=light,
            verdict=verdict,
            findings=findings,
        )

    def _noise_px(self) -> float:
        """Return the threshold that noise alone would set, crop px. Noise differs from frame to
        frame; a face's motion goes on over several, so second differences hardly contain it."""
        bends = [
            before - 2 * here + after
            for (first, before), (_, here), (last, after) in zip(
                self._places, self._places[1:], self._places[2:], strict=False
            )
            if last - first == 2
        ]
        if not bends:
            return 0.0
        length = np.hypot(*np.moveaxis(np.array(bends), 2, 0)) / math.sqrt(6)
        usual = SpotterConfig().noise_factor * np.median(length, axis=0)
        return float(np.quantile(usual, REGION_SHARE))

    def _face(self) -> FaceQuality | None:
        if not self._faces or not self._thresholds:
            return None
        eyes, scale, level, contrast, clipped, speed = np.median(self._faces, axis=0).tolist()
        usual = np.median(self._thresholds, axis=0)
        return FaceQuality(
            share=len(self._faces) / self._frames,
            eye_distance_px=eyes,
            crop_px_per_image_px=scale,
            level=level,
            contrast=contrast,
            clipped=clipped,
            head_px_s=speed,
            threshold_px=float(np.quantile(usual, REGION_SHARE)),
            noise_px=self._noise_px(),
        )
