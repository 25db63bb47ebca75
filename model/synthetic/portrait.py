"""A portrait made ready for animation: placed in the frame, finer than the frame, its eyelids and
mouth prepared.

Coordinates: *image* px are the frame's; *texture* px are `SUPERSAMPLING` times finer, with a
margin around the frame so that the head may sway; *canvas* px are the face's own, upright, 1 px =
1 mm with the inner eye corners 32 apart, like the 128 px crop but with more room around.
"""

import math
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path

import cv2
import numpy as np

from model.errors import InputError
from model.face.crop import crop_transform
from model.records import ArrayF32, ArrayF64, ImageU8
from model.synthetic.action_units import Strengths, displacement_field, peak_px
from model.synthetic.lids import eyelids
from model.synthetic.mouth import mouth
from model.synthetic.patches import Patch
from model.synthetic.photograph import portrait as photograph

SUPERSAMPLING = 2
"""Texture px per image px: at half the finest detail, linear interpolation loses nearly nothing,
so the picture does not soften and sharpen as the head moves."""
CANVAS_SIZE = (176, 208)
"""(width, height) of the canvas in px, each a mm of the face."""

CROP_AT = (24, 20)
"""Canvas px of the 128 px crop's first pixel."""

_CROP_PX = 128
_FACE_WIDTH = 0.43  # of the frame's shorter side
_FACE_Y = 0.52  # where the face's middle comes in the frame's height
_MARGIN_PX = 24  # image px around the frame, times the frame's size over 640x480
_SHARPEN, _SHARPEN_SIGMA = 0.6, 1.2  # what enlarging a portrait takes away
_CHEEKS = (234, 454)
_OVAL = (10, 152, 234, 454)


@dataclass(frozen=True)
class Portrait:
    """A face at rest, ready to be drawn; shared between all who animate it, never written to."""

    texture: ImageU8
    """(H', W', 3) uint8 RGB."""
    margin_px: int
    """Image px of the texture's border around the frame."""
    size: tuple[int, int]
    """(width, height) of the frame."""
    landmarks_px: ArrayF32
    """(468, 2) FaceMesh points of the face at rest, image px."""
    canvas_from_image: ArrayF64
    """(2, 3) float64, a similarity."""
    lids: tuple[Patch, Patch]
    """The person's right and left eye from open to closed, texture px."""
    mouth: Patch
    """The mouth from nearly closed over rest to open, texture px."""

    @property
    def landmarks_canvas(self) -> ArrayF32:
        """(468, 2) FaceMesh points of the face at rest, canvas px."""
        linear, shift = self.canvas_from_image[:, :2], self.canvas_from_image[:, 2]
        points: ArrayF32 = (self.landmarks_px @ linear.T + shift).astype(np.float32)
        return points

    @cached_property
    def image_px_per_mm(self) -> float:
        """The face's size in the frame."""
        return 1 / math.hypot(self.canvas_from_image[0, 0], self.canvas_from_image[1, 0])

    @cached_property
    def lid_way_mm(self) -> float:
        """How far the upper lids go down in a blink."""
        points = self.landmarks_canvas
        return float(np.mean([points[145, 1] - points[159, 1], points[374, 1] - points[386, 1]]))

    def field(self, strengths: Strengths, peak_mm: float | None = None) -> ArrayF32:
        """The displacement (H, W, 2) of the canvas under an expression, mm; scaled so that its
        greatest displacement within the 128 px crop is `peak_mm` if given."""
        return canvas_field(self.landmarks_canvas, strengths, peak_mm)


def canvas_field(
    landmarks_canvas: ArrayF32, strengths: Strengths, peak_mm: float | None = None
) -> ArrayF32:
    """`Portrait.field` of a face with landmarks (468, 2) in canvas px."""
    field = displacement_field(landmarks_canvas, strengths, CANVAS_SIZE)
    if peak_mm is not None:
        x, y = CROP_AT
        field *= peak_mm / peak_px(field[:, y : y + _CROP_PX, x : x + _CROP_PX])
    return np.ascontiguousarray(field.transpose(1, 2, 0))


