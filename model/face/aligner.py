"""Follows a face from frame to frame, and warps it to one geometry that does not jitter.

Each of the mesh's 468 points jitters by more than a micro-expression moves, so no single point may
place the crop. The transform is a similarity. It fits points over bone (eye corners, nose bridge,
temples, cheek bones) to this person's own template, and is then smoothed. The optical flow measures
and removes the head motion that remains in the crop (`model.flow.head_motion`).
"""

import math
from functools import cache

import numpy as np

from model.face.aligned_crop import (
    crop_transform,
    eye_half_px,
    fit_similarity,
    supersampling_of,
    warp_crop,
)
from model.face.choice import LARGEST, check_face_choice, choose_face
from model.face.landmarks import FaceMesh, Landmarks
from model.face.network_region import MARGIN, Region
from model.face.pose import PoseFilter
from model.face.tiled_detection import LEAST_TILE_PX, FaceSearch
from model.records import AlignedFace, ArrayF32, ArrayF64, Frame, ImageU8

STABLE_POINTS = (33, 133, 362, 263, 168, 6, 197, 195, 5, 127, 356, 234, 454, 93, 323)
"""FaceMesh points over bone: eye corners, nose bridge, temples, cheek bones."""

MIN_EYE_HALF_PX = 3.0
"""Smaller faces are not followed: the crop would be mostly interpolation."""
RELOCK_S = 0.5
"""A face that is found again within this time at the same place keeps its track."""
WAIT_S = 1.0
"""For this long after the face is lost, no face elsewhere replaces it. So a hand before the face or
a turned head does not switch to someone behind."""
MESH_EVERY_S = 0.0075
"""Frames closer than this to the last one that the mesh saw keep its landmarks and transform. In
that time a head moves less than the landmarks jitter, and the mesh is the slowest step. The flow
still sees the motion."""
SEARCH_EVERY_S = 0.03
"""Frames closer than this to the last search are not searched, because a search takes longer than
following."""

_STABLE = np.array(STABLE_POINTS)
_JUMP, _JUMP_PER_S, _FARTHEST = 0.5, 4.0, 1.5  # how far one face may move, in its own size
_NEIGHBOUR = 0.8  # a face this far from the last place, in its own size, may be someone else's
_LEAST_RATIO = 0.7  # least ratio of the sizes of one face in two pictures


