"""Finds faces in a picture with MediaPipe's BlazeFace (Bazarevsky et al., arXiv 1907.05047).

Boxes and key points are offsets from a fixed grid of anchors. Those that overlap are averaged, with
their scores as weights. The constants are those of MediaPipe's published graphs.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from model.face.network import Network
from model.face.network_files import network_file
from model.face.network_region import Region
from model.records import ArrayF32, ArrayF64, ImageU8

FaceReach = Literal["short_range", "full_range"]

_OVERLAP = 0.3  # two boxes with a larger intersection over union are one face
_CLIP = 100.0  # limit of a score before the sigmoid

_GRIDS: dict[FaceReach, tuple[tuple[int, int], ...]] = {
    "short_range": ((8, 2), (16, 6)),
    "full_range": ((4, 1),),
}
"""(stride px, anchors a cell), in the order of the network's rows."""
_LEAST_SCORES: dict[FaceReach, float] = {"short_range": 0.5, "full_range": 0.6}


@dataclass(frozen=True, slots=True)
class Detection:
    """A face, in px (x, y) of the picture."""

    score: float
    """0 to 1."""
    low_px: ArrayF64
    """(2,) float64: the box's upper left corner."""
    high_px: ArrayF64
    """(2,) float64: its lower right corner."""
    points_px: ArrayF64
    """(6, 2) float64: right eye, left eye, nose tip, mouth, right ear, left ear."""

    @property
    def width_px(self) -> float:
        """Width of the box."""
        return float(self.high_px[0] - self.low_px[0])

    def shift(self, x_px: float, y_px: float) -> "Detection":
        """The same face, shifted by (x_px, y_px)."""
        by = np.array([x_px, y_px], np.float64)
        return Detection(self.score, self.low_px + by, self.high_px + by, self.points_px + by)

    def region(self) -> Region:
        """The region in which to look for its landmarks."""
        right, left = self.points_px[:2].tolist()
        return Region.around(self.low_px.tolist(), self.high_px.tolist(), right, left)


class FaceDetector:
    """Finds every face in a picture that is large enough. Any thread may call it."""

    def __init__(self, reach: FaceReach) -> None:
        """`reach`: "short_range" for faces that fill a large part of the picture; "full_range" for
        smaller ones too, which takes three times as long."""
        self._network = Network(network_file(reach))
        self._anchors = _anchors(_GRIDS[reach], self._network.side_px)
        self._least_score = _LEAST_SCORES[reach]

    def find(self, image: ImageU8) -> list[Detection]:
        """The faces in `image` (H, W, 3) uint8 RGB, best first."""
        side = self._network.side_px
        height, width = image.shape[:2]
        scale = side / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(image, size, interpolation=method)
        left, top = (side - size[0]) // 2, (side - size[1]) // 2
        framed = np.full((side, side, 3), -1, np.float32)  # black
        framed[top : top + size[1], left : left + size[0]] = small
        framed[top : top + size[1], left : left + size[0]] *= 1 / 127.5
        framed[top : top + size[1], left : left + size[0]] -= 1
        boxes, scores = self._network(framed)
        found = _faces(boxes[0], scores[0, :, 0], self._anchors, self._least_score)
        factor = np.array([width / size[0], height / size[1]])
        return [
            Detection(
                score, *((points - (left, top)) * factor for points in (box[0], box[1], box[2:]))
            )
            for score, box in found
        ]


def _anchors(grid: tuple[tuple[int, int], ...], side: int) -> ArrayF64:
    """(A, 2) float64 px: the centre of the cell of each anchor."""
    parts = []
    for stride, each in grid:
        centres = (np.arange(side // stride) + 0.5) * stride
        x, y = np.meshgrid(centres, centres)
        parts.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), each, axis=0))
    return np.concatenate(parts)


def _faces(
    rows: ArrayF32, logits: ArrayF32, anchors: ArrayF64, least_score: float
) -> list[tuple[float, ArrayF64]]:
    """The score of each face, and its points (8, 2) in px of the network's picture: upper left and
    lower right corner of the box, then six key points. Best first."""
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -_CLIP, _CLIP)))
    kept = np.flatnonzero(scores >= least_score)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    points = rows[kept].astype(np.float64).reshape(-1, 8, 2)
    half = points[:, 1] / 2  # first the centre, then the size, then the key points
    points[:, 2:] += anchors[kept, np.newaxis]
    centre = points[:, 0] + anchors[kept]
    points[:, 0], points[:, 1] = centre - half, centre + half
    return _merge(points, scores[kept])


def _merge(points: ArrayF64, scores: ArrayF64) -> list[tuple[float, ArrayF64]]:
    faces = []
    while len(points):
        same = _overlaps(points[0], points) > _OVERLAP
        same[0] = True
        mean = np.average(points[same], axis=0, weights=scores[same])
        faces.append((float(scores[0]), mean))
        points, scores = points[~same], scores[~same]
    return faces


def _overlaps(one: ArrayF64, others: ArrayF64) -> ArrayF64:
    """Intersection over union of the boxes, (N,)."""
    low = np.maximum(one[0], others[:, 0])
    high = np.minimum(one[1], others[:, 1])
    inner = np.clip(high - low, 0, None).prod(axis=1)
    areas = (others[:, 1] - others[:, 0]).prod(axis=1)
    union = (one[1] - one[0]).prod() + areas - inner
    return np.asarray(inner / np.maximum(union, 1e-12))
