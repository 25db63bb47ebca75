"""Redaction: a span of a session deleted from its video and its tables.

Deleted, not overwritten: on a disk that keeps old blocks, and in backups, traces may remain.
"""

import math

from realtime.session import lines
from realtime.session.cut import copy_without
from realtime.session.edits import parse_edit
from realtime.session.events import parse_event, within
from realtime.session.folder import SessionFolder
from realtime.session.ledger import HEADER, FrameRecord, Line, fold, parse_line
from realtime.session.markers import parse_marker

REDACTED = "redacted on request"
ROUNDED_MS = 1
"""Times in a video are rounded to this."""
SOUND_BEFORE_S = 5.0
"""Sound that came late lies in a part that began after it; never by so much."""


def redact(folder: SessionFolder, start_s: float, end_s: float) -> int:
    """Delete what was recorded from `start_s` to `end_s` (the source's clock, both included) and
    return how many frames the ledger then names as redacted.

    Of the frames only their numbers stay, of the sound, the events, the motion and the markers in
    the span nothing. Nothing else may have the files open. Done again, it changes nothing.
    """
    records = fold(filter(None, map(parse_line, lines.read_lines(folder.frames))))
    chosen = [r for r in records if r.time_s is not None and start_s <= r.time_s <= end_s]
    spans: dict[int, set[int]] = {}
    for record in chosen:
        if record.part is not None and record.pts_ms is not None:
            spans.setdefault(record.part, set()).add(record.pts_ms)
    zero_s = float(folder.read_document().get("zero_s", 0.0))
    last_s = max((r.time_s for r in records if r.time_s is not None), default=end_s)
    # What is heard after the last picture belongs to it.
    start_ms, end_ms = 1000 * (start_s - zero_s), 1000 * (end_s - zero_s)
    end_ms = math.inf if end_s >= last_s else end_ms

    def silence(begin: float, end: float) -> bool:
        return begin - ROUNDED_MS <= end_ms and end + ROUNDED_MS >= start_ms

    gone = set()
    for part in sorted(spans.keys() | _parts_with_sound(folder, records, start_s, end_s)):
        times = spans.get(part, set())
        gone |= {(part, ms) for ms in copy_without(folder.video(part), times.__contains__, silence)}
    indices = {record.index for record in chosen}
    indices |= {record.index for record in records if (record.part, record.pts_ms) in gone}
    if indices:
        _rewrite_ledger(folder, records, indices)
        lines.keep_lines(folder.motion, lambda row: _index(row) not in indices, header=True)
    lines.keep_lines(folder.events, lambda line: _event_stays(line, start_s, end_s))
    lines.keep_lines(folder.markers, lambda line: _marker_stays(line, start_s, end_s))
    for coder in folder.coders():
        lines.keep_lines(folder.edits(coder), lambda line: _edit_stays(line, start_s, end_s))
    return len(indices)


def _parts_with_sound(
    folder: SessionFolder, records: list[FrameRecord], start_s: float, end_s: float
) -> set[int]:
    """The parts whose sound may reach into the span: it goes on where pictures are missing, up to
    the next part, and may begin a little before them."""
    if not folder.sound.exists():
        return set()
    begins: dict[int, float] = {}
    for record in records:
        if record.part is not None and record.time_s is not None:
            begins.setdefault(record.part, record.time_s)
    ends = [*begins.values(), float("inf")][1:]
    return {
        part
        for (part, begin_s), until_s in zip(begins.items(), ends, strict=True)
        if begin_s - SOUND_BEFORE_S <= end_s and until_s >= start_s and folder.video(part).exists()
    }


def _rewrite_ledger(folder: SessionFolder, records: list[FrameRecord], indices: set[int]) -> None:
    kept = [
        line
        for line in filter(None, map(parse_line, lines.read_lines(folder.frames)))
        if line.index not in indices
    ]
    kept += [
        Line(record.index, "redacted", cause=REDACTED, count=record.count)
        for record in records
        if record.index in indices
    ]
    lines.replace_text(folder.frames, [HEADER, *(line.text() for line in kept)])


def _index(row: str) -> int | None:
    first = row.partition(",")[0]
    return int(first) if first.isdecimal() else None


def _event_stays(line: str, start_s: float, end_s: float) -> bool:
    event = parse_event(line)
    return event is not None and not within(event, start_s, end_s)


def _marker_stays(line: str, start_s: float, end_s: float) -> bool:
    marker = parse_marker(line)
    return marker is not None and (marker.kind == "redact" or not start_s <= marker.time_s <= end_s)


def _edit_stays(line: str, start_s: float, end_s: float) -> bool:
    edit = parse_edit(line)
    return edit is not None and not (edit.onset.time_s <= end_s and edit.offset.time_s >= start_s)
