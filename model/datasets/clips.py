"""The records of a data set: numbered pictures, clips of one expression, long videos.

To the rest of the program, a clip, a long video, a video file and a webcam are the same: an
iterator of `Frame`. Annotations are in frame numbers, as the owners count them; this package
returns seconds (`Stamp`).
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from model.errors import InputError, SourceError
from model.records import Frame, ImageU8, Kind, Stamp, Window

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")

_NUMBER = re.compile(r"(\d+)\D*$")


@dataclass(frozen=True, slots=True)
class Footage:
    """The pictures of one recording in one folder, in the order of their numbers."""

    folder: Path
    fps: float
    numbers: tuple[int, ...]
    """From the file names, increasing. A jump means that a picture is missing on disk."""
    names: tuple[str, ...]
    """File names in `folder`, one for each number."""
    duplicates: int = 0
    """How many files repeat a number; the first by name is used."""

    @classmethod
    def in_folder(cls, folder: Path, fps: float) -> "Footage":
        """All pictures in `folder` whose names end in a number; none if there is no such folder.
        Names that begin with a dot are left out, because macOS writes such files beside the
        pictures on a shared disk (`._img1.jpg`)."""
        if not os.path.isdir(folder):  # raises nothing, whatever the name
            return cls(folder, fps, (), ())
        found: dict[int, str] = {}
        duplicates = 0
        for name in sorted(entry.name for entry in folder.iterdir()):
            stem, dot, suffix = name.rpartition(".")
            number = _NUMBER.search(stem)
            is_picture = dot + suffix.lower() in PICTURE_SUFFIXES and not name.startswith(".")
            if number is None or not is_picture:
                continue
            duplicates += int(number[1]) in found
            found.setdefault(int(number[1]), name)
        numbers = tuple(sorted(found))
        return cls(folder, fps, numbers, tuple(found[n] for n in numbers), duplicates)

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(self.folder / name for name in self.names)

    def between(self, first: int, last: int) -> "Footage":
        """The pictures numbered `first` to `last`, inclusive."""
        kept = [i for i, number in enumerate(self.numbers) if first <= number <= last]
        numbers = tuple(self.numbers[i] for i in kept)
        return Footage(self.folder, self.fps, numbers, tuple(self.names[i] for i in kept))

    def stamp(self, number: int) -> Stamp:
        """The stamp of the picture with that number; the first one is at 0 s."""
        index = number - self.numbers[0]
        return Stamp(index, index / self.fps)

    def frames(self) -> Iterator[Frame]:
        """The pictures as frames: RGB, read-only, at the nominal rate. The index jumps where a
        picture is missing on disk. Raises `SourceError` if one cannot be read."""
        for number, path in zip(self.numbers, self.paths, strict=True):
            picture = read_picture(path, cv2.IMREAD_COLOR)
            if picture is None:
                raise SourceError(f"cannot read the picture {path}: replace it, or remove it")
            image: ImageU8 = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
            image.flags.writeable = False
            yield Frame(self.stamp(number), image, 0.0)


def read_picture(path: Path, flags: int) -> NDArray[Any] | None:
    """The picture in BGR, read with OpenCV's `flags`; None if it cannot be read. Unlike
    `cv2.imread` it finds paths in any script on Windows."""
    try:
        content = np.fromfile(path, np.uint8)
    except OSError:
        return None
    try:
        return cv2.imdecode(content, flags) if content.size else None
    except cv2.error:  # a size beyond OpenCV's limits
        return None


@dataclass(frozen=True, slots=True)
class Clip:
    """One annotated expression and the pictures around it."""

    dataset: str
    """Name in `model.datasets.DATASETS`."""
    subject: str
    name: str
    """As annotated; unique together with `subject` and `onset`."""
    onset: int
    """Number of a picture of `footage`, like the next two."""
    apex: int | None
    """None if no usable one is annotated; `model.datasets.flows` finds it by motion."""
    offset: int | None
    """None if the recording ends before the face returns, so there is no second phase."""
    label: str
    """Emotion as annotated, in lower case; empty if the data set has none."""
    action_units: tuple[str, ...]
    """FACS units ("AU4") in order, without sides and intensities; empty if not coded."""
    kind: Kind
    footage: Footage
    repairs: tuple[str, ...] = ()
    """Names of the rules that were applied, from `model.datasets.annotation_repairs.REPAIRS`."""

    @property
    def key(self) -> str:
        """A unique name over all data sets."""
        return f"{self.dataset}/{self.subject}/{self.name}@{self.onset}"

    @property
    def end(self) -> int:
        """Number of the last annotated picture: the offset, or the apex if there is none."""
        end = self.apex if self.offset is None else self.offset
        assert end is not None  # an annotation without both is unusable
        return end

    def frames(self) -> Iterator[Frame]:
        """See `Footage.frames`."""
        return self.footage.frames()


@dataclass(frozen=True, slots=True)
class LongVideo:
    """A long recording, for spotting expressions."""

    dataset: str
    subject: str
    name: str
    folder: Path
    fps: float
    windows: tuple[Window, ...]
    """Annotated expressions in order of onset, with stamps of `frames`. A missing offset is set to
    the apex (MEGC's convention), a missing apex halfway."""
    labels: tuple[str, ...]
    """Emotion of each window; empty if not annotated."""

    def footage(self) -> Footage:
        """Its pictures. They are looked up on each call, because long videos have millions."""
        return Footage.in_folder(self.folder, self.fps)

    def frames(self) -> Iterator[Frame]:
        """See `Footage.frames`."""
        return self.footage().frames()


@dataclass(frozen=True, slots=True)
class Problem:
    """An annotation that cannot be used, and why."""

    where: str
    """Table and row, or folder."""
    clip: str
    """Subject and name, as far as known."""
    reason: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set on disk: an iterable of clips."""

    name: str
    """Name in `model.datasets.DATASETS`."""
    title: str
    """Name as its owners write it."""
    root: Path
    clips: tuple[Clip, ...]
    problems: tuple[Problem, ...]
    """Annotations that cannot be used."""
    videos: tuple[LongVideo, ...] = ()
    """Long recordings; empty for data sets of cut clips."""
    sources: tuple[Path, ...] = ()
    """Tables and folders that were read."""

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    def __len__(self) -> int:
        return len(self.clips)

    def micro(self) -> "Dataset":
        """The data set without macro-expressions. Raises `InputError` if nothing is left."""
        clips = tuple(clip for clip in self.clips if clip.kind == "micro")
        if not clips:
            raise InputError(f"{self.root}: {self.title} has no usable micro-expression")
        return replace(self, clips=clips)
