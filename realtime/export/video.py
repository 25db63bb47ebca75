"""The video of a session: as one file, with faces blurred, or cut to the face."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from model.errors import InputError
from model.face.aligner import FaceAligner, find_faces
from model.records import AlignedFace, ArrayF32, Frame, ImageU8
from realtime.results.replay import REPLAY_PX, picture
from realtime.review.pictures import Pictures
from realtime.sessions.crash_safe_video import VideoWriter
from realtime.sessions.export_rows import new_file, stem
from realtime.sessions.reader import Session
from realtime.sessions.video_cut import join

WIDER = 1.5
"""What is blurred, in face widths: FaceMesh ends at the hairline and before the ears."""
BLOCKS = 7
"""A blurred face is this many blocks wide: fewer than anyone is known by."""
AROUND_S = 0.5
"""Where a face was found, it may be for this long before and after."""

_Area = tuple[slice, slice]
"""Rows and columns."""


def write_video(session: Session, folder: Path) -> list[Path]:
    """`<code>_<start>.mkv`: all parts in one file, packet by packet."""
    path = new_file(folder / f"{stem(session)}.mkv")
    parts = session.folder.parts()
    if not parts:
        raise InputError(f"{session.folder.path} has no pictures to export")
    join([session.folder.video(part) for part in parts], path)
    return [path]


def write_blurred(session: Session, folder: Path) -> list[Path]:
    """`<code>_<start>_blurred.mkv`: faces in blocks, see `blur_faces`."""
    return [_write(session, folder, "blurred", blur_faces)]


def write_crop(session: Session, folder: Path) -> list[Path]:
    """`<code>_<start>_crop.mkv`: the aligned face alone, held still; black where there is none."""
    aligner = FaceAligner()
    black = np.zeros((REPLAY_PX, REPLAY_PX, 3), np.uint8)

    def cropped(frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            face: AlignedFace | None = aligner.align(frame)
            yield replace(frame, image=black if face is None else picture(frame, face))

    return [_write(session, folder, "crop", cropped)]


def blur_faces(frames: Iterable[Frame]) -> Iterator[Frame]:
    """`frames`, in order of time, with faces in blocks: where one is found, and where one is found
    up to `AROUND_S` before or after, since a face that is missed in one picture was seen in
    another. A picture in which none is found is in blocks as a whole.

    What it cannot cover: a face that is not found for longer than that while something else, face
    or not, is.
    """
    known: deque[tuple[float, list[_Area]]] = deque()
    waiting: deque[tuple[Frame, bool]] = deque()

    def covered(frame: Frame, found: bool) -> Frame:
        time_s = frame.stamp.time_s
        while known[0][0] < time_s - AROUND_S:
            known.popleft()
        areas = [area for at_s, some in known if at_s <= time_s + AROUND_S for area in some]
        return replace(frame, image=_in_blocks(frame.image, areas if found else None))

    for frame in frames:
        areas = [_around(landmarks_px, frame.image) for landmarks_px in find_faces(frame.image)]
        while waiting and frame.stamp.time_s > waiting[0][0].stamp.time_s + AROUND_S:
            yield covered(*waiting.popleft())
        known.append((frame.stamp.time_s, areas))
        waiting.append((frame, bool(areas)))
    while waiting:
        yield covered(*waiting.popleft())


def _write(
    session: Session,
    folder: Path,
    kind: str,
    change: Callable[[Iterable[Frame]], Iterator[Frame]],
) -> Path:
    path = new_file(folder / f"{stem(session)}_{kind}.mkv")
    pictures = Pictures(session)
    if not pictures.stamps:
        raise InputError(f"{session.folder.path} has no pictures to export")
    writer: VideoWriter | None = None
    try:
        for frame in change(map(pictures.frame, range(len(pictures.stamps)))):
            height, width = frame.image.shape[:2]
            if writer is None:
                writer = VideoWriter(path, width, height, "h264")
            if writer.size != (width, height):
                raise InputError(f"{path}: the picture's size changes, one file cannot hold both")
            due_ms = round((frame.stamp.time_s - session.zero_s) * 1000)
            writer.write(frame, writer.next_pts(due_ms))
    finally:
        pictures.close()
        if writer is not None:
            writer.close()
    return path


def _around(landmarks_px: ArrayF32, image: ImageU8) -> _Area:
    """Rows and columns of a face with what surrounds it."""
    low, high = landmarks_px.min(axis=0), landmarks_px.max(axis=0)
    middle, half = (low + high) / 2, WIDER / 2 * (high - low).max()
    size = np.array([image.shape[1], image.shape[0]])
    x0, y0 = np.clip(np.floor(middle - half), 0, size - 1).astype(int)
    x1, y1 = np.clip(np.ceil(middle + half), 1, size).astype(int)
    return slice(int(y0), int(y1)), slice(int(x0), int(x1))


def _in_blocks(image: ImageU8, areas: Sequence[_Area] | None) -> ImageU8:
    """`image`, (H, W, 3) uint8 RGB, with `areas` in blocks, or all of it. One grid, as coarse as
    the largest area asks: where several overlap, one's blocks do not tell what another's hide."""
    height, width = image.shape[:2]
    spans = [length for area in areas or () for length in (s.stop - s.start for s in area)]
    side = max(1.0, max(spans, default=max(height, width)) / (WIDER * BLOCKS))
    size = (max(1, round(width / side)), max(1, round(height / side)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    blocks = np.asarray(
        cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8
    )
    if areas is None:
        return blocks
    out = image.copy()
    for area in areas:
        out[area] = blocks[area]
    return out
