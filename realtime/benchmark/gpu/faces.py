"""Aligned faces without the face networks: the demo's, placed by where its head is drawn."""

from collections.abc import Iterator, Sequence

import numpy as np

from model.face.aligned_crop import crop_transform, warp_crop
from model.records import AlignedFace, Frame, Stamp
from model.synthetic import SyntheticFace
from realtime.sources import SourceOptions

FPS = 30.0
_NO_PICTURE = np.zeros((1, 1, 3), np.uint8)


def draw(seconds: float) -> list[AlignedFace]:
    """The faces of the demo, aligned by the position at which the head is drawn."""
    face = SyntheticFace(seed=SourceOptions().seed, fps=FPS)
    found = []
    for index in range(round(seconds * FPS)):
        landmarks_px = face.head_px(index)
        transform = crop_transform(landmarks_px)
        crop = warp_crop(face.image(index), transform)
        found.append(AlignedFace(Stamp(index, index / FPS), crop, landmarks_px, transform, 0))
    return found


class KnownFaces:
    """A `realtime.perception.spotting_steps.Aligner` that knows all faces in advance."""

    def __init__(self, faces: Sequence[AlignedFace]) -> None:
        self._faces = {face.stamp.index: face for face in faces}

    def frames(self) -> Iterator[Frame]:
        """A frame without a picture for every face."""
        return (Frame(face.stamp, _NO_PICTURE, 0.0) for face in self._faces.values())

    def align(self, frame: Frame) -> AlignedFace | None:
        return self._faces.get(frame.stamp.index)

    def warm_up(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
