"""The video of a session: as one file, with blurred faces, or cropped to the face."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from model.errors import InputError
from model.face.aligner import FaceAligner, find_faces
from model.files import require_new
from model.records import AlignedFace, ArrayF32, Frame, ImageU8
from realtime.results.replay import REPLAY_PX, align_picture
from realtime.review.recorded_frames import RecordedFrames
from realtime.sessions.crash_safe_video import VideoWriter
from realtime.sessions.export_rows import name_files
from realtime.sessions.reader import Session
from realtime.sessions.video_cut import join_videos

WIDER = 1.5
"""Width of the blurred area, in face widths: FaceMesh leaves out hair and ears."""
BLOCKS = 7
"""Width of a blurred face, in blocks: too few to recognise anyone by."""
BLUR_AROUND_S = 0.5
"""The area of a face is blurred for this long before and after the face was found there."""

_Area = tuple[slice, slice]
"""Rows and columns."""


def write_video(session: Session, folder: Path) -> list[Path]:
    """Write `<code>_<start>.mkv`: all parts in one file, packet by packet."""
    path = require_new(folder / f"{name_files(session)}.mkv")
    parts = session.folder.parts()
    if not parts:
        raise InputError(f"{session.folder.path} has no pictures to export")
    join_videos([session.folder.video(part) for part in parts], path)
    return [path]


def write_blurred(session: Session, folder: Path) -> list[Path]:
    """Write `<code>_<start>_blurred.mkv`, see `blur_faces`."""
    return [write_changed(session, folder / f"{name_files(session)}_blurred.mkv", blur_faces)]


def write_crop(session: Session, folder: Path) -> list[Path]:
    """Write `<code>_<start>_crop.mkv`: only the aligned face, held still; black without a face."""
    aligner = FaceAligner(session.face)
    black = np.zeros((REPLAY_PX, REPLAY_PX, 3), np.uint8)

    def crop(frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            face: AlignedFace | None = aligner.align(frame)
            yield replace(frame, image=black if face is None else align_picture(frame, face))

    return [write_changed(session, folder / f"{name_files(session)}_crop.mkv", crop)]


def blur_faces(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Yield `frames`, which must be in order of time, with faces in blocks. It also blurs where a
    face is found up to `BLUR_AROUND_S` before or after, because one picture may miss it. A picture
    without any face is blurred as a whole.

    It cannot cover a face that is missed for longer while another face, or what looks like one, is
    found.
    """
    known: deque[tuple[float, list[_Area]]] = deque()
    waiting: deque[tuple[Frame, bool]] = deque()

    def blur(frame: Frame, found: bool) -> Frame:
        time_s = frame.stamp.time_s
        while known[0][0] < time_s - BLUR_AROUND_S:
            known.popleft()
        areas = [area for at_s, some in known if at_s <= time_s + BLUR_AROUND_S for area in some]
        return replace(frame, image=_pixelate(frame.image, areas if found else None))

    for frame in frames:
        areas = [_face_area(landmarks_px, frame.image) for landmarks_px in find_faces(frame.image)]
        while waiting and frame.stamp.time_s > waiting[0][0].stamp.time_s + BLUR_AROUND_S:
            yield blur(*waiting.popleft())
        known.append((frame.stamp.time_s, areas))
        waiting.append((frame, bool(areas)))
    while waiting:
        yield blur(*waiting.popleft())


def write_changed(
    session: Session, path: Path, change: Callable[[Iterable[Frame]], Iterator[Frame]]
) -> Path:
    """Write the recorded frames, as `change` returns them, to `path`, which must be new. Raises
    `InputError` if there are none, or their size changes."""
    require_new(path)
    pictures = RecordedFrames(session)
    if not len(pictures):
        raise InputError(f"{session.folder.path} has no pictures to export")
    writer: VideoWriter | None = None
    try:
        for frame in change(map(pictures.frame, range(len(pictures)))):
            height, width = frame.image.shape[:2]
            if writer is None:
                writer = VideoWriter(path, width, height, "h264")
            if writer.size != (width, height):
                raise InputError(f"{path}: pictures change size, and one file cannot hold both")
            due_ms = round((frame.stamp.time_s - session.zero_s) * 1000)
            writer.write(frame, writer.next_pts(due_ms))
    finally:
        pictures.close()
        if writer is not None:
            writer.close()
    return path


def _face_area(landmarks_px: ArrayF32, image: ImageU8) -> _Area:
    """Return rows and columns of a face and its surroundings."""
    low, high = landmarks_px.min(axis=0), landmarks_px.max(axis=0)
    middle, half = (low + high) / 2, WIDER / 2 * (high - low).max()
    size = np.array([image.shape[1], image.shape[0]])
    x0, y0 = np.clip(np.floor(middle - half), 0, size - 1).astype(int)
    x1, y1 = np.clip(np.ceil(middle + half), 1, size).astype(int)
    return slice(int(y0), int(y1)), slice(int(x0), int(x1))


def _pixelate(image: ImageU8, areas: Sequence[_Area] | None) -> ImageU8:
    """Return `image`, (H, W, 3) uint8 RGB, with `areas` (None: all of it) in blocks. All areas use
    the grid of the largest, so that finer blocks of one do not reveal what another hides."""
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
