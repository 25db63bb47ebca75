"""Synthetic flow pairs: expressions of a varied face, taken by a varied camera, through the very
flow algorithm and head motion removal that run live, or through those of exchanged maps.

A pair is drawn at its onset, apex and offset only, a course at `PHASE_FRAMES` moments of each
phase; the animated face of this package shows whole videos.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.face.crop import CROP_PX
from model.flow import Flow
from model.flow.key_frames import PHASE_FRAMES
from model.flow.phase_flows import phase_flows
from model.labels import ACTION_UNITS, CLASSES
from model.records import ArrayF32, FlowPair, FramePair, ImageU8
from model.synthetic.action_units import Strengths, displacement_field, peak_px
from model.synthetic.exchanged_maps import exchange_maps
from model.synthetic.expressions import sample_expression, scale_strengths
from model.synthetic.nuisance import Nuisance
from model.synthetic.stills import CameraModel, Still, smooth_noise

PRESENT_PX = 0.15
"""A unit counts as present if it alone moves some point by this much."""
NEUTRAL = "none"
"""The label of a face that shows none: it rests, blinks, speaks or nods."""
PERSONS = 200
"""Different faces in one data set."""

_RIDERS = ("AU7", "AU18", "AU23", "AU24", "AU25", "AU26")
_SPEECH = ("AU18", "AU23", "AU24", "AU25", "AU26", "AU17", "AU12")
_NOSE_PX = (64.0, 80.0)


@dataclass(frozen=True)
class Truth:
    """What is known of a synthetic sample."""

    label: str
    """A class, or `NEUTRAL`."""
    strengths: Strengths
    """Of every action unit at the true apex, blinks aside."""
    action_units: frozenset[str]
    """Those of `ACTION_UNITS` that move some point by `PRESENT_PX` or more."""
    amplitude_px: float
    """Greatest displacement of the expression at its true apex; 0 without one."""
    person: int
    """Which of the set's `PERSONS` it is."""


@dataclass(frozen=True)
class Pair:
    """A flow pair and the truth about it."""

    flows: FlowPair
    """(2, S, S) each; S and the unit are the exchange's where maps are exchanged."""
    truth: Truth


@dataclass(frozen=True)
class ExpressionCourse:
    """A sample's aligned frames and the truth about it."""

    frames: FramePair
    truth: Truth


def synthetic_pair(
    seed: tuple[int, int], flow: Flow, nuisance: Nuisance | None = None, label: str | None = None
) -> Pair:
    """Pair number `seed[1]` of the data set `seed[0]`: the same arguments give the same pair.

    `label` fixes the class, or `NEUTRAL`; otherwise the classes are equally frequent.
    """
    nuisance = nuisance or Nuisance()
    scene = _Scene(seed, nuisance, label)
    moments = [scene.taken(displacement) for displacement in scene.keys]
    style = nuisance.exchange
    if style is None:
        return Pair(phase_flows(flow, *moments), scene.truth)
    known = 3 if scene.rng.random() < style.both_phases else 2
    maps = exchange_maps(scene.rng, style, *(frames[0] for frames in moments[:known]))
    return Pair(FlowPair(maps[0], maps[1] if known == 3 else None), scene.truth)


def synthetic_course(
    seed: tuple[int, int], nuisance: Nuisance | None = None, label: str | None = None
) -> ExpressionCourse:
    """The frames of an expression, drawn as `synthetic_pair` draws its three moments."""
    scene = _Scene(seed, nuisance or Nuisance(), label)
    phases = []
    for start, end in ((0, 1), (1, 2)):
        shares = (1 - np.cos(np.pi * np.linspace(0, 1, PHASE_FRAMES))) / 2
        between = [
            (1 - share) * scene.keys[start] + share * scene.keys[end]
            for share in shares.astype(np.float32).tolist()
        ]
        moments = [np.mean(scene.taken(d), axis=0, dtype=np.float32) for d in between]
        phases.append(np.stack(moments))
    return ExpressionCourse(FramePair(*phases), scene.truth)


