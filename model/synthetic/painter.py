"""Draws a portrait in a given state: head pose, skin displacement, lids, jaw."""

import math
import threading
from functools import cache
from typing import Any

import cv2
import numpy as np

from model.records import ArrayF32, ArrayF64, ImageU8
from model.synthetic.courses import HeadPose
from model.synthetic.patches import smoothstep
from model.synthetic.portrait import CANVAS_SIZE, SUPERSAMPLING, Portrait

_INVERSIONS = 4
_HEAD_MM = (105.0, 120.0)  # half axes of the ellipse that moves with the head: face and hair
_HEAD_DOWN_MM = 8.0  # its centre, below the eyes
_FADE = 0.45  # from this much further out, relative, the background rests
_NECK_MM = 120.0  # the head turns about this point below the eyes
_DEPTH_MM = 32.0  # width of the bell by which the nose stands out of the face
_NOSE = 4
_PURSED = 0.5  # strength of AU18 when the lips are fully pursed


class Painter:
    """Paints one portrait.

    It inverts the skin's displacement on the face's canvas, and adds it to the head's motion on a
    coarse grid of the frame. Then it samples the texture once, so the picture is interpolated only
    once, whatever moves.
    """

    def __init__(self, portrait: Portrait) -> None:
        self._portrait = portrait
        self._texture = portrait.texture.copy()
        self._lock = threading.Lock()  # each frame draws its lids and mouth into the texture first
        self._image_from_canvas = np.linalg.inv(_square(portrait.canvas_from_image))
        self._eyes = self._in_image(np.array([CANVAS_SIZE[0] / 2, 68.0]))
        self._mm = portrait.image_px_per_mm
        self._grid = _Grid(portrait, self._eyes, self._mm)
        height, width = CANVAS_SIZE[1], CANVAS_SIZE[0]
        y, x = np.mgrid[:height, :width].astype(np.float32)
        nose = portrait.landmarks_canvas[_NOSE]
        away = (x - nose[0]) ** 2 + (y - nose[1]) ** 2
        self._depth = np.exp(-away / np.float32(2 * _DEPTH_MM**2))
        self.pursed_lips = portrait.field({"AU18": (_PURSED, _PURSED)})
        """(H, W, 2) canvas displacement of fully pursed lips, mm."""
        self._rest = self._draw_rest()

    def paint(self, pose: HeadPose, skin: ArrayF32 | None, *, closed: float, jaw: float) -> ImageU8:
        """The frame (H, W, 3) uint8 RGB, without noise.

        `skin`: displacement (h, w, 2) on the canvas, mm, or None. `closed`: the lids' level, 0 to
        1. `jaw`: the mouth's level, -1 to 1.
        """
        shift = self._depth[..., None] * np.array([-pose.yaw_mm, -pose.pitch_mm], np.float32)
        if skin is not None:
            shift -= invert_field(skin)
        where = self._grid.sources(self.neutral_from_image(pose), shift)
        frame = self._rest.copy()
        with self._lock:
            for lid in self._portrait.lids:
                lid.put(self._texture, closed)
            self._portrait.mouth.put(self._texture, jaw)
            head = _look_up(self._texture, where)
        self._grid.insert(head, frame)
        return frame

    def neutral_from_image(self, pose: HeadPose) -> ArrayF64:
        """(3, 3): image px of the head at rest ← image px. The head turns about the neck."""
        scale = math.exp(-pose.log_scale)
        c, s = scale * math.cos(pose.turn_rad), scale * math.sin(pose.turn_rad)
        linear = np.array([[c, s], [-s, c]])
        neck = self._eyes + np.array([0.0, _NECK_MM * self._mm])
        neck_now = neck + np.array([pose.right_mm, pose.down_mm]) * self._mm
        return _square(np.column_stack([linear, neck - linear @ neck_now]))

    def _in_image(self, canvas: ArrayF64) -> ArrayF64:
        return self._image_from_canvas[:2, :2] @ canvas + self._image_from_canvas[:2, 2]

    def _draw_rest(self) -> ImageU8:
        """The frame at rest, cut from the texture; its background never moves."""
        width, height = self._portrait.size
        k, margin = SUPERSAMPLING, self._portrait.margin_px
        inner = self._portrait.texture[
            margin * k : (margin + height) * k, margin * k : (margin + width) * k
        ]
        drawn = cv2.resize(inner, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(drawn, dtype=np.uint8)


def invert_field(field: ArrayF32) -> ArrayF32:
    """How far the skin at each px of the canvas has moved to get there: v (H, W, 2) with v(y) =
    u(y - v(y)), where u is `field` (H, W, 2)."""
    canvas = _canvas()
    back: ArrayF32 = field
    for _ in range(_INVERSIONS):
        back = _look_up(field, canvas - back)
    return back


@cache
def _canvas() -> ArrayF32:
    y, x = np.mgrid[: CANVAS_SIZE[1], : CANVAS_SIZE[0]].astype(np.float32)
    places: ArrayF32 = np.stack([x, y], axis=-1)
    return places


class _Grid:
    """A coarse grid over the part of the frame that may move."""

    def __init__(self, portrait: Portrait, eyes: ArrayF64, px_per_mm: float) -> None:
        self._canvas_from_image = _square(portrait.canvas_from_image)
        step = max(1, int(px_per_mm * 1.25))
        middle = eyes + np.array([0.0, _HEAD_DOWN_MM * px_per_mm])
        reach = np.array(_HEAD_MM) * px_per_mm
        low = np.maximum(np.floor(middle - (1 + _FADE) * reach), 0).astype(int)
        high = np.minimum(np.ceil(middle + (1 + _FADE) * reach), portrait.size).astype(int)
        self._x0, self._y0 = int(low[0]), int(low[1])
        self._width, self._height = int(high[0] - low[0]), int(high[1] - low[1])
        # One more point on each side, because a refined grid is flat beyond its outermost points.
        columns, rows = -(-self._width // step) + 2, -(-self._height // step) + 2
        self._size, self._fine = (columns, rows), (columns * step, rows * step)
        self._step = step
        # Refining the grid keeps pixel centres in place, not corners.
        self._image_from_grid = np.array(
            [
                [step, 0.0, self._x0 - step + (step - 1) / 2],
                [0.0, step, self._y0 - step + (step - 1) / 2],
                [0.0, 0.0, 1.0],
            ]
        )
        x = np.arange(columns) * step + self._image_from_grid[0, 2]
        y = np.arange(rows)[:, None] * step + self._image_from_grid[1, 2]
        out = np.hypot((x - middle[0]) / reach[0], (y - middle[1]) / reach[1])
        weight = 1 - smoothstep((out - 1) / _FADE)
        x, y = np.broadcast_to(x, weight.shape), np.broadcast_to(y, weight.shape)
        k, margin = SUPERSAMPLING, portrait.margin_px
        rest = np.stack([x, y], axis=-1)
        self._rest = ((rest + margin + 0.5) * k - 0.5).astype(np.float32)
        self._weights = np.stack([weight * x, weight * y, weight], axis=-1).astype(np.float32)
        linear = np.linalg.inv(self._canvas_from_image[:2, :2])
        self._texture_from_mm = (linear * k).astype(np.float32)

    def sources(self, neutral_from_image: ArrayF64, shift: ArrayF32) -> ArrayF32:
        """The texture px to sample for each pixel of this part of the frame, (h, w, 2) float32.
        `shift` is what the skin adds to it, (h', w', 2) mm on the canvas."""
        canvas_from_grid = self._canvas_from_image @ neutral_from_image @ self._image_from_grid
        skin = cv2.warpAffine(
            cv2.transform(shift, self._texture_from_mm),
            canvas_from_grid[:2],
            self._size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )
        # The head's motion fades out into the background.
        change = (neutral_from_image - np.eye(3))[:2] * SUPERSAMPLING
        head = cv2.transform(self._weights, change.astype(np.float32))
        where = cv2.resize(self._rest + head + skin, self._fine, interpolation=cv2.INTER_LINEAR)
        rows = slice(self._step, self._step + self._height)
        columns = slice(self._step, self._step + self._width)
        return np.asarray(where, dtype=np.float32)[rows, columns]

    def insert(self, part: ImageU8, frame: ImageU8) -> None:
        """Copy the drawn part into the frame."""
        rows = slice(self._y0, self._y0 + self._height)
        columns = slice(self._x0, self._x0 + self._width)
        frame[rows, columns] = part


def _look_up(image: Any, places: ArrayF32) -> Any:
    """The values of `image` (H, W, C) at `places` (h, w, 2) px, with its edges repeated."""
    return cv2.remap(  # type: ignore[call-overload]
        image, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _square(affine: ArrayF64) -> ArrayF64:
    return np.vstack([affine, (0.0, 0.0, 1.0)])
