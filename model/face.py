"""The face of a frame, brought onto one fixed geometry that does not jitter.

MediaPipe's face mesh gives 468 points; each jitters by more than a micro-expression moves, so no
single point may place the crop. Here the transform is a similarity, fitted to points over bone
(eye corners, nose bridge, temples, cheek bones) against the same person's own template, and then
smoothed: hardly anything passes while the head rests, nearly everything while it moves
(One-Euro filter, Casiez et al., CHI 2012). What head motion remains in the crop is measured and
removed by the optical flow (`model.flow.head`).

Crop geometry, px of the 128 px crop: the inner eye corners lie 16 px left and right of
(64, 48); with d = 16 px that is 3 d above, 5 d below and 4 d to each side of the eyes' midpoint.
"""

import math
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from model.portrait import portrait
from model.records import AlignedFace, ArrayF32, ArrayF64, Frame, ImageU8

if TYPE_CHECKING:
    from model.mesh import FaceMesh

CROP_PX = 128
"""Side of the aligned crop in px."""
EYE_HALF_PX = CROP_PX / 8
"""Half the distance between the inner eye corners in the crop."""
EYE_MIDPOINT_PX = (CROP_PX / 2, CROP_PX * 3 / 8)

INNER_EYE_CORNERS = (133, 362)
"""FaceMesh points: the person's right (image left), then left."""
STABLE_POINTS = (33, 133, 362, 263, 168, 6, 197, 195, 5, 127, 356, 234, 454, 93, 323)
"""FaceMesh points over bone: eye corners, nose bridge, temples, cheek bones."""

MIN_EYE_HALF_PX = 3.0
"""Smaller faces are not followed: the crop would hold more interpolation than face."""
MAX_FACES = 4
"""In one picture."""
RELOCK_S = 0.5
"""A face found again within this time at the same place goes on as the same track."""

MESH_EVERY_S = 0.0075
"""At rates above, frames nearer to the last one that went through the mesh keep its landmarks and
crop: a head moves less than the landmarks jitter within that time, and the mesh is the dearest
step of all. What motion there was, the flow sees."""

_REGION_FACES = 2.0  # side of the searched region in face widths
_MIN_CUTOFF_HZ = 1.0
_CUTOFF_HZ_PER_PX_S = 0.2
_SPEED_CUTOFF_HZ = 3.0
_LEVER_PX = CROP_PX * 3 / 8  # turns and scales are weighed by the motion they cause at the rim


class FaceAligner:
    """Follows one face through consecutive frames: the largest one when it starts, then the same
    one until it is lost. Deterministic: the same frames give the same faces."""

    def __init__(self) -> None:
        self._mesh = _open_mesh(faces=1, follows=True)
        self._region: _Region | None = None
        self._track = -1
        self._template: ArrayF64 | None = None
        self._supersampling = 1
        self._filter = _PoseFilter()
        self._last: AlignedFace | None = None  # of the frames that went through the mesh

    def align(self, frame: Frame) -> AlignedFace | None:
        """The followed face of `frame`, or None where there is none.

        Frames come in the order of their stamps.
        """
        last = self._last
        if last is not None and self._still_holds(last, frame):
            return self._cut(frame, last.landmarks_px, last.crop_from_image)
        landmarks_px = self._follow(frame.image)
        if landmarks_px is None or _eye_half_px(landmarks_px) < MIN_EYE_HALF_PX:
            self._region = None
            return None
        if not self._continues(landmarks_px, frame.stamp.time_s):
            self._start_track(landmarks_px)
        template = self._template
        if template is None:
            raise RuntimeError("a track without a template")
        stable = landmarks_px[list(STABLE_POINTS)].astype(np.float64)
        pose = self._filter.push(_pose(_fit_similarity(stable, template)), frame.stamp.time_s)
        transform = _transform(pose)
        self._last = self._cut(frame, landmarks_px, transform)
        return self._last

    def _still_holds(self, last: AlignedFace, frame: Frame) -> bool:
        if self._region is None or not self._region.fits(frame.image):
            return False
        return frame.stamp.time_s - last.stamp.time_s < MESH_EVERY_S

    def _cut(self, frame: Frame, landmarks_px: ArrayF32, transform: ArrayF64) -> AlignedFace:
        return AlignedFace(
            stamp=frame.stamp,
            crop=warp_crop(frame.image, transform, supersampling=self._supersampling),
            landmarks_px=landmarks_px,
            crop_from_image=transform,
            track=self._track,
        )

    def warm_up(self) -> None:
        """Have the networks prepare themselves on a portrait: the first face takes them as long
        as ten later ones. What is followed afterwards does not change by it."""
        face = np.ascontiguousarray(portrait()[:300, 80:380])
        find_landmarks(face)
        self._mesh.find(face)
        self._mesh.find(face)  # the second follows, the first only found
        self._mesh.reset()

    def close(self) -> None:
        """Release the mesh graph."""
        self._mesh.close()

    def _follow(self, image: ImageU8) -> ArrayF32 | None:
        if self._region is not None and self._region.fits(image):
            landmarks_px = self._region.landmarks(self._mesh, image)
            if landmarks_px is not None:
                if not self._region.holds(landmarks_px):
                    self._look_at(landmarks_px, image)
                return landmarks_px
        largest = find_landmarks(image)
        if largest is None:
            self._region = None
            return None
        return self._look_at(largest, image).landmarks(self._mesh, image)

    def _look_at(self, landmarks_px: ArrayF32, image: ImageU8) -> "_Region":
        self._mesh.reset()  # its tracking is relative to the region, which changes now
        self._region = _Region.around(landmarks_px, image)
        return self._region

    def _continues(self, landmarks_px: ArrayF32, time_s: float) -> bool:
        if self._last is None or time_s - self._last.stamp.time_s > RELOCK_S:
            return False
        last = self._last.landmarks_px
        moved = float(np.linalg.norm(landmarks_px.mean(axis=0) - last.mean(axis=0)))
        size = _eye_half_px(last)
        return moved < 4 * size and 0.7 < _eye_half_px(landmarks_px) / size < 1.4

    def _start_track(self, landmarks_px: ArrayF32) -> None:
        transform = crop_transform(landmarks_px)
        stable = landmarks_px[list(STABLE_POINTS)].astype(np.float64)
        self._template = stable @ transform[:, :2].T + transform[:, 2]
        self._supersampling = _supersampling(transform)
        self._filter = _PoseFilter()
        self._track += 1


