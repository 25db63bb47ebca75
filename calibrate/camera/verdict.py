"""Turns the measurements of a camera into a verdict in words, and what to change."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from calibrate.camera.picture import PictureQuality
from calibrate.camera.timing import LONG_GAP, Timing
from realtime.sources import SourceInfo

TrafficLight = Literal["green", "amber", "red"]

GOOD_S, USABLE_S = 0.2, 0.34
"""Upper limits of green and amber for the shortest expression resolved. Most MEs in published sets
last 0.2 to 0.5 s; at the second limit half of them are lost."""
GOOD_PX, USABLE_PX = 1.0, 2.0
"""The same for the smallest; MEs in published sets move by about 0.5 to 2 px of the crop."""
GOOD_FACES, USABLE_FACES = 0.95, 0.5
"""Share of the frames with a face."""
KEPT_RATE = 0.8
"""Least share of the camera's promised rate that must arrive."""
STEADY = 1.25
"""The 95th percentile of the intervals over their median."""
LOST_SHARE = 0.01
MOST_DELAY_MS = 200.0
MOST_NOISE = 4.0
GREY_LEVELS = (50.0, 205.0)
LEAST_CONTRAST = 20.0
MOST_CLIPPED = 0.1
MOST_FLICKER = 0.01
MOST_DRIFT = 0.1
MOST_BLOCKINESS, MOST_FROZEN = 1.25, 0.3
MOST_HEAD_PX_S = 15.0
RESTLESS_SHARE = 0.5
"""Noise that sets less than this share of the threshold is not what hides expressions."""


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """The face in the pictures; medians over the frames that show one."""

    share: float
    """Share of the frames in which a face was found."""
    eye_distance_px: float
    """Distance between the inner eye corners, px of the picture."""
    crop_px_per_image_px: float
    level: float
    """Mean grey level of the face's crop."""
    contrast: float
    """Standard deviation of its grey levels."""
    clipped: float
    """Share of its pixels that are black or white; they show no motion."""
    head_px_s: float
    """Speed of the head, crop px per second."""
    threshold_px: float
    """Threshold of nearly all regions, crop px."""
    noise_px: float
    """The threshold that the camera's noise alone would set. Much less: the face itself moves."""

    @property
    def is_restless(self) -> bool:
        """Whether the face's own motion sets the threshold, not the camera's noise."""
        return self.noise_px < RESTLESS_SHARE * self.threshold_px


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem, and its remedy."""

    light: TrafficLight
    what: str
    remedy: str


def judge(
    info: SourceInfo,
    timing: Timing,
    picture: PictureQuality,
    face: FaceQuality | None,
    least_px: float | None,
    behind: int,
) -> tuple[TrafficLight, str, tuple[Finding, ...]]:
    """The worst light, the verdict, and the findings, worst first. `least_px` is the smallest ME
    that the camera resolves, `behind` the number of frames that this machine was too slow for."""
    findings = [
        *_of_timing(info, timing, behind),
        *_of_face(face, least_px),
        *_of_picture(picture),
    ]
    order: tuple[TrafficLight, ...] = ("red", "amber", "green")
    findings.sort(key=lambda finding: order.index(finding.light))
    light: TrafficLight = findings[0].light if findings else "green"
    if light == "red":
        whats = "; ".join(finding.what for finding in findings if finding.light == "red")
        return light, f"this camera can't show micro-expressions here: {whats}", tuple(findings)
    # Round up, so that "at least" holds.
    least_ms = 10 * math.ceil(100 * timing.least_s - 1e-6)
    px = math.ceil(20 * (least_px or 0.0) - 1e-6) / 20
    worth = "good enough" if light == "green" else "usable"
    verdict = f"{worth}: shows micro-expressions from {least_ms} ms and {px:g} px"
    return light, verdict, tuple(findings)


def _of_timing(info: SourceInfo, timing: Timing, behind: int) -> Iterator[Finding]:
    rate = timing.pictures_per_s
    promised = info.fps_nominal
    slow = "choose a higher --fps; more light lets the camera expose for less long"
    if timing.least_s > USABLE_S:
        yield Finding("red", f"{rate:.3g} pictures/s are too few", slow)
    elif timing.least_s > GOOD_S:
        yield Finding("amber", f"{rate:.3g} pictures/s miss the shortest expressions", slow)
    if promised is not None and rate < KEPT_RATE * promised:
        yield Finding(
            "amber",
            f"the camera promises {promised:.4g} fps and gives {rate:.3g}",
            "mostly long exposures in dim light: more light on the face, or fix the exposure",
        )
    if timing.repeated > LOST_SHARE:
        yield Finding(
            "amber",
            f"{100 * timing.repeated:.0f} % of the frames repeat the picture before",
            "ask for the rate that the camera really has, with --fps",
        )
    lost = timing.missing + timing.gaps
    if lost > LOST_SHARE * timing.frames:
        yield Finding(
            "amber",
            f"{timing.missing} frames lost, {timing.gaps} gaps of over {LONG_GAP:g} intervals, "
            f"the longest {timing.interval_max_ms:.0f} ms",
            "another USB port, without a hub; close what else uses camera or machine",
        )
    elif timing.interval_p95_ms > STEADY * timing.interval_p50_ms:
        yield Finding(
            "amber",
            f"uneven intervals: half within {timing.interval_p50_ms:.0f} ms, one in twenty over "
            f"{timing.interval_p95_ms:.0f} ms",
            "fix the camera's exposure; a wire rather than a network",
        )
    if behind > LOST_SHARE * timing.frames:
        yield Finding(
            "amber",
            f"this machine was too slow for {behind} frames",
            "a lower --fps or a smaller picture, or analyse a recording afterwards",
        )
    if timing.delay_p50_ms is not None and timing.delay_p50_ms > MOST_DELAY_MS:
        yield Finding(
            "amber",
            f"pictures arrive {timing.delay_p50_ms:.0f} ms after their capture",
            "a camera on USB; a lower resolution",
        )


def _of_face(face: FaceQuality | None, least_px: float | None) -> Iterator[Finding]:
    if face is None or least_px is None or face.share < USABLE_FACES:
        share = 0.0 if face is None else face.share
        yield Finding(
            "red",
            f"a face in {100 * share:.0f} % of the frames",
            "face the camera, upright and lit from the front, larger in the picture",
        )
        return
    if face.share < GOOD_FACES:
        yield Finding(
            "amber",
            f"a face in only {100 * face.share:.0f} % of the frames",
            "stay in the picture; light from the front",
        )
    noisy = "more light on the face, come nearer, a better camera"
    if least_px > GOOD_PX and face.is_restless:
        yield Finding(
            "amber",
            f"the face is restless: its own motion hides expressions below {least_px:.1f} px",
            "check again with a neutral face, lips closed; the camera is not the cause",
        )
    elif least_px > USABLE_PX:
        yield Finding("red", f"only motion above {least_px:.1f} px stands out of the noise", noisy)
    elif least_px > GOOD_PX:
        yield Finding("amber", f"motion below {least_px:.1f} px is lost in the noise", noisy)
    if face.crop_px_per_image_px > 1:
        yield Finding(
            "amber",
            f"a small face: {face.eye_distance_px:.0f} px between the inner eye corners, fewer "
            "than the 32 of the crop",
            "come nearer, zoom, or ask for a larger picture with --size",
        )
    if not GREY_LEVELS[0] <= face.level <= GREY_LEVELS[1]:
        dark = face.level < GREY_LEVELS[0]
        yield Finding(
            "amber",
            f"the face is too {'dark' if dark else 'bright'}: grey level {face.level:.0f}",
            "light from the front" if dark else "less light, or a shorter exposure",
        )
    if face.contrast < LEAST_CONTRAST:
        yield Finding(
            "amber",
            f"little contrast in the face: {face.contrast:.0f} grey levels",
            "wipe the lens, check the focus; light from one side of the front",
        )
    if face.clipped > MOST_CLIPPED:
        yield Finding(
            "amber",
            f"{100 * face.clipped:.0f} % of the face is black or white",
            "softer light, or another exposure",
        )
    if face.head_px_s > MOST_HEAD_PX_S:
        yield Finding(
            "amber",
            f"the head moves at {face.head_px_s:.0f} px/s even at rest",
            "a chair with a back; a camera that stands firmly",
        )


def _of_picture(picture: PictureQuality) -> Iterator[Finding]:
    if picture.noise > MOST_NOISE:
        yield Finding(
            "amber",
            f"noise of {picture.noise:.1f} grey levels",
            "more light, so that the camera amplifies less",
        )
    for flicker in picture.flicker:
        if flicker.amplitude > MOST_FLICKER:
            yield Finding(
                "amber",
                f"the light flickers at {flicker.lamp_hz:g} Hz: {100 * flicker.amplitude:.1f} % "
                f"of the brightness, seen at {flicker.alias_hz:.1f} Hz",
                f"set the camera's power line frequency to {flicker.lamp_hz / 2:g} Hz, or use "
                "daylight or a lamp that does not flicker",
            )
    if picture.drift > MOST_DRIFT:
        yield Finding(
            "amber",
            f"the brightness wanders by {100 * picture.drift:.0f} %",
            "fix the camera's exposure and white balance; steady light",
        )
    if picture.blockiness > MOST_BLOCKINESS or picture.frozen > MOST_FROZEN:
        yield Finding(
            "amber",
            f"strong compression: steps at 8×8 borders × {picture.blockiness:.2f}, "
            f"{100 * picture.frozen:.0f} % of the blocks frozen",
            "a higher bit rate or quality, or an uncompressed format",
        )
