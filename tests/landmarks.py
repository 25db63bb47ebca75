"""The landmarks of a single picture."""

from model.face.aligner import find_faces
from model.records import ArrayF32, ImageU8


def find_landmarks(image: ImageU8) -> ArrayF32 | None:
    """FaceMesh points (468, 2) px of the largest face, None without a face."""
    return next(iter(find_faces(image)), None)
