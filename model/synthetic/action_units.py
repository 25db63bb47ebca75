"""FACS action units as displacement fields of a face's skin.

For each unit, `action_units.toml` says which groups of landmarks move, in which direction and how
far, and how far around them the skin moves along. This module turns that into a dense, smooth field
for any set of FaceMesh points. Distances in the catalogue are mm of a face whose inner eye corners
are 32 mm apart, so strength 1 on both sides is full intensity on a face of any size.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from model.errors import InputError
from model.face.aligned_crop import INNER_EYE_CORNERS
from model.records import ArrayF32, ArrayF64

Strengths = Mapping[str, tuple[float, float]]
"""How strongly each action unit acts on the person's (right, left) side of the face; 1 is full
intensity. The right side is on the left of the image."""

INNER_EYE_MM = 32.0
"""Distance of the inner eye corners in the catalogue's mm; in the 128 px crop it is 32 px."""

_OUTER_EYE = (33, 263)
EYES = ((33, 133, 159, 145), (263, 362, 386, 374))
"""FaceMesh points of each eye: outer and inner corner, upper and lower lid; the right eye first."""
_MIDLINE_MM = 6.0  # half width of the transition between the sides in midline groups
_LIDS = ("lid_upper", "lid_lower")
# The eyeball does not move with the skin around it. Brow and cheek do not move the edges of the
# lids either, which lie on it; the lids' own muscles move everything but the eyeball's middle.
# Values: share that is held, width in eye widths, height in mm (both sigmas).
_HOLDS_SKIN, _HOLDS_LIDS = (0.95, 0.32, 3.6), (0.85, 0.3, 2.2)


@dataclass(frozen=True, slots=True)
class Move:
    """One landmark group's part in an action unit; see the head of the TOML file."""

    group: str
    lateral_mm: float
    up_mm: float
    extent_mm: float


@dataclass(frozen=True, slots=True)
class ActionUnit:
    """One entry of the catalogue."""

    name: str
    """In words, as "inner brow raiser"."""
    one_sided: float
    """How often only one side acts, or nearly so, in micro-expressions."""
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Combination:
    """Action units that occur together in expressions of a class; the first one leads."""

    units: tuple[str, ...]
    often: float
    """Relative frequency within the class."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The content of `action_units.toml`."""

    landmarks: Mapping[str, Mapping[str, tuple[int, ...]]]
    """FaceMesh points by group, then by "right" and "left", or by "middle"."""
    units: Mapping[str, ActionUnit]
    """By FACS number: "AU12"."""
    expressions: Mapping[str, tuple[Combination, ...]]
    """By class: negative, positive, surprise."""
    companions: Mapping[str, tuple[str, ...]]
    """Units that often act beside an expression, by its class."""


@cache
def load_catalogue() -> Catalogue:
    """The shipped catalogue; read once."""
    from pydantic import TypeAdapter  # slow to import, and not needed to read tables of truth

    text = files("model.synthetic").joinpath("action_units.toml").read_text(encoding="utf-8")
    return TypeAdapter(Catalogue).validate_python(tomllib.loads(text))


def displacement_field(
    landmarks_px: ArrayF32,
    strengths: Strengths,
    size: int | tuple[int, int],
    *,
    extent: float = 1.0,
) -> ArrayF32:
    """How far each point of a resting face moves under `strengths`: the true flow onset → apex.

    `landmarks_px`: (468, 2) FaceMesh points of the resting face, px of any picture or crop.
    `size`: that picture's (width, height), or its side if it is square. `extent`: scales the
    distance over which the skin around moves along.

    Returns (2, H, W) float32 px, u right, v down: what is at x before is at x + field[:, x] after.
    It is smooth, and linear in the strengths. Raises `InputError` for a unit that is not in the
    catalogue.
    """
    width, height = (size, size) if isinstance(size, int) else size
    points = landmarks_px.astype(np.float64)
    axes = _axes(points)
    scale = px_per_mm(points)
    skin, lids, midline = _PullingPoints(), _PullingPoints(), _PullingPoints()
    for number, (right, left) in strengths.items():
        for move in _unit(number).moves:
            sides = load_catalogue().landmarks[move.group]
            both = lids if move.group in _LIDS else skin
            way = np.array([move.lateral_mm, -move.up_mm]) * scale
            sigma = move.extent_mm * scale * extent
            if "middle" in sides:
                group = points[list(sides["middle"])]
                both.add(group, (right + left) / 2 * (way @ axes), sigma)
                if right != left:
                    midline.add(group, (left - right) / 2 * (way @ axes), sigma)
            else:
                to_right = way * (-1, 1)
                both.add(points[list(sides["right"])], right * (to_right @ axes), sigma)
                both.add(points[list(sides["left"])], left * (way @ axes), sigma)
    x = np.arange(width, dtype=np.float64)
    y = np.arange(height, dtype=np.float64)
    field = skin.field(x, y)
    if midline:
        centre = points[[168, 4]].mean(axis=0)
        lateral = (x - centre[0]) * axes[0, 0] + (y[:, None] - centre[1]) * axes[0, 1]
        field += midline.field(x, y) * np.tanh(lateral / (_MIDLINE_MM * scale))
    field *= _eyeball_mask(points, _HOLDS_SKIN, x, y)
    field += lids.field(x, y) * eyeball_mask(points, x, y)
    return field.astype(np.float32)


