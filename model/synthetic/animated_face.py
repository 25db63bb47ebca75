"""Animates a real portrait, for the demo source and for footage with known truth."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np

from model.errors import InputError
from model.face.aligned_crop import INNER_EYE_CORNERS
from model.records import ArrayF32, ImageU8
from model.synthetic.courses import HeadPose, Sway
from model.synthetic.disturbances import ExposureHunting, Glances, Light, NoiseBank, gaze_mask
from model.synthetic.event_schedule import PLAN_S, BlockPlan, Schedule, TrueExpression, plan_block
from model.synthetic.foreground import Glasses, Hair, Hand
from model.synthetic.painter import Painter
from model.synthetic.portrait import (
    CANVAS_SIZE,
    SUPERSAMPLING,
    Portrait,
    astronaut_portrait,
    scale_field,
)
from model.synthetic.scanned_face import SkinMotion, action_field, blink_field

MIN_SIZE = (160, 120)
"""Smallest frame, (width, height) or (height, width): smaller faces show no micro-expressions."""


@dataclass(frozen=True, slots=True)
class FaceNuisance:
    """Camera noise, head motion and other disturbances. Raises `InputError` out of range."""

    noise: float = 1.5
    """Sensor noise, standard deviation in grey levels."""
    sway: float = 1.0
    """Head motion, relative to someone who sits still."""
    speech: float = 1.0
    """Size of speech movements, relative to the usual."""
    glances_per_min: float = 0.0
    """Looks to the side and back."""
    light: float = 0.0
    """Greatest change of the room's light, as a share; about ten changes a minute."""
    flicker: float = 0.0
    """Amplitude of the 100 Hz mains flicker, as a share."""
    hunting: float = 0.0
    """Amplitude of the camera's hunting for its exposure, as a share; about eight times a
    minute."""
    darkness: float = 0.0
    """Share of the light that is missing."""
    exposure_s: float = 0.0
    """What moves within it is blurred."""
    glasses: float = 0.0
    """How much the reflections on a pair of glasses cover, as a share; 0 for no glasses."""
    hair_mm: float = 0.0
    """Swing of strands of hair before the forehead, root mean square at their tips."""

    def __post_init__(self) -> None:
        for name, most in _NUISANCE_RANGES.items():
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise InputError(f"{name} {value:g} must be 0 to {most:g}")


_NUISANCE_RANGES = {
    "noise": 100,
    "sway": 100,
    "speech": 10,
    "glances_per_min": 60,
    "light": 0.9,
    "flicker": 0.9,
    "hunting": 0.9,
    "darkness": 0.95,
    "exposure_s": 0.5,
    "glasses": 1,
    "hair_mm": 20,
}
_EXPOSURE_STEPS = 4
_CHEEKS = (50, 280)


def check_footage(seed: int, fps: float, size: tuple[int, int]) -> None:
    """Raise `InputError` for an unusable seed, rate, or (width, height)."""
    if not (np.isfinite(fps) and fps > 0):
        raise InputError(f"fps {fps:g} must be above 0")
    if seed < 0:
        raise InputError(f"seed {seed} must be 0 or more")
    if min(size) < min(MIN_SIZE) or max(size) < max(MIN_SIZE):
        raise InputError(f"size {size[0]}x{size[1]} must be at least 160x120")


