"""Recovery: repairs a recording that was cut off."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from realtime.results.event_lines import parse_event
from realtime.sessions import line_file as lines
from realtime.sessions.coder_edits import parse_edit, parse_step
from realtime.sessions.folder import SessionFolder, delete_files
from realtime.sessions.ledger import FROM_VIDEO, LEDGER_HEADER, LOST_AT_CUT, LedgerLine, parse_line
from realtime.sessions.markers import parse_marker
from realtime.sessions.reader import UNFINISHED
from realtime.sessions.redact import redact, update_counts
from realtime.sessions.video_cut import repair_video


@dataclass(frozen=True, slots=True)
class Recovery:
    """The numbers of what a recovery found and did."""

    frames: int
    """Frames now in the video, each with its line in the ledger."""
    lost: int
    """Frames with a line in the ledger but no picture in the video."""
    unlisted: int
    """Pictures that had no line in the ledger; they have one now."""
    redactions: int
    """Spans that still had to be deleted."""


def recover(folder: SessionFolder) -> Recovery:
    """Repair `folder`: cut off torn ends, give the video its index, finish redactions, and make
    ledger and video agree, so that every picture has exactly one line. A second run changes
    nothing. Do not call it while the session is recorded. Raises `InputError` if it is no session.
    """
    document = folder.read_document()
    delete_files(folder.path.glob("*.partial"))
    pictures = {(part, ms) for part in folder.parts() for ms in repair_video(folder.video(part))}
    lost, unlisted = _agree(folder, pictures)
    _drop_damaged(folder)
    spans = [
        marker
        for marker in filter(None, map(parse_marker, lines.read_lines(folder.markers)))
        if marker.kind == "redact"
    ]
    redacted = [redact(folder, *marker.span) for marker in spans]
    done = Recovery(
        frames=len(pictures) - sum(frames.recorded for frames in redacted),
        lost=lost,
        unlisted=unlisted,
        redactions=sum(any(frames) for frames in redacted),
    )
    if document["state"] in UNFINISHED or lost or unlisted:
        document["state"] = "recovered"
        document["recovered"] = asdict(done)
        folder.write_document(document)
    update_counts(folder)
    return done


def _agree(folder: SessionFolder, pictures: set[tuple[int, int]]) -> tuple[int, int]:
    """Make the ledger agree with the video. Return the number of lost frames, and the number of
    pictures that had no line."""
    kept: list[LedgerLine] = []
    listed: set[tuple[int, int]] = set()
    lost = 0
    for line in filter(None, map(parse_line, lines.read_lines(folder.frames))):
        if line.fate == "recorded":
            place = (line.part or 0, -1 if line.pts_ms is None else line.pts_ms)
            if place not in pictures or place in listed:
                lost += 1
                line = replace(line, fate="dropped", part=None, pts_ms=None, cause=LOST_AT_CUT)
            listed.add(place)
        kept.append(line)
    unlisted = sorted(pictures - listed, key=lambda place: place[1])
    kept += _lines_of(kept, unlisted)
    lines.replace_text(folder.frames, [LEDGER_HEADER, *(line.text() for line in kept)])
    return lost, len(unlisted)


def _lines_of(known: list[LedgerLine], unlisted: list[tuple[int, int]]) -> list[LedgerLine]:
    """Return lines for pictures that have none: a power cut may take the end of the ledger and not
    that of the video. Their times are the video's, in whole milliseconds."""
    zero_s = next(
        (
            line.time_s - line.pts_ms / 1000
            for line in known
            if line.time_s is not None and line.pts_ms is not None
        ),
        0.0,
    )
    first = max((line.index + line.count for line in known), default=0)
    return [
        LedgerLine(
            index=first + n,
            fate="recorded",
            time_s=zero_s + ms / 1000,
            part=part,
            pts_ms=ms,
            cause=FROM_VIDEO,
        )
        for n, (part, ms) in enumerate(unlisted)
    ]


def _drop_damaged(folder: SessionFolder) -> None:
    """Remove damaged lines from the other tables."""
    lines.keep_lines(folder.events, lambda line: parse_event(line) is not None)
    lines.keep_lines(folder.markers, lambda line: parse_marker(line) is not None)
    for coder in folder.coders():
        lines.keep_lines(folder.edits(coder), _is_coders)
    for table in (folder.motion, folder.sound):
        _drop_torn_rows(table)


def _drop_torn_rows(table: Path) -> None:
    commas = next(lines.read_lines(table), "").count(",")
    lines.keep_lines(table, lambda row: row.count(",") == commas)


def _is_coders(line: str) -> bool:
    return parse_edit(line) is not None or parse_step(line) is not None
