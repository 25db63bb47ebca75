"""Flow maps as the field exchanges them: small, from whatever flow and crop, their scale lost.

MEGC 2019's participants and many after them shared flow as 28 × 28 pictures (STSTNet: Liong, Gan,
See, Khor, Huang, FG 2019): TV-L1 over a face box, the head's motion still in it, each channel
stretched to 8 bits. A network that is to read such maps has to have seen the like.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

import cv2
import numpy as np

from model.flow import Flow, load_flow
from model.flow.lk import LucasKanade
from model.records import ArrayF32, ImageU8

_TVL1_PX = 64  # a quarter of the pixels: a tenth of the time, and the result is shrunk anyway


@dataclass(frozen=True)
class Exchange:
    """What may have become of a flow before it is exchanged."""

    methods: Mapping[str, float] = field(
        default_factory=lambda: {"tvl1": 0.4, "lk": 0.3, "farneback": 0.3}
    )
    """Share of each flow: "tvl1" on half the resolution with three scales and warps, "tvl1-fine"
    with OpenCV's defaults, "lk" of varied windows, "farneback", "dis"."""
    sizes_px: tuple[int, ...] = (28, 28, 28, 32, 48, 64)
    """Sides, one drawn."""
    centred: float = 0.5
    """How often the motion that most of the map shares is removed; the head's else stays."""
    pressed: float = 0.6
    """How often each channel is stretched to 8 bits by its own minimum and maximum; otherwise
    values keep their scale."""
    scale_log: float = 1.5
    """Deviation of the log of the scale of all maps: units differ."""
    both_phases: float = 0.4
    """How often the second phase is there."""


def exchange_maps(rng: np.random.Generator, style: Exchange, *moments: ImageU8) -> list[ArrayF32]:
    """The maps (2, S, S) of the phases between `moments`, crops (S, S) of onset, apex and, if it
    is known, offset."""
    method = str(rng.choice(list(style.methods), p=_shares(style.methods)))
    solve = _solver(method, rng)
    size = int(rng.choice(style.sizes_px))
    centred, pressed = rng.random() < style.centred, rng.random() < style.pressed
    scale = np.float32(np.exp(rng.normal(0, style.scale_log)))
    maps = []
    for first, second in pairwise(moments):
        flow = solve(first, second)
        if centred:
            flow = flow - np.median(flow, axis=(1, 2), keepdims=True)
        if flow.shape[1] != size:
            method_px = cv2.INTER_AREA if size < flow.shape[1] else cv2.INTER_LINEAR
            flow = np.stack(
                [cv2.resize(part, (size, size), interpolation=method_px) for part in flow]
            )
        maps.append(scale * (_pressed(flow) if pressed else flow))
    return maps


def _pressed(flow: ArrayF32) -> ArrayF32:
    """Each channel stretched over 256 levels, 0 to 1."""
    low, high = flow.min(axis=(1, 2), keepdims=True), flow.max(axis=(1, 2), keepdims=True)
    levels = np.rint(255 * (flow - low) / np.maximum(high - low, 1e-9))
    return np.asarray(levels / 255, np.float32)


def _solver(method: str, rng: np.random.Generator) -> Callable[[ImageU8, ImageU8], ArrayF32]:
    if method == "farneback":
        window = int(rng.integers(9, 22))
        return lambda first, second: _farneback(first, second, window)
    if method == "lk":
        flow = LucasKanade(sigma_px=float(rng.uniform(3, 9)))
        return lambda first, second: flow(first[None], second[None])[0]
    if method == "tvl1":
        coarse = load_flow("tvl1", scales=3, warps=3)
        shape = (_TVL1_PX, _TVL1_PX)

        def solve(first: ImageU8, second: ImageU8) -> ArrayF32:
            small = [
                np.asarray(cv2.resize(p, shape, interpolation=cv2.INTER_AREA), np.uint8)
                for p in (first, second)
            ]
            return np.asarray(coarse(small[0][None], small[1][None])[0], np.float32)

        return solve
    fine = _fine(method)
    return lambda first, second: fine(first[None], second[None])[0]


@cache
def _fine(method: str) -> Flow:
    return load_flow({"tvl1-fine": "tvl1"}.get(method, method))


def _farneback(first: ImageU8, second: ImageU8, window: int) -> ArrayF32:
    blank = np.zeros((*first.shape, 2), np.float32)
    flow = cv2.calcOpticalFlowFarneback(first, second, blank, 0.5, 3, window, 3, 5, 1.2, 0)
    return np.asarray(flow.transpose(2, 0, 1), np.float32)


def _shares(methods: Mapping[str, float]) -> list[float]:
    total = sum(methods.values())
    return [share / total for share in methods.values()]
