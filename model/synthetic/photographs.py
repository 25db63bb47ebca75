"""Portraits from photographs that a user brings."""

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from model.errors import InputError
from model.face.aligner import find_faces
from model.records import ArrayF32, ImageU8
from model.synthetic.action_units import EYES
from model.synthetic.portrait import CHEEKS, Portrait, face_width_px, place

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")

_LEAST_PX = 80.0  # between the cheeks: a smaller face would be blurred in the frame
_MESH_PX = (180.0, 230.0, 290.0)  # between the cheeks, where the mesh is run; its mean jitters less
_NOSE = 4
_MOST_TURNED = 2.5  # ratio of the halves of the face
_LEAST_OPEN = 0.14  # height of the eyes as a share of their width


def list_photographs(paths: Sequence[Path]) -> list[Path]:
    """The picture files among `paths` and in the folders among them, in order, each once. Raises
    `InputError` for a path that does not exist or has none."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path} does not exist: give photographs or folders of them")
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        pictures = [each for each in inside if each.suffix.lower() in SUFFIXES]
        if not pictures:
            raise InputError(f"{path} is no photograph and has none: {', '.join(SUFFIXES)}")
        found += pictures
    return list(dict.fromkeys(found))


def open_photographs(
    photographs: Iterable[Path], size: tuple[int, int]
) -> Iterator[tuple[Path, Portrait]]:
    """Each photograph with its `photograph_portrait`. One that cannot be used is left out, and a
    line on the standard error says why. Raises `InputError` at the end if none is left."""
    none = True
    for path in photographs:
        try:
            portrait = photograph_portrait(path, size)
        except InputError as error:
            print(f"left out: {error}", file=sys.stderr)
        else:
            none = False
            yield path, portrait
    if none:
        raise InputError("none of the photographs can be used")


@lru_cache(maxsize=4)
def photograph_portrait(path: Path, size: tuple[int, int], across: float = 0.5) -> Portrait:
    """The largest face in a photograph, upright, in a frame of (width, height) px, at `place`'s
    `across`. Raises `InputError` for a file that is no picture, and for a face that is too small,
    turned away, has its eyes closed, or cannot be followed."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            picture = np.array(ImageOps.exif_transpose(opened).convert("RGB"))
    except OSError as error:
        raise InputError(f"{path} cannot be read as a picture: {error}") from None
    points = _largest_face(picture, path)
    width_px = face_width_px(points)
    if width_px < _LEAST_PX:
        raise InputError(
            f"{path}: the face is {width_px:.0f} px wide: at least {_LEAST_PX:.0f} are needed"
        )
    across_eyes = points[EYES[1][0]] - points[EYES[0][0]]
    turn_deg = math.degrees(math.atan2(across_eyes[1], across_eyes[0]))
    middle = points.mean(axis=0)
    upright = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), turn_deg, 1.0)
    picture = np.asarray(
        cv2.warpAffine(
            picture,
            upright,
            (picture.shape[1], picture.shape[0]),
            flags=cv2.INTER_LANCZOS4,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        dtype=np.uint8,
    )
    points = _measure(picture, width_px, path)
    _check(points, path)
    portrait = place(picture, points, size, across)
    if not find_faces(portrait.texture):  # an animal's face is found in some sizes only
        raise InputError(f"{path}: no face is found once it is drawn: take one of a person")
    return portrait


def _largest_face(picture: ImageU8, path: Path) -> ArrayF32:
    faces = find_faces(picture)
    if not faces:
        raise InputError(f"{path}: no face is found")
    return faces[0]


def _measure(picture: ImageU8, width_px: float, path: Path) -> ArrayF32:
    """The mean over several sizes of the picture, (468, 2) float32 px."""
    found = []
    for wide_px in _MESH_PX:
        scale = wide_px / width_px
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        resized = np.asarray(
            cv2.resize(picture, None, fx=scale, fy=scale, interpolation=way), np.uint8
        )
        factor = np.array(picture.shape[1::-1]) / resized.shape[1::-1]
        found.append((_largest_face(resized, path) + 0.5) * factor - 0.5)
    return np.asarray(np.mean(found, axis=0), np.float32)


def _check(points: ArrayF32, path: Path) -> None:
    right, left = (abs(float(points[k, 0] - points[_NOSE, 0])) for k in CHEEKS)
    if max(right, left) > _MOST_TURNED * min(right, left):
        raise InputError(f"{path}: the face is turned to the side: take one seen from the front")
    for outer, inner, upper, lower in EYES:
        height = float(np.linalg.norm(points[upper] - points[lower]))
        if height < _LEAST_OPEN * float(np.linalg.norm(points[outer] - points[inner])):
            raise InputError(f"{path}: an eye is closed, so it cannot blink: take another one")
