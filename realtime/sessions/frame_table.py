"""The ledger of a session, read into columns: a day of recording has millions of frames."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from model.records import ArrayF64, Stamp
from realtime.results.value_checks import FURTHEST_MS, FURTHEST_S, MAX_WHOLE
from realtime.sessions.ledger import FATES, LEDGER_HEADER, LedgerLine, parse_line
from realtime.sessions.line_file import whole_lines

ArrayI32 = NDArray[np.int32]
ArrayI64 = NDArray[np.int64]
ArrayU8 = NDArray[np.uint8]

NO_PART = -1
NO_MS = -(2**62)
_CODES = {fate: code for code, fate in enumerate(FATES)}
_OF_CAPTURE = 4  # the fates before this one are of the capture, the others of the analysis
_NOT_ANALYSED = 255
_BLOCK_BYTES = 2**24
_NAMES = LEDGER_HEADER.split(",")
_TYPES = {
    **dict.fromkeys(("index", "part", "pts_ms", "count"), "int64"),
    **dict.fromkeys(("time_s", "received_s"), "float64"),
}


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """Columns of lines of the ledger, each (N,)."""

    indices: ArrayI64
    time_s: ArrayF64
    """NaN: unknown."""
    received_s: ArrayF64
    """NaN: unknown."""
    clocks: ArrayI32
    """Places in `words`."""
    part: ArrayI64
    """`NO_PART`: not in the video."""
    pts_ms: ArrayI64
    """`NO_MS`: not in the video."""
    fates: ArrayU8
    """Places in `FATES`."""
    causes: ArrayI32
    """Places in `words`."""
    counts: ArrayI64

    def columns(self) -> dict[str, Any]:
        """Return the columns of `_Lines` by name."""
        return {field.name: getattr(self, field.name) for field in fields(_Lines)}

    def take(self, rows: NDArray[Any]) -> Self:
        """Return the lines at these places, or those for which `rows` (N,) bool is true."""
        if rows.dtype == np.bool_ and rows.all():
            return self  # of a day, each column has 40 MB
        names = [field.name for field in fields(self) if field.name != "words"]
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


@dataclass(frozen=True, slots=True, eq=False)
class FrameTable(_Lines, Sequence[LedgerLine]):
    """A line per frame, with its analysis, in order of the index. Its items are made when they are
    asked for; whoever looks at all of them takes the columns, each (N,)."""

    analyses: ArrayU8
    """Places in `FATES`; another number: there is no line of the analysis."""
    words: tuple[str, ...]
    """Clocks and causes."""

    @property
    def recorded(self) -> NDArray[np.bool_]:
        """(N,) bool: whether the frame is in the video."""
        return np.asarray(self.fates == _CODES["recorded"])

    @property
    def redacted(self) -> NDArray[np.bool_]:
        """(N,) bool: whether the frame was deleted on request."""
        return np.asarray(self.fates == _CODES["redacted"])

    @property
    def analysed(self) -> NDArray[np.bool_]:
        """(N,) bool: whether the frame was analysed live, in time or late."""
        return np.asarray(self.analyses == _CODES["analysed"]) | self.late

    @property
    def late(self) -> NDArray[np.bool_]:
        """(N,) bool: whether the frame was analysed late."""
        return np.asarray(self.analyses == _CODES["late"])

    def having_clock(self, names: Iterable[str]) -> NDArray[np.bool_]:
        """(N,) bool: whether the frame's time comes from one of the clocks `names`."""
        known = [place for place, word in enumerate(self.words) if word in set(names)]
        return np.isin(self.clocks, known)

    def why(self, place: int) -> str:
        """Return the cause of the frame at `place`, or its fate if it has none."""
        return self.words[int(self.causes[place])] or FATES[int(self.fates[place])]

    def stamp(self, place: int) -> Stamp:
        """Return the stamp of the frame at `place`, whose time is known."""
        return Stamp(int(self.indices[place]), float(self.time_s[place]))

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, place: int) -> LedgerLine: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[LedgerLine, ...]: ...
    def __getitem__(self, place: int | slice) -> LedgerLine | tuple[LedgerLine, ...]:
        if isinstance(place, slice):
            return tuple(self[one] for one in range(*place.indices(len(self))))
        time_s, received_s = float(self.time_s[place]), float(self.received_s[place])
        part, pts_ms, analysis = self.part[place], self.pts_ms[place], self.analyses[place]
        return LedgerLine(
            index=int(self.indices[place]),
            fate=FATES[self.fates[place]],
            time_s=None if np.isnan(time_s) else time_s,
            received_s=None if np.isnan(received_s) else received_s,
            clock=self.words[self.clocks[place]],
            part=None if part == NO_PART else int(part),
            pts_ms=None if pts_ms == NO_MS else int(pts_ms),
            cause=self.words[self.causes[place]],
            count=int(self.counts[place]),
            analysis="" if analysis == _NOT_ANALYSED else FATES[analysis],
        )


