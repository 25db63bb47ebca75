"""The records of a data set: numbered pictures, clips cut around one expression, long videos.

A clip, a long video, a video file and a webcam are the same thing to the rest of the program: an
iterator of `Frame`. What the annotations say is in frame numbers, as the owners count them; what
leaves this package is in seconds (`Stamp`).
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
    """Pictures of one recording in one folder, in the order of their numbers."""

    folder: Path
    fps: float
    numbers: tuple[int, ...]
    """As in the file names, rising; a jump is a picture missing on disk."""
    names: tuple[str, ...]
    """File names in `folder`, one for each number."""
    doubled: int = 0
    """How many more files carried a number already taken; the first by name is used."""
    hidden: int = 0
    """How many files were left out because their names begin with a dot: what macOS leaves beside
    each picture on a shared disk is no picture, though it is called like one (`._img1.jpg`)."""

    @classmethod
    def of(cls, folder: Path, fps: float) -> "Footage":
        """All pictures of `folder` whose names end in a number; none if there is no such folder."""
        if not os.path.isdir(folder):  # which no name can upset
            return cls(folder, fps, (), ())
        found: dict[int, str] = {}
        doubled = hidden = 0
        for name in sorted(entry.name for entry in folder.iterdir()):
            if name.startswith("."):
                hidden += 1
                continue
            stem, dot, suffix = name.rpartition(".")
            number = _NUMBER.search(stem)
            if dot + suffix.lower() not in PICTURE_SUFFIXES or number is None:
                continue
            doubled += int(number[1]) in found
            found.setdefault(int(number[1]), name)
        numbers = tuple(sorted(found))
        return cls(folder, fps, numbers, tuple(found[n] for n in numbers), doubled, hidden)

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(self.folder / name for name in self.names)

    def between(self, first: int, last: int) -> "Footage":
        """The pictures numbered `first` to `last`, both included."""
        kept = [i for i, number in enumerate(self.numbers) if first <= number <= last]
        numbers = tuple(self.numbers[i] for i in kept)
        return Footage(self.folder, self.fps, numbers, tuple(self.names[i] for i in kept))

    def stamp(self, number: int) -> Stamp:
        """When the picture of that number was taken; the first one is at 0 s."""
        index = number - self.numbers[0]
        return Stamp(index, index / self.fps)

    def frames(self) -> Iterator[Frame]:
        """The pictures as a source gives them: RGB, read-only, stamped by the nominal rate. A
        picture missing on disk is a jump of the index. `SourceError` if one cannot be read."""
        for number, path in zip(self.numbers, self.paths, strict=True):
            picture = read_picture(path, cv2.IMREAD_COLOR)
            if picture is None:
                raise SourceError(f"cannot read the picture {path}: replace it, or take it away")
            image: ImageU8 = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
            image.flags.writeable = False
            yield Frame(self.stamp(number), image, 0.0)


def read_picture(path: Path, flags: int) -> NDArray[Any] | None:
    """`cv2.imread`, which on Windows finds no file whose path has letters of another script: the
    picture in BGR as `flags` say, None if there is none."""
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
    """A number of `footage`, as are the next two."""
    apex: int | None
    """None: no usable one is annotated; `model.datasets.apex_search` finds it by motion."""
    offset: int | None
    """None: the return is not in the recording, so there is no second phase."""
    label: str
    """Emotion as annotated, in lower case; empty where the data set gives none."""
    action_units: tuple[str, ...]
    """FACS units, "AU4", rising, sides and intensities left out; empty where none are coded."""
    coding: str
    """The same as annotated: "L4+7"."""
    kind: Kind
    footage: Footage
    repairs: tuple[str, ...] = ()
    """Names in `model.datasets.annotation_repairs.RULES` of what had to be put right."""

    @property
    def key(self) -> str:
        """What names it within all data sets."""
        return f"{self.dataset}/{self.subject}/{self.name}@{self.onset}"

    def frames(self) -> Iterator[Frame]:
        """Its pictures; see `Footage.frames`."""
        return self.footage.frames()


@dataclass(frozen=True, slots=True)
class Video:
    """A long recording in which expressions are to be found."""

    dataset: str
    subject: str
    name: str
    folder: Path
    fps: float
    windows: tuple[Window, ...]
    """Annotated expressions in order of onset, on the stamps of `frames`. An offset that is not
    annotated is put at the apex (MEGC's convention), an apex that is not, half way."""
    labels: tuple[str, ...]
    """Emotion of each window, empty where none is annotated."""

    def footage(self) -> Footage:
        """Its pictures, looked up now: a data set of long videos has millions."""
        return Footage.of(self.folder, self.fps)

    def frames(self) -> Iterator[Frame]:
        """See `Footage.frames`."""
        return self.footage().frames()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something annotated that cannot be used, and why."""

    where: str
    """Table and row, or folder."""
    clip: str
    """Subject and name as far as they are known."""
    reason: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """What was found of one data set: an iterable of clips."""

    name: str
    """In `model.datasets.DATASETS`."""
    title: str
    """As its owners write it."""
    root: Path
    clips: tuple[Clip, ...]
    left_out: tuple[Problem, ...]
    videos: tuple[Video, ...] = ()
    """Long recordings; empty for data sets of cut clips."""
    sources: tuple[Path, ...] = ()
    """Tables and folders that were read."""
    hidden: int = 0
    """Files in the folders of pictures that were left out, see `Footage.hidden`."""

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    def __len__(self) -> int:
        return len(self.clips)

    def micro(self) -> "Dataset":
        """The same without macro-expressions."""
        clips = tuple(clip for clip in self.clips if clip.kind == "micro")
        if not clips:
            raise InputError(f"{self.root}: {self.title} holds no usable micro-expression")
        return replace(self, clips=clips)
