"""What a face does besides expressions, blinks and plain speech: movements that a spotter must not
take for micro-expressions.

Each is made of parts that move together: scanned actions of the skin, the jaw, the lids, the head.
Sizes and lengths are estimates from watching people on video, not measurements, but for the rates
that are well known: people chew at 1 to 2 Hz, laugh at about 5 Hz, and nod at 1.5 to 3 Hz.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from model.records import ArrayF64
from model.synthetic.courses import HeadPose, ease_between
from model.synthetic.scanned_face import scanned_face

ValueRange = tuple[float, float]
"""(low, high), sampled uniformly."""

_FALLS = 1.3  # movements end more slowly than they begin
_BETWEEN_PULSES = (0.0, 0.15)  # what remains between two pulses, as a share
_PULSE_SIZE = (0.7, 1.0)
_PULSE_RISE = 0.42  # share of a pulse
_SIDES = ("_L", "_R")


@dataclass(frozen=True, slots=True)
class Part:
    """What moves together in a movement. Values hold at its peak."""

    actions: Mapping[str, float] = field(default_factory=dict)
    """Scanned actions (`model.synthetic.scanned_face`), relative. A name without its side stands
    for both, or in a one-sided movement for one."""
    peak_px: ValueRange = (0.0, 0.0)
    """Greatest displacement of the skin, px of the 128 px crop."""
    jaw: float = 0.0
    """The mouth's level."""
    lids: ValueRange = (0.0, 0.0)
    """How far the eyes close."""
    head: HeadPose | None = None
    head_size: ValueRange = (0.6, 1.2)
    """The head's motion, relative to `head`."""
    rise_s: ValueRange = (0.1, 0.25)
    pulses_hz: ValueRange | None = None
    """How often it comes and goes in a movement; None if it stays until the end."""


@dataclass(frozen=True, slots=True)
class Movement:
    """A kind of movement."""

    length_s: ValueRange
    parts: tuple[Part, ...] = ()
    one_sided: bool = False
    talks: bool = False
    """Speech goes with it."""
    hand: bool = False
    """A hand passes in front of the face."""


_SMILE = {"mouthSmile": 1.0, "cheekSquint": 0.8}

MOVEMENTS: Mapping[str, Movement] = MappingProxyType(
    {
        "squint": Movement(
            (0.4, 2.0),
            (Part({"eyeSquint": 1, "cheekSquint": 0.6}, (0.8, 2.0), lids=(0.2, 0.4)),),
        ),
        # Lips and chin press while the larynx, which is out of the picture, rises and falls.
        "swallow": Movement(
            (0.6, 1.0), (Part({"mouthPress": 1, "mouthShrugLower": 0.6}, (0.6, 1.5)),)
        ),
        # One to three pulls of the nose wings. A single one is as short as a micro-expression.
        "sniff": Movement((0.3, 0.9), (Part({"noseSneer": 1}, (0.4, 1.0), pulses_hz=(2.5, 3.5)),)),
        # With closed lips, more to one side.
        "chewing": Movement(
            (3.0, 6.0),
            (
                Part(
                    {"jawOpen": 1, "mouthClose": 1, "jawLeft": 0.4, "mouthPress_L": 0.5},
                    (1.5, 4.0),
                    pulses_hz=(1.1, 1.8),
                ),
            ),
        ),
        "tongue in cheek": Movement(
            (0.6, 2.0), (Part({"cheekPuff": 1}, (1.5, 3.0), rise_s=(0.15, 0.35)),), one_sided=True
        ),
        "smiling speech": Movement(
            (2.0, 4.0), (Part(_SMILE, (2.0, 4.0), rise_s=(0.3, 0.6)),), talks=True
        ),
        "laughing speech": Movement(
            (1.8, 3.5),
            (
                Part(_SMILE, (3.0, 5.0), lids=(0.1, 0.3), rise_s=(0.25, 0.5)),
                Part(jaw=0.35, head=HeadPose(0, 0.8, 0, 0, 0, 0.5), pulses_hz=(4.5, 5.5)),
            ),
            talks=True,
        ),
        # 5 to 10 degrees: the nose moves further than the rest of the face.
        "nodding": Movement(
            (0.6, 2.0), (Part(head=HeadPose(0, 3.0, 0, 0, 0, 2.5), pulses_hz=(1.5, 3.0)),)
        ),
        # About 8 cm nearer to a camera at 70 cm.
        "leaning in": Movement(
            (3.0, 6.0), (Part(head=HeadPose(2, 4, 0, 0.12, 0, 0.5), rise_s=(0.7, 1.3)),)
        ),
        "hand passing": Movement((0.6, 1.6), hand=True),
    }
)
"""By name."""


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """A part of one movement, its values sampled."""

    actions: Mapping[str, float]
    """Scanned actions with their sides, relative."""
    peak_px: float
    jaw: float
    lids: float
    head: HeadPose | None
    times_s: ArrayF64
    """(K,) times of `values`."""
    values: ArrayF64
    """(K, 1) strengths; in between they ease from one to the next."""

    def strength(self, time_s: float) -> float:
        """0 at rest, 1 at the peak."""
        if not self.times_s[0] < time_s < self.times_s[-1]:
            return 0.0
        return float(ease_between(self.times_s, self.values, np.array([time_s]))[0, 0])


