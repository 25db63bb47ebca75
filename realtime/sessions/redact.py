"""Redaction: deletes a span of a session from its video and its tables.

Lines of the ledger and of the motion table are overwritten where they are. All else is deleted,
not overwritten. Traces may remain in backups and on a disk that keeps old blocks.
"""

import math
import time
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from model.errors import InputError
from realtime.results.event_lines import overlaps, parse_event
from realtime.results.value_checks import as_seconds
from realtime.sessions import line_file as lines
from realtime.sessions.clock_anchors import format_utc
from realtime.sessions.coder_edits import (
    CoderStep,
    format_step,
    parse_edit,
    parse_step,
    read_history,
)
from realtime.sessions.folder import SessionFolder, delete_files
from realtime.sessions.frame_table import count_fates, read_ledger
from realtime.sessions.ledger import REDACTED, LedgerLine
from realtime.sessions.markers import Marker, format_marker, parse_marker
from realtime.sessions.reader import open_session
from realtime.sessions.video_cut import copy_without
from realtime.stream.clock import monotonic_s

ROUNDED_MS = 1
"""Times in a video are rounded to this."""
SOUND_BEFORE_S = 5.0
"""Late sound may be in a part that began after it, but less than this after."""


class RedactedFrames(NamedTuple):
    """How many frames a redaction deleted."""

    recorded: int
    """Those that were in the video."""
    dropped: int
    """Those of which only the ledger knew."""


class TableSizes(NamedTuple):
    """Bytes that the tables had at a moment of the recording."""

    frames: int
    motion: int


NOTHING = TableSizes(0, 0)
"""At the beginning."""


def redact(
    folder: SessionFolder, start_s: float, end_s: float, since: TableSizes = NOTHING
) -> RedactedFrames:
    """Delete what was recorded from `start_s` to `end_s` (the source's clock, both included).
    Return how many frames are newly redacted. The tables say nothing of the span before `since`:
    a recorder that waits need not search a whole day.

    Only the numbers of the frames are kept; nothing is kept of sound, events, motion and markers in
    the span. No other program may have the files open. A second run changes nothing. Raises
    `InputError`, before anything is deleted, if the ledger is damaged.
    """
    found = _search(folder, start_s, end_s, since.frames)
    zero_s = float(folder.read_document().get("zero_s", 0.0))
    # If the last picture goes, the sound after it goes too.
    start_ms, end_ms = 1000 * (start_s - zero_s), 1000 * (end_s - zero_s)
    end_ms = math.inf if end_s >= found.last_s else end_ms

    def silence(begin: float, end: float) -> bool:
        return begin - ROUNDED_MS <= end_ms and end + ROUNDED_MS >= start_ms

    gone: set[tuple[str, str]] = set()
    for part in sorted(found.places.keys() | _parts_with_sound(folder, found, start_s, end_s)):
        times = found.places.get(part, set())
        gone_ms = copy_without(folder.video(part), times.__contains__, silence)
        gone |= {(str(part), str(ms)) for ms in gone_ms - times}
    indices = found.indices | _frames_at(folder, gone, since.frames)
    if indices:
        numbers = sorted(map(int, indices))
        redacted = [LedgerLine(n, "redacted", cause=REDACTED).text() for n in numbers]
        lines.append_lines(folder.frames, redacted)
        new = frozenset(redacted)
        lines.blank_lines(
            folder.frames, lambda row: _index(row) not in indices or row in new, since.frames
        )
        lines.blank_lines(folder.motion, lambda row: _index(row) not in indices, since.motion)
    lines.keep_lines(folder.events, lambda line: _event_stays(line, start_s, end_s))
    lines.keep_lines(folder.markers, lambda line: _marker_stays(line, start_s, end_s))
    for coder in folder.coders():
        _redact_edits(folder, coder, start_s, end_s)
    recorded = sum(map(len, found.places.values())) + len(indices - found.indices)
    return RedactedFrames(recorded, len(indices) - recorded)


def redact_marked(folder: SessionFolder, marker: Marker) -> RedactedFrames:
    """Write the line of `marker`, then `redact` its span: if the program ends midway, `recover`
    finishes the work. After a failure, no partial copy of the data is left."""
    line = format_marker(marker)
    try:
        # Rewrite instead of appending: a failed recording may have left half a line.
        others = (other for other in lines.read_lines(folder.markers) if other != line)
        lines.replace_text(folder.markers, chain(others, [line]))
        return redact(folder, *marker.span)
    finally:
        delete_files(folder.path.glob("*.partial"))


