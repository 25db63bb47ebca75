"""How the regions of a face move against the face's own neutral picture.

Every crop is compared with one reference that changes slowly. The head is moved back to where the
reference has it (`realtime.spotting.head_fit`), and dense Lucas–Kanade flow measures what the skin
did. A region's displacement is a Gaussian mean of this flow around the person's own landmarks
(brows, lids, nose wings, cheeks, mouth, chin, as in the spotting literature). Its noise does not
grow with time; that of summed frame-to-frame flow does.

The reference is renewed while the face rests, when the reference has grown old, or when the picture
has moved too far from it for exact flow. The displacement then continues from its last value.
"""

import cmath
import math
from collections import deque
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from model.face.aligned_crop import LEVER_PX, resolution_of
from model.flow.lk import LucasKanade
from model.records import AlignedFace, ArrayF32, ArrayF64, ImageU8, MotionSample, Stamp
from realtime.spotting.eyes import EyeCover, Eyes, eye_corners, eye_openness
from realtime.spotting.head_fit import HeadFit

if TYPE_CHECKING:
    from model.flow.gpu.gpu_flow import DeviceFlow

_REGION_POINTS = {
    "brow_outer_right": (70, 63),
    "brow_middle_right": (105,),
    "brow_inner_right": (107, 66),
    "brow_inner_left": (336, 296),
    "brow_middle_left": (334,),
    "brow_outer_left": (300, 293),
    "lid_lower_right": (145, 23),
    "lid_lower_left": (374, 253),
    "nose_wing_right": (98,),
    "nose_wing_left": (327,),
    "cheek_right": (205,),
    "cheek_left": (425,),
    "mouth_corner_right": (61,),
    "mouth_corner_left": (291,),
    "lip_upper": (0, 37, 267),
    "lip_lower": (17, 84, 314),
    "chin": (199,),
}

REGIONS = tuple(_REGION_POINTS)
"""Region names in the order of `MotionSample.displacement`. Right is the person's right: image
left."""
UPPER = tuple(i for i, name in enumerate(REGIONS) if name.startswith(("brow", "lid")))
"""Positions in `REGIONS` of the upper face, which does not move in speech."""
LOWER = tuple(i for i in range(len(REGIONS)) if i not in UPPER)
"""Positions in `REGIONS` of the lower face."""
REGION_SIGMA_PX = 4.0
"""Standard deviation of a region's Gaussian weight, px of the 128 px crop."""

FLAGS = {
    "start": "the first sample of a track: displacement zero by definition",
    "reference": "the neutral reference is renewed after this sample",
    "blink": "an eye is much less open than usual, or both eyes' pictures change fast",
    "head": "the head moves too fast for the rest to be trusted",
    "light": "the brightness jumped",
    "texture": "too little contrast for motion to be measured",
}
"""What makes a sample special or doubtful, and what each flag means."""

FAST_HEAD_PX_S = 60.0
"""Head motion, crop px per second, above which a sample is flagged."""
LIGHT_JUMP = 0.06
"""Relative change of the crop's mean level between frames above which a sample is flagged."""
LOW_CONTRAST = 8.0
"""Standard deviation of the crop's grey levels below which a sample is flagged."""
RENEW_AFTER_S = 8.0
"""Age at which a reference is renewed as soon as the face rests."""
MOVED_PX, MOVED_REST_S = 0.6, 1.0
"""If a face rests for `MOVED_REST_S` with a region further than `MOVED_PX` from the reference, it
has a new resting place, and this becomes the new reference."""
STALE_PX, STALE_S = 1.5, 0.5
"""Median residual motion over the crop that, if it lasts `STALE_S`, renews a reference even while
the face moves. Such a change comes from the head turning out of the plane."""
REST_S, REST_PX = 0.3, 0.15
"""A face rests while, for every region, the mean over the last third of `REST_S` is within
`REST_PX` of the mean over the time before."""

