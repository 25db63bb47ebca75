"""Lanes: the motion of the face's parts over a whole session, for a timeline.

A lane combines the regions of one part of the face. Its value is that of the region with the
highest strength over threshold (1 is the threshold).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from model.errors import InputError, error_line
from model.records import ArrayF32, ArrayF64
from realtime.sessions.folder import SessionFolder
from realtime.sessions.line_file import whole_lines
from realtime.spotting.motion import REGIONS

LANES = ("Brows", "Eyes", "Nose", "Mouth")
_BLOCK_BYTES = 2**24  # read at a time: the table of a day has gigabytes
_GROUPS = {"brow": "Brows", "lid": "Eyes", "nose": "Nose", "cheek": "Nose"}


def find_lane(region: str) -> str:
    """Return the lane of a region of `realtime.spotting.motion.REGIONS`."""
    return _GROUPS.get(region.split("_")[0], LANES[-1])


@dataclass(frozen=True, slots=True)
class MotionLanes:
    """The motion table, by lane."""

    times_s: ArrayF64
    """(N,) float64: time of each analysed frame, on the source's clock, increasing."""
    over: ArrayF32
    """(N, L) float32: strength over threshold by lane of `LANES`; 0 while silenced, NaN without
    a face."""

    @property
    def with_face(self) -> NDArray[np.bool_]:
        """(N,) bool: whether a face was found."""
        return np.asarray(~np.isnan(self.over[:, 0]))

    def bin_peaks(self, start_s: float, end_s: float, bins: int) -> list[list[float | None]]:
        """Return the greatest value of each lane in each of `bins` equal parts of the span: (L,
        bins); None for a part without values."""
        first, last = np.searchsorted(self.times_s, [start_s, end_s])
        where = (self.times_s[first:last] - start_s) / max(end_s - start_s, 1e-9) * bins
        which = np.clip(where.astype(np.int64), 0, bins - 1)
        most = np.full((bins, len(LANES)), -np.inf, np.float32)
        np.fmax.at(most, which, self.over[first:last])
        return [
            [round(float(value), 3) if np.isfinite(value) else None for value in lane]
            for lane in most.T
        ]


def read_motion(folder: SessionFolder) -> MotionLanes:
    """Read the motion table of a session; empty if nothing was analysed. Raises `InputError` if it
    is damaged."""
    return read_motion_csv(folder.motion)


def read_motion_csv(path: Path) -> MotionLanes:
    """Read the motion table in the CSV file `path`, see `read_motion`."""
    times_s, over = [np.empty(0)], [np.empty((0, len(LANES)), np.float32)]
    header, read = b"", 0
    try:
        for block in whole_lines(path, _BLOCK_BYTES):
            read += len(block)
            header = header or block[: block.find(b"\n") + 1]
            rows = block.removeprefix(header)
            if rows:
                table = _read_rows(header + rows)
                times_s.append(table["time_s"].to_numpy().astype(np.float64))
                over.append(_join_lanes(table))
        if path.exists() and path.stat().st_size > read:
            raise pa.ArrowInvalid("its last line is cut off")
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path} is damaged ({error_line(error)}): move it away, and the page shows "
            "all but the motion"
        ) from None
    return MotionLanes(np.concatenate(times_s), np.concatenate(over))


def _read_rows(text: bytes) -> "pa.Table":
    columns = [f"{name}_{what}_px" for name in REGIONS for what in ("strength", "threshold")]
    convert = pacsv.ConvertOptions(
        include_columns=["time_s", *columns],
        column_types=dict.fromkeys(["time_s", *columns], "float64"),
    )
    return pacsv.read_csv(pa.BufferReader(text), convert_options=convert)


def _join_lanes(table: "pa.Table") -> ArrayF32:
    over = np.full((table.num_rows, len(LANES)), np.nan, np.float32)
    for name in REGIONS:
        strength = table[f"{name}_strength_px"].to_numpy()
        ratio = (strength / table[f"{name}_threshold_px"].to_numpy()).astype(np.float32)
        lane = LANES.index(find_lane(name))
        over[:, lane] = np.fmax(over[:, lane], ratio)
    return over
