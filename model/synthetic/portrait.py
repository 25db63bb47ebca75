"""Prepares a portrait for animation: places it in the frame, at a finer resolution, and draws its
eyelids and mouth.

*Image* px are the frame's. *Texture* px are `SUPERSAMPLING` times finer, with a margin around the
frame so that the head can sway. *Canvas* px are upright and on the face: 1 px is 1 mm, and the
inner eye corners are 32 px apart, as in the 128 px crop, but with more room around.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from model.errors import InputError
from model.face.aligned_crop import CROP_PX, crop_transform
from model.records import ArrayF32, ArrayF64, ImageU8
from model.synthetic.action_units import Strengths, displacement_field, peak_px
from model.synthetic.lids import draw_eyelids
from model.synthetic.mouth import draw_mouth
from model.synthetic.patches import Patch
from model.synthetic.scanned_face import SkinMotion, scanned_field

SUPERSAMPLING = 2
"""Texture px per image px. At this resolution linear interpolation loses almost nothing, so the
picture does not blur and sharpen as the head moves."""
CANVAS_SIZE = (176, 208)
"""(width, height) of the canvas in px, each a mm of the face."""

CROP_AT = (24, 20)
"""Canvas px of the 128 px crop's first pixel."""

CHEEKS = (234, 454)
"""FaceMesh points of the outermost cheeks, the person's right one first."""

_FACE_WIDTH = 0.43  # as a share of the frame's shorter side
_FACE_Y = 0.52  # height of the face's centre, as a share of the frame's height
_MARGIN_PX = 24  # image px around a 640x480 frame; scales with the frame
_SHARPEN, _SHARPEN_SIGMA = 0.6, 1.2  # restores the sharpness that enlarging takes away
_OVAL = (10, 152, *CHEEKS)


@dataclass(frozen=True)
class Portrait:
    """A face at rest, ready to be drawn. Several painters share it, so nothing may change it."""

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
    """The mouth from nearly closed to open, texture px."""

    @property
    def landmarks_canvas(self) -> ArrayF32:
        """(468, 2) FaceMesh points of the face at rest, canvas px."""
        linear, shift = self.canvas_from_image[:, :2], self.canvas_from_image[:, 2]
        points: ArrayF32 = (self.landmarks_px @ linear.T + shift).astype(np.float32)
        return points

    @cached_property
    def image_px_per_mm(self) -> float:
        """Image px per mm of the face."""
        return _image_px_per_mm(self.canvas_from_image)

    @cached_property
    def lid_travel_mm(self) -> float:
        """How far the upper lids move down in a blink."""
        points = self.landmarks_canvas
        return float(np.mean([points[145, 1] - points[159, 1], points[374, 1] - points[386, 1]]))

    def field(
        self, strengths: Strengths, peak_mm: float | None = None, motion: SkinMotion = "catalogue"
    ) -> ArrayF32:
        """The displacement (H, W, 2) of the canvas in an expression, mm. `peak_mm`, if given,
        scales it to this greatest displacement within the 128 px crop."""
        return canvas_field(self.landmarks_canvas, strengths, peak_mm, motion)


def canvas_transform(landmarks_px: ArrayF32) -> ArrayF64:
    """The similarity (2, 3), canvas px ← image px, for a face with landmarks (468, 2) in image
    px."""
    transform = crop_transform(landmarks_px)
    transform[:, 2] += CROP_AT
    return transform


def canvas_field(
    landmarks_canvas: ArrayF32,
    strengths: Strengths,
    peak_mm: float | None = None,
    motion: SkinMotion = "catalogue",
) -> ArrayF32:
    """`Portrait.field` for a face with landmarks (468, 2) in canvas px."""
    spread = displacement_field if motion == "catalogue" else scanned_field
    return scale_field(spread(landmarks_canvas, strengths, CANVAS_SIZE), peak_mm)


def scale_field(field: ArrayF32, peak_mm: float | None) -> ArrayF32:
    """The canvas displacement `field` (2, H, W) as (H, W, 2), and with `peak_mm` as its greatest
    length within the 128 px crop, if given."""
    if peak_mm is not None:
        x, y = CROP_AT
        field *= peak_mm / peak_px(field[:, y : y + CROP_PX, x : x + CROP_PX])
    return np.ascontiguousarray(field.transpose(1, 2, 0))


