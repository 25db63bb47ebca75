"""Aligned faces, for the live path on machines without face networks.

    python -m realtime.benchmark.gpu.faces runs/faces.npz     from the demo; 13 MB

The file is lossless, so its expressions are those of the footage. Without it, the demo's faces are
drawn and aligned by their known landmarks.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from model.cli import Parser, exit_code
from model.errors import InputError
from model.face.crop import crop_transform, warp_crop
from model.records import AlignedFace, Frame, Stamp
from model.synthetic import SyntheticFace
from realtime.sources import SourceOptions, open_source

SECONDS, FPS = 24.0, 30.0
"""Length and rate of the demo: five expressions, two of them withdrawn."""
_NO_PICTURE = np.zeros((1, 1, 3), np.uint8)


def record(options: SourceOptions) -> list[AlignedFace]:
    """The faces of the demo, found by the networks."""
    from model.face.aligner import FaceAligner

    aligner = FaceAligner()
    with closing(open_source("demo", options)) as source:
        found = [aligner.align(frame) for frame in source]
    return [face for face in found if face is not None]


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


def save(path: Path, faces: Sequence[AlignedFace]) -> None:
    """Write `faces` to `path`. Raises `InputError` if it exists."""
    if path.exists():
        raise InputError(f"{path} exists and is kept: give another name")
    columns: dict[str, Any] = {
        "index": [face.stamp.index for face in faces],
        "time_s": [face.stamp.time_s for face in faces],
        **{name: [getattr(face, name) for face in faces] for name in _COLUMNS},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:  # given a name, NumPy would add a suffix
        np.savez_compressed(file, **columns)


def load(path: Path) -> list[AlignedFace]:
    """Read what `save` wrote. Raises `InputError` if the file cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            columns = {name: archive[name] for name in ("index", "time_s", *_COLUMNS)}
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(
            f"{path} holds no faces ({error}): python -m realtime.benchmark.gpu.faces"
        ) from None
    return [
        AlignedFace(Stamp(int(i), float(t)), crop, points, transform, int(track))
        for i, t, crop, points, transform, track in zip(*columns.values(), strict=True)
    ]


class KnownFaces:
    """A `realtime.perception.spotting_steps.Aligner` that knows all faces in advance."""

    def __init__(self, faces: Sequence[AlignedFace]) -> None:
        self._faces = {face.stamp.index: face for face in faces}

    def frames(self) -> Iterator[Frame]:
        """Every frame from the first face to the last, without a picture. The time of a frame
        without a face is interpolated."""
        numbers = np.array(list(self._faces))
        times_s = [face.stamp.time_s for face in self._faces.values()]
        for index in range(numbers[0], numbers[-1] + 1):
            time_s = float(np.interp(index, numbers, times_s))
            yield Frame(Stamp(index, time_s), _NO_PICTURE, 0.0)

    def align(self, frame: Frame) -> AlignedFace | None:
        return self._faces.get(frame.stamp.index)

    def warm_up(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


_COLUMNS = tuple(field.name for field in fields(AlignedFace) if field.name != "stamp")


def main() -> None:
    """Command line."""
    parser = Parser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, help="file to write; must not exist")
    file = parser.parse_args().file
    faces = record(SourceOptions(fps=FPS, seconds=SECONDS))
    save(file, faces)
    print(f"{len(faces)} faces, {file.stat().st_size / 1e6:.1f} MB: {file}")


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
