"""Draws synthetic flow pairs: random faces and cameras, then the flow and head motion removal that
run live, or those of exchanged maps.

A pair needs pictures of onset, apex and offset only; a course needs `PHASE_FRAMES` in each phase.
For whole videos see `model.synthetic.animated_face`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.face.aligned_crop import CROP_PX
from model.face.mesh_points import TAUGHT_POINTS
from model.flow import Flow
from model.flow.key_frames import PHASE_FRAMES
from model.flow.phase_flows import phase_flows
from model.labels import ACTION_UNITS, CLASSES
from model.records import ArrayF32, FlowPair, FramePair, ImageU8
from model.synthetic.action_units import Strengths, load_catalogue
from model.synthetic.exchanged_maps import exchange_maps, exchange_motion
from model.synthetic.expressions import sample_expression, scale_strengths
from model.synthetic.sample_variation import Nuisance
from model.synthetic.skin import Skin, smooth_field
from model.synthetic.still_faces import CameraModel, Still, ValueRange

PRESENT_PX = 0.15
"""An action unit counts as present if it alone moves some point by this much."""
NEUTRAL = "none"
"""The label of a face without an expression: it rests, blinks, speaks or nods."""
PERSONS = 200
"""Number of different faces in one data set."""

_COMPANIONS = ("AU7", "AU18", "AU23", "AU24", "AU25", "AU26")
_SPEECH = ("AU18", "AU23", "AU24", "AU25", "AU26", "AU17", "AU12")
_NOSE_PX = (64.0, 80.0)


@dataclass(frozen=True)
class Truth:
    """The truth about a synthetic sample."""

    label: str
    """A class, or `NEUTRAL`."""
    strengths: Strengths
    """Strength of every action unit at the true apex, except blinks."""
    action_units: frozenset[str]
    """Those of `ACTION_UNITS` that move some point by `PRESENT_PX` or more."""
    amplitude_px: float
    """Greatest displacement of the expression at its true apex; 0 without one."""
    person: int
    """Number of the person, below `PERSONS`."""
    landmarks: ArrayF32 | None = None
    """Of a course: where `TAUGHT_POINTS` lie in the frames of both phases, as in
    `model.inference.samples`."""


@dataclass(frozen=True)
class Pair:
    """A flow pair and the truth about it."""

    flows: FlowPair
    """(2, S, S) each. For exchanged maps, the exchange decides S and the unit."""
    truth: Truth


def synthetic_pair(
    seed: tuple[int, int], flow: Flow, nuisance: Nuisance | None = None, label: str | None = None
) -> Pair:
    """Draw pair number `seed[1]` of data set `seed[0]`. Equal arguments give equal pairs.

    `label` is the class, or `NEUTRAL`; None makes the classes equally frequent.
    """
    nuisance = nuisance or Nuisance()
    scene = _Scene(seed, nuisance, label)
    style = nuisance.exchange
    if style is None:
        return Pair(phase_flows(flow, *scene.capture(scene.keys)), scene.truth)
    known = 3 if scene.rng.random() < style.both_phases else 2
    if scene.rng.random() < style.drawn_share:
        moments = [frames[0] for frames in scene.capture(scene.keys[:known])]
        maps = exchange_maps(scene.rng, style, *moments)
    else:
        maps = exchange_motion(scene.rng, style, *scene.keys[:known])
    return Pair(FlowPair(maps[0], maps[1] if known == 3 else None), scene.truth)


def synthetic_course(
    seed: tuple[int, int], nuisance: Nuisance | None = None, label: str | None = None
) -> tuple[FramePair, Truth]:
    """Draw the aligned frames of an expression in the same way as `synthetic_pair`, and return
    them with the truth about them."""
    scene = _Scene(seed, nuisance or Nuisance(), label)
    shares = (1 - np.cos(np.pi * np.linspace(0, 1, PHASE_FRAMES, dtype=np.float32))) / 2
    course = [
        (1 - share) * scene.keys[start] + share * scene.keys[start + 1]
        for start in (0, 1)
        for share in shares
    ]
    frames = [np.mean(moment, axis=0, dtype=np.float32) for moment in scene.capture(course)]
    phases = np.stack(frames[:PHASE_FRAMES]), np.stack(frames[PHASE_FRAMES:])
    landmarks = np.stack([scene.locate(moment) for moment in course])
    truth = replace(scene.truth, landmarks=landmarks.reshape(2, PHASE_FRAMES, -1, 2))
    return FramePair(*phases), truth


class _Scene:
    """One person, one camera, and one expression or none."""

    def __init__(self, seed: tuple[int, int], nuisance: Nuisance, label: str | None) -> None:
        self.rng = rng = np.random.default_rng(seed)
        label = label or CLASSES[rng.integers(len(CLASSES))]
        person = int(rng.integers(PERSONS))
        face = np.random.default_rng((seed[0], person, PERSONS))
        still = Still(rng, nuisance.face, face)
        self._skin = skin = Skin(still.landmarks_px, face, nuisance)
        self._still, self._camera = still, CameraModel(rng, nuisance.camera)
        amplitude_px = float(np.exp(rng.uniform(*np.log(nuisance.amplitude_px))))
        self._nuisance, self._wobble_px = nuisance, nuisance.wobble * amplitude_px
        self._lead: Strengths = {}
        if label == NEUTRAL:
            self._others, blinking, nodding = _without_expression(rng, skin, amplitude_px)
        else:
            lead = sample_expression(rng, label, nuisance.evenness)
            self._lead = scale_strengths(lead, amplitude_px / skin.peak_px(lead))
            self._others = _companions(rng, skin, nuisance, label, self._lead, amplitude_px)
            blinking, nodding = rng.random() < nuisance.blink, 1.0

        ranges = nuisance.onset_share, nuisance.apex_share, nuisance.offset_share
        reached = [rng.uniform(*each) for each in ranges]
        closed = int(rng.integers(3)) if blinking else None
        self.keys: Sequence[ArrayF32] = [
            self._key(share, number == closed, nodding) for number, share in enumerate(reached)
        ]
        """Displacement of the skin from rest at onset, apex and offset, (2, 128, 128) px each."""
        strengths = {**self._lead, **self._others}
        peaks = {unit: skin.peak_px({unit: sides}) for unit, sides in strengths.items()}
        self.truth = Truth(
            label=label,
            strengths=strengths,
            action_units=frozenset(unit for unit, px in peaks.items() if px >= PRESENT_PX),
            amplitude_px=amplitude_px if self._lead else 0.0,
            person=person,
        )

    def capture(self, displacements: Sequence[ArrayF32]) -> list[list[ImageU8]]:
        """Take the camera's frames (S, S) of the face at each displacement of its skin, in the
        order of time."""
        return self._camera.capture([self._still.draw(each) for each in displacements])

    def locate(self, displacement: ArrayF32) -> ArrayF32:
        """Where `TAUGHT_POINTS` lie (L, 2) when the skin is displaced, from −1 to 1 over the
        crop."""
        points_px = self._still.locate(displacement)[list(TAUGHT_POINTS)]
        return (2 * points_px + 1) / CROP_PX - 1

    def _key(self, share: float, closed: bool, nodding: float) -> ArrayF32:
        """The displacement when `share` of the expression is reached."""
        rng, nuisance = self.rng, self._nuisance
        acting = {}
        for strengths in (self._lead, self._others):
            for unit, (right, left) in strengths.items():
                # The expression's units move nearly together; a companion has its own timing.
                own = share if strengths is self._lead else rng.uniform(0, 1)
                own *= 1 + rng.normal(0, nuisance.drift)
                acting[unit] = (right * own, left * own)
        if closed:
            lids = rng.uniform(*nuisance.blink_strength) * (1.0 if self._lead else 2.5)
            acting["AU45"] = (lids, lids)
        displacement = self._skin.displace(acting)
        displacement += np.float32(nodding) * _head_motion(rng, nuisance)
        displacement += np.float32(self._wobble_px) * smooth_field(rng, 24)
        return displacement


def _without_expression(
    rng: np.random.Generator, skin: Skin, amplitude_px: float
) -> tuple[Strengths, bool, float]:
    """The action units of a face without expression, whether it blinks, and a factor for its head
    motion."""
    kind = rng.choice(["rest", "blink", "speech", "nod"])
    others: Strengths = {}
    if kind == "speech":
        units = rng.choice(_SPEECH, size=int(rng.integers(1, 4)), replace=False)
        others = {str(unit): (rng.uniform(0.2, 1),) * 2 for unit in units}
        others = scale_strengths(others, amplitude_px / skin.peak_px(others))
    return others, kind == "blink" or rng.random() < 0.15, 3.0 if kind == "nod" else 1.0


def _companions(
    rng: np.random.Generator,
    skin: Skin,
    nuisance: Nuisance,
    label: str,
    lead: Strengths,
    amplitude_px: float,
) -> Strengths:
    """Action units that act beside the expression, at their own time, and do not change its class:
    perhaps one of any class, perhaps one of its own."""
    others: dict[str, tuple[float, float]] = {}
    if rng.random() < nuisance.companion:
        units = _COMPANIONS if rng.random() < 0.7 else ACTION_UNITS
        others |= _beside(rng, skin, lead, units, nuisance.companion_share, amplitude_px)
    if rng.random() < nuisance.class_companion:
        own = load_catalogue().companions[label]
        others |= _beside(rng, skin, lead, own, nuisance.class_companion_share, amplitude_px)
    return others


def _beside(
    rng: np.random.Generator,
    skin: Skin,
    lead: Strengths,
    units: Sequence[str],
    share: ValueRange,
    amplitude_px: float,
) -> Strengths:
    """One of the `units`, by a `share` of the expression's amplitude; none if that holds it."""
    unit = str(rng.choice(units))
    if unit in lead:
        return {}
    strength = rng.uniform(*share) * amplitude_px / skin.peak_px({unit: (1.0, 1.0)})
    return {unit: (strength, strength)}


def _head_motion(rng: np.random.Generator, nuisance: Nuisance) -> ArrayF32:
    """Random shift, turn and scale of the head, and extra motion of the nose as in a nod."""
    x = np.arange(CROP_PX, dtype=np.float32)[None, :]
    y = np.arange(CROP_PX, dtype=np.float32)[:, None]
    nose = np.exp(-(((x - _NOSE_PX[0]) / 16) ** 2 + ((y - _NOSE_PX[1]) / 26) ** 2) / 2)
    turn, scale = rng.normal(0, nuisance.turn_rad), rng.normal(0, nuisance.scale_log)
    shift = rng.normal(0, nuisance.shift_px, 2).tolist()
    lead = rng.normal(0, nuisance.nod_px, 2).tolist()
    centre = (CROP_PX - 1) / 2
    u = shift[0] + scale * (x - centre) - turn * (y - centre) + lead[0] * nose
    v = shift[1] + scale * (y - centre) + turn * (x - centre) + lead[1] * nose
    return np.asarray([u, v], np.float32)
