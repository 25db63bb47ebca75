"""The numbers that the page draws over a frame: geometry in px of the frame, values in their units.

The page's script does the drawing. So options switch without a round trip, text stays readable in a
mirrored picture, lines are sharp on any display, and viewers cost the server no drawing.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from model.records import AlignedFace, ArrayF32, Event, ImageU8, SpotSignal, Step
from realtime.spotting.motion import REGION_SIGMA_PX, REGIONS, region_centres

FACE_OUTLINE = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""FaceMesh points around the face, clockwise on screen from the middle of the forehead."""
HEAT_GRID = 32
"""Cells along each side of the heat map; its motion is smooth over more than one cell."""
HEAT_STEP = 0.01
"""One grey level of the heat map, in thresholds; 255 means 2.55 times the threshold or more."""
HOLD_S = 1.5
"""How long an expression's name stays after its end, because expressions are too short to read
it."""
MOTION_STEP_PX = 0.05
"""Motion, crop px, of one level of the reduced motion field; 127 means 6.35 px or more."""

_TWICE_SQUARE = 2 * 12.0**2
"""Of a Gaussian in px: by it a cell takes its threshold from the regions around it."""
_LEAST_PX = 0.01
_OUTLINE_SIGMAS = 1.5  # a region is drawn where its Gaussian weight exceeds a third


def describe_frame(step: Step, event: Event | None) -> dict[str, Any]:
    """Return everything the page draws over the frame of `step`, ready for JSON (no infinity, no
    NaN).

    - `index`, `time_s`, `width`, `height`: the frame;
    - `face`: None, or `track`, `outline` [[x, y], …] px of the frame, and `image_from_crop`, the
      affine (a, b, c, d, e, f) of a canvas: x = a·u + c·v + e, y = b·u + d·v + f;
    - `regions`: one per name in `REGIONS`, each `at` [x, y] and `radius` in px of the frame,
      `strength` and `threshold` in crop px (`threshold` None while the region is silenced), and
      `large`, whether it is as far from rest as in a macro-expression;
    - `flags`: what makes the sample doubtful (`realtime.spotting.motion.FLAGS`);
    - `event`: None, or the expression in progress: see `describe_current`.
    """
    height, width = step.frame.image.shape[:2]
    face = step.face
    return {
        "index": step.frame.stamp.index,
        "time_s": step.frame.stamp.time_s,
        "width": width,
        "height": height,
        "face": None if face is None else _face(face),
        "regions": [] if face is None else _regions(face, step.signal),
        "flags": [] if step.motion is None else sorted(step.motion.flags),
        "event": None if event is None else describe_current(event, step.signal),
    }


def describe_current(event: Event, signal: SpotSignal | None) -> dict[str, Any]:
    """Return the expression as named over the face: `number`, `state`, `kind`, `label`,
    `probability` (None if no class is likely enough), `score` at its apex, and `strength` now, both
    over the threshold (1.0)."""
    prediction = event.prediction
    ratios = [] if signal is None else strength_over_threshold(signal).tolist()
    by_region = dict(zip(REGIONS, ratios, strict=False))
    moved = [by_region[name] for name in event.window.regions if name in by_region]
    label, shares = (
        (None, {}) if prediction is None else (prediction.label, prediction.probabilities)
    )
    return {
        "number": event.number,
        "state": event.state,
        "kind": event.window.kind,
        "label": label,
        "probability": None if label is None else shares.get(label),
        "score": finite(event.window.score),
        "strength": max(moved, default=0.0),
    }


def find_current_event(events: Iterable[Event], time_s: float) -> Event | None:
    """Return the expression to name at `time_s`: the latest that has begun, and that ended at most
    `HOLD_S` ago. Withdrawn ones do not count."""
    named = [
        event
        for event in events
        if event.state != "withdrawn"
        and event.window.onset.time_s <= time_s <= event.window.end.time_s + HOLD_S
    ]
    return max(named, key=lambda event: event.window.apex.time_s, default=None)


