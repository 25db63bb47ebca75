"""Replays an expression slowly and with its motion magnified, because nobody sees one at full
speed.

Lagrangian magnification (Liu et al., "Motion Magnification", SIGGRAPH 2005): measure the flow of
each frame against the onset, remove the head's motion, and warp the picture as if the face had
moved `factor` times as far. Nothing is invented, but sensor noise is magnified too, so the flow is
smoothed first. Where the factor would tear the picture, as in a blink or an open mouth, it is
lowered; everyone sees such movements anyway."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from model.errors import InputError
from model.face.aligned_crop import CROP_PX
from model.face.aligner import FaceAligner
from model.face.choice import LARGEST
from model.flow.head_motion import remove_head_motion
from model.flow.lk import LucasKanade
from model.records import AlignedFace, ArrayF32, ArrayF64, Frame, ImageU8, Window

T = TypeVar("T", np.uint8, np.float32)

REPLAY_PX = 256
"""Side of the replayed pictures: twice the crop, in its geometry."""
MAX_FRAMES = 96
"""A longer clip is thinned evenly: 96 frames at an eighth of the speed are 13 s at 60 fps."""
LARGEST_FACTOR = 20.0
ONSET_S = 0.05
"""How far the onset picture may be from the onset: a recording that lost that very frame has its
neighbour."""

_SMOOTH_PX = 2.0  # of the crop: below the width of any action unit's motion
_SMOOTH_S = 0.03  # shorter than the rise of the fastest expression (40 ms up)
_RIM_PX = 5.0  # over which magnification fades out at the edge of the face
_FARTHEST_PX = 16.0  # nothing moves further than this
_STEEPEST = 1.2  # of displacement per px: at 1 the picture folds over itself
_REACH_PX = 9  # the gain changes over this distance between parts that move differently
_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Replay:
    """The aligned pictures of an expression, and the motion of its face against its onset."""

    times_s: ArrayF64
    """(N,) float64, capture times, increasing."""
    pictures: ImageU8
    """(N, S, S, 3) uint8 RGB, S = `REPLAY_PX`, in the geometry of the aligned crop."""
    flow: ArrayF32
    """(N, 2, C, C) float32, crop px: onset → frame, head motion included, C = `CROP_PX`."""
    motion: ArrayF32
    """(N, 2, C, C) float32, crop px: the same without the head's motion, smoothed, on the face."""