@lru_cache(maxsize=4)
def astronaut_portrait(size: tuple[int, int], across: float = 0.5) -> Portrait:
    """The portrait of Eileen Collins (NASA, public domain) that ships with scikit-image, in a frame
    of (width, height) px, at `place`'s `across`. Its landmarks, the means over enlargements by 1.5
    to 4, ship with the program, so the demo needs no face network and looks the same on every
    machine."""
    return place(read_photograph(), read_landmarks("portrait_landmarks.csv"), size, across)


def read_photograph() -> ImageU8:
    """That portrait as scikit-image ships it, (512, 512, 3) uint8 RGB."""
    from PIL import Image  # scikit-image requires it; OpenCV warns about this file

    # Find the file without importing the package, which takes half a second.
    package = find_spec("skimage")
    if package is None or package.origin is None:
        raise InputError("the portrait ships inside scikit-image: pip install scikit-image")
    path = Path(package.origin).parent / "data" / "astronaut.png"
    try:
        return np.array(Image.open(path).convert("RGB"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error}): install scikit-image again") from None


def read_landmarks(name: str) -> ArrayF32:
    """Points (468, 2) float32 px, from a table beside this module."""
    return np.loadtxt(Path(__file__).with_name(name), np.float32, delimiter=",", skiprows=1)


def place(
    picture: ImageU8, points: ArrayF32, size: tuple[int, int], across: float = 0.5
) -> Portrait:
    """Place a face in a frame of (width, height) px. `picture` is (H, W, 3) uint8 RGB, and `points`
    are its FaceMesh points, (468, 2) px. `across`: where the face's middle is, as a share of the
    width."""
    width, height = size
    scale = _FACE_WIDTH * min(size) / face_width_px(points)
    margin = math.ceil(_MARGIN_PX * min(width / 640, height / 480))
    middle = points[list(_OVAL)].mean(axis=0)
    k = SUPERSAMPLING
    texture, texture_from_picture = _enlarge(
        picture,
        scale * k,
        middle,
        ((width * across + margin) * k, (height * _FACE_Y + margin) * k),
        ((width + 2 * margin) * k, (height + 2 * margin) * k),
    )
    linear, shift = texture_from_picture[:, :2], texture_from_picture[:, 2]
    landmarks = (points @ linear.T + shift).astype(np.float32)
    landmarks_px = ((landmarks + 0.5) / k - margin - 0.5).astype(np.float32)
    canvas_from_image = canvas_transform(landmarks_px)
    texture_px_per_mm = k * _image_px_per_mm(canvas_from_image)
    return Portrait(
        texture=texture,
        margin_px=margin,
        size=size,
        landmarks_px=landmarks_px,
        canvas_from_image=canvas_from_image,
        lids=draw_eyelids(texture, landmarks, texture_px_per_mm),
        mouth=draw_mouth(texture, landmarks, texture_px_per_mm),
    )


def face_width_px(points: ArrayF32) -> float:
    """The distance between the cheeks of a face with landmarks (468, 2), in their px."""
    right, left = CHEEKS
    return float(np.linalg.norm(points[left] - points[right]))


def _image_px_per_mm(canvas_from_image: ArrayF64) -> float:
    return 1 / math.hypot(canvas_from_image[0, 0], canvas_from_image[1, 0])


def _enlarge(
    picture: ImageU8, scale: float, middle: ArrayF32, at: tuple[float, float], size: tuple[int, int]
) -> tuple[ImageU8, ArrayF64]:
    """Enlarge `picture` by `scale` and move its point `middle` to `at`, or near it. Returns the
    result and the transform (2, 3) float64, result px ← picture px."""
    # Move the face if the frame would otherwise extend beyond the picture's edge. Where the picture
    # is smaller than the frame, its edge is repeated: a reflection could show a second face.
    before = scale * middle
    behind = np.array(size) - scale * np.array(picture.shape[1::-1]) + before
    x, y = np.where(behind <= before, np.clip(at, behind, before), at) - before
    transform = np.array([[scale, 0.0, x], [0.0, scale, y]])
    enlarged = cv2.warpAffine(
        picture, transform, size, flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE
    )
    soft = cv2.GaussianBlur(enlarged, (0, 0), _SHARPEN_SIGMA * max(scale, 1.0) / 2)
    sharp = cv2.addWeighted(enlarged, 1 + _SHARPEN, soft, -_SHARPEN, 0)
    return np.asarray(sharp, dtype=np.uint8), transform