def count_fates(frames: FrameTable) -> dict[str, int]:
    """Return the number of lines by what happened to the frame: `recorded`, `dropped`,
    `redacted`."""
    return {
        fate: int(np.count_nonzero(frames.fates == _CODES[fate]))
        for fate in ("recorded", "dropped", "redacted")
    }


class Places:
    """Finds frames by their part and time in the video."""

    def __init__(self, frames: FrameTable) -> None:
        """`frames`: of the video, all of them."""
        self._keys = _place_keys(frames.part, frames.pts_ms)
        self._order = np.argsort(self._keys, kind="stable")
        self._keys = self._keys[self._order]

    def find(self, part: int, pts_ms: int) -> int | None:
        """Return the place in the table of the frame that is there; None if there is none. Of
        several it is the last."""
        key = _place_keys(np.int64(part), np.int64(pts_ms))
        after = int(np.searchsorted(self._keys, key, "right"))
        found = after and self._keys[after - 1] == key
        return int(self._order[after - 1]) if found else None


def _place_keys(part: Any, pts_ms: Any) -> Any:
    return part * (2 * FURTHEST_MS + 1) + pts_ms


def read_ledger(path: Path) -> FrameTable:
    """Read the ledger in `path`; empty if there is no such file. Damaged lines are left out. Of two
    lines about the capture of a frame, or two about its analysis, the later one counts."""
    words: dict[str, int] = {"": 0}
    captures: list[_Lines] = [_as_lines([], words)]
    analyses: list[tuple[ArrayI64, ArrayU8]] = []
    for block in whole_lines(path, _BLOCK_BYTES):
        lines = _parse_fast(block, words)
        if lines is None:
            lines = _as_lines(filter(None, map(parse_line, _texts(block))), words)
        of_capture = lines.fates < _OF_CAPTURE
        captures.append(lines.take(of_capture))
        analyses.append((lines.indices[~of_capture], lines.fates[~of_capture]))
    parts = [lines.columns() for lines in captures]
    capture = _Lines(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    capture = capture.take(_last_of_each(capture.indices))
    analysis = np.full(len(capture.indices), _NOT_ANALYSED, np.uint8)
    for indices, fates in analyses:
        place = np.searchsorted(capture.indices, indices)
        known = place < len(capture.indices)
        known[known] = capture.indices[place[known]] == indices[known]
        last = _last_of_each(indices[known])
        analysis[place[known][last]] = fates[known][last]
    return FrameTable(**capture.columns(), analyses=analysis, words=tuple(words))


def _last_of_each(indices: ArrayI64) -> NDArray[np.intp]:
    """Return the places of the last line of each index, in order of the index."""
    order = np.argsort(indices, kind="stable")  # of sorted numbers it takes no time
    ordered = indices[order]
    return order[np.append(ordered[1:] != ordered[:-1], True)] if len(order) else order


def _parse_fast(block: bytes, words: dict[str, int]) -> _Lines | None:
    """Return the lines of a part of a ledger; None if one of them is damaged, or looks different
    from what `LedgerLine.text` writes."""
    import pyarrow as pa  # takes 50 ms and more, and a live run does not need it
    import pyarrow.csv as pacsv

    header = f"{LEDGER_HEADER}\n".encode()
    block = block.removeprefix(header)
    if not block.strip(b"\n"):
        return _as_lines([], words)
    if any(odd in block for odd in (b"\r", b"0x", b"0X", header)):
        return None
    text = pa.dictionary(pa.int32(), pa.string())
    types = {name: getattr(pa, _TYPES[name])() if name in _TYPES else text for name in _NAMES}
    try:
        table = pacsv.read_csv(
            pa.BufferReader(block),
            pacsv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=_NAMES),
            pacsv.ParseOptions(quote_char=False),
            pacsv.ConvertOptions(column_types=types, null_values=[""]),
        ).combine_chunks()
    except pa.ArrowInvalid:
        return None

    def whole(name: str, missing: int) -> ArrayI64:
        return np.asarray(table[name].fill_null(missing).to_numpy(), np.int64)

    def codes(name: str) -> ArrayI32:
        column = table[name].chunk(0)
        known = [words.setdefault(word, len(words)) for word in column.dictionary.to_pylist()]
        return np.asarray(np.array(known, np.int32)[column.indices.to_numpy()])

    fate = table["fate"].chunk(0)
    named = [_CODES.get(word, _NOT_ANALYSED) for word in fate.dictionary.to_pylist()]
    lines = _Lines(
        indices=whole("index", -1),
        time_s=table["time_s"].to_numpy().astype(np.float64),
        received_s=table["received_s"].to_numpy().astype(np.float64),
        clocks=codes("clock"),
        part=whole("part", NO_PART),
        pts_ms=whole("pts_ms", NO_MS),
        fates=np.array(named, np.uint8)[fate.indices.to_numpy()],
        causes=codes("cause"),
        counts=whole("count", 0),
    )
    given = {name: len(lines.indices) - table[name].null_count for name in ("time_s", "received_s")}
    return lines if _is_sound(lines, given) else None