@lru_cache(maxsize=4)
def astronaut(size: tuple[int, int]) -> Portrait:
    """Eileen Collins's portrait (NASA, public domain), which scikit-image carries, in a frame of
    (width, height) px."""
    return place(photograph(), astronaut_landmarks(), size)


@cache
def astronaut_landmarks() -> ArrayF32:
    """FaceMesh points (468, 2) of that portrait, px of the picture: the mean of what the mesh gives
    of it enlarged 1.5 to 4 times. They come with the program, so that a face is drawn where no face
    network is, and the same on every machine."""
    return read_landmarks("portrait_landmarks.csv")


def read_landmarks(name: str) -> ArrayF32:
    """Points (468, 2) float32 px of a table that lies beside this module."""
    return np.loadtxt(Path(__file__).with_name(name), np.float32, delimiter=",", skiprows=1)


def prepare(picture: ImageU8, size: tuple[int, int]) -> Portrait:
    """Place the face of `picture`, (H, W, 3) uint8 RGB, in a frame of (width, height) px.

    Raises `InputError` if no face is found in it.
    """
    # The face networks are not on every machine that trains.
    from model.face.aligner import find_landmarks

    found = find_landmarks(picture)
    if found is None:
        raise InputError("no face found in the portrait: give one that shows a face from the front")
    return place(picture, found, size)


def place(picture: ImageU8, found: ArrayF32, size: tuple[int, int]) -> Portrait:
    """The same where the face's FaceMesh points (468, 2) px are known."""
    width, height = size
    scale = _FACE_WIDTH * min(size) / float(np.linalg.norm(found[_CHEEKS[1]] - found[_CHEEKS[0]]))
    margin = math.ceil(_MARGIN_PX * min(width / 640, height / 480))
    middle = found[list(_OVAL)].mean(axis=0)
    k = SUPERSAMPLING
    texture, texture_from_picture = _drawn(
        picture,
        scale * k,
        middle,
        ((width / 2 + margin) * k, (height * _FACE_Y + margin) * k),
        ((width + 2 * margin) * k, (height + 2 * margin) * k),
    )
    linear, shift = texture_from_picture[:, :2], texture_from_picture[:, 2]
    landmarks = (found @ linear.T + shift).astype(np.float32)
    landmarks_px = ((landmarks + 0.5) / k - margin - 0.5).astype(np.float32)
    canvas_from_image = crop_transform(landmarks_px)
    canvas_from_image[:, 2] += CROP_AT
    texture_px_per_mm = k / math.hypot(canvas_from_image[0, 0], canvas_from_image[1, 0])
    return Portrait(
        texture=texture,
        margin_px=margin,
        size=size,
        landmarks_px=landmarks_px,
        canvas_from_image=canvas_from_image,
        lids=eyelids(texture, landmarks, texture_px_per_mm),
        mouth=mouth(texture, landmarks, texture_px_per_mm),
    )


def _drawn(
    picture: ImageU8,
    scale: float,
    middle: ArrayF32,
    at: tuple[float, float],
    size: tuple[int, int],
) -> tuple[ImageU8, ArrayF64]:
    """`picture` enlarged by `scale` so that its point `middle` comes to `at`, or near it; and where
    its points come, (2, 3) float64, drawn px ← picture px."""
    halved = 1.0
    while scale < 0.5:  # a large picture is halved first: Lanczos alone would alias
        half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        picture = np.asarray(half, dtype=np.uint8)
        scale, middle, halved = scale * 2, middle / 2, halved / 2
    # Rather move the face than show what lies beyond the picture's edge.
    before = scale * middle
    behind = np.array(size) - scale * np.array(picture.shape[1::-1]) + before
    x, y = np.minimum(np.maximum(at, behind), before) - before
    transform = np.array([[scale, 0.0, x], [0.0, scale, y]])
    drawn = cv2.warpAffine(
        picture, transform, size, flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT_101
    )
    soft = cv2.GaussianBlur(drawn, (0, 0), _SHARPEN_SIGMA * max(scale, 1.0) / 2)
    sharp = cv2.addWeighted(drawn, 1 + _SHARPEN, soft, -_SHARPEN, 0)
    transform[:, :2] *= halved
    return np.asarray(sharp, dtype=np.uint8), transform