class _Scene:
    """One person, one camera, one expression or none: where the skin is at onset, apex, offset."""

    def __init__(self, seed: tuple[int, int], nuisance: Nuisance, label: str | None) -> None:
        self.rng = rng = np.random.default_rng(seed)
        label = label or CLASSES[rng.integers(len(CLASSES))]
        person = int(rng.integers(PERSONS))
        face = np.random.default_rng((seed[0], person, PERSONS))
        still = Still(rng, nuisance.looks, face)
        skin = _Skin(still, face, nuisance)
        self._still, self._camera = still, CameraModel(rng, nuisance.optics)
        amplitude_px = float(np.exp(rng.uniform(*np.log(nuisance.amplitude_px))))
        if label == NEUTRAL:
            lead: Strengths = {}
            others, blinking, nodding = _without_expression(rng, skin, amplitude_px)
        else:
            lead = sample_expression(rng, label)
            lead = scale_strengths(lead, amplitude_px / skin.peak_px(lead))
            others = _riders(rng, skin, nuisance, lead, amplitude_px)
            blinking, nodding = rng.random() < nuisance.blink, 1.0

        reached = [rng.uniform(*nuisance.onset_left), rng.uniform(*nuisance.apex_reached)]
        reached.append(rng.uniform(*nuisance.offset_left))
        closed = int(rng.integers(3)) if blinking else None
        self.keys: Sequence[ArrayF32] = [
            self._key(skin, nuisance, lead, others, share, number == closed, nodding, amplitude_px)
            for number, share in enumerate(reached)
        ]
        """(2, 128, 128) px each: displacement from rest at onset, apex and offset."""
        strengths = {**lead, **others}
        peaks = {unit: skin.peak_px({unit: sides}) for unit, sides in strengths.items()}
        self.truth = Truth(
            label=label,
            strengths=strengths,
            action_units=frozenset(unit for unit, px in peaks.items() if px >= PRESENT_PX),
            amplitude_px=amplitude_px if lead else 0.0,
            person=person,
        )

    def taken(self, displacement: ArrayF32) -> list[ImageU8]:
        """The camera's frames (S, S) of the face with its skin there."""
        return self._camera.taken(self._still.drawn(displacement))

    def _key(
        self,
        skin: "_Skin",
        nuisance: Nuisance,
        lead: Strengths,
        others: Strengths,
        share: float,
        closed: bool,
        nodding: float,
        amplitude_px: float,
    ) -> ArrayF32:
        rng = self.rng
        acting = {}
        for strengths in (lead, others):
            for unit, (right, left) in strengths.items():
                # A rider has its own course; the expression's units keep nearly together.
                own = share if strengths is lead else rng.uniform(0, 1)
                own *= 1 + rng.normal(0, nuisance.drift)
                acting[unit] = (right * own, left * own)
        if closed:
            lids = rng.uniform(*nuisance.blink_strength) * (1.0 if lead else 2.5)
            acting["AU45"] = (lids, lids)
        displacement = skin.moved(acting) + np.float32(nodding) * _head_motion(rng, nuisance)
        displacement += np.float32(nuisance.wobble * amplitude_px) * _smooth_field(rng, 24)
        return displacement


def _without_expression(
    rng: np.random.Generator, skin: "_Skin", amplitude_px: float
) -> tuple[Strengths, bool, float]:
    """Units that act, whether the lids close, and how much more than usual the head moves."""
    kind = rng.choice(["rest", "blink", "speech", "nod"])
    others: Strengths = {}
    if kind == "speech":
        units = rng.choice(_SPEECH, size=int(rng.integers(1, 4)), replace=False)
        others = {str(unit): (rng.uniform(0.2, 1),) * 2 for unit in units}
        others = scale_strengths(others, amplitude_px / skin.peak_px(others))
    return others, kind == "blink" or rng.random() < 0.15, 3.0 if kind == "nod" else 1.0


def _riders(
    rng: np.random.Generator,
    skin: "_Skin",
    nuisance: Nuisance,
    lead: Strengths,
    amplitude_px: float,
) -> Strengths:
    """A unit that moves along but does not make the class, or none."""
    if rng.random() >= nuisance.rider:
        return {}
    unit = str(rng.choice(_RIDERS if rng.random() < 0.7 else ACTION_UNITS))
    if unit in lead:
        return {}
    share = rng.uniform(*nuisance.rider_share) * amplitude_px
    strength = share / skin.peak_px({unit: (1.0, 1.0)})
    return {unit: (strength, strength)}


class _Skin:
    """How one face's skin follows its action units, which differs from face to face."""

    def __init__(self, still: Still, rng: np.random.Generator, nuisance: Nuisance) -> None:
        points = still.landmarks_px
        error = nuisance.landmark_px * _smooth_field(rng, 40)
        column, row = np.clip(np.rint(points), 0, CROP_PX - 1).astype(int).T
        self._points = points + error[:, row, column].T
        self._extent = float(np.exp(rng.normal(0, nuisance.extent_log)))
        gain = np.exp(nuisance.gain_log * smooth_noise(rng, 30))
        turn = nuisance.direction_rad * smooth_noise(rng, 40)
        self._cos, self._sin = gain * np.cos(turn), gain * np.sin(turn)

    def moved(self, strengths: Strengths) -> ArrayF32:
        u, v = displacement_field(self._points, strengths, CROP_PX, extent=self._extent)
        return np.stack([self._cos * u - self._sin * v, self._sin * u + self._cos * v])

    def peak_px(self, strengths: Strengths) -> float:
        """Greatest displacement that can be seen in the crop."""
        return max(peak_px(self.moved(strengths)), 1e-3)


def _smooth_field(rng: np.random.Generator, grain_px: float) -> ArrayF32:
    return np.stack([smooth_noise(rng, grain_px), smooth_noise(rng, grain_px)])


def _head_motion(rng: np.random.Generator, nuisance: Nuisance) -> ArrayF32:
    """Shift, turn, scale, and the nose's lead when the head turns out of the picture's plane."""
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