class SyntheticFace:
    """A portrait that sways, blinks, speaks, and shows expressions at known times.

    A frame depends only on its index and the arguments below, so frames can be drawn in any order
    and in several threads. Time is index / fps.
    """

    def __init__(
        self,
        *,
        seed: int,
        fps: float,
        size: tuple[int, int] = (640, 480),
        schedule: Schedule | None = None,
        nuisance: FaceNuisance | None = None,
        portrait: Portrait | None = None,
        motion: SkinMotion = "catalogue",
    ) -> None:
        """`size`: (width, height). `portrait`: the face, in a frame of that size; the demo's if
        None. Raises `InputError` for an unusable size, rate or seed."""
        check_footage(seed, fps, size)
        self._seed, self._fps = seed, float(fps)
        self._schedule = schedule or Schedule()
        self._nuisance = nuisance or FaceNuisance()
        self._portrait = portrait or astronaut_portrait(size)
        self._motion = motion
        self._sway = Sway(seed)
        self._noise = NoiseBank(size, self._nuisance.noise) if self._nuisance.noise > 0 else None
        self._plan = lru_cache(maxsize=8)(self._new_plan)
        self._field = lru_cache(maxsize=8)(self._new_field)
        self._part_field = lru_cache(maxsize=8)(self._new_part_field)
        self._painter = Painter(self._portrait)
        n = self._nuisance
        self._glances = Glances(seed, n.glances_per_min) if n.glances_per_min else None
        landmarks = self._portrait.landmarks_canvas
        self._gaze = gaze_mask(landmarks, CANVAS_SIZE)[..., None]
        self._light = Light(seed, size, n.light, n.flicker) if n.light or n.flicker else None
        self._hunting = ExposureHunting(seed, n.hunting) if n.hunting else None
        self._glasses = Glasses(landmarks, n.glasses) if n.glasses else None
        self._hair = Hair(landmarks, seed, n.hair_mm) if n.hair_mm else None

    def image(self, index: int) -> ImageU8:
        """Frame `index` (0, 1, …): (H, W, 3) uint8 RGB."""
        time_s = index / self._fps
        if self._nuisance.exposure_s:
            within = np.linspace(0, self._nuisance.exposure_s, _EXPOSURE_STEPS, endpoint=False)
            mean = np.mean([self._draw(time_s + float(later)) for later in within], axis=0)
            image = np.asarray(np.rint(mean), np.uint8)
        else:
            image = self._draw(time_s)
        if self._light is not None:
            image = self._light.apply(image, time_s)
        gain = 1 - self._nuisance.darkness
        if self._hunting is not None:
            gain *= self._hunting.gain(time_s)
        if gain != 1:
            image = np.asarray(cv2.convertScaleAbs(image, alpha=gain), np.uint8)
        if self._noise is not None:
            self._noise.add(image, np.random.default_rng([self._seed, index]))
        return image

    def _draw(self, time_s: float) -> ImageU8:
        """What is before the camera, in its usual light."""
        number = int(time_s // PLAN_S)
        block = self._plan(number)
        skin = np.zeros((CANVAS_SIZE[1], CANVAS_SIZE[0], 2), np.float32)
        for k, expression in enumerate(block.expressions):
            strength = expression.strength(time_s)
            if strength > 0:
                skin += self._field(number, k) * np.float32(strength)
        jaw = 0.0
        for bout in block.speech:
            opening, pursing = (self._nuisance.speech * part for part in bout.pose(time_s))
            jaw += opening
            if pursing:
                skin += self._painter.pursed_lips * np.float32(pursing)
        closed = max((blink.strength(time_s) for blink in block.blinks), default=0.0)
        for k, movement in enumerate(block.movements):
            for m, part in enumerate(movement.parts):
                strength = part.strength(time_s)
                jaw += strength * part.jaw
                closed = max(closed, strength * part.lids)
                if strength and part.actions:
                    skin += self._part_field(number, k, m) * np.float32(strength)
        if closed and self._motion == "scan":
            skin += self._blink_skin * np.float32(closed)
        if self._glances is not None:
            gaze = np.array(self._glances.gaze(time_s), np.float32)
            skin += self._gaze * gaze * np.float32(1 - closed)
        pose = self._pose(time_s)
        image = self._painter.paint(pose, skin if skin.any() else None, closed=closed, jaw=jaw)
        self._cover(image, time_s, pose, block)
        return image

    def _cover(self, image: ImageU8, time_s: float, pose: HeadPose, block: BlockPlan) -> None:
        """Draw what is in front of the face into `image`."""
        hands = [m.hand for m in block.movements if m.hand is not None]
        if self._hair is None and self._glasses is None and not hands:
            return
        canvas = np.linalg.inv(np.vstack([self._portrait.canvas_from_image, (0, 0, 1)]))
        head = np.linalg.inv(self._painter.neutral_from_image(pose)) @ canvas
        if self._hair is not None:
            self._hair.put(image, head, time_s)
        if self._glasses is not None:
            self._glasses.put(image, head, pose)
        for hand in hands:
            eyes = self._portrait.landmarks_canvas[list(INNER_EYE_CORNERS)].mean(axis=0)
            self._hand.put(image, canvas, eyes, hand, time_s)

    def _pose(self, time_s: float) -> HeadPose:
        pose = self._sway.pose(time_s, self._nuisance.sway)
        for movement in self._plan(int(time_s // PLAN_S)).movements:
            for part in movement.parts:
                if part.head is not None and (strength := part.strength(time_s)):
                    pose = pose.plus(part.head.times(strength))
        return pose

    def head_px(self, index: int) -> ArrayF32:
        """FaceMesh points of the resting face at the head's position in frame `index`, (468, 2)
        float32 px of the image. The skin's motion is not included."""
        pose = self._pose(index / self._fps)
        image_from_neutral = np.linalg.inv(self._painter.neutral_from_image(pose))
        linear, shift = image_from_neutral[:2, :2], image_from_neutral[:2, 2]
        points: ArrayF32 = self._portrait.landmarks_px @ linear.T + shift
        return points.astype(np.float32)

    def truth(self, duration_s: float, from_s: float = 0.0) -> tuple[TrueExpression, ...]:
        """All expressions, blinks and other movements that end after `from_s` and within the first
        `duration_s` seconds, in order of onset."""
        first = max(0, int(from_s // PLAN_S) - 1)  # one may reach into the next block
        blocks = [self._plan(k) for k in range(first, int(max(duration_s, 0.0) // PLAN_S) + 1)]
        planned = [row.truth for block in blocks for row in (*block.expressions, *block.blinks)]
        planned += [row.truth for block in blocks for row in block.movements]
        ended = (row for row in planned if from_s < row.offset_s <= duration_s)
        return tuple(sorted(ended, key=lambda row: row.onset_s))

    def _new_plan(self, number: int) -> BlockPlan:
        lid_travel_px = self._portrait.lid_travel_mm  # a mm of the face is a px of the crop
        return plan_block(self._schedule, self._seed, number, lid_travel_px=lid_travel_px)

    def _new_field(self, number: int, k: int) -> ArrayF32:
        expression = self._plan(number).expressions[k]
        amplitude_px = expression.truth.amplitude_px
        return self._portrait.field(expression.strengths, amplitude_px, self._motion)

    def _new_part_field(self, number: int, k: int, m: int) -> ArrayF32:
        part = self._plan(number).movements[k].parts[m]
        field = action_field(self._portrait.landmarks_canvas, part.actions, CANVAS_SIZE)
        return scale_field(field, part.peak_px)

    @cached_property
    def _blink_skin(self) -> ArrayF32:
        return scale_field(blink_field(self._portrait.landmarks_canvas, CANVAS_SIZE), None)

    @cached_property
    def _hand(self) -> Hand:
        k, margin = SUPERSAMPLING, self._portrait.margin_px
        at = ((self._portrait.landmarks_px[list(_CHEEKS)] + margin) * k).astype(int)
        return Hand(np.mean([self._portrait.texture[y, x] for x, y in at], axis=0))