def px_per_mm(points: ArrayF32 | ArrayF64) -> float:
    """Px of the picture per mm of a face with landmarks `points`, (468, 2) px of that picture."""
    right, left = INNER_EYE_CORNERS
    return float(np.linalg.norm(points[left] - points[right])) / INNER_EYE_MM


def eyeball_mask(points: ArrayF64, x: ArrayF64, y: ArrayF64) -> ArrayF64:
    """How much of the lids' motion a pixel at the columns `x` and rows `y` makes, 0 to 1, (H, W):
    little on the eyeballs. `points` are (468, 2) in px of the picture."""
    return _eyeball_mask(points, _HOLDS_LIDS, x, y)


def peak_px(field: ArrayF32) -> float:
    """The length of the longest vector in a field (2, H, W), in its px."""
    return float(np.sqrt(np.max(field[0] ** 2 + field[1] ** 2)))


def facs_notation(strengths: Strengths) -> str:
    """The units in FACS notation, "AU1+AU2L". R or L marks a unit that acts on one side only, or
    nearly so: the weaker side is below a third of the stronger."""
    parts = []
    for number, (right, left) in sorted(strengths.items(), key=lambda item: int(item[0][2:])):
        side = "R" if left * 3 < right else "L" if right * 3 < left else ""
        parts.append(number + side)
    return "+".join(parts)


class _PullingPoints:
    """Landmarks that pull the skin around them."""

    def __init__(self) -> None:
        self._places: list[ArrayF64] = []
        self._vectors: list[ArrayF64] = []
        self._sigmas: list[ArrayF64] = []

    def __bool__(self) -> bool:
        return bool(self._places)

    def add(self, places: ArrayF64, vector: ArrayF64, sigma: float) -> None:
        """Add a group: a Gaussian around each of its points, scaled so that they add up to 1 at the
        point where they are densest."""
        apart = np.sum((places[:, None] - places[None]) ** 2, axis=-1)
        densest = np.exp(-apart / (2 * sigma**2)).sum(axis=1).max()
        self._places.append(places)
        self._vectors.append(np.broadcast_to(vector / densest, places.shape))
        self._sigmas.append(np.full(len(places), sigma))

    def field(self, x: ArrayF64, y: ArrayF64) -> ArrayF64:
        """(2, H, W) at the columns `x` and rows `y`. A Gaussian is the product of its profiles, so
        the sum over all points is one matrix product."""
        if not self._places:
            return np.zeros((2, len(y), len(x)))
        places, vectors = np.concatenate(self._places), np.concatenate(self._vectors)
        sigma = np.concatenate(self._sigmas)[:, None]
        across = np.exp(-(((x - places[:, :1]) / sigma) ** 2) / 2)
        along = np.exp(-(((y - places[:, 1:]) / sigma) ** 2) / 2)
        return np.stack([(along * vectors[:, c, None]).T @ across for c in (0, 1)])


def _unit(number: str) -> ActionUnit:
    try:
        return load_catalogue().units[number]
    except KeyError:
        known = ", ".join(load_catalogue().units)
        raise InputError(f"unknown action unit {number!r}: the catalogue holds {known}") from None


def _axes(points: ArrayF64) -> ArrayF64:
    """(2, 2): unit vectors towards the face's left (image right) and towards its chin."""
    across = sum(points[b] - points[a] for a, b in (_OUTER_EYE, INNER_EYE_CORNERS))
    across = across / np.linalg.norm(across)
    return np.array([across, [-across[1], across[0]]])


def _eyeball_mask(
    points: ArrayF64, hold: tuple[float, float, float], x: ArrayF64, y: ArrayF64
) -> ArrayF64:
    share, widths, height_mm = hold
    height = height_mm * px_per_mm(points)
    mask: ArrayF64 = np.ones((len(y), len(x)))
    for place in EYES:
        eye = points[list(place)]
        centre = eye.mean(axis=0)
        width = widths * float(np.linalg.norm(eye[0] - eye[1]))
        across = np.exp(-(((x - centre[0]) / width) ** 2) / 2)
        along = np.exp(-(((y - centre[1]) / height) ** 2) / 2)
        mask *= 1 - share * along[:, None] * across
    return mask