def find_landmarks(image: ImageU8) -> ArrayF32 | None:
    """FaceMesh points of the largest face of one picture.

    `image` is (H, W, 3) uint8 RGB; returns (468, 2) float32 px (x, y), or None without a face.
    """
    return max(find_faces(image), key=_eye_half_px, default=None)


def find_faces(image: ImageU8) -> list[ArrayF32]:
    """The same of every face of one picture, at most `MAX_FACES`, in no order."""
    return _picture_mesh().find(image)


def crop_transform(landmarks_px: ArrayF32) -> ArrayF64:
    """The similarity (2, 3) float64, crop px ← image px, that brings the inner eye corners of
    `landmarks_px` (468, 2) to their places in the crop; no history."""
    right, left = landmarks_px[list(INNER_EYE_CORNERS)].astype(np.float64)
    x, y = EYE_MIDPOINT_PX
    corners = np.array([[x - EYE_HALF_PX, y], [x + EYE_HALF_PX, y]])
    return _fit_similarity(np.stack([right, left]), corners)


def warp_crop(
    image: ImageU8, crop_from_image: ArrayF64, *, supersampling: int | None = None
) -> ImageU8:
    """The aligned crop (S, S) uint8 grey of `image` (H, W, 3) uint8 RGB.

    Where the picture is finer than the crop, the crop is drawn `supersampling` times larger and
    averaged down, which lowers sensor noise instead of sampling it. Outside the picture the edge
    is repeated: a black border would move against the face.
    """
    k = _supersampling(crop_from_image) if supersampling is None else supersampling
    x0, y0, x1, y1 = _source_box(crop_from_image, image.shape[1], image.shape[0])
    grey = cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY)
    scaled = crop_from_image * k
    # Pixel centres, not corners, stay fixed under the k-fold refinement.
    scaled[:, 2] += scaled[:, :2] @ (x0, y0) + (k - 1) / 2
    size = CROP_PX * k
    crop = cv2.warpAffine(
        grey, scaled, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if k > 1:
        crop = cv2.resize(crop, (CROP_PX, CROP_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, dtype=np.uint8)


class _Region:
    """The square part of the picture in which the tracker sees the followed face and little
    else: other faces cannot take its place, and a large picture costs no more than a small."""

    def __init__(self, x0: int, y0: int, x1: int, y1: int, shape: tuple[int, ...]) -> None:
        self._box = (x0, y0, x1, y1)
        self._shape = shape

    @classmethod
    def around(cls, landmarks_px: ArrayF32, image: ImageU8) -> "_Region":
        low, high = landmarks_px.min(axis=0), landmarks_px.max(axis=0)
        centre = (low + high) / 2
        half = float((high - low).max()) * _REGION_FACES / 2
        height, width = image.shape[:2]
        return cls(
            max(0, math.floor(centre[0] - half)),
            max(0, math.floor(centre[1] - half)),
            min(width, math.ceil(centre[0] + half)),
            min(height, math.ceil(centre[1] + half)),
            image.shape,
        )

    def fits(self, image: ImageU8) -> bool:
        return image.shape == self._shape

    def landmarks(self, mesh: "FaceMesh", image: ImageU8) -> ArrayF32 | None:
        x0, y0, x1, y1 = self._box
        found = mesh.find(image[y0:y1, x0:x1])
        return found[0] + np.array([x0, y0], np.float32) if found else None

    def holds(self, landmarks_px: ArrayF32) -> bool:
        """Whether the face keeps an eighth of its width from each inner edge of the region."""
        low, high = landmarks_px.min(axis=0), landmarks_px.max(axis=0)
        margin = float((high - low).max()) / 8
        x0, y0, x1, y1 = self._box
        height, width = self._shape[:2]
        return bool(
            (x0 == 0 or low[0] - x0 > margin)
            and (y0 == 0 or low[1] - y0 > margin)
            and (x1 == width or x1 - high[0] > margin)
            and (y1 == height or y1 - high[1] > margin)
        )


class _PoseFilter:
    """One-Euro filter over a pose in crop px: one speed, one cutoff for all four parameters."""

    def __init__(self) -> None:
        self._pose: ArrayF64 | None = None
        self._raw: ArrayF64 | None = None
        self._speed: ArrayF64 = np.zeros(4)
        self._time_s = 0.0

    def push(self, pose: ArrayF64, time_s: float) -> ArrayF64:
        if self._pose is None or self._raw is None:
            self._pose = pose
        else:
            dt = max(time_s - self._time_s, 1e-6)
            speed = _difference(pose, self._raw) / dt
            self._speed += _gain(_SPEED_CUTOFF_HZ, dt) * (speed - self._speed)
            px_per_s = float(np.linalg.norm(self._speed * _weights(self._pose)))
            cutoff_hz = _MIN_CUTOFF_HZ + _CUTOFF_HZ_PER_PX_S * px_per_s
            self._pose = self._pose + _gain(cutoff_hz, dt) * _difference(pose, self._pose)
        self._raw = pose
        self._time_s = time_s
        return self._pose


def _gain(cutoff_hz: float, dt: float) -> float:
    return 1 - math.exp(-2 * math.pi * cutoff_hz * dt)


def _difference(pose: ArrayF64, other: ArrayF64) -> ArrayF64:
    change = pose - other
    change[2] = math.remainder(change[2], 2 * math.pi)
    return change


def _weights(pose: ArrayF64) -> ArrayF64:
    scale = math.exp(pose[3])
    return np.array([scale, scale, _LEVER_PX, _LEVER_PX])


def _pose(crop_from_image: ArrayF64) -> ArrayF64:
    """(image x, y of the crop's centre, turn in rad, log scale) of a similarity."""
    a, b = crop_from_image[0, 0], crop_from_image[1, 0]
    centre = np.linalg.solve(crop_from_image[:, :2], CROP_PX / 2 - crop_from_image[:, 2])
    return np.array([centre[0], centre[1], math.atan2(b, a), math.log(math.hypot(a, b))])


def _transform(pose: ArrayF64) -> ArrayF64:
    scale = math.exp(pose[3])
    c, s = scale * math.cos(pose[2]), scale * math.sin(pose[2])
    linear = np.array([[c, -s], [s, c]])
    return np.column_stack([linear, CROP_PX / 2 - linear @ pose[:2]])


def _fit_similarity(source: ArrayF64, target: ArrayF64) -> ArrayF64:
    """Least-squares similarity (2, 3), target ← source, of (K, 2) points (Umeyama 1991, without
    reflection; in the plane it is one complex division)."""
    p, q = source.mean(axis=0), target.mean(axis=0)
    z = (source - p) @ (1, 1j)
    w = (target - q) @ (1, 1j)
    factor = complex(np.vdot(z, w) / np.vdot(z, z).real)
    linear = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([linear, q - linear @ p])


def _supersampling(crop_from_image: ArrayF64) -> int:
    image_per_crop_px = 1 / math.hypot(crop_from_image[0, 0], crop_from_image[1, 0])
    return min(4, max(1, round(image_per_crop_px)))


def _source_box(crop_from_image: ArrayF64, width: int, height: int) -> tuple[int, int, int, int]:
    inverse = cv2.invertAffineTransform(crop_from_image)
    edge = CROP_PX
    corners = np.array([[0, 0, 1], [edge, 0, 1], [0, edge, 1], [edge, edge, 1]]) @ inverse.T
    # At least one pixel of the picture stays, so that a crop wholly outside is an edge repeated.
    x0, y0 = np.floor(corners.min(axis=0)).astype(int) - 2
    x1, y1 = np.ceil(corners.max(axis=0)).astype(int) + 3
    x0, y0 = min(max(x0, 0), width - 1), min(max(y0, 0), height - 1)
    return int(x0), int(y0), int(min(max(x1, x0 + 1), width)), int(min(max(y1, y0 + 1), height))


def _eye_half_px(landmarks_px: ArrayF32) -> float:
    right, left = landmarks_px[list(INNER_EYE_CORNERS)]
    return float(np.linalg.norm(left - right)) / 2


@cache
def _picture_mesh() -> "FaceMesh":
    return _open_mesh(faces=MAX_FACES, follows=False)


def _open_mesh(*, faces: int, follows: bool) -> "FaceMesh":
    # The crop's geometry serves machines without mediapipe too.
    from model.mesh import FaceMesh

    return FaceMesh(faces=faces, follows=follows)