COVERED_S = 0.2
"""How long after a blink was last seen the eyes are kept out of the flow."""
_POINTS = tuple(_REGION_POINTS.values())
_COUNTS = np.array([[len(points)] for points in _POINTS], np.float32)
_ORDERED = tuple(  # the regions that have a first, second and third point, and these points
    np.array([(i, points[k]) for i, points in enumerate(_POINTS) if len(points) > k]).T
    for k in range(max(map(len, _POINTS)))
)
_SPEED_MEMORY_S = 0.05
_LEAST_WEIGHT = 1e-20  # of a region's pixel
_STEP_PX = 2  # the flow is smoother than this: more points only cost time


class Motion:
    """Turns the aligned faces of one source, in order, into motion samples."""

    def __init__(self, device: str = "cpu") -> None:
        """`device` computes the flow: "cpu" or "cuda:N"."""
        # Use one level only. A pyramid lets a blink affect the brows and the head's motion, and a
        # reference that is renewed leaves no far motion to find.
        flow = LucasKanade(levels=1)
        self._flow: LucasKanade | DeviceFlow = flow
        if device.startswith("cuda"):
            from model.flow.gpu import gpu_flow as gpu  # with PyTorch

            self._flow = gpu.DeviceFlow(flow, device)
        self._track: _Track | None = None

    @property
    def trouble(self) -> str:
        """Why the device is no longer used; empty while it is."""
        return "" if isinstance(self._flow, LucasKanade) else self._flow.trouble

    def warm_up(self, size: int) -> None:
        """Run the flow once on crops of `size`, so that the first frames need not wait."""
        blank = np.zeros((size, size), np.uint8)
        self._flow.against(blank)(blank)

    def push(self, face: AlignedFace) -> MotionSample:
        """Return the motion of `face` against its track's reference; a new track starts a new one.

        Stamps increase within a track.
        """
        if self._track is None or self._track.number != face.track:
            self._track = _Track(self._flow, face)
            return self._track.first
        return self._track.push(face)

    def lose_face(self, stamp: Stamp) -> None:
        """Handle the loss of the face at `stamp`. The next face may be of the same or a new
        track."""
        if self._track is not None:
            self._track.pause()


def region_centres(landmarks_px: ArrayF32, crop_from_image: ArrayF64) -> ArrayF64:
    """Return the centres of `REGIONS`, (R, 2) float64, px of the crop."""
    points = np.zeros((len(REGIONS), 2), np.float32)
    for regions, numbers in _ORDERED:
        points[regions] += landmarks_px[numbers]
    points /= _COUNTS
    centres: ArrayF64 = points @ crop_from_image[:, :2].T + crop_from_image[:, 2]
    return centres


