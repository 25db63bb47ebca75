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
_HEAD_MM = (105.0, 120.0)  # half axes of what moves wholly with the head: face and hair
_HEAD_DOWN_MM = 8.0  # that ellipse's middle, below the eyes
_FADE = 0.45  # how much further out, relative, the background rests
_NECK_MM = 120.0  # below the eyes: what the head turns about
_DEPTH_MM = 32.0  # the nose stands out of the face like a bell of this width
_NOSE = 4
_PURSED = 0.5  # strength of AU18 when the lips are fully pursed


class Painter:
    """Paints one portrait. The skin's displacement is inverted on the face's canvas, brought into
    the frame on a coarse grid together with the head's motion, and looked up in the texture once:
    one interpolation of the picture, whatever moves."""

    def __init__(self, portrait: Portrait) -> None:
        self._portrait = portrait
        self._texture = portrait.texture.copy()
        self._lock = threading.Lock()  # lids and mouth are put into the texture before a frame
        self._image_from_canvas = np.linalg.inv(_square(portrait.canvas_from_image))
        self._eyes = self._in_image(np.array([CANVAS_SIZE[0] / 2, 68.0]))
        self._mm = portrait.image_px_per_mm
        self._grid = _Grid(portrait, self._eyes, self._mm)
        height, width = CANVAS_SIZE[1], CANVAS_SIZE[0]
        y, x = np.mgrid[:height, :width].astype(np.float32)
        nose = portrait.landmarks_canvas[_NOSE]
        away = (x - nose[0]) ** 2 + (y - nose[1]) ** 2
        self._depth = np.exp(-away / np.float32(2 * _DEPTH_MM**2))
        self.pursed = portrait.field({"AU18": (_PURSED, _PURSED)})
        """(H, W, 2) canvas displacement of fully pursed lips, mm."""
        self._rest = self._drawn_rest()

    def paint(self, pose: HeadPose, skin: ArrayF32 | None, *, closed: float, jaw: float) -> ImageU8:
        """The frame (H, W, 3) uint8 RGB, without noise.

        `skin` is the displacement (h, w, 2) on the canvas, mm, or None; `closed` is the lids',
        0 to 1; `jaw` is the mouth's, -1 to 1.
        """
        moved = self._depth[..., None] * np.array([-pose.yaw_mm, -pose.pitch_mm], np.float32)
        if skin is not None:
            moved -= invert_field(skin)
        where = self._grid.sources(self.neutral_from_image(pose), moved)
        frame = self._rest.copy()
        with self._lock:
            for lid in self._portrait.lids:
                lid.put(self._texture, closed)
            self._portrait.mouth.put(self._texture, jaw)
            head = _looked_up(self._texture, where)
        self._grid.insert(head, frame)
        return frame

    def neutral_from_image(self, pose: HeadPose) -> ArrayF64:
        """(3, 3), image px of the head at rest ← image px; the head turns about the neck."""
        scale = math.exp(-pose.log_scale)
        c, s = scale * math.cos(pose.turn_rad), scale * math.sin(pose.turn_rad)
        linear = np.array([[c, s], [-s, c]])
        neck = self._eyes + np.array([0.0, _NECK_MM * self._mm])
        moved = neck + np.array([pose.right_mm, pose.down_mm]) * self._mm
        return _square(np.column_stack([linear, neck - linear @ moved]))

    def _in_image(self, canvas: ArrayF64) -> ArrayF64:
        return self._image_from_canvas[:2, :2] @ canvas + self._image_from_canvas[:2, 2]

    def _drawn_rest(self) -> ImageU8:
        """What never moves: the frame cut from the texture at rest."""
        width, height = self._portrait.size
        k, margin = SUPERSAMPLING, self._portrait.margin_px
        inner = self._portrait.texture[
            margin * k : (margin + height) * k, margin * k : (margin + width) * k
        ]
        drawn = cv2.resize(inner, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(drawn, dtype=np.uint8)


def invert_field(field: ArrayF32) -> ArrayF32:
    """For each place of the canvas after the motion `field` (H, W, 2), how far what lies there
    came: v(y) = u(y - v(y)), (H, W, 2)."""
    canvas = _canvas()
    came: ArrayF32 = field
    for _ in range(_INVERSIONS):
        came = _looked_up(field, canvas - came)
    return came


@cache
def _canvas() -> ArrayF32:
    y, x = np.mgrid[: CANVAS_SIZE[1], : CANVAS_SIZE[0]].astype(np.float32)
    places: ArrayF32 = np.stack([x, y], axis=-1)
    return places


class _Grid:
    """The part of the frame that may move, seen at every few pixels."""

    def __init__(self, portrait: Portrait, eyes: ArrayF64, px_per_mm: float) -> None:
        self._canvas_from_image = _square(portrait.canvas_from_image)
        step = max(1, int(px_per_mm * 1.25))
        middle = eyes + np.array([0.0, _HEAD_DOWN_MM * px_per_mm])
        reach = np.array(_HEAD_MM) * px_per_mm
        low = np.maximum(np.floor(middle - (1 + _FADE) * reach), 0).astype(int)
        high = np.minimum(np.ceil(middle + (1 + _FADE) * reach), portrait.size).astype(int)
        self._x0, self._y0 = int(low[0]), int(low[1])
        self._width, self._height = int(high[0] - low[0]), int(high[1] - low[1])
        # One point more on each side: beyond its outermost points a refined grid is flat.
        columns, rows = -(-self._width // step) + 2, -(-self._height // step) + 2
        self._size, self._fine = (columns, rows), (columns * step, rows * step)
        self._step = step
        # Pixel centres, not corners, stay in place when the grid is refined.
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
        held = 1 - smoothstep((out - 1) / _FADE)
        x, y = np.broadcast_to(x, held.shape), np.broadcast_to(y, held.shape)
        k, margin = SUPERSAMPLING, portrait.margin_px
        rest = np.stack([x, y], axis=-1)
        self._rest = ((rest + margin + 0.5) * k - 0.5).astype(np.float32)
        self._held = np.stack([held * x, held * y, held], axis=-1).astype(np.float32)
        linear = np.linalg.inv(self._canvas_from_image[:2, :2])
        self._texture_from_mm = (linear * k).astype(np.float32)

    def sources(self, neutral_from_image: ArrayF64, moved: ArrayF32) -> ArrayF32:
        """Where in the texture each pixel of the part is taken from, (h, w, 2) float32 px; `moved`
        is what the skin adds to that, (h', w', 2) mm on the canvas."""
        canvas_from_grid = self._canvas_from_image @ neutral_from_image @ self._image_from_grid
        skin = cv2.warpAffine(
            cv2.transform(moved, self._texture_from_mm),
            canvas_from_grid[:2],
            self._size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )
        # The head's motion as a change of place, fading out with `held` into the background.
        change = (neutral_from_image - np.eye(3))[:2] * SUPERSAMPLING
        head = cv2.transform(self._held, change.astype(np.float32))
        where = cv2.resize(self._rest + head + skin, self._fine, interpolation=cv2.INTER_LINEAR)
        rows = slice(self._step, self._step + self._height)
        columns = slice(self._step, self._step + self._width)
        return np.asarray(where, dtype=np.float32)[rows, columns]

    def insert(self, part: ImageU8, frame: ImageU8) -> None:
        """Put the drawn part into its place."""
        rows = slice(self._y0, self._y0 + self._height)
        columns = slice(self._x0, self._x0 + self._width)
        frame[rows, columns] = part


def _looked_up(what: Any, places: ArrayF32) -> Any:
    """`what` (H, W, C) at `places` (h, w, 2) px, its edges repeated."""
    return cv2.remap(  # type: ignore[call-overload]
        what, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _square(affine: ArrayF64) -> ArrayF64:
    return np.vstack([affine, (0.0, 0.0, 1.0)])
