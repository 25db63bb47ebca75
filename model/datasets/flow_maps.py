"""Flow maps that someone else computed: a folder of (u, v[, strain]) maps and a table.

The table is a CSV with a header. Needed: `file` (relative to the table), `subject`, `clip`,
`label`. Optional: `phase` ("onset_apex", the default, or "apex_offset"; the two rows of a clip
share subject, clip and label), `u_min`, `u_max`, `v_min`, `v_max` (the range that 0 … 255 of an
8-bit map stands for), `channels` ("rgb" or "bgr", the same for all pictures), `action_units`
("4+L12").

A map is one of

- `.npy`: float (2 or 3, S, S) or (S, S, 2 or 3): u, v and perhaps strain, in px of the map;
- `.npz`: the same under `flow`, or (S, S) arrays `u` and `v`;
- `.png`, or `.npy` of uint8: three channels u, v, strain, each min–max normalised to 0 … 255.

Strain is not read: it follows from u and v. 8-bit maps are restored by these rules:

1. With the range stored, value = min + level / 255 · (max − min), in px, exact to half a level.
2. Without it, neither scale nor zero is known. The most frequent level is taken as zero (most of a
   face does not move), and one over the range as scale: each channel spans at most −1 to 1, and the
   set is marked `relative`. Sizes of u and v cannot be compared in such a map.
3. A colour picture holds u, v, strain as red, green, blue ("rgb"), or reversed if OpenCV wrote the
   array ("bgr"). Unless the column says which, the pictures decide: strain is never negative, so
   its most frequent level is the darkest of the three. If that is not clear, reading fails until
   the column is given.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from model.datasets.clips import read_picture
from model.datasets.delimited import read_table
from model.datasets.layout import parse_action_units
from model.errors import InputError, error_line
from model.records import ArrayF32

CHANNELS = ("rgb", "bgr")
PHASES = ("onset_apex", "apex_offset")
_RANGE = ("u_min", "u_max", "v_min", "v_max")
_SMOOTHING = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)  # Gaussian over levels, σ 2
_CLEARLY = 16  # strain must be darker than u by this many levels


Unit = Literal["px", "relative"]
"""`px`: displacement in px of the map. `relative`: min–max normalisation lost the scale; each
channel spans at most −1 to 1 around its estimated zero, and sizes of u and v cannot be compared."""


@dataclass(frozen=True, slots=True)
class FlowMaps:
    """The flow maps of N clips."""

    flows: ArrayF32
    """(N, 2, 2, S, S) float32: phase (onset→apex, apex→offset), (u right, v down), y, x."""
    both_phases: NDArray[np.bool_]
    """(N,): False if the second phase is unknown; it then holds zeros."""
    subjects: tuple[str, ...]
    clips: tuple[str, ...]
    """Names, unique within the set."""
    labels: tuple[str, ...]
    """As annotated."""
    action_units: tuple[tuple[str, ...], ...]
    """Units of each clip, such as ("AU4", "AU7"); empty if not coded."""
    unit: Unit

    def __len__(self) -> int:
        return len(self.flows)


@dataclass(slots=True)
class _Sample:
    subject: str
    clip: str
    label: str
    units: tuple[str, ...]
    channels: set[str] = field(default_factory=set)
    """Order of the channels as its rows give it: "rgb", "bgr" or nothing."""
    rows: dict[str, tuple[Path, tuple[float, ...] | None, str]] = field(default_factory=dict)
    """Map, range (u_min, u_max, v_min, v_max) if stored, and where it is listed, by phase."""


@dataclass(frozen=True, slots=True)
class _Raw:
    where: str
    planes: NDArray[np.float32] | NDArray[np.uint8]
    """(K, S, S), K at least 2: as stored, colour pictures as red, green, blue."""
    colour: bool
    """Whether it is a picture, whose channel order is not known yet."""


def read_maps(source: Path) -> FlowMaps:
    """The maps listed in a table, or in the only .csv of a folder. All are resized to the largest
    one; vectors in px are scaled with them. Raises `InputError`, naming the file or the line, for
    maps that are not square, values that are not finite, and sets that mix maps with and without
    a scale.
    """
    table = _table(source)
    samples = _samples(table)
    maps = {
        (n, phase): (_read(path, where), stored)
        for n, sample in enumerate(samples)
        for phase, (path, stored, where) in sample.rows.items()
    }
    orders = set().union(*(sample.channels for sample in samples)) - {""}
    if len(orders) > 1:
        raise InputError(f"{table}: channels are rgb in some rows and bgr in others: split it")
    swapped = _is_swapped([raw for raw, _ in maps.values() if raw.colour], orders)
    units = {_unit(raw, stored) for raw, stored in maps.values()}
    if len(units) > 1:
        raise InputError(f"{table} lists maps with and without a scale: split it in two tables")
    unit = units.pop()
    size = max(raw.planes.shape[-1] for raw, _ in maps.values())
    flows = np.zeros((len(samples), 2, 2, size, size), np.float32)
    for (n, phase), (raw, stored) in maps.items():
        flow = _flow(raw, stored, swapped=raw.colour and swapped)
        flows[n, PHASES.index(phase)] = _resize(flow, size, scaled=unit == "px")
    return FlowMaps(
        flows=flows,
        both_phases=np.array(["apex_offset" in sample.rows for sample in samples]),
        subjects=tuple(sample.subject for sample in samples),
        clips=tuple(f"{sample.subject}/{sample.clip}" for sample in samples),
        labels=tuple(sample.label for sample in samples),
        action_units=tuple(sample.units for sample in samples),
        unit=unit,
    )


def set_name(source: Path) -> str:
    """The name of the maps in `source`: that of their folder."""
    return (source if source.is_dir() else source.parent).name or "maps"


def still_level(levels: NDArray[np.uint8]) -> float:
    """The most frequent level of an 8-bit channel, which is that of a still face: the top of the
    smoothed histogram, refined by the mean of the levels around it."""
    counts = np.bincount(levels.ravel(), minlength=256).astype(np.float64)
    top = int(np.argmax(np.convolve(counts, _SMOOTHING, mode="same")))
    low, high = max(0, top - 4), min(256, top + 5)
    return float(np.average(np.arange(low, high), weights=counts[low:high] + 1e-9))


def _table(source: Path) -> Path:
    if not source.is_dir():
        return source
    tables = sorted(path for path in source.glob("*.csv") if not path.name.startswith("."))
    if len(tables) != 1:
        raise InputError(
            f"{source} holds {len(tables)} .csv tables of maps: keep one, or give its path"
        )
    return tables[0]


def _samples(table: Path) -> list[_Sample]:
    samples: dict[tuple[str, str], _Sample] = {}
    for row in read_table(table, ("file", "subject", "clip", "label")).rows:
        _add(samples, row.cells, table, row.where)
    if not samples:
        raise InputError(f"{table} lists no maps")
    for sample in samples.values():
        if "onset_apex" not in sample.rows:
            raise InputError(f"{sample.rows['apex_offset'][2]}: the clip has no onset_apex map")
    return list(samples.values())


def _add(
    samples: dict[tuple[str, str], _Sample], row: Mapping[str, str], table: Path, where: str
) -> None:
    cells = {name: row[name].strip() for name in ("file", "subject", "clip", "label")}
    for name, cell in cells.items():
        if not cell:
            raise InputError(f"{where}: {name} is empty")
    phase = row.get("phase", "").strip() or PHASES[0]
    if phase not in PHASES:
        raise InputError(f"{where}: phase is {phase!r}; it must be {' or '.join(PHASES)}")
    units = parse_action_units(row.get("action_units", ""))
    channels = row.get("channels", "").strip().lower()
    if channels not in ("", *CHANNELS):
        raise InputError(f"{where}: channels is {channels!r}; it must be {' or '.join(CHANNELS)}")
    key = cells["subject"], cells["clip"]
    sample = samples.setdefault(key, _Sample(*key, cells["label"].lower(), units))
    sample.channels.add(channels)
    if sample.label != cells["label"].lower():
        raise InputError(f"{where}: label is {cells['label']!r}; before it was {sample.label!r}")
    if phase in sample.rows:
        raise InputError(f"{where}: the {phase} map of this clip is already listed")
    sample.rows[phase] = (table.parent / cells["file"], _stored_range(row, where), where)


def _stored_range(row: Mapping[str, str], where: str) -> tuple[float, ...] | None:
    texts = [row.get(name, "").strip() for name in _RANGE]
    if not any(texts):
        return None
    try:
        numbers = tuple(float(text) for text in texts)
    except ValueError:
        raise InputError(f"{where}: {', '.join(_RANGE)} must be four numbers or empty") from None
    if not (np.isfinite(numbers).all() and numbers[0] <= numbers[1] and numbers[2] <= numbers[3]):
        raise InputError(f"{where}: the range {numbers} is not min to max")
    return numbers


def _read(path: Path, where: str) -> _Raw:
    if not path.is_file():
        raise InputError(f"{where}: no file {path}")
    colour = path.suffix.lower() == ".png"
    if colour:
        picture = read_picture(path, cv2.IMREAD_UNCHANGED)
        if picture is None or picture.dtype != np.uint8 or picture.ndim != 3:
            raise InputError(f"{where}: {path} is not a PNG of three channels of 8 bits")
        array: NDArray[np.generic] = picture[..., 2::-1]
    else:
        array = _load(path, where)
    if array.ndim != 3:
        raise InputError(f"{where}: {path} is {array.shape}; expected (2 or 3, S, S)")
    if array.shape[0] not in (2, 3) and array.shape[2] in (2, 3):
        array = np.moveaxis(array, 2, 0)
    if array.shape[0] not in (2, 3) or array.shape[1] != array.shape[2] or array.shape[1] < 8:
        raise InputError(
            f"{where}: {path} is {array.shape}; expected a square map of 8 px or more, (2 or 3, "
            "S, S)"
        )
    if array.dtype == np.uint8:
        return _Raw(where, np.asarray(array, np.uint8), colour)
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        raise InputError(f"{where}: {path} must hold finite floats or bytes, it is {array.dtype}")
    return _Raw(where, np.asarray(array, np.float32), colour)


def _load(path: Path, where: str) -> NDArray[np.generic]:
    try:
        with path.open("rb") as file:
            content = np.load(file)
            if isinstance(content, np.ndarray):
                return content
            if "flow" in content:
                return np.asarray(content["flow"])
            return np.stack([content["u"], content["v"]])
    except Exception as error:  # numpy's and zip's readers raise anything
        raise InputError(
            f"{where}: {path} is not a map ({error_line(error)}); expected .npy, .npz with flow or "
            "u and v, or .png"
        ) from error


def _is_swapped(pictures: list[_Raw], orders: set[str]) -> bool:
    """Whether u is the blue channel; `orders` holds the order given in the table, if any."""
    if orders or not pictures:
        return orders == {"bgr"}
    red, blue = (
        np.median([still_level(np.asarray(raw.planes[i], np.uint8)) for raw in pictures])
        for i in (0, 2)
    )
    if abs(red - blue) < _CLEARLY:
        raise InputError(
            f"{pictures[0].where}: cannot tell which channel of the pictures is u (red rests at "
            f"{red:.0f}, blue at {blue:.0f}): add a column channels that says rgb or bgr"
        )
    return bool(red < blue)


def _unit(raw: _Raw, stored: tuple[float, ...] | None) -> Unit:
    return "px" if stored is not None or raw.planes.dtype != np.uint8 else "relative"


def _flow(raw: _Raw, stored: tuple[float, ...] | None, *, swapped: bool) -> ArrayF32:
    v, u = raw.planes[1], raw.planes[2 if swapped else 0]
    flow: ArrayF32 = np.stack([u, v]).astype(np.float32)
    if raw.planes.dtype != np.uint8:
        return flow
    flow /= 255
    for i, plane in enumerate((u, v)):
        if stored is None:
            flow[i] -= still_level(np.asarray(plane, np.uint8)) / 255
        else:
            low, high = stored[2 * i : 2 * i + 2]
            flow[i] = low + flow[i] * (high - low)
    return flow


def _resize(flow: ArrayF32, size: int, *, scaled: bool) -> ArrayF32:
    old = flow.shape[-1]
    if old == size:
        return flow
    method = cv2.INTER_AREA if size < old else cv2.INTER_LINEAR
    planes = [cv2.resize(plane, (size, size), interpolation=method) for plane in flow]
    resized: ArrayF32 = np.stack(planes).astype(np.float32)
    return resized * np.float32(size / old) if scaled else resized
