"""What all layouts share: a table of expressions, and folders of pictures.

Each layout's module reads its table and finds the pictures of a row. This module turns rows into
clips by the rules of `model.datasets.annotation_repairs`, or leaves them out and says why.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path

from model.datasets.annotation_repairs import Cell, UnusableError, cell_text, repair_moments
from model.datasets.clips import Clip, Dataset, Footage, LongVideo, Problem
from model.errors import InputError
from model.records import Kind, Window

MARGIN_S = 0.5
"""A clip of a long recording keeps this much before its onset and after its offset. The aligner's
filter needs time to settle, and averaging needs frames."""
_DEPTH = 4  # releases nest folders of the same name ("CASME2-RAW/CASME2-RAW")


@dataclass(frozen=True, slots=True)
class ExpressionRow:
    """One annotated expression, as in the table."""

    where: str
    subject: Cell
    name: Cell
    onset: Cell
    apex: Cell
    offset: Cell
    action_units: Cell
    emotion: Cell
    folder: Path
    """Where its pictures should be."""
    kind: Kind = "micro"
    fps: float | None = None
    """Of its pictures; None: that of the layout."""


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """A folder that holds one long video."""

    subject: str
    name: str
    folder: Path


@dataclass(frozen=True, slots=True)
class LayoutContent:
    """What a layout's reader found in a folder."""

    rows: Iterable[ExpressionRow | Problem]
    sources: tuple[Path, ...]
    recordings: tuple[RecordingRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Release:
    """A folder that should hold a data set as its owners ship it."""

    root: Path
    title: str
    """Name of the data set, for messages."""

    def need_file(self, example: str, *patterns: str) -> Path:
        """`find_file`, or an `InputError` with an `example` of the file."""
        found = self.find_file(*patterns)
        if found is None:
            raise self.refusal(f"the table {example} in it")
        return found

    def find_file(self, *patterns: str) -> Path | None:
        """The file that matches a pattern (in any case), in the folder or up to two below; None if
        there is none. A shallower folder wins, then an earlier pattern, then the last name:
        releases carry a date or version in the name, so the last is the newest."""
        level = [self.root]
        for _ in range(3):
            files = [Path(entry.path) for folder in level for entry in _entries(folder, files=True)]
            for pattern in patterns:
                matching = [f for f in files if fnmatch(f.name.lower(), pattern.lower())]
                if matching:
                    return max(matching, key=lambda file: file.name)
            level = [sub for folder in level for sub in subfolders(folder)]
        return None

    def need_folder(
        self, example: str, holds: Callable[[Path], bool], prefer: Sequence[str] = ()
    ) -> Path:
        """`find_folder`, or an `InputError` with an `example` of a picture."""
        found = self.find_folder(holds, prefer)
        if found is None:
            raise self.refusal(f"pictures {example} in it")
        return found

    def find_folder(self, holds: Callable[[Path], bool], prefer: Sequence[str] = ()) -> Path | None:
        """The folder, this one or up to four below, that `holds` accepts; None if there is none. A
        path with an earlier word of `prefer` wins, then the shallowest."""
        accepted: list[Path] = []
        level = [self.root]
        for _ in range(_DEPTH + 1):
            accepted.extend(folder for folder in level if holds(folder))
            level = [sub for each in level if each not in accepted for sub in subfolders(each)]

        def rank(folder: Path) -> tuple[int, int, str]:
            path = folder.relative_to(self.root).as_posix().lower()
            words = [i for i, word in enumerate(prefer) if word in path]
            return (min(words, default=len(prefer)), len(folder.parts), path)

        return min(accepted, key=rank, default=None)

    def refusal(self, expected: str) -> InputError:
        """The error for a folder that does not hold the data set."""
        return InputError(f"{self.root} is not {self.title}: expected {expected}")


Listing = Callable[[Path, float], Footage]
"""`Footage.in_folder`, which remembers the folders that it has read last."""
Reader = Callable[[Release], LayoutContent]
"""Finds one data set in a folder. Raises `InputError` with what was expected if it is not there."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One published data set."""

    name: str
    title: str
    fps: float
    emotions: frozenset[str]
    """In lower case, as its table spells them; with "" if an emotion may be missing."""
    read: Reader
    subject_digits: int = 0
    """A subject that is a bare number is padded with zeros to this width."""

    def open(self, root: Path) -> Dataset:
        """The data set in `root`. Raises `InputError` if it is not there."""
        if not root.is_dir():
            raise InputError(f"{root} is not a folder: give the folder that holds {self.title}")
        found = self.read(Release(root, self.title))
        clips: list[Clip] = []
        problems: list[Problem] = []
        listing = lru_cache(32)(Footage.in_folder)
        long = {recording.folder for recording in found.recordings}
        seen: dict[str, str] = {}
        for row in found.rows:
            if isinstance(row, Problem):
                problems.append(row)
                continue
            try:
                clip = self._clip(row, listing, cut=row.folder in long)
                if clip.key in seen:
                    raise UnusableError(f"the same expression is in {seen[clip.key]}")
            except UnusableError as error:
                named = f"{cell_text(row.subject)}/{cell_text(row.name)}"
                problems.append(Problem(row.where, named, str(error)))
                continue
            seen[clip.key] = row.where
            clips.append(clip)
        videos = tuple(_video(self, r, clips, listing) for r in found.recordings)
        return Dataset(
            self.name, self.title, root, tuple(clips), tuple(problems), videos, found.sources
        )

    def _clip(self, row: ExpressionRow, listing: Listing, *, cut: bool) -> Clip:
        repairs: list[str] = []
        subject = cell_text(row.subject, repairs)
        name = cell_text(row.name, repairs)
        label = cell_text(row.emotion, repairs).lower()
        for what, cell in (("subject", subject), ("file name", name)):
            if not cell:
                raise UnusableError(f"the {what} is empty")
        if subject.isdigit():
            subject = subject.zfill(self.subject_digits)
        if label not in self.emotions:
            known = ", ".join(sorted(self.emotions - {""}))
            raise UnusableError(f"unknown emotion {label!r}: {self.title} has {known}")
        fps = self.fps if row.fps is None else row.fps
        footage = listing(row.folder, fps)
        if not os.path.isdir(row.folder):
            raise UnusableError(f"no folder {row.folder}")
        if not footage.numbers:
            raise UnusableError(f"no numbered pictures in {row.folder}")
        moments = repair_moments(row.onset, row.apex, row.offset, footage.numbers, fps)
        repairs.extend(moments.repairs)
        if footage.duplicates:
            repairs.append("picture-doubled")
        clip = Clip(
            dataset=self.name,
            subject=subject,
            name=name,
            onset=moments.onset,
            apex=moments.apex,
            offset=moments.offset,
            label=label,
            action_units=parse_action_units(cell_text(row.action_units)),
            kind=row.kind,
            footage=footage,
            repairs=tuple(repairs),
        )
        if cut:
            margin = round(MARGIN_S * fps)
            within = footage.between(clip.onset - margin, clip.end + margin)
            clip = replace(clip, footage=within)
        return clip


def parse_action_units(coding: str) -> tuple[str, ...]:
    """FACS units of a coding such as "L4+7", "AU12B", "R12 + 25": "AU4", "AU7". Sides (L, R, U, B,
    T before the number), intensities (A–E after it) and doubts ("?") are dropped."""
    numbers = {int(n) for n in re.findall(r"(?<!\d)(\d{1,2})(?!\d)", coding)}
    return tuple(f"AU{n}" for n in sorted(numbers - {0}))


def holds_folder(pattern: str, *below: str) -> Callable[[Path], bool]:
    """Whether a folder has a subfolder whose whole name matches `pattern`, and which has a
    subfolder that matches the first of the patterns `below`, and so on."""
    name = re.compile(pattern)
    holds = holds_folder(*below) if below else lambda _: True
    return lambda folder: any(name.fullmatch(s.name) and holds(s) for s in subfolders(folder))


def subfolders(folder: Path) -> list[Path]:
    """Folders in `folder`, in natural order (s2 before s10)."""
    found = [Path(entry.path) for entry in _entries(folder, files=False)]
    return sorted(found, key=lambda path: natural_key(path.name))


def _entries(folder: Path, *, files: bool) -> Iterator[os.DirEntry[str]]:
    """Files or folders in `folder`, without hidden ones, lock files of spreadsheet programs and the
    duplicates that macOS adds to archives. Reads the folder once: some hold ten thousand
    pictures."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith((".", "~$", "__MACOSX")) and entry.is_dir() != files:
                yield entry


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """A sorting key that compares digits as numbers."""
    parts = re.split(r"(\d+)", name.lower())
    return tuple((int(p), "") if p.isdecimal() else (-1, p) for p in parts if p)


def _video(
    layout: Layout,
    recording: RecordingRow,
    clips: Sequence[Clip],
    listing: Listing,
) -> LongVideo:
    within = [clip for clip in clips if clip.footage.folder == recording.folder]
    within.sort(key=lambda clip: clip.onset)
    footage = listing(recording.folder, layout.fps) if within else None
    windows = tuple(_windows(footage, within)) if footage is not None else ()
    return LongVideo(
        dataset=layout.name,
        subject=recording.subject,
        name=recording.name,
        folder=recording.folder,
        fps=layout.fps,
        windows=windows,
        labels=tuple(clip.label for clip in within),
    )


def _windows(footage: Footage, clips: Iterable[Clip]) -> Iterator[Window]:
    for clip in clips:
        apex = (clip.onset + clip.end) // 2 if clip.apex is None else clip.apex
        yield Window(
            onset=footage.stamp(clip.onset),
            apex=footage.stamp(apex),
            offset=footage.stamp(clip.end),
            score=float("inf"),
            kind=clip.kind,
        )