def open_replay(
    clip: Sequence[Frame], window: Window, face: str = LARGEST, most: int = MAX_FRAMES
) -> Replay:
    """Align the frames of `clip`, `most` of them at the most, and measure the face's motion against
    the onset of `window`.

    `clip` holds consecutive frames, including the onset: motion is measured against it, and no
    other moment or person can replace it. `face`: which of several faces was followed, see
    `model.face.choice`. Raises `InputError` if the onset is no longer kept, or if
    no face is found in it."""
    if not clip:
        raise InputError("the pictures of this expression are no longer kept")
    first = min(range(len(clip)), key=lambda n: abs(clip[n].stamp.time_s - window.onset.time_s))
    onset_s = clip[first].stamp.time_s
    if abs(onset_s - window.onset.time_s) > ONSET_S:
        raise InputError(
            "the onset of this expression is no longer kept, so nothing can be magnified"
        )
    step = -(-len(clip) // most)
    aligner = FaceAligner(face)
    aligned = [(frame, aligner.align(frame)) for frame in clip[first % step :: step]]
    pairs = [(frame, face) for frame, face in aligned if face is not None]
    if not pairs:
        raise InputError("no face is found in the pictures of this expression")
    times_s = np.array([frame.stamp.time_s for frame, _ in pairs])
    onset = int(np.argmin(np.abs(times_s - onset_s)))
    if times_s[onset] != onset_s:
        raise InputError("no face is found at the onset of this expression")
    track = pairs[onset][1].track
    kept = [index for index, (_, face) in enumerate(pairs) if face.track == track]
    flow_to = LucasKanade().against(pairs[onset][1].crop)
    flow = np.stack([flow_to(pairs[index][1].crop) for index in kept])
    rest = np.stack([remove_head_motion(one)[0] for one in flow])
    mask = face_mask(pairs[onset][1])
    return Replay(
        times_s=times_s[kept],
        pictures=np.stack([align_picture(*pairs[index]) for index in kept]),
        flow=flow,
        motion=_smooth(rest, times_s[kept]) * mask,
    )


def magnify(replay: Replay, factor: float) -> ImageU8:
    """Return the pictures with the face's motion `factor` times as large and the head held still.

    `factor` is 1 (the motion as it was) to `LARGEST_FACTOR`. Returns (N, S, S, 3) uint8 RGB.
    Raises `InputError` outside that range.
    """
    if not 1 <= factor <= LARGEST_FACTOR:
        raise InputError(f"magnification {factor:g}: choose 1 to {LARGEST_FACTOR:g}")
    far = replay.motion * np.minimum(factor, _largest_gain(replay.motion))
    return np.stack(
        [
            _warp_picture(picture, flow, moved)
            for picture, flow, moved in zip(replay.pictures, replay.flow, far, strict=True)
        ]
    )


def face_mask(face: AlignedFace) -> ArrayF32:
    """Return (C, C) float32 in the aligned crop: 1 on the face, fading to 0 at its edge."""
    ones = np.ones((len(face.landmarks_px), 1))
    points = np.hstack([face.landmarks_px, ones]) @ face.crop_from_image.T
    mask = np.zeros((CROP_PX, CROP_PX), np.float32)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), (1.0,))
    # Shrink before the blur, so that the background's own flow never counts in full.
    width = 2 * int(_RIM_PX) + 1
    # Fade out at the edge of the crop too: there is no picture beyond it.
    square = np.ones((width, width))
    mask = np.asarray(cv2.erode(mask, square, borderType=cv2.BORDER_CONSTANT, borderValue=(0,)))
    faded = cv2.GaussianBlur(mask, (0, 0), _RIM_PX / 2, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(faded, np.float32)


def _largest_gain(motion: ArrayF32) -> ArrayF32:
    """Return (C, C) float32, at least 1: the largest factor at each place that tears the picture in
    no frame of `motion` (N, 2, C, C)."""
    farthest = np.hypot(motion[:, 0], motion[:, 1]).max(axis=0)
    slopes = np.stack(np.gradient(motion, axis=(2, 3)))
    steepest = np.sqrt((slopes**2).sum(axis=(0, 2))).max(axis=0)
    gain = np.minimum(
        _FARTHEST_PX / np.maximum(farthest, 1e-3), _STEEPEST / np.maximum(steepest, 1e-3)
    )
    gain = np.clip(gain, 1, LARGEST_FACTOR).astype(np.float32)
    lowest = cv2.erode(gain, np.ones((_REACH_PX, _REACH_PX)))
    return np.asarray(cv2.GaussianBlur(lowest, (0, 0), _REACH_PX / 3), np.float32)


def _warp_picture(picture: ImageU8, flow: ArrayF32, far: ArrayF32) -> ImageU8:
    """Return `picture` warped: a point x of the onset is at x + flow(x) and goes to x + far(x).

    So pixel y of the result needs the x that goes there. This is a fixed point; because the field
    is steep in places, it is found by damped iteration."""
    y_grid, x_grid = np.mgrid[:CROP_PX, :CROP_PX].astype(np.float32)
    x, y = x_grid.copy(), y_grid.copy()
    for _ in range(_ROUNDS):
        x += 0.6 * (x_grid - _at(far[0], x, y) - x)
        y += 0.6 * (y_grid - _at(far[1], x, y) - y)
    source = np.stack([x + _at(flow[0], x, y), y + _at(flow[1], x, y)])
    scale = REPLAY_PX / CROP_PX
    source = np.stack([cv2.resize(part, (REPLAY_PX, REPLAY_PX)) for part in source])
    source = (source + 0.5) * scale - 0.5  # pixel centres, as in `align_picture`
    return _at(picture, source[0], source[1])


def _at(part: NDArray[T], x: ArrayF32, y: ArrayF32) -> NDArray[T]:
    warped = cv2.remap(part, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, part.dtype)


def align_picture(frame: Frame, face: AlignedFace) -> ImageU8:
    """Return the face in colour, (S, S, 3) uint8 RGB, S = `REPLAY_PX`, in the crop's geometry."""
    scale = REPLAY_PX / CROP_PX
    transform = face.crop_from_image * scale
    transform[:, 2] += (scale - 1) / 2  # pixel centres stay fixed, not corners
    return np.asarray(
        cv2.warpAffine(
            frame.image,
            transform,
            (REPLAY_PX, REPLAY_PX),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.uint8,
    )


def _smooth(motion: ArrayF32, times_s: NDArray[np.float64]) -> ArrayF32:
    """Return `motion` (N, 2, C, C) averaged over neighbours in space and, by their times, in
    time."""
    apart_s = times_s[:, None] - times_s[None, :]
    weights = np.exp(-0.5 * (apart_s / _SMOOTH_S) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    blurred = np.stack(
        [[cv2.GaussianBlur(part, (0, 0), _SMOOTH_PX) for part in one] for one in motion]
    )
    return np.asarray(np.einsum("mn,ncxy->mcxy", weights, blurred, optimize=True), np.float32)