class _Track:
    """One face, followed without a break of identity."""

    def __init__(self, flow: "LucasKanade | DeviceFlow", face: AlignedFace) -> None:
        self.number = face.track
        self._flow = flow
        self._face = face
        self._head_px = np.zeros(4, np.float32)  # against the reference
        self._velocity = [0.0] * 4
        self._rest = _Rest()
        self._fresh_s = face.stamp.time_s
        self._eyes = Eyes()
        self._blink_s = -math.inf
        still = np.zeros((len(REGIONS), 2), np.float32)
        openness = eye_openness(face.landmarks_px)
        self._eyes.blink(face, openness)
        self._reference = _Reference(flow, face, still)
        self._level = self._reference.level
        self.first = MotionSample(
            stamp=face.stamp,
            displacement=still,
            field=np.zeros((2, *face.crop.shape), np.float32),
            head=np.zeros(4, np.float32),
            eye_openness=openness,
            resolution=resolution_of(face.crop_from_image),
            track=face.track,
            flags=frozenset({"start"}),
        )

    def pause(self) -> None:
        self._rest.clear()

    def push(self, face: AlignedFace) -> MotionSample:
        time_s = face.stamp.time_s
        openness = eye_openness(face.landmarks_px)
        blink = self._eyes.blink(face, openness)
        if blink:
            self._blink_s = time_s
        picture, level, contrast = self._reference.normalise(face.crop)
        covered = time_s - self._blink_s < COVERED_S
        picture, head_px = self._reference.head.remove(picture)
        field = self._reference.flow_to(picture, covered)
        displacement = self._reference.displacement(field)
        head = _head_step(self._face, self._head_px, face, head_px)

        flags = set()
        if blink:
            flags.add("blink")
        if self._speed_px_s(head, time_s - self._face.stamp.time_s) > FAST_HEAD_PX_S:
            flags.add("head")
        if abs(level - self._level) > LIGHT_JUMP * max(self._level, 1.0):
            flags.add("light")
        if contrast < LOW_CONTRAST:
            flags.add("texture")
        if self._outdated(time_s, displacement, field, bool(flags)):
            flags.add("reference")
            base = self._rest.place if self._rest.lasted_s > 0 else displacement
            self._reference = _Reference(self._flow, face, base)
            head_px = np.zeros(4, np.float32)
        self._face, self._head_px, self._level = face, head_px, level
        return MotionSample(
            stamp=face.stamp,
            displacement=displacement,
            field=field,
            head=head,
            eye_openness=openness,
            resolution=resolution_of(face.crop_from_image),
            track=face.track,
            flags=frozenset(flags),
        )

    def _speed_px_s(self, head: ArrayF32, dt_s: float) -> float:
        gain, dt_s = 1 - math.exp(-dt_s / _SPEED_MEMORY_S), max(dt_s, 1e-3)
        u, v, turn, scale = self._velocity = [
            old + gain * (step / dt_s - old)
            for old, step in zip(self._velocity, head.tolist(), strict=True)
        ]
        return math.hypot(u, v, LEVER_PX * turn, LEVER_PX * scale)

    def _outdated(
        self, time_s: float, displacement: ArrayF32, field: ArrayF32, disturbed: bool
    ) -> bool:
        """Return whether the face at `time_s` should become the new reference."""
        self._rest.push(time_s, displacement)
        sizes = np.abs(field[:, ::8, ::8]).ravel()
        middle = len(sizes) // 2
        sizes.partition((middle - 1, middle))  # the median; `np.median` takes twice as long
        if (sizes[middle - 1] + sizes[middle]) / 2 < STALE_PX:
            self._fresh_s = time_s
        if time_s - self._fresh_s > STALE_S:
            self._fresh_s = time_s
            return True
        if disturbed or self._rest.lasted_s < REST_S:  # at an apex, both halves agree for a moment
            return False
        moved_px = float(np.abs(self._rest.place - self._reference.base).max())
        return time_s - self._reference.time_s > RENEW_AFTER_S or (
            moved_px > MOVED_PX and self._rest.lasted_s > MOVED_REST_S
        )


class _Rest:
    """Whether the regions stand still, and for how long."""

    def __init__(self) -> None:
        self.lasted_s = 0.0
        """How long the face has rested; 0 while it moves."""
        self.place: ArrayF32 = np.zeros((len(REGIONS), 2), np.float32)
        """Mean recent displacement, (R, 2) px."""
        self._recent: deque[tuple[float, ArrayF32]] = deque()

    def push(self, time_s: float, displacement: ArrayF32) -> None:
        last_s = self._recent[-1][0] if self._recent else time_s
        self._recent.append((time_s, displacement))
        while time_s - self._recent[0][0] > REST_S:
            self._recent.popleft()
        recent = np.array([d for _, d in self._recent])
        early = sum(t <= time_s - REST_S / 3 for t, _ in self._recent)
        self.place = np.add.reduce(recent[early:]) / (len(recent) - early)
        before = np.add.reduce(recent[:early]) / max(early, 1)
        if not early or cv2.norm(self.place, before, cv2.NORM_INF) > REST_PX:
            self.lasted_s = 0.0
        else:
            self.lasted_s += time_s - last_s

    def clear(self) -> None:
        self.lasted_s = 0.0
        self._recent.clear()