def sample_parts(
    rng: np.random.Generator, movement: Movement, onset_s: float, length_s: float
) -> tuple[PlannedPart, ...]:
    """The parts of one movement of a kind, from `onset_s` on."""
    left = rng.random() < 0.5
    return tuple(_sample(rng, part, movement, left, onset_s, length_s) for part in movement.parts)


def _sample(
    rng: np.random.Generator,
    part: Part,
    movement: Movement,
    left: bool,
    onset_s: float,
    length_s: float,
) -> PlannedPart:
    if part.pulses_hz is None:
        rise = min(rng.uniform(*part.rise_s), length_s / (1 + _FALLS) * 0.95)
        times, values = [0.0, rise, length_s - _FALLS * rise, length_s], [0.0, 1.0, 1.0, 0.0]
    else:
        times, values = _pulses(rng, part.pulses_hz, length_s)
    return PlannedPart(
        actions=_sided(part.actions, movement.one_sided, left),
        peak_px=float(rng.uniform(*part.peak_px)),
        jaw=part.jaw,
        lids=float(rng.uniform(*part.lids)),
        head=None if part.head is None else part.head.times(float(rng.uniform(*part.head_size))),
        times_s=onset_s + np.array(times),
        values=np.array(values)[:, None],
    )


def _pulses(
    rng: np.random.Generator, often_hz: ValueRange, length_s: float
) -> tuple[list[float], list[float]]:
    count = max(1, round(length_s * float(rng.uniform(*often_hz))))
    each_s = length_s / count
    times, values = [0.0], [0.0]
    for k in range(count):
        size = float(rng.uniform(*_PULSE_SIZE)) if count > 1 else 1.0
        between = float(rng.uniform(*_BETWEEN_PULSES)) if k < count - 1 else 0.0
        times += [(k + _PULSE_RISE) * each_s, (k + 1) * each_s]
        values += [size, between]
    return times, values


def _sided(actions: Mapping[str, float], one_sided: bool, left: bool) -> Mapping[str, float]:
    """The actions by the scan's names; what is one-sided by name is mirrored unless `left`."""
    known = scanned_face().moves_mm
    sided = {}
    for name, strength in actions.items():
        if name not in known:
            for side in (_SIDES[0 if left else 1],) if one_sided else _SIDES:
                sided[name + side] = strength
        else:
            sided[name if left else _mirror(name)] = strength
    return sided


def _mirror(name: str) -> str:
    swaps = {"_L": "_R", "_R": "_L", "Left": "Right", "Right": "Left"}
    for end, other in swaps.items():
        if name.endswith(end):
            return name.removesuffix(end) + other
    return name
