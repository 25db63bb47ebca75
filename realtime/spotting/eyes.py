"""The eyes: how open they are, whether they blink, and how to keep them out of the flow."""

import math
from collections import deque

import cv2
import numpy as np

from model.records import AlignedFace, ArrayF32, ArrayF64, ImageU8

BLINK_OPENNESS = 0.85
"""An eye blinks below this share of its usual openness. The mesh follows a lid only part of the
way, hence the high share."""
OPENNESS_HISTORY_S = 2.0
"""Time over which an eye's usual openness is measured."""
CHANGE_S, CHANGE, CHANGE_FACTOR = 0.1, 0.25, 4.0
"""The eyes also blink, or look elsewhere, if the pictures of both change within `CHANGE_S` by more
than `CHANGE` of the face's contrast and by `CHANGE_FACTOR` times what is usual: the mesh does not
see every lid close."""
LOWERED, UNSEEN_CHANGE = 0.92, 0.4
"""Brows that come down and lids that tighten change both pictures, too, though less than a blink.
So unless the mesh saw an eye below `LOWERED` of its usual openness within `CHANGE_S`, only changes
of more than `UNSEEN_CHANGE` count."""
COVER_WIDE, COVER_HIGH = 0.55, 0.2
"""Half axes of what is hidden of an eye, as shares of its width."""

_EYES = np.array([(33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380)])
_CORNERS = _EYES[:, [0, 3]]
_USUAL_EVERY_S = 0.1


def eye_openness(landmarks_px: ArrayF32) -> ArrayF32:
    """Return the eye aspect ratio of the person's right and left eye, (2,) float32, from (468, 2)
    landmarks.

    It is the height of the lids' contour over its width (T. Soukupová, J. Čech: Real-time eye blink
    detection using facial landmarks, CVWW 2016, equation 1).
    """
    ratios = []
    for p in landmarks_px[_EYES].tolist():
        height = math.dist(p[1], p[5]) + math.dist(p[2], p[4])
        ratios.append(height / max(2 * math.dist(p[0], p[3]), 1e-6))
    return np.array(ratios, np.float32)


def eye_corners(face: AlignedFace) -> ArrayF64:
    """Return the corners of the person's right and left eye, (2, 2, 2) px of the crop."""
    points = face.landmarks_px[_CORNERS]
    corners: ArrayF64 = points @ face.crop_from_image[:, :2].T + face.crop_from_image[:, 2]
    return corners


class EyeCover:
    """Hides one eye behind a soft patch that never changes.

    Lids and iris move far and fast. The flow's window would spread their motion to brow and cheek.
    """

    def __init__(self, crop: ImageU8, corners: ArrayF64) -> None:
        """`crop`: (S, S); `corners`: the eye's, (2, 2) px of the crop."""
        size = crop.shape[0]
        scale = float(np.linalg.norm(corners[1] - corners[0]))
        middle = corners.mean(axis=0)
        reach = np.array([COVER_WIDE, COVER_HIGH]) * scale
        low = np.clip(np.floor(middle - 1.5 * reach), 0, size - 1).astype(int)
        high = np.clip(np.ceil(middle + 1.5 * reach) + 1, 1, size).astype(int)
        self._rows, self._columns = slice(low[1], high[1]), slice(low[0], high[0])
        y, x = np.mgrid[self._rows, self._columns]
        out = np.hypot((x - middle[0]) / reach[0], (y - middle[1]) / reach[1])
        cover = np.clip((1.5 - out) / 0.5, 0, 1)
        self._clear = (1 - cover).astype(np.float32)
        soft = cv2.GaussianBlur(crop.astype(np.float32), (0, 0), scale / 4)
        self._patch = (cover * soft[self._rows, self._columns]).astype(np.float32)

    def put(self, picture: ArrayF32) -> None:
        """Cover the eye in `picture`, (S, S) float32, in place."""
        part = picture[self._rows, self._columns]
        part *= self._clear
        part += self._patch


class Eyes:
    """Both eyes of one face over time."""

    def __init__(self) -> None:
        self._history: deque[tuple[float, ArrayF32]] = deque()
        self._usual = np.zeros(2, np.float32)
        self._lowered_s = -math.inf
        self._pictures: deque[tuple[float, ImageU8]] = deque()
        self._usual_change = 1.0
        self._changes: deque[float] = deque(maxlen=round(OPENNESS_HISTORY_S / _USUAL_EVERY_S))

    def blink(self, face: AlignedFace, openness: ArrayF32) -> bool:
        """Take in the next face and its `eye_openness`; return whether its eyes blink."""
        time_s = face.stamp.time_s
        changed, usual_change = self._change(face), self._usual_change
        if not self._history or time_s - self._history[-1][0] >= _USUAL_EVERY_S:
            self._history.append((time_s, openness))
            while time_s - self._history[0][0] > OPENNESS_HISTORY_S:
                self._history.popleft()
            self._usual = np.median(np.stack([o for _, o in self._history]), axis=0)
            self._changes.append(changed)
            self._usual_change = float(np.median(self._changes))
        if (openness < LOWERED * self._usual).any():
            self._lowered_s = time_s
        closed = bool((openness < BLINK_OPENNESS * self._usual).any())
        lowered = time_s - self._lowered_s <= CHANGE_S + 1e-3
        least_change = CHANGE if lowered else UNSEEN_CHANGE
        return closed or changed > max(least_change, CHANGE_FACTOR * usual_change)

    def _change(self, face: AlignedFace) -> float:
        """Return how much the less changed of both eyes' pictures changed within `CHANGE_S`."""
        time_s, crop = face.stamp.time_s, face.crop
        self._pictures.append((time_s, crop))
        while len(self._pictures) > 2 and time_s - self._pictures[1][0] >= CHANGE_S - 1e-3:
            self._pictures.popleft()
        before = self._pictures[0][1]
        changes = []
        for (x0, y0), (x1, y1) in eye_corners(face).tolist():
            x, y = int((x0 + x1) / 2), int((y0 + y1) / 2)
            wide = int(math.hypot(x1 - x0, y1 - y0) / 2)
            high = wide // 3 + 1
            box = slice(max(y - high, 0), y + high + 1), slice(max(x - wide, 0), x + wide + 1)
            changes.append(cv2.mean(cv2.absdiff(crop[box], before[box]))[0])
        _, deviation = cv2.meanStdDev(crop)
        return min(changes) / (float(deviation[0, 0]) + 1)