class _Reference:
    """The neutral picture, and everything that depends on it alone."""

    def __init__(self, flow: "LucasKanade | DeviceFlow", face: AlignedFace, base: ArrayF32) -> None:
        self.time_s = face.stamp.time_s
        self._face = face
        self._flow = flow
        self._flow_to = flow.against(face.crop)
        self.level, self.contrast = _level_and_contrast(face.crop)
        self.head = HeadFit(face.crop.astype(np.float32))
        self.base = base
        """Displacement of the regions in this picture, (R, 2)."""
        self._down, self._across = _region_weights(
            region_centres(face.landmarks_px, face.crop_from_image), face.crop.shape[0]
        )

    def normalise(self, crop: ImageU8) -> tuple[ArrayF32, float, float]:
        """Return `crop` as float32 with this picture's level and contrast, and its own level and
        contrast. So slow changes of exposure and light do not count as motion."""
        level, contrast = _level_and_contrast(crop)
        gain = self.contrast / max(contrast, 1.0)
        picture = crop * np.float32(gain)
        picture += np.float32(self.level - gain * level)
        return picture, level, contrast

    def flow_to(self, picture: ArrayF32, covered: bool) -> ArrayF32:
        """Return the flow to a normalised `picture`, (2, S, S) px; `covered` hides the eyes in both
        (and in `picture`)."""
        if not covered:
            return self._flow_to(picture)
        covers, flow_to = self._covered
        for cover in covers:
            cover.put(picture)
        return flow_to(picture)

    @cached_property
    def _covered(self) -> tuple[list[EyeCover], Callable[[ArrayF32], ArrayF32]]:
        """What covers the eyes, and the flow from the covered picture: most references see no
        blink."""
        covers = [EyeCover(self._face.crop, corners) for corners in eye_corners(self._face)]
        picture = self._face.crop.astype(np.float32)
        for cover in covers:
            cover.put(picture)
        return covers, self._flow.against(picture)

    def displacement(self, field: ArrayF32) -> ArrayF32:
        """Return the displacement of each region, (R, 2) float32 px, under the residual `field`."""
        # Contiguous, or the product takes ten times as long.
        by_column = self._down @ np.ascontiguousarray(field[:, ::_STEP_PX, ::_STEP_PX])
        moved: ArrayF32 = (by_column * self._across).sum(axis=2).T
        return self.base + moved


def _head_step(
    last: AlignedFace, last_head: ArrayF32, face: AlignedFace, head: ArrayF32
) -> ArrayF32:
    """Return the head's motion from `last` to `face`, (4,) float32 as in `MotionSample.head`: the
    motion of the crop in the picture plus the rest of the head's motion inside the crop."""
    (before, shift_before), (now, shift_now) = map(_as_complex, (last, face))
    u, v, turn, scale = head.tolist()
    last_u, last_v, last_turn, last_scale = last_head.tolist()
    middle = (face.crop.shape[0] - 1) / 2
    centre = complex(middle, middle)
    moved = before / now
    shift = moved * (centre + complex(u, v) - shift_now) + shift_before - centre
    grown = cmath.log(moved)
    return np.array(
        [
            shift.real - last_u,
            shift.imag - last_v,
            grown.imag + turn - last_turn,
            grown.real + scale - last_scale,
        ],
        np.float32,
    )


def _as_complex(face: AlignedFace) -> tuple[complex, complex]:
    """Return factor and shift of the crop's similarity, of points x + iy."""
    (a, _, x), (b, _, y) = face.crop_from_image.tolist()
    return complex(a, b), complex(x, y)


def _level_and_contrast(crop: ImageU8) -> tuple[float, float]:
    mean, deviation = cv2.meanStdDev(crop[::_STEP_PX, ::_STEP_PX])
    return float(mean[0, 0]), float(deviation[0, 0])


def _region_weights(centres: ArrayF64, size: int) -> tuple[ArrayF32, ArrayF32]:
    """Return Gaussian weights of the rows and of the columns of the sampled grid, (R, points)
    float32 each, every row summing to 1. Centres outside the crop are moved to its edge."""
    sigma = REGION_SIGMA_PX * size / 128
    axis = np.arange(0, size, _STEP_PX)
    x, y = np.clip(centres, 0, size - 1).T
    down, across = (np.exp(-0.5 * ((axis - at[:, None]) / sigma) ** 2) for at in (y, x))
    return _to_one(down), _to_one(across)


def _to_one(weights: ArrayF64) -> ArrayF32:
    scaled: ArrayF32 = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    # Far weights change no sum, but float32 holds them denormal: a product then takes three times
    # as long.
    scaled[scaled < _LEAST_WEIGHT] = 0
    return scaled