def draw_heat(step: Step) -> ImageU8 | None:
    """Return how far each part of the face moves, against the threshold in force there: (G, G)
    uint8 over the aligned crop, G = `HEAT_GRID`, in steps of `HEAT_STEP`. None without a face.

    The shape is that of the dense motion, the height at a region that of the plot: a face that has
    settled elsewhere, or regions that are silenced, show nothing.
    """
    if step.motion is None or step.face is None or step.signal is None:
        return None
    length = cv2.magnitude(*step.motion.field)  # NumPy takes twenty times as long
    cells = cv2.resize(length, (HEAT_GRID, HEAT_GRID), interpolation=cv2.INTER_AREA)
    moved_px = np.hypot(*step.motion.displacement.T)
    # Never more than the motion itself: a region near its neutral place would divide by nothing.
    strength = np.minimum(step.signal.strength, moved_px)
    over = strength_over_threshold(replace(step.signal, strength=strength))
    per_px = over / np.maximum(moved_px, _LEAST_PX)
    middle = (np.arange(HEAT_GRID) + 0.5) * len(length) / HEAT_GRID
    centres = region_centres(step.face.landmarks_px, step.face.crop_from_image)
    centres = np.clip(centres, 0, len(length))  # so that no cell is too far from all regions
    across, down = (np.exp((middle - c[:, None]) ** 2 / -_TWICE_SQUARE) for c in centres.T)
    heat = cells * ((per_px[:, None] * down).T @ across) / (down.T @ across)
    return np.asarray(np.clip(np.rint(heat / HEAT_STEP), 0, 255), np.uint8)


def reduce_motion(step: Step) -> NDArray[np.int8] | None:
    """Return the motion against the neutral face, (2, G, G) int8 over the aligned crop, G =
    `HEAT_GRID`, u right, v down, in steps of `MOTION_STEP_PX`. None without a face."""
    if step.motion is None:
        return None
    cells = [
        cv2.resize(plane, (HEAT_GRID, HEAT_GRID), interpolation=cv2.INTER_AREA)
        for plane in step.motion.field
    ]
    levels = np.rint(np.array(cells) / MOTION_STEP_PX)
    return np.asarray(np.clip(levels, -127, 127), np.int8)


def strength_over_threshold(signal: SpotSignal) -> ArrayF32:
    """Return (R,) float32, dimensionless: 1.0 is the threshold; 0.0 for a silenced region."""
    ratio = np.zeros_like(signal.strength)
    np.divide(signal.strength, signal.threshold, out=ratio, where=np.isfinite(signal.threshold))
    return ratio


def finite(value: float) -> float | None:
    """Return `value`, or None if JSON has no number for it."""
    return float(value) if math.isfinite(value) else None


def _face(face: AlignedFace) -> dict[str, Any]:
    inverse = cv2.invertAffineTransform(face.crop_from_image)
    return {
        "track": face.track,
        "outline": np.round(face.landmarks_px[list(FACE_OUTLINE)].astype(float), 1).tolist(),
        "image_from_crop": [float(value) for value in inverse.T.ravel()],
    }


def _regions(face: AlignedFace, signal: SpotSignal | None) -> list[dict[str, Any]]:
    in_frame = region_centres(face.landmarks_px, np.eye(2, 3))
    scale = math.hypot(face.crop_from_image[0, 0], face.crop_from_image[1, 0])
    radius = round(_OUTLINE_SIGMAS * REGION_SIGMA_PX / scale, 1)
    return [
        {
            "at": [round(float(x), 1), round(float(y), 1)],
            "radius": radius,
            "strength": None if signal is None else finite(signal.strength[number]),
            "threshold": None if signal is None else finite(signal.threshold[number]),
            "large": signal is not None and REGIONS[number] in signal.large,
        }
        for number, (x, y) in enumerate(in_frame)
    ]