class FaceAligner:
    """Follows one face through consecutive frames, and stays with it until it is lost. Equal frames
    give equal faces."""

    def __init__(self, choice: str = LARGEST) -> None:
        """`choice`: which of several faces to follow, see `model.face.choice`. As long as there are
        fewer faces than a number asks for, none is followed."""
        check_face_choice(choice)
        self._choice = choice
        self._mesh, self._search = face_mesh(), face_search()
        self._followed: Landmarks | None = None
        self._shape: tuple[int, ...] = ()
        self._searches = 0  # in pictures of this size
        self._searched_s = -math.inf
        self._last: AlignedFace | None = None  # the last one from the mesh
        self._seen: Region | None = None  # its region
        self._track = -1
        self._template: ArrayF64 | None = None
        self._supersampling = 1
        self._filter = PoseFilter()

    def align(self, frame: Frame) -> AlignedFace | None:
        """The face in `frame`, or None. Frames must come in the order of their stamps."""
        if frame.image.shape != self._shape:
            self._shape, self._followed, self._last = frame.image.shape, None, None
            self._searches = 0
        last = self._last
        if last is not None and self._still_holds(last, frame):
            return self._cut(frame, last.landmarks_px, last.crop_from_image)
        self._followed = self._follow(frame) or self._find(frame)
        if self._followed is None:
            return None
        landmarks_px = self._followed.points_px
        if not self._is_same(self._followed, frame.stamp.time_s):
            self._start_track(landmarks_px)
        assert self._template is not None  # a track has one
        stable = landmarks_px[_STABLE]
        transform = self._filter.push(fit_similarity(stable, self._template), frame.stamp.time_s)
        self._last, self._seen = self._cut(frame, landmarks_px, transform), self._followed.region
        return self._last

    def warm_up(self) -> None:
        """Run every network once, because the first run takes as long as ten later ones."""
        blank = np.zeros((LEAST_TILE_PX, LEAST_TILE_PX, 3), np.uint8)
        self._search.find(blank)
        self._mesh.find(blank, Region(0.0, 0.0, LEAST_TILE_PX, 0.0))

    def _still_holds(self, last: AlignedFace, frame: Frame) -> bool:
        return self._followed is not None and frame.stamp.time_s - last.stamp.time_s < MESH_EVERY_S

    def _follow(self, frame: Frame) -> Landmarks | None:
        if self._followed is None:
            return None
        found = self._mesh.find(frame.image, self._followed.region)
        if not _is_large_enough(found) or not found.is_face(frame.image):
            return None
        return found if self._goes_on(found, frame.stamp.time_s, math.inf) else None

    def _find(self, frame: Frame) -> Landmarks | None:
        time_s = frame.stamp.time_s
        if self._searches and time_s - self._searched_s < SEARCH_EVERY_S:
            return None
        # Search the first picture everywhere: it may be the only one.
        if self._searches:
            faces = self._search.find_in_part(frame.image, self._searches)
        else:
            faces = self._search.find(frame.image)
        faces = [face for face in faces if _is_large_enough(face)]
        self._searches, self._searched_s = self._searches + 1, time_s
        if self._last is not None and time_s - self._last.stamp.time_s < WAIT_S:
            faces = [face for face in faces if self._goes_on(face, time_s, WAIT_S)]
            return min(faces, key=self._distance, default=None)
        return choose_face(faces, self._choice)

    def _distance(self, found: Landmarks) -> float:
        """How far `found` is from the last face, in that face's size."""
        assert self._seen is not None
        now, before = found.region, self._seen
        moved = math.hypot(now.x_px - before.x_px, now.y_px - before.y_px)
        return moved * MARGIN / before.side_px

    def _goes_on(self, found: Landmarks, time_s: float, within_s: float) -> bool:
        """Whether `found` may be the last face, which was seen at most `within_s` ago."""
        if self._last is None or self._seen is None:
            return False
        dt = time_s - self._last.stamp.time_s
        reach = min(_JUMP + _JUMP_PER_S * dt, _FARTHEST)
        size, other = sorted((found.region.side_px, self._seen.side_px))
        return dt <= within_s and self._distance(found) < reach and size > _LEAST_RATIO * other

    def _is_same(self, found: Landmarks, time_s: float) -> bool:
        """Whether `found` continues the track. After a gap a face next to the last one may be a
        neighbour's, and a track never mixes two people."""
        near = self._goes_on(found, time_s, RELOCK_S)
        return near and self._distance(found) < _NEIGHBOUR

    def _start_track(self, landmarks_px: ArrayF32) -> None:
        transform = crop_transform(landmarks_px)
        stable = landmarks_px[list(STABLE_POINTS)].astype(np.float64)
        self._template = stable @ transform[:, :2].T + transform[:, 2]
        self._supersampling = supersampling_of(transform)
        self._filter = PoseFilter()
        self._track += 1

    def _cut(self, frame: Frame, landmarks_px: ArrayF32, transform: ArrayF64) -> AlignedFace:
        return AlignedFace(
            stamp=frame.stamp,
            crop=warp_crop(frame.image, transform, supersampling=self._supersampling),
            landmarks_px=landmarks_px,
            crop_from_image=transform,
            track=self._track,
        )


def find_faces(image: ImageU8) -> list[ArrayF32]:
    """FaceMesh points of every face in `image` (H, W, 3) uint8 RGB, largest first: (468, 2) float32
    px (x, y) each."""
    return [face.points_px for face in face_search().find(image)]


@cache
def face_mesh() -> FaceMesh:
    """The mesh of this process. All can share it, because it keeps nothing between pictures."""
    return FaceMesh()


@cache
def face_search() -> FaceSearch:
    """The search of this process, shared in the same way."""
    return FaceSearch(face_mesh())


def _is_large_enough(face: Landmarks) -> bool:
    return eye_half_px(face.points_px) >= MIN_EYE_HALF_PX
