"""Searches a picture for faces: first the whole picture, then, if nothing is found, smaller and
smaller tiles of it.

The detector's input is 192 px wide. In the whole picture it finds faces wider than a twelfth of it;
in a tile of 512 px, faces from 40 px on. Tiles overlap, and their levels are close enough that
every face lies within a tile where it is neither too small nor too large.
"""

import math
from dataclasses import replace
from functools import cache

import numpy as np

from model.face.detector import Detection, FaceDetector
from model.face.landmarks import PRESENT_LOGIT, FaceMesh, Landmarks
from model.face.network_region import MARGIN, Region
from model.records import ImageU8

LEAST_TILE_PX = 512
"""Side of the smallest tiles, in which faces from 40 px of width are found."""
LEVEL_RATIO = 3.0
"""Greatest ratio of tile sides between neighbouring levels."""
TILE_OVERLAP = 0.25
"""Overlap of neighbouring tiles, as a share of their side."""
SPREAD = 32
"""`find_in_part` covers all tiles in this many pictures."""

_LOOKS = 3  # times that the mesh looks at a detected face, until its region settles
_CLOSE_UP = 0.5  # the short range is for boxes wider than this share of the picture's longer side
_SAME_PLACE = 0.5  # two faces closer than this share of their size are one


class FaceSearch:
    """Finds faces in single pictures. Any thread may call it."""

    def __init__(self, mesh: FaceMesh) -> None:
        self._mesh = mesh
        self._full_range = FaceDetector("full_range")
        self._short_range = FaceDetector("short_range")

    def find(self, image: ImageU8) -> list[Landmarks]:
        """Every face in `image` (H, W, 3) uint8 RGB, largest first. Tiles are searched only if the
        whole picture gives none."""
        found = self._in_whole(image)
        if not found:
            found = self._in_tiles(image, _tiles(*image.shape[:2]))
        return found

    def find_in_part(self, image: ImageU8, turn: int) -> list[Landmarks]:
        """The same, faster, for one of many pictures: only a few tiles are searched. `turn` counts
        the pictures and decides which tiles."""
        found = self._in_whole(image)
        if not found:
            tiles = _tiles(*image.shape[:2])
            count = -(-len(tiles) // SPREAD)
            places = range(turn * count, turn * count + count)
            found = self._in_tiles(image, tuple(tiles[place % len(tiles)] for place in places))
        return found

    def _in_whole(self, image: ImageU8) -> list[Landmarks]:
        longer = max(image.shape[:2])
        close = [d for d in self._short_range.find(image) if d.width_px > _CLOSE_UP * longer]
        return self._find_landmarks(image, close + self._full_range.find(image))

    def _in_tiles(self, image: ImageU8, tiles: tuple[tuple[int, int, int], ...]) -> list[Landmarks]:
        detections = []
        for x, y, side in tiles:
            for found in self._full_range.find(image[y : y + side, x : x + side]):
                detections.append(found.shift(x, y))
        return self._find_landmarks(image, sorted(detections, key=lambda each: -each.score))

    def _find_landmarks(self, image: ImageU8, detections: list[Detection]) -> list[Landmarks]:
        """Landmarks of the detections that are faces, each face once, largest first."""
        faces: list[Landmarks] = []
        for detection in detections:
            face = self._settle(image, detection.region())
            if face is not None and not any(_same(face, other) for other in faces):
                faces.append(face)
        return sorted(faces, key=lambda face: -face.region.side_px)

    def _settle(self, image: ImageU8, region: Region) -> Landmarks | None:
        # A detection is coarse, so let the mesh look again at the region that it found. If the
        # region is upside down, the mesh still answers, with the mouth on the forehead, but it is
        # far less sure. So try the region the other way up too.
        for _ in range(_LOOKS):
            found = self._mesh.find(image, region)
            if found.logit < PRESENT_LOGIT:
                return None
            region = found.region
        turned = self._mesh.find(image, replace(region, turn_rad=region.turn_rad + math.pi))
        if turned.logit > found.logit:
            found = self._mesh.find(image, turned.region)
        return found if found.is_face(image) else None


def _same(one: Landmarks, other: Landmarks) -> bool:
    a, b = one.region, other.region
    near = math.hypot(a.x_px - b.x_px, a.y_px - b.y_px)
    return near < _SAME_PLACE * max(a.side_px, b.side_px) / MARGIN


@cache
def _tiles(height: int, width: int) -> tuple[tuple[int, int, int], ...]:
    """(x, y, side) px of all tiles, large ones first; none if the picture is no larger than the
    smallest tile."""
    longer = max(height, width)
    levels = math.ceil(math.log(max(1.0, longer / LEAST_TILE_PX), LEVEL_RATIO))
    tiles = []
    for level in range(1, levels + 1):
        side = round(longer * (LEAST_TILE_PX / longer) ** (level / levels))
        tiles += [(x, y, side) for y in _starts(height, side) for x in _starts(width, side)]
    return tuple(tiles)


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [0]
    count = 1 + math.ceil((length - side) / (side * (1 - TILE_OVERLAP)))
    return [round(start) for start in np.linspace(0, length - side, count)]
