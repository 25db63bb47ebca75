"""The video of a session: as one file, with faces blurred, or cut to the face."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from model.errors import InputError
from model.face import FaceAligner, find_faces
from model.records import AlignedFace, ArrayF32, Frame, ImageU8
from realtime.export.rows import new_file, stem
from realtime.replay import REPLAY_PX, picture
from realtime.review.pictures import Pictures
from realtime.session.cut import join
from realtime.session.reader import Session
from realtime.session.video import VideoWriter

WIDER = 1.5
"""What is blurred, in face widths: FaceMesh ends at the hairline and before the ears."""
BLOCKS = 7
"""A blurred face is this many blocks wide: fewer than anyone is known by."""


def write_video(session: Session, folder: Path) -> list[Path]:
    """`<code>_<start>.mkv`: all parts in one file, packet by packet."""
    path = new_file(folder / f"{stem(session)}.mkv")
    join([session.folder.video(part) for part in session.folder.parts()], path)
    return [path]


def write_blurred(session: Session, folder: Path) -> list[Path]:
    """`<code>_<start>_blurred.mkv`: every face in blocks; a picture in which none is found is in
    blocks as a whole, so that nothing slips through."""
    return [_write(session, folder, "blurred", lambda frame: blurred(frame.image))]


def write_crop(session: Session, folder: Path) -> list[Path]:
    """`<code>_<start>_crop.mkv`: the aligned face alone, held still; black where there is none."""
    aligner = FaceAligner()
    black = np.zeros((REPLAY_PX, REPLAY_PX, 3), np.uint8)

    def cropped(frame: Frame) -> ImageU8:
        face: AlignedFace | None = aligner.align(frame)
        return black if face is None else picture(frame, face)

    try:
        return [_write(session, folder, "crop", cropped)]
    finally:
        aligner.close()


def blurred(image: ImageU8) -> ImageU8:
    """`image`, (H, W, 3) uint8 RGB, with every face in it in blocks; all of it if there is none."""
    faces = find_faces(image)
    if not faces:
        return _blocks(image)
    out = image.copy()
    for landmarks_px in faces:
        rows, columns = _around(landmarks_px, image)
        out[rows, columns] = _blocks(out[rows, columns])
    return out


def _write(session: Session, folder: Path, kind: str, change: Callable[[Frame], ImageU8]) -> Path:
    path = new_file(folder / f"{stem(session)}_{kind}.mkv")
    pictures = Pictures(session)
    if not pictures.stamps:
        raise InputError(f"{session.folder.path} has no pictures to export")
    writer: VideoWriter | None = None
    try:
        for place, stamp in enumerate(pictures.stamps):
            image = change(pictures.frame(place))
            height, width = image.shape[:2]
            if writer is None:
                writer = VideoWriter(path, width, height, "h264")
            if writer.size != (width, height):
                raise InputError(f"{path}: the picture's size changes, one file cannot hold both")
            writer.write(image, writer.next_pts(round((stamp.time_s - session.zero_s) * 1000)))
    finally:
        pictures.close()
        if writer is not None:
            writer.close()
    return path


def _around(landmarks_px: ArrayF32, image: ImageU8) -> tuple[slice, slice]:
    """Rows and columns of a face with what surrounds it."""
    low, high = landmarks_px.min(axis=0), landmarks_px.max(axis=0)
    middle, half = (low + high) / 2, WIDER / 2 * (high - low).max()
    size = np.array([image.shape[1], image.shape[0]])
    x0, y0 = np.clip(np.floor(middle - half), 0, size - 1).astype(int)
    x1, y1 = np.clip(np.ceil(middle + half), 1, size).astype(int)
    return slice(int(y0), int(y1)), slice(int(x0), int(x1))


def _blocks(part: ImageU8) -> ImageU8:
    height, width = part.shape[:2]
    side = max(1.0, max(height, width) / (WIDER * BLOCKS))
    size = (max(1, round(width / side)), max(1, round(height / side)))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
