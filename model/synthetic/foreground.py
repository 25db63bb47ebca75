"""Things in front of a face: a hand that passes, glasses that reflect a window, moving hair.

Each is a picture in mm of the canvas, drawn once, and moved as a whole with subpixel accuracy. Only
the window in a pair of glasses is drawn in each frame, because it moves within the lenses.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from model.records import ArrayF32, ArrayF64, ImageU8
from model.synthetic.action_units import EYES
from model.synthetic.courses import HeadPose, ease_between
from model.synthetic.patches import smoothstep

_FINENESS = 3  # px of a layer's picture per mm
_SOFT_MM = 0.7  # blur of all edges
_ON = (1.0,)

_HAND_MM = (120, 200)
_PALM_MM = (40.0, 46.0)  # half axes of the palm
_BONES = (
    ((30, 81), (44, 100), 9.0),
    ((49, 33), (55, 100), 9.0),
    ((69, 29), (68, 100), 9.0),
    ((89, 39), (80, 100), 9.0),
    ((108, 82), (80, 125), 10.4),
    ((60, 130), (60, 260), 27.0),
)  # tip, root and half width of four fingers, thumb and arm, mm of the hand's picture
_OUT_MM = 130.0  # beyond the face
_ACROSS_S = 0.45  # the hand's way over the face, at least

_LENS_MM, _RIM_MM = (24.0, 19.0), 1.1
_GLASSES_DEPTH = 0.6  # they stand out of the face by this share of the nose
_WINDOW_MM = (13.0, 9.0)
_WINDOW_AWAY = 1.5  # a mirror image moves against the head
_RIM_COLOUR, _WINDOW_COLOUR = (38.0, 32.0, 30.0), (238.0, 243.0, 250.0)

_HAIR_MM, _STRANDS = (110, 62), 14
_STRAND_MM = 0.45
_HAIR_COLOUR = (52.0, 38.0, 30.0)
_HAIR_HZ = (0.3, 1.2)


@dataclass(frozen=True, slots=True)
class HandPath:
    """Where a hand is over time."""

    times_s: ArrayF64
    """(K,)"""
    places_mm: ArrayF64
    """(K, 2) of the tips of its fingers, mm to the right of the face's middle and below the
    eyes."""
    lean_rad: float

    def place(self, time_s: float) -> tuple[float, float] | None:
        """Where its finger tips are; None while it is out of the picture."""
        if not self.times_s[0] < time_s < self.times_s[-1]:
            return None
        x, y = ease_between(self.times_s, self.places_mm, np.array([time_s]))[0]
        return float(x), float(y)


def sample_hand_path(rng: np.random.Generator, onset_s: float, length_s: float) -> HandPath:
    """A hand that comes from one side, crosses the face between nose and chin, and leaves on the
    other side or where it came from."""
    side = rng.choice([-1.0, 1.0])
    across = max(_ACROSS_S, length_s * rng.uniform(0.4, 0.7))
    turn = rng.uniform(0.3, 0.6)
    far = side * rng.uniform(10, 40)
    leaves = -side if rng.random() < 0.5 else side
    height = rng.uniform(-15, 40)
    return HandPath(
        onset_s + np.array([0.0, turn * across, max(length_s, across)]),
        np.array(
            [
                [side * _OUT_MM, height + 70],
                [-far, height],
                [leaves * _OUT_MM, height + rng.uniform(30, 90)],
            ]
        ),
        float(-side * rng.uniform(0.2, 0.6)),
    )


class Layer:
    """A picture that covers part of what is behind it."""

    def __init__(self, colours: ArrayF32, cover: ArrayF32, corner_mm: tuple[float, float]) -> None:
        """`colours` (H, W, 3) RGB 0 to 255, `cover` (H, W) 0 to 1. `corner_mm` is where its first
        px is on the canvas."""
        cover = cv2.GaussianBlur(cover, (0, 0), _SOFT_MM * _FINENESS / 2).astype(np.float32)
        self._painted = np.dstack([colours * cover[..., None], cover]).astype(np.float32)
        self._canvas_from_layer = np.array(
            [[1 / _FINENESS, 0.0, corner_mm[0]], [0.0, 1 / _FINENESS, corner_mm[1]], [0, 0, 1]]
        )

    def put(self, image: ImageU8, image_from_canvas: ArrayF64) -> None:
        """Draw it into `image`, in place, where `image_from_canvas` (3, 3) puts the canvas."""
        matrix = image_from_canvas @ self._canvas_from_layer
        h, w = self._painted.shape[:2]
        corners = np.array([[0, 0, 1], [w, 0, 1], [0, h, 1], [w, h, 1]]) @ matrix[:2].T
        x0, y0 = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(corners.max(axis=0)), image.shape[1::-1]).astype(int)
        if x0 >= x1 or y0 >= y1:
            return
        local = matrix[:2].copy()
        local[:, 2] -= (x0, y0)
        # Shrinking without a filter would let fine lines flicker as they move.
        painted = cv2.warpAffine(
            self._painted, local, (int(x1 - x0), int(y1 - y0)), flags=cv2.INTER_LINEAR
        )
        part = image[y0:y1, x0:x1]
        part[:] = np.clip(part * (1 - painted[..., 3:]) + painted[..., :3] + 0.5, 0, 255)


class Hand:
    """A hand of a given colour."""

    def __init__(self, colour: ArrayF64) -> None:
        """`colour`: RGB of the skin."""
        w, h = (side * _FINENESS for side in _HAND_MM)
        cover, shade = np.zeros((h, w), np.float32), np.zeros((h, w), np.float32)
        centre = (60 * _FINENESS, 110 * _FINENESS)
        axes = (int(_PALM_MM[0] * _FINENESS), int(_PALM_MM[1] * _FINENESS))
        cv2.ellipse(cover, centre, axes, 0, 0, 360, _ON, -1)
        for tip, root, half_mm in _BONES:
            ends = [[int(value * _FINENESS) for value in end] for end in (tip, root)]
            cv2.line(cover, ends[0], ends[1], _ON, int(2 * half_mm * _FINENESS))
            cv2.line(shade, ends[0], ends[1], _ON, int(1.2 * half_mm * _FINENESS))
        soft = cv2.GaussianBlur(shade, (0, 0), 3.0 * _FINENESS)
        grain = np.random.default_rng(0).standard_normal((h // 4, w // 4)).astype(np.float32)
        fine = cv2.resize(grain, (w, h), interpolation=cv2.INTER_CUBIC)
        light = np.asarray(0.72 + 0.3 * soft + 0.025 * fine, np.float32)[..., None]
        colours = np.clip(light * colour, 0, 255).astype(np.float32)
        self._layer = Layer(colours, cover, (-60, 0))

    def put(
        self, image: ImageU8, image_from_canvas: ArrayF64, eyes: ArrayF64, path: HandPath, t: float
    ) -> None:
        """Draw it where `path` has it at time `t`; `eyes` (2,) is their middle on the canvas."""
        place = path.place(t)
        if place is None:
            return
        c, s = math.cos(path.lean_rad), math.sin(path.lean_rad)
        x, y = eyes + place
        self._layer.put(image, image_from_canvas @ np.array([[c, -s, x], [s, c, y], [0, 0, 1]]))


class Glasses:
    """A pair of glasses that reflect a window."""

    def __init__(self, landmarks: ArrayF32, strength: float) -> None:
        """`landmarks` are (468, 2) canvas px. `strength`: how much the reflection covers."""
        below = np.array([0, 2])
        self._centres = [landmarks[list(eye)].mean(axis=0) + below for eye in EYES]
        around = np.array([60, 40])
        low = np.min(self._centres, axis=0) - around
        size = np.max(self._centres, axis=0) + around - low
        self._corner = (float(low[0]), float(low[1]))
        w, h = (int(side * _FINENESS) for side in size)
        rims, self._lenses = np.zeros((h, w), np.float32), np.zeros((h, w), np.float32)
        y, x = np.mgrid[:h, :w] / _FINENESS
        self._x, self._y = x + low[0], y + low[1]
        thick = _RIM_MM / _LENS_MM[1]
        for centre in self._centres:
            away = np.hypot(
                (self._x - centre[0]) / _LENS_MM[0], (self._y - centre[1]) / _LENS_MM[1]
            )
            rims = np.maximum(rims, (np.abs(away - 1) < thick).astype(np.float32))
            self._lenses = np.maximum(self._lenses, (away < 1 - thick).astype(np.float32))
        right, left = sorted((float(x), float(y) - 4) for x, y in self._centres)
        wide = _LENS_MM[0]
        for (x0, y0), (x1, y1) in (
            ((right[0] + wide, right[1]), (left[0] - wide, left[1])),
            ((right[0] - wide, right[1]), (right[0] - 60, right[1])),
            ((left[0] + wide, left[1]), (left[0] + 60, left[1])),
        ):
            start = [int((x0 - low[0]) * _FINENESS), int((y0 - low[1]) * _FINENESS)]
            end = [int((x1 - low[0]) * _FINENESS), int((y1 - low[1]) * _FINENESS)]
            cv2.line(rims, start, end, _ON, int(2 * _RIM_MM * _FINENESS))
        self._rims = Layer(_plain(rims, _RIM_COLOUR), rims * 0.9, self._corner)
        self._strength = strength

    def put(self, image: ImageU8, image_from_canvas: ArrayF64, pose: HeadPose) -> None:
        """Draw them on a head at `pose`, where `image_from_canvas` (3, 3) puts its canvas."""
        ahead = np.array([pose.yaw_mm, pose.pitch_mm]) * _GLASSES_DEPTH
        here = image_from_canvas @ _shift(*ahead)
        against = _WINDOW_AWAY * np.array([pose.right_mm + pose.yaw_mm, pose.down_mm])
        window = np.zeros_like(self._lenses)
        for centre in self._centres:
            x, y = centre + np.array([5, -5]) - against
            u, v = np.abs(self._x - x) / _WINDOW_MM[0], np.abs(self._y - y) / _WINDOW_MM[1]
            pane = smoothstep((1 - np.maximum(u, v)) * 8) * smoothstep(
                (np.minimum(u, v) - 0.06) * 9
            )
            window = np.maximum(window, pane.astype(np.float32))
        cover = self._strength * window * self._lenses
        Layer(_plain(cover, _WINDOW_COLOUR), cover, self._corner).put(image, here)
        self._rims.put(image, here)


class Hair:
    """Strands of hair that hang over the forehead and swing."""

    def __init__(self, landmarks: ArrayF32, seed: int, swing_mm: float) -> None:
        """`landmarks` are (468, 2) canvas px. `swing_mm`: root mean square at the tips."""
        rng = np.random.default_rng([seed, 0x4A])
        w, h = (side * _FINENESS for side in _HAIR_MM)
        cover = np.zeros((h, w), np.float32)
        for _ in range(_STRANDS):
            x0, x1 = rng.uniform(0.15, 0.85) * w, rng.uniform(-12, 12) * _FINENESS
            long = rng.uniform(0.6, 1.0) * h
            down = np.linspace(0, 1, 24)
            bend = rng.uniform(-6, 6) * _FINENESS
            line = np.column_stack([x0 + x1 * down**2 + bend * down * (1 - down), long * down])
            cv2.polylines(
                cover, [np.rint(line).astype(np.int32)], False, _ON,
                int(2 * _STRAND_MM * _FINENESS),
            )  # fmt: skip
        root = landmarks[10].astype(np.float64) - (0, 14)  # above the top of the forehead
        self._layer = Layer(_plain(cover, _HAIR_COLOUR), 0.85 * cover, (-_HAIR_MM[0] / 2, 0.0))
        self._root = root
        self._hz = np.exp(rng.uniform(math.log(_HAIR_HZ[0]), math.log(_HAIR_HZ[1]), 4))
        self._phase = rng.uniform(0, 2 * np.pi, 4)
        self._shear = swing_mm / _HAIR_MM[1] / math.sqrt(2)

    def put(self, image: ImageU8, image_from_canvas: ArrayF64, time_s: float) -> None:
        """Draw it at a time, where `image_from_canvas` (3, 3) puts the head's canvas."""
        swing = self._shear * float(np.sin(2 * np.pi * self._hz * time_s + self._phase).sum())
        sheared = np.array([[1.0, swing, 0], [0, 1.0, 0], [0, 0, 1]])
        self._layer.put(image, image_from_canvas @ _shift(*self._root) @ sheared)


def _plain(like: ArrayF32, colour: tuple[float, float, float]) -> ArrayF32:
    return np.broadcast_to(np.array(colour, np.float32), (*like.shape, 3)).astype(np.float32)


def _shift(x: float, y: float) -> ArrayF64:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])