def _is_sound(lines: _Lines, given: dict[str, int]) -> bool:
    """Return whether `parse_line` would take every line. `given`: how many times are not empty."""
    for name in ("time_s", "received_s"):
        times_s = getattr(lines, name)
        if np.count_nonzero(np.abs(times_s) <= FURTHEST_S) != given[name]:
            return False  # one is no number, or too far away
    placed = ~np.isnan(lines.time_s) & (lines.part != NO_PART) & (lines.pts_ms != NO_MS)
    recorded = lines.fates == _CODES["recorded"]
    far = np.abs(lines.pts_ms) > FURTHEST_MS
    return not (
        np.any(lines.fates == _NOT_ANALYSED)
        or np.any(recorded & ~placed)
        or np.any((lines.indices < 0) | (lines.indices > MAX_WHOLE))
        or np.any((lines.counts < 1) | (lines.counts > MAX_WHOLE))
        or np.any(((lines.part < 1) & (lines.part != NO_PART)) | (lines.part > MAX_WHOLE))
        or np.any(far & (lines.pts_ms != NO_MS))
    )


def _texts(block: bytes) -> Iterator[str]:
    for line in block.split(b"\n"):
        yield line.decode("utf-8", "replace")


def _as_lines(lines: Iterable[LedgerLine], words: dict[str, int]) -> _Lines:
    rows = [
        (
            line.index,
            np.nan if line.time_s is None else line.time_s,
            np.nan if line.received_s is None else line.received_s,
            words.setdefault(line.clock, len(words)),
            NO_PART if line.part is None else line.part,
            NO_MS if line.pts_ms is None else line.pts_ms,
            _CODES[line.fate],
            words.setdefault(line.cause, len(words)),
            line.count,
        )
        for line in lines
    ]
    types = (
        *(np.int64, np.float64, np.float64, np.int32),
        *(np.int64, np.int64, np.uint8, np.int32, np.int64),
    )
    columns = zip(*rows, strict=True) if rows else 9 * [()]
    return _Lines(*(np.array(c, t) for c, t in zip(columns, types, strict=True)))
