"""Looking for faces where none is followed: in the whole picture, and, where nothing is found, in
ever smaller tiles of it.

A detector sees a picture of 192 px. Faces that fill more than a twelfth of a picture are found in
the whole; a tile of 512 px shows those from 40 px on. Levels between overlap so that every face
lies wholly in a tile in which it is neither too small nor too large.
"""

import math
from dataclasses import replace
from functools import cache

import numpy as np

from model.face.detector import Detection, FaceDetector
from model.face.landmarks import PRESENT_LOGIT, FaceMesh, Landmarks
from model.face.region import MARGIN, Region
from model.records import ImageU8

LEAST_TILE_PX = 512
"""Side of the smallest tiles: faces from 40 px of width are found in them."""
LEVEL_RATIO = 3.0
"""From one level of tiles to the next, at most."""
OVERLAP = 0.25
"""Of neighbouring tiles, as a share of their side."""
SPREAD = 32
"""Pictures that all tiles of a picture are spread over."""

_LOOKS = 3  # until the place of a face that was detected no longer changes
_CLOSE_UP = 0.5  # the short range is for boxes from this share of the picture's longer side
_SAME_PLACE = 0.5  # two faces nearer than this share of their size are one


class FaceSearch:
    """Finds faces in single pictures. Any thread may call."""

    def __init__(self, mesh: FaceMesh) -> None:
        self._mesh = mesh
        self._full_range = FaceDetector("full_range")
        self._short_range = FaceDetector("short_range")

    def find(self, image: ImageU8) -> list[Landmarks]:
        """Every face of `image` (H, W, 3) uint8 RGB, largest first. On tiles only if the whole
        picture shows none."""
        found = self._in_whole(image)
        if not found:
            found = self._in_tiles(image, _tiles(*image.shape[:2]))
        return found

    def look(self, image: ImageU8, turn: int) -> list[Landmarks]:
        """The same in less time, for one picture of many: in the whole, and in a few tiles. Which
        ones, `turn` says, that counts the pictures."""
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
        return self._settled(image, close + self._full_range.find(image))

    def _in_tiles(self, image: ImageU8, tiles: tuple[tuple[int, int, int], ...]) -> list[Landmarks]:
        detections = []
        for x, y, side in tiles:
            for found in self._full_range.find(image[y : y + side, x : x + side]):
                detections.append(found.moved(x, y))
        return self._settled(image, sorted(detections, key=lambda each: -each.score))

    def _settled(self, image: ImageU8, detections: list[Detection]) -> list[Landmarks]:
        """The landmarks of those detections that are faces, each face once, largest first."""
        faces: list[Landmarks] = []
        for detection in detections:
            face = self._settle(image, detection.region())
            if face is not None and not any(_same(face, other) for other in faces):
                faces.append(face)
        return sorted(faces, key=lambda face: -face.region.side_px)

    def _settle(self, image: ImageU8, region: Region) -> Landmarks | None:
        # A detection is coarse: the mesh sees better where it has looked before. It takes a face
        # upside down for one, with the mouth on the forehead, but is far less sure of it.
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
    """(x, y, side) px of all tiles, large ones first; none where the picture is no larger than
    the smallest."""
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
    count = 1 + math.ceil((length - side) / (side * (1 - OVERLAP)))
    return [round(start) for start in np.linspace(0, length - side, count)]