@dataclass(frozen=True, slots=True)
class _LedgerSpan:
    """What the ledger says about a span. An hour has half a million lines, and the recorder may be
    waiting, so `_search` parses only the cells it needs."""

    indices: set[str]
    """Numbers of the frames in the span."""
    places: dict[int, set[int]]
    """Times of these frames in the video: ms by part."""
    begins: dict[int, float]
    """Time of the first picture of each part."""
    last_s: float
    """Time of the last frame, in the span or not."""


def _search(folder: SessionFolder, start_s: float, end_s: float, since: int) -> _LedgerSpan:
    indices: set[str] = set()
    places: dict[int, set[int]] = {}
    begins: dict[int, float] = {}
    last_s = -math.inf
    for row in lines.read_lines(folder.frames, since):
        cells = row.split(",", 6)
        if len(cells) < 7 or not cells[1] or not cells[0].isdecimal():
            continue  # an analysis, or a line without a time
        index, time, _, _, part, ms, _ = cells
        try:
            int(index)
            number, time_s = int(part or 0), as_seconds(float(time))
            last_s = max(last_s, time_s)
            if part:
                begins.setdefault(number, time_s)
            if start_s <= time_s <= end_s:
                indices.add(index)
                if part and ms:
                    places.setdefault(number, set()).add(int(ms))
        except ValueError:
            # If the line were skipped, its picture would stay.
            raise InputError(
                f"{folder.frames} is damaged ({row[:80]}): first repair the session with "
                f"fmanet session recover {folder.path}"
            ) from None
    return _LedgerSpan(indices, places, begins, last_s)


def _parts_with_sound(
    folder: SessionFolder, found: _LedgerSpan, start_s: float, end_s: float
) -> set[int]:
    """Return the parts whose sound may reach into the span: sound may begin a little before a
    part's pictures and go on after them, until the next part."""
    if not folder.sound.exists():
        return set()
    ends = [*found.begins.values(), math.inf][1:]
    return {
        part
        for (part, begin_s), until_s in zip(found.begins.items(), ends, strict=True)
        if begin_s - SOUND_BEFORE_S <= end_s and until_s >= start_s and folder.video(part).exists()
    }


def _frames_at(folder: SessionFolder, places: set[tuple[str, str]], since: int) -> set[str]:
    """Return the numbers of the frames at these places (part and ms) in the video."""
    if not places:
        return set()
    rows = (row.split(",", 6) for row in lines.read_lines(folder.frames, since))
    return {cells[0] for cells in rows if tuple(cells[4:6]) in places}


def _index(row: str) -> str:
    return row.partition(",")[0]


def _event_stays(line: str, start_s: float, end_s: float) -> bool:
    event = parse_event(line)
    return event is not None and not overlaps(event, start_s, end_s)


def _marker_stays(line: str, start_s: float, end_s: float) -> bool:
    marker = parse_marker(line)
    return marker is not None and (marker.kind == "redact" or not start_s <= marker.time_s <= end_s)


def _redact_edits(folder: SessionFolder, coder: str, start_s: float, end_s: float) -> None:
    """Delete the edits in the span. Whoever saw what the program found does not become blind again
    when the only edit that tells goes: a step that says so takes its place."""
    before = list(lines.read_lines(folder.edits(coder)))
    kept = [line for line in before if _edit_stays(line, start_s, end_s)]
    if read_history(before).sees_program and not read_history(kept).sees_program:
        seen = next(edit for edit in map(parse_edit, before) if edit and not edit.blind)
        kept.append(format_step(CoderStep(coder, seen.utc, "done")))
    lines.replace_text(folder.edits(coder), kept)


def _edit_stays(line: str, start_s: float, end_s: float) -> bool:
    edit = parse_edit(line)
    if edit is None:
        return parse_step(line) is not None  # says nothing of the face
    return not (edit.onset.time_s <= end_s and edit.offset.time_s >= start_s)


def redact_span(path: Path, start: float, end: float) -> int:
    """Delete from `start` to `end`, in seconds of the video; return the number of deleted frames.
    Raises `InputError` if the span is empty or the session needs a recovery."""
    if not start < end:
        raise InputError(f"--from {start:g} --to {end:g}: the end must come after the start")
    session = open_session(path)
    times_s = session.frames.time_s[~np.isnan(session.frames.time_s)]
    last_s = float(times_s.max()) if len(times_s) else 0.0
    start_s, end_s = max(0.0, start) + session.zero_s, min(end + session.zero_s, last_s)
    marker = Marker("redact", "", "", start_s, monotonic_s(), format_utc(time.time()), end_s)
    frames = redact_marked(session.folder, marker)
    update_counts(session.folder)
    return sum(frames)


def update_counts(folder: SessionFolder) -> None:
    """Count in `session.json` what the ledger has."""
    frames = count_fates(read_ledger(folder.frames))
    document = folder.read_document()
    if document.get("frames") != frames:
        document["frames"] = frames
        folder.write_document(document)
