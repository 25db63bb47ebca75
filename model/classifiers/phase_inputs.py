"""The shape and scale in which networks take a phase."""

from functools import cache

import numpy as np

from model.classifiers import Inputs
from model.face.aligned_crop import CROP_PX
from model.flow.key_frames import PHASE_FRAMES
from model.records import ArrayF32

INPUT_PX = 64
"""Side of the maps that the networks see."""

PHASE_SHAPES: dict[Inputs, tuple[int, ...]] = {
    "flows": (2,),
    "frames": (PHASE_FRAMES,),
    "long_flows": (PHASE_FRAMES - 1, 2),
}
"""A phase is (N, *PHASE_SHAPES[inputs], S, S)."""


def prepare_phase(inputs: Inputs, phase: ArrayF32) -> ArrayF32:
    """Convert a phase (N, *PHASE_SHAPES[inputs], S, S) float32 of any square crop to the network's
    form (…, 64, 64): flows in px of the 128 px crop, grey levels from 0 to 1."""
    scale = 1 / 255 if inputs == "frames" else CROP_PX / phase.shape[-1]
    scaled: ArrayF32 = resize(phase, INPUT_PX) * np.float32(scale)
    return scaled


def resize(maps: ArrayF32, side: int) -> ArrayF32:
    """Maps (…, S, S) → (…, `side`, `side`), bilinear. Shrinking averages all pixels that fall into
    one, as `torch.nn.functional.interpolate(…, antialias=True)` does."""
    weights = _weights(maps.shape[-1], side)
    resized: ArrayF32 = weights @ maps @ weights.T
    return resized


@cache
def _weights(old: int, new: int) -> ArrayF32:
    """(new, old) float32: the weight of each pixel of a row in each pixel of the resized row."""
    scale = old / new
    centres = (np.arange(new) + 0.5) * scale
    away = np.abs(np.arange(old) + 0.5 - centres[:, None]) / max(scale, 1.0)
    weights = np.maximum(1 - away, 0)
    shares: ArrayF32 = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
