"""Adds micro-expressions to footage of a real face.

Displacement fields that follow the landmarks move the skin, so the head's motion, light, noise and
compression are real. Two things are not: the expressions themselves, and the camera's noise on the
moved skin, which moves with it for a fraction of a second.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np

from model.errors import InputError
from model.face.aligner import FaceAligner
from model.records import ArrayF32, ArrayF64, Frame, ImageU8, Stamp
from model.synthetic.event_schedule import Schedule, TrueExpression, plan_micros
from model.synthetic.painter import invert_field
from model.synthetic.portrait import CANVAS_SIZE, canvas_field, canvas_transform
from model.synthetic.scanned_face import SkinMotion

SMOOTHING_S = 0.05
"""Standard deviation of the kernel that smooths landmarks in time, in both directions. Landmarks
jitter by half a pixel; a field that jittered with them would be visible."""
MAX_ABSENCE_S = 0.25
"""If the face is away for longer, a new stretch of footage begins."""


@dataclass(frozen=True)
class FaceTrack:
    """Where the face is in each frame of some footage."""

    times_s: ArrayF64
    """(N,) times of all frames."""
    landmarks_px: ArrayF32
    """(N, 468, 2) smoothed; NaN if there is no face."""
    spans: tuple[tuple[float, float], ...]
    """Start and end, seconds, of each stretch that shows one face without a break."""


def read_frames(path: Path) -> Iterator[Frame]:
    """The frames of a video file at their presentation times, counted from the first. Frames whose
    time does not increase are left out. Raises `InputError` if the file is no video."""
    try:
        with av.open(str(path.absolute()), metadata_errors="replace") as container:
            start_s, last_s, index = None, -np.inf, 0
            for picture in container.decode(video=0):
                if picture.time is None or picture.time <= last_s:
                    continue
                start_s = picture.time if start_s is None else start_s
                last_s = picture.time
                image = np.asarray(picture.to_ndarray(format="rgb24"), dtype=np.uint8)
                upright = np.ascontiguousarray(np.rot90(image, round(picture.rotation / 90)))
                yield Frame(Stamp(index, last_s - start_s), upright, 0.0)
                index += 1
    except (av.error.FFmpegError, IndexError) as error:
        raise InputError(f"{path} cannot be read as a video: {error}") from None
    if start_s is None:
        raise InputError(f"{path} has no frame with a time")


def follow_face(frames: Iterable[Frame]) -> FaceTrack:
    """Find the face in all `frames`, in order. Raises `InputError` if no frame has one."""
    times_s: list[float] = []
    found: list[ArrayF32 | None] = []
    tracks: list[int] = []
    aligner = FaceAligner()
    for frame in frames:
        face = aligner.align(frame)
        times_s.append(frame.stamp.time_s)
        found.append(None if face is None else face.landmarks_px)
        tracks.append(-1 if face is None else face.track)
    absent = np.full((468, 2), np.nan, np.float32)
    raw = np.array([absent if points is None else points for points in found])
    followed = FaceTrack(np.array(times_s), raw.copy(), _spans(np.array(times_s), np.array(tracks)))
    if not followed.spans:
        raise InputError("no face in any frame: nothing to write an expression onto")
    for start_s, end_s in followed.spans:
        inside = (followed.times_s >= start_s) & (followed.times_s <= end_s)
        inside &= np.isfinite(raw[:, 0, 0])
        for i in np.flatnonzero(inside):
            away = (followed.times_s[inside] - followed.times_s[i]) / SMOOTHING_S
            weight = np.exp(-(away**2) / 2).astype(np.float32)
            followed.landmarks_px[i] = np.tensordot(weight / weight.sum(), raw[inside], 1)
    return followed


class ExpressionOverlay:
    """Draws micro-expressions over the footage of a face."""

    def __init__(
        self,
        face: FaceTrack,
        *,
        seed: int,
        schedule: Schedule | None = None,
        motion: SkinMotion = "scan",
    ) -> None:
        """Uses only what `schedule` says about micro-expressions."""
        self._face, self._motion = face, motion
        self._planned = plan_micros(schedule or Schedule(), seed, face.spans)
        self._field = lru_cache(maxsize=4)(self._new_field)

    def truth(self) -> tuple[TrueExpression, ...]:
        """All expressions, in order."""
        return tuple(planned.truth for planned in self._planned)

    def image(self, frame: Frame) -> ImageU8:
        """`frame`, one of the footage's, with its expressions: (H, W, 3) uint8 RGB. Pixels that do
        not move stay as they were."""
        landmarks_px = self._face.landmarks_px[frame.stamp.index]
        time_s = frame.stamp.time_s
        active = [
            (k, strength)
            for k, planned in enumerate(self._planned)
            if (strength := planned.strength(time_s)) > 0
        ]
        if not active or np.isnan(landmarks_px[0, 0]):
            return frame.image
        field = sum((self._field(k) * np.float32(strength) for k, strength in active))
        return _warp(frame.image, invert_field(np.asarray(field)), canvas_transform(landmarks_px))

    def _new_field(self, k: int) -> ArrayF32:
        planned = self._planned[k]
        seen = np.flatnonzero(np.isfinite(self._face.landmarks_px[:, 0, 0]))
        away = np.abs(self._face.times_s[seen] - planned.truth.apex_s)
        landmarks_px = self._face.landmarks_px[seen[np.argmin(away)]]
        transform = canvas_transform(landmarks_px)
        on_canvas = (landmarks_px @ transform[:, :2].T + transform[:, 2]).astype(np.float32)
        return canvas_field(on_canvas, planned.strengths, planned.truth.amplitude_px, self._motion)


def _spans(
    times_s: ArrayF64, tracks: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> tuple[tuple[float, float], ...]:
    spans: list[tuple[float, float]] = []
    last = -1
    for time_s, track in zip(times_s, tracks, strict=True):
        if track >= 0:
            if spans and track == last and time_s - spans[-1][1] <= MAX_ABSENCE_S:
                spans[-1] = (spans[-1][0], float(time_s))
            else:
                spans.append((float(time_s), float(time_s)))
            last = track
    return tuple(spans)


def _warp(image: ImageU8, back: ArrayF32, canvas_from_image: ArrayF64) -> ImageU8:
    """`image` with its skin moved. What is at a canvas px afterwards comes from that px minus
    `back` there, (h, w, 2) canvas px."""
    height, width = image.shape[:2]
    image_from_canvas = cv2.invertAffineTransform(canvas_from_image)
    w, h = CANVAS_SIZE
    corners = np.array([[0, 0], [w, 0], [0, h], [w, h]]) @ image_from_canvas[:, :2].T
    corners += image_from_canvas[:, 2]
    x0, y0 = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(corners.max(axis=0)), (width, height)).astype(int)
    if x0 >= x1 or y0 >= y1:
        return image
    local = canvas_from_image.copy()
    local[:, 2] += local[:, :2] @ (x0, y0)
    shift = cv2.warpAffine(
        cv2.transform(back, image_from_canvas[:, :2]),
        local,
        (int(x1 - x0), int(y1 - y0)),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    y, x = np.mgrid[y0:y1, x0:x1].astype(np.float32)
    moved = cv2.remap(
        image,
        x - shift[..., 0],
        y - shift[..., 1],
        cv2.INTER_LANCZOS4,
        borderMode=cv2.BORDER_REPLICATE,
    )
    drawn = image.copy()
    drawn[y0:y1, x0:x1] = moved
    return drawn
