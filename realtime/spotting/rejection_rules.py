"""What looks like an expression and is none: told by where a pulse moved, and what came before."""

import numpy as np

from model.records import ArrayF64
from realtime.spotting.motion import LOWER, REGIONS, UPPER
from realtime.spotting.pulse import Pulse, PulseFollower
from realtime.spotting.smoothing import History

LIP_PX = 1.2
"""A micro-expression parts the lips or pushes the lower one up; further than this it goes only
with the jaw, in speech."""
COHERENCE = 0.7
"""A crop that slipped moves all regions alike: their mean motion is this share of the largest."""
DETOUR = 1.3
"""An expression rises and falls; what goes to and fro further than this speaks."""
CALM_BEFORE_S, CALM_UNTIL_S = 0.7, 0.05
"""The mouth has rested so long before a pulse of its own, until its onset begins; else it
speaks."""
STIR_SHARE = 0.3
"""A mouth rests while it stirs by less than this share of the pulse's height, or than a face at
rest does."""
GLANCE = 1.5
"""A glance moves what is seen below both lids to one side, by this much more than up or down."""

_LIP = LOWER.index(REGIONS.index("lip_lower"))
_LIDS = [i for i, region in enumerate(UPPER) if REGIONS[region].startswith("lid")]


def moved_as_one(motion: ArrayF64) -> bool:
    """Whether all regions, (R, 2) px from onset to apex, moved alike: then the crop slipped."""
    mean_px = float(np.hypot(*motion.mean(axis=0)))
    return mean_px > COHERENCE * float(np.hypot(*motion.T).max())


def lip_went_far(pulse: Pulse) -> bool:
    """Whether the lower lip moved as far as only speech moves it; `pulse` of the lower face."""
    return bool(np.hypot(*pulse.motion[_LIP]) > LIP_PX)


def is_glance(pulse: Pulse) -> bool:
    """Whether both lids moved to the same side, and further than all else; `pulse` of the upper
    face. Lids do not do that, irises do, and the flow carries it to the skin beside them."""
    u, v = pulse.motion[_LIDS].T
    aside = u.prod() > 0 and abs(u.sum()) > GLANCE * np.abs(v).sum()
    size = np.hypot(*pulse.motion.T)
    return bool(aside and size[_LIDS].min() > np.delete(size, _LIDS).max())


def spoke_before(pulse: Pulse, mouth: PulseFollower, history: History) -> bool:
    """Whether the mouth moved just before `pulse` began. What it is measured by is a face at rest,
    not the thresholds of now, which speech has raised."""
    from_s, to_s = pulse.onset_s - CALM_BEFORE_S, pulse.onset_s - CALM_UNTIL_S
    height_px = float(np.hypot(*pulse.motion.T).max())
    stir_px = mouth.stir(history, from_s, to_s)
    return bool((stir_px > np.maximum(mouth.quiet_px, STIR_SHARE * height_px)).any())
