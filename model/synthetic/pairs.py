"""Synthetic flow pairs: expressions of a varied face, taken by a varied camera, through the very
flow algorithm and head motion removal that run live.

A pair is drawn at its onset, apex and offset only; the animated face of this package shows whole
time courses.
"""

from dataclasses import dataclass, field

import numpy as np

from model.face import CROP_PX
from model.flow import Flow
from model.flow.phases import phase_flows
from model.labels import CLASSES
from model.records import ArrayF32, FlowPair
from model.synthetic.action_units import Strengths, catalogue, displacement_field, peak_px
from model.synthetic.expressions import sample_expression, scaled
from model.synthetic.stills import Camera, Looks, Optics, Range, Still, smooth_noise

ACTION_UNITS = tuple(unit for unit in catalogue().units if unit != "AU45")
"""Units that a pair's truth speaks of: all of the catalogue but the blink."""
VISIBLE_PX = 0.15
"""A unit counts as present if it alone moves some point by this much."""

_DISTRACTORS = ("AU18", "AU23", "AU24", "AU25", "AU26")
_NOSE_PX = (64.0, 80.0)


@dataclass(frozen=True)
class Nuisance:
    """Everything that varies between pairs beside the expression; ranges are uniform, deviations
    those of a normal distribution, displacements px of the 128 px crop."""

    looks: Looks = field(default_factory=Looks)
    optics: Optics = field(default_factory=Optics)
    amplitude_px: Range = (0.2, 3.0)
    """Greatest displacement at the true apex, log-uniform."""
    direction_rad: float = 0.25
    """Smooth deviation of the skin's direction from the catalogue's."""
    extent: float = 0.3
    """Smooth deviation of its amplitude, as a share: skin drags more here, less there."""
    landmark_px: float = 1.5
    """How far the muscles attach from where the landmarks say, smooth over the face."""
    onset_left: Range = (0.0, 0.25)
    """Share of the expression already there at the frame taken for the onset."""
    apex_reached: Range = (0.75, 1.0)
    offset_left: Range = (0.0, 0.55)
    """Share still there at the frame taken for the offset."""
    drift: float = 0.12
    """Deviation of single action units from their common time course, as a share."""
    shift_px: float = 0.6
    """Head motion between the moments, deviation per axis."""
    turn_rad: float = 0.008
    scale_log: float = 0.006
    nod_px: float = 0.3
    """Motion of the nose against the face's rim when the head nods or turns."""
    blink: float = 0.25
    """How often one of the three moments falls into a blink."""
    blink_strength: Range = (0.03, 0.4)
    distractor: float = 0.3
    """How often the mouth or another unit moves along, as in speech or lip pressing."""
    distractor_share: Range = (0.1, 0.45)
    """Its amplitude against the expression's."""
    wobble: float = 0.06
    """Smooth motion of everything else, as a share of the expression's amplitude."""


@dataclass(frozen=True)
class Pair:
    """A flow pair and the truth about it."""

    flows: FlowPair
    label: str
    strengths: Strengths
    """Of every action unit at the true apex, blinks aside."""
    action_units: frozenset[str]
    """Those of `ACTION_UNITS` that move some point by `VISIBLE_PX` or more."""
    amplitude_px: float
    """Greatest displacement of the expression at its true apex."""


def synthetic_pair(
    seed: tuple[int, int], flow: Flow, nuisance: Nuisance | None = None, label: str | None = None
) -> Pair:
    """Pair number `seed[1]` of the data set `seed[0]`: the same arguments give the same pair.

    `label` fixes the class; otherwise the classes are equally frequent.
    """
    nuisance = nuisance or Nuisance()
    rng = np.random.default_rng(seed)
    label = label or CLASSES[rng.integers(len(CLASSES))]
    still = Still(rng, nuisance.looks)
    skin = _Skin(still, rng, nuisance)
    strengths = sample_expression(rng, label)
    amplitude_px = float(np.exp(rng.uniform(*np.log(nuisance.amplitude_px))))
    strengths = scaled(strengths, amplitude_px / skin.peak_px(strengths))
    lead = dict(strengths)
    if rng.random() < nuisance.distractor:
        unit = str(rng.choice(_DISTRACTORS if rng.random() < 0.5 else ACTION_UNITS))
        if unit not in strengths:
            share = rng.uniform(*nuisance.distractor_share) * amplitude_px
            strength = share / skin.peak_px({unit: (1.0, 1.0)})
            strengths = {**strengths, unit: (strength, strength)}

    camera = Camera(rng, nuisance.optics)
    reached = [rng.uniform(*nuisance.onset_left), rng.uniform(*nuisance.apex_reached)]
    reached.append(rng.uniform(*nuisance.offset_left))
    blinks = int(rng.integers(3)) if rng.random() < nuisance.blink else None
    moments = []
    for number, share in enumerate(reached):
        acting = {}
        for unit, (right, left) in strengths.items():
            # A distractor has its own course; the expression's units keep nearly together.
            own = share if unit in lead else rng.uniform(0, 1)
            own *= 1 + rng.normal(0, nuisance.drift)
            acting[unit] = (right * own, left * own)
        if number == blinks:
            lids = rng.uniform(*nuisance.blink_strength)
            acting["AU45"] = (lids, lids)
        displacement = skin.moved(acting) + _head_motion(rng, nuisance)
        displacement += nuisance.wobble * amplitude_px * _smooth_field(rng, 24)
        moments.append(camera.taken(still.drawn(displacement)))
    visible = {
        unit for unit, sides in strengths.items() if skin.peak_px({unit: sides}) >= VISIBLE_PX
    }
    return Pair(
        flows=phase_flows(flow, *moments),
        label=label,
        strengths=strengths,
        action_units=frozenset(visible),
        amplitude_px=amplitude_px,
    )


class _Skin:
    """How one face's skin follows its action units, which differs from face to face."""

    def __init__(self, still: Still, rng: np.random.Generator, nuisance: Nuisance) -> None:
        points = still.landmarks_px
        error = nuisance.landmark_px * _smooth_field(rng, 40)
        column, row = np.clip(np.rint(points), 0, CROP_PX - 1).astype(int).T
        self._points = points + error[:, row, column].T
        gain = np.exp(nuisance.extent * smooth_noise(rng, 30))
        turn = nuisance.direction_rad * smooth_noise(rng, 40)
        self._cos, self._sin = gain * np.cos(turn), gain * np.sin(turn)

    def moved(self, strengths: Strengths) -> ArrayF32:
        u, v = displacement_field(self._points, strengths, CROP_PX)
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
    shift = rng.normal(0, nuisance.shift_px, 2)
    lead = rng.normal(0, nuisance.nod_px, 2)
    centre = (CROP_PX - 1) / 2
    u = shift[0] + scale * (x - centre) - turn * (y - centre) + lead[0] * nose
    v = shift[1] + scale * (y - centre) + turn * (x - centre) + lead[1] * nose
    return np.asarray([u, v], np.float32)
