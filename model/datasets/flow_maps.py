"""Flow maps that someone else computed: a folder of (u, v[, strain]) maps and a table.

The table is a CSV with a header. Needed: `file` (relative to the table), `subject`, `clip`,
`label`. Optional: `phase` ("onset_apex", the default, or "apex_offset"; the two rows of a clip
share subject, clip and label), `u_min`, `u_max`, `v_min`, `v_max` (the range that 0 … 255 of an
8-bit map stands for), `action_units` ("4+L12"); for pictures also `channels` ("rgb" or "bgr").

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
   array ("bgr"). Its column `channels` has to say which.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from model.datasets.clips import read_picture
from model.datasets.delimited import find_table, read_table
from model.datasets.layout import parse_action_units
from model.errors import InputError, error_line
from model.records import ArrayF32

CHANNELS = ("rgb", "bgr")
PHASES = ("onset_apex", "apex_offset")
_RANGE = ("u_min", "u_max", "v_min", "v_max")
_SMOOTHING = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)  # Gaussian over levels, σ 2

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


@dataclass(frozen=True, slots=True)
class _MapRow:
    """One line of the table."""

    where: str
    subject: str
    clip: str
    label: str
    action_units: tuple[str, ...]
    phase: str
    path: Path
    channels: str
    """Order in a picture, "rgb" or "bgr"; empty if not given."""
    stored: tuple[float, ...] | None
    """The range (u_min, u_max, v_min, v_max) of an 8-bit map."""


def read_maps(source: Path) -> FlowMaps:
    """The maps listed in a table, or in the only .csv of a folder. All are resized to the largest
    one; vectors in px are scaled with them. Raises `InputError`, naming the file or the line, for
    maps that are not square, values that are not finite, and sets that mix maps with and without
    a scale.
    """
    table = find_table(source, "maps")
    clips = _clips(table)
    maps = [(n, row, _planes(row)) for n, rows in enumerate(clips) for row in rows.values()]
    units = {_unit(row, planes) for _, row, planes in maps}
    if len(units) > 1:
        raise InputError(f"{table} lists maps with and without a scale: split it in two tables")
    unit = units.pop()
    size = max(planes.shape[-1] for _, _, planes in maps)
    flows = np.zeros((len(clips), 2, 2, size, size), np.float32)
    for n, row, planes in maps:
        flow = _flow(planes, row.stored)
        flows[n, PHASES.index(row.phase)] = _resize(flow, size, scaled=unit == "px")
    first = [rows["onset_apex"] for rows in clips]
    return FlowMaps(
        flows=flows,
        both_phases=np.array(["apex_offset" in rows for rows in clips]),
        subjects=tuple(row.subject for row in first),
        clips=tuple(f"{row.subject}/{row.clip}" for row in first),
        labels=tuple(row.label for row in first),
        action_units=tuple(row.action_units for row in first),
        unit=unit,
    )


def name_maps(source: Path) -> str:
    """The name of the maps in `source`: that of their folder."""
    return (source if source.is_dir() else source.parent).name or "maps"


def still_level(levels: NDArray[np.uint8]) -> float:
    """The most frequent level of an 8-bit channel, which is that of a still face: the top of the
    smoothed histogram, refined by the mean of the levels around it."""
    counts = np.bincount(levels.ravel(), minlength=256).astype(np.float64)
    top = int(np.argmax(np.convolve(counts, _SMOOTHING, mode="same")))
    low, high = max(0, top - 4), min(256, top + 5)
    return float(np.average(np.arange(low, high), weights=counts[low:high] + 1e-9))


def _clips(table: Path) -> list[dict[str, _MapRow]]:
    """The rows of each clip by phase."""
    clips: dict[tuple[str, str], dict[str, _MapRow]] = {}
    for cells in read_table(table, ("file", "subject", "clip", "label")).rows:
        row = _row(cells.cells, table, cells.where)
        rows = clips.setdefault((row.subject, row.clip), {})
        for other in rows.values():
            if other.label != row.label:
                raise InputError(
                    f"{row.where}: label is {row.label!r}; before it was {other.label!r}"
                )
        if row.phase in rows:
            raise InputError(f"{row.where}: the {row.phase} map of this clip is already listed")
        rows[row.phase] = row
    if not clips:
        raise InputError(f"{table} lists no maps")
    for rows in clips.values():
        if "onset_apex" not in rows:
            raise InputError(f"{rows['apex_offset'].where}: the clip has no onset_apex map")
    return list(clips.values())


def _row(cells: Mapping[str, str], table: Path, where: str) -> _MapRow:
    cells = {name: cell.strip() for name, cell in cells.items()}
    for name in ("file", "subject", "clip", "label"):
        if not cells[name]:
            raise InputError(f"{where}: {name} is empty")
    phase = cells.get("phase") or PHASES[0]
    channels = cells.get("channels", "").lower()
    for name, cell, known in (("phase", phase, PHASES), ("channels", channels, CHANNELS)):
        if cell and cell not in known:
            raise InputError(f"{where}: {name} is {cell!r}; it must be {' or '.join(known)}")
    return _MapRow(
        where=where,
        subject=cells["subject"],
        clip=cells["clip"],
        label=cells["label"].lower(),
        action_units=parse_action_units(cells.get("action_units", "")),
        phase=phase,
        path=table.parent / cells["file"],
        channels=channels,
        stored=_stored_range(cells, where),
    )


def _stored_range(cells: Mapping[str, str], where: str) -> tuple[float, ...] | None:
    texts = [cells.get(name, "") for name in _RANGE]
    if not any(texts):
        return None
    try:
        numbers = tuple(float(text) for text in texts)
    except ValueError:
        raise InputError(f"{where}: {', '.join(_RANGE)} must be four numbers or empty") from None
    if not (np.isfinite(numbers).all() and numbers[0] <= numbers[1] and numbers[2] <= numbers[3]):
        raise InputError(f"{where}: the range {numbers} is not min to max")
    return numbers


def _planes(row: _MapRow) -> NDArray[np.float32] | NDArray[np.uint8]:
    """The map as stored, (2 or 3, S, S): u, v and perhaps strain."""
    path, where = row.path, row.where
    if not path.is_file():
        raise InputError(f"{where}: no file {path}")
    if path.suffix.lower() == ".png":
        picture = read_picture(path, cv2.IMREAD_UNCHANGED)
        if picture is None or picture.dtype != np.uint8 or picture.ndim != 3:
            raise InputError(f"{where}: {path} is not a PNG of three channels of 8 bits")
        if not row.channels:
            raise InputError(f"{where}: add a column channels that says rgb or bgr")
        array: NDArray[np.generic] = picture[..., :3]
        if row.channels == "rgb":
            array = array[..., ::-1]
    else:
        try:
            with path.open("rb") as file:
                array = np.load(file)
                if not isinstance(array, np.ndarray):  # an archive
                    array = array["flow"] if "flow" in array else np.stack([array["u"], array["v"]])
        except Exception as error:  # numpy's and zip's readers raise anything
            raise InputError(
                f"{where}: {path} is not a map ({error_line(error)}); expected .npy, .npz with "
                "flow or u and v, or .png"
            ) from error
    if array.ndim == 3 and array.shape[0] not in (2, 3):
        array = np.moveaxis(array, 2, 0)
    square = array.ndim == 3 and array.shape[1] == array.shape[2] >= 8
    if not square or array.shape[0] not in (2, 3):
        raise InputError(
            f"{where}: {path} is {array.shape}; expected a square map of 8 px or more, (2 or 3, "
            "S, S)"
        )
    if array.dtype == np.uint8:
        return np.asarray(array, np.uint8)
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        raise InputError(f"{where}: {path} must hold finite floats or bytes, it is {array.dtype}")
    return np.asarray(array, np.float32)


def _unit(row: _MapRow, planes: NDArray[np.float32] | NDArray[np.uint8]) -> Unit:
    return "px" if row.stored is not None or planes.dtype != np.uint8 else "relative"


def _flow(
    planes: NDArray[np.float32] | NDArray[np.uint8], stored: tuple[float, ...] | None
) -> ArrayF32:
    flow: ArrayF32 = planes[:2].astype(np.float32)
    if planes.dtype != np.uint8:
        return flow
    flow /= 255
    for i in range(2):
        if stored is None:
            flow[i] -= still_level(np.asarray(planes[i], np.uint8)) / 255
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
