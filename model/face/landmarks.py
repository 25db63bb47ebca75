"""Finds the landmarks of a face whose region is known, by MediaPipe's face mesh (arXiv
1907.06724)."""

import math
from dataclasses import dataclass

import numpy as np

from model.face.network import Network
from model.face.network_files import network_file
from model.face.network_region import Region
from model.records import ArrayF32, ImageU8

PRESENT_LOGIT = 0.0
"""With a lower logit, a region has no face. 0 means a probability of one half, as in MediaPipe's
graph."""

_BETWEEN_EYES, _UPPER_LIP = 168, 13  # FaceMesh points


@dataclass(frozen=True, slots=True)
class Landmarks:
    """The mesh's answer for a region."""

    points_px: ArrayF32
    """(468, 2) float32 px (x, y) of the picture."""
    logit: float
    """Of the probability that there is a face."""
    region: Region
    """The region around these points, in which to look for the face in the next picture."""

    def is_face(self, image: ImageU8) -> bool:
        """Whether these landmarks are of an upright face whose centre is in `image` (H, W, 3)."""
        if self.logit < PRESENT_LOGIT:
            return False
        region = self.region
        height, width = image.shape[:2]
        if not (0 <= region.x_px < width and 0 <= region.y_px < height):
            return False
        brow_x, brow_y = self.points_px[_BETWEEN_EYES].tolist()
        lip_x, lip_y = self.points_px[_UPPER_LIP].tolist()
        right, down = math.sin(region.turn_rad), math.cos(region.turn_rad)
        return bool((brow_x - lip_x) * right > (brow_y - lip_y) * down)


class FaceMesh:
    """MediaPipe's face mesh of 468 points. Any thread may call it."""

    def __init__(self) -> None:
        self._network = Network(network_file("mesh"))

    def find(self, image: ImageU8, region: Region) -> Landmarks:
        """Landmarks for `region` of `image` (H, W, 3) uint8 RGB, even if there is no face."""
        side = self._network.side_px
        cut = region.cut(image, side)
        points, logit = self._network(cut, 1 / 255)
        matrix = region.picture_from_cut(side).astype(np.float32)
        flat = points.reshape(-1, 3)[:, :2]
        points_px = flat @ matrix[:, :2].T + matrix[:, 2]
        return Landmarks(points_px, float(logit.item()), Region.of_landmarks(points_px))
