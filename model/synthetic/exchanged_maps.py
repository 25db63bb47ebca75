"""Flow maps as researchers exchange them: small, of any flow and crop, without their scale.

The participants of MEGC 2019, and many after them, shared flow as 28 × 28 pictures (STSTNet: Liong,
Gan, See, Khor, Huang, FG 2019): TV-L1 over a face box, with the head's motion, each channel
stretched to 8 bits. A network that has to read such maps must be trained on similar ones.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import cv2
import numpy as np

from model.flow import Flow, load_flow
from model.flow.lk import LucasKanade
from model.records import ArrayF32, ImageU8
from model.synthetic.still_faces import smooth_noise

_TVL1_SIZE = (64, 64)  # a quarter of the pixels take a tenth of the time; maps are shrunk anyway
_WINDOW_PX = (1.0, 6.0)  # sigma
_PLAIN_SHARE = 0.3  # how often texture is the same everywhere
_LEAST_FOUND = 0.35  # of the motion, where there is least texture
_ROUGH, _TEXTURE_GRAIN_PX = 2.5, (6.0, 24.0)
_ERROR_PX, _ERROR_GRAIN_PX = (0.01, 0.12), (5.0, 20.0)
_METHODS: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "tvl1": ("tvl1", {"scales": 3, "warps": 3}),
    "tvl1-fine": ("tvl1", {}),
    "dis": ("dis", {}),
}


@dataclass(frozen=True)
class Exchange:
    """What may be done to a flow before it is exchanged."""

    methods: Mapping[str, float] = field(
        default_factory=lambda: {"tvl1": 0.4, "lk": 0.3, "farneback": 0.3}
    )
    """Relative frequency of each flow: "tvl1" at half the resolution with three scales and warps,
    "tvl1-fine" with OpenCV's defaults, "lk" with random windows, "farneback", "dis"."""
    sizes_px: tuple[int, ...] = (28, 28, 28, 32, 48, 64)
    """Sides of the maps, equally likely."""
    centre_share: float = 0.25
    """How often a map's median motion is removed. Otherwise the head's motion stays."""
    stretch_share: float = 0.7
    """How often each channel is stretched to 8 bits by its own minimum and maximum. Otherwise the
    values keep their scale."""
    scale_log: float = 1.5
    """Deviation of the log of the maps' scale, because units differ."""
    both_phases: float = 0.4
    """How often the second phase is known."""
    drawn_share: float = 0.2
    """How often a flow algorithm finds the maps in drawn pictures. Otherwise they are made from the
    true motion with the errors of such an algorithm (`exchange_motion`), in a fifth of the time."""


def exchange_maps(rng: np.random.Generator, style: Exchange, *moments: ImageU8) -> list[ArrayF32]:
    """The maps (2, S, S) of the phases between `moments`: crops (S, S) of onset, apex and, if
    known, offset."""
    shares = np.array(list(style.methods.values()))
    method = str(rng.choice(list(style.methods), p=shares / shares.sum()))
    solve = _solver(method, rng)
    return _exchange(rng, style, [solve(first, second) for first, second in pairwise(moments)])


def exchange_motion(rng: np.random.Generator, style: Exchange, *keys: ArrayF32) -> list[ArrayF32]:
    """`exchange_maps` of faces that are not drawn: `keys` are the displacements (2, S, S) px of the
    skin from rest, at onset, apex and, if known, offset.

    A flow algorithm smooths motion over its window, finds less of it where skin has no texture, and
    errs smoothly; how much differs from picture to picture.
    """
    window = rng.uniform(*_WINDOW_PX)
    plain = rng.random() < _PLAIN_SHARE
    rough = 1 / (1 + np.exp(-_ROUGH * smooth_noise(rng, rng.uniform(*_TEXTURE_GRAIN_PX))))
    texture = np.ones_like(rough) if plain else _LEAST_FOUND + (1 - _LEAST_FOUND) * rough
    found = (1 + texture) / 2 / cv2.GaussianBlur(texture, (0, 0), window)
    error_px, grain_px = rng.uniform(*_ERROR_PX), rng.uniform(*_ERROR_GRAIN_PX)
    flows = []
    for first, second in pairwise(keys):
        smoothed = [
            found * cv2.GaussianBlur(texture * part, (0, 0), window) for part in second - first
        ]
        errors = [error_px * smooth_noise(rng, grain_px) for _ in smoothed]
        flows.append(np.asarray(np.add(smoothed, errors), np.float32))
    return _exchange(rng, style, flows)


def _exchange(
    rng: np.random.Generator, style: Exchange, flows: Sequence[ArrayF32]
) -> list[ArrayF32]:
    size = int(rng.choice(style.sizes_px))
    centre, stretch = rng.random() < style.centre_share, rng.random() < style.stretch_share
    scale = np.float32(np.exp(rng.normal(0, style.scale_log)))
    maps = []
    for flow in flows:
        if centre:
            flow = flow - np.median(flow, axis=(1, 2), keepdims=True)
        if flow.shape[1] != size:
            kernel = cv2.INTER_AREA if size < flow.shape[1] else cv2.INTER_LINEAR
            flow = np.stack([cv2.resize(part, (size, size), interpolation=kernel) for part in flow])
        maps.append(scale * (_stretch(flow) if stretch else flow))
    return maps


def _stretch(flow: ArrayF32) -> ArrayF32:
    """Stretch each channel to 256 levels from 0 to 1."""
    low, high = flow.min(axis=(1, 2), keepdims=True), flow.max(axis=(1, 2), keepdims=True)
    levels = np.rint(255 * (flow - low) / np.maximum(high - low, 1e-9))
    return np.asarray(levels / 255, np.float32)


def _solver(method: str, rng: np.random.Generator) -> Callable[[ImageU8, ImageU8], ArrayF32]:
    if method == "farneback":
        return partial(farneback, window=int(rng.integers(9, 22)))
    if method == "lk":
        flow: Flow = LucasKanade(sigma_px=float(rng.uniform(3, 9)))
    else:
        name, parameters = _METHODS[method]
        flow = load_flow(name, **parameters)

    def solve(*pair: ImageU8) -> ArrayF32:
        if method == "tvl1":
            pair = tuple(_shrink(picture) for picture in pair)
        maps: ArrayF32 = flow(pair[0][None], pair[1][None])
        return np.asarray(maps[0])

    return solve


def _shrink(picture: ImageU8) -> ImageU8:
    return np.asarray(cv2.resize(picture, _TVL1_SIZE, interpolation=cv2.INTER_AREA), np.uint8)


def farneback(first: ImageU8, second: ImageU8, window: int) -> ArrayF32:
    """OpenCV's Farnebäck flow (2, H, W) px between two grey pictures, with a window of that
    size."""
    blank = np.zeros((*first.shape, 2), np.float32)
    flow = cv2.calcOpticalFlowFarneback(first, second, blank, 0.5, 3, window, 3, 5, 1.2, 0)
    return np.asarray(flow.transpose(2, 0, 1), np.float32)
