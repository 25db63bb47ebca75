"""The report of a session: one HTML file that needs nothing from outside; PDF by printing it."""

import base64
from collections.abc import Iterable, Iterator
from contextlib import closing
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from model.errors import InputError
from model.records import Event, ImageU8
from realtime.results.replay import open_replay
from realtime.results.run_summary import check_new
from realtime.review.coding import as_coded
from realtime.review.methods import methods
from realtime.review.motion_lanes import read_motion
from realtime.review.pictures import Pictures
from realtime.review.quality import Quality, measure
from realtime.review.rates import Rate, rates
from realtime.review.sound import sound_of
from realtime.review.timeline import timeline
from realtime.sessions.export_rows import event_rows, marker_rows
from realtime.sessions.exported_copies import note_copies
from realtime.sessions.reader import Session, open_session

THUMB_PX = 96
JPEG_QUALITY = 85
BETWEEN = 12
NO_VOICE = '<p class="quiet">How loud it was, not what was said: a voice tells who speaks.</p>'

_STYLE = """
:root { color-scheme: light; --line: #e2e8f0; --quiet: #64748b; }
* { box-sizing: border-box; }
body { font: 14px/1.5 system-ui, sans-serif; color: #0f172a; max-width: 1000px; margin: 32px auto;
  padding: 0 20px; font-variant-numeric: tabular-nums; }
h1 { font-size: 24px; margin: 0 0 2px; } h2 { font-size: 16px; margin: 32px 0 8px; }
p { margin: 4px 0; } .quiet { color: var(--quiet); }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { font-weight: 600; } td small { color: var(--quiet); display: block; white-space: nowrap; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr));
  gap: 10px 24px; }
.facts dt { color: var(--quiet); font-size: 12px; } .facts dd { margin: 0; font-weight: 500; }
.warn { color: #b45309; } svg { width: 100%; font: 11px system-ui, sans-serif; fill: #0f172a; }
svg .motion { fill: none; stroke: #0f172a; stroke-width: 1; stroke-linejoin: round; }
svg .base { stroke: var(--line); } svg .over { stroke: var(--quiet); stroke-dasharray: 2 4; }
svg .mark { stroke: var(--quiet); } svg .asked { fill: #0d9488; opacity: 0.16; }
svg .gap { fill: #94a3b8; opacity: 0.4; } svg .loud { fill: var(--quiet); }
.shots img { width: 64px; height: 64px; border-radius: 6px; margin-right: 4px; }
.methods { border-left: 3px solid #0d9488; padding-left: 14px; }
@media print { body { margin: 0; max-width: none; } tr, svg, .methods { break-inside: avoid; } }
"""


def report(session: Session) -> str:
    """The HTML of a report of `session`, which may be a reviewed one.

    Pictures of the face are in it only if the consent that was recorded covers them. Sound never
    is, whatever the consent: a voice tells who speaks, and what was said is not in the tables.
    """
    motion, sound = read_motion(session.folder), sound_of(session)
    quality = measure(session, motion, sound)
    document = session.document
    consent = document["consent"]
    body = [
        f"<h1>Session of {escape(session.participant)}</h1>",
        f'<p class="quiet">{escape(_subtitle(session))}</p>',
        _section("Quality of the recording", _facts(quality_facts(session, quality))),
        *(f'<p class="warn">{escape(text)}</p>' for text in document["warnings"]),
        _section("Timeline", timeline(session, motion, sound) + (NO_VOICE if sound else "")),
        _section("How often", _rates(rates(session))),
        _section("Expressions", _events(session, bool(consent and consent.get("pictures")))),
        _section("Markers", _markers(session)),
        _section("Methods", f'<p class="methods">{escape(methods(session, quality))}</p>'),
    ]
    name = f"Session of {session.participant}, {document['started_utc'][:10]}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(name)}</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def quality_facts(session: Session, quality: Quality) -> list[tuple[str, str]]:
    """Return what a reader wants to know about a recording, as names and values."""
    document = session.document
    median, low, high = quality.interval_ms
    lost = ", ".join(f"{count} {cause}" for cause, count in quality.lost.items())
    consent = document["consent"]
    pictures = " (pictures in reports allowed)" if consent and consent.get("pictures") else ""
    heard = document["video"].get("audio")
    missing = ", ".join(f"{s:.1f} s {why}" for why, s in (quality.silent_s or {}).items())
    return [
        ("Length", f"{quality.seconds:.1f} s"),
        ("Frames recorded", f"{quality.recorded}"),
        ("Not in the video", _share(lost, quality.lost_share)),
        ("Rate", f"{quality.fps:.2f} frames per second"),
        ("Interval", f"{median:.2f} ms; 5th to 95th percentile {low:.2f} to {high:.2f} ms"),
        ("Longest gap", f"{1e3 * quality.longest_gap_s:.0f} ms"),
        ("Analysed", f"{quality.analysed}, {quality.late} of them late"),
        ("Face in view", f"{quality.face_share:.1%} of the analysed frames"),
        ("Capture times", str(document["camera"]["clock"])),
        ("Video", f"{document['video']['encoder']}, {document['camera']['description']}"),
        ("Sound", f"{heard['microphone']}, {heard['hz']} Hz" if heard else "not recorded"),
        *([("Missing of the sound", _share(missing, quality.silent_share))] if heard else []),
        ("Consent", consent["scope"] + pictures if consent else "not recorded"),
        ("Ended", f"{document['ended']} {document['failure']}".strip()),
    ]


def _share(what: str, share: float) -> str:
    return f"{what} ({share:.2%})" if what else "none"


def _subtitle(session: Session) -> str:
    document = session.document
    words = [document["protocol"]["name"], document["started_utc"][:19].replace("T", " ") + " UTC"]
    words.append(f"reviewed by {session.coder}" if session.coder else "as the program found it")
    return " · ".join(word for word in words if word)


def _section(title: str, content: str) -> str:
    return f"<h2>{title}</h2>\n{content}" if content else ""


def _facts(pairs: Iterable[tuple[str, str]]) -> str:
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs
    )
    return f'<dl class="facts">{items}</dl>'


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table; cells must be HTML already."""
    lines = ["".join(f"<th>{cell}</th>" for cell in head)]
    lines += ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _rates(found: dict[str, dict[str, Rate]]) -> str:
    groups = next(iter(found.values()))
    head = ["", "Length", *(escape(group) for group in groups)]
    rows = []
    for name, counted in found.items():
        seconds = next(iter(counted.values())).seconds
        rows.append(
            [escape(name), f"{seconds:.1f} s", *(_rate(counted[group]) for group in groups)]
        )
    note = "Number, rate a minute, and its exact 95 % interval."
    return _table(head, rows) + f'<p class="quiet">{note}</p>'


def _rate(rate: Rate) -> str:
    if rate.seconds <= 0:
        return str(rate.count)
    low, high = rate.interval_per_min
    return f"{rate.count}<small>{rate.per_min:.2f} ({low:.2f}–{high:.2f})</small>"


def _events(session: Session, pictures: bool) -> str:
    rows = list(event_rows(session))
    if not rows:
        return "<p>None.</p>"
    head = ["Onset", "Length", "Kind", "Class", "Action units", "Question", "Coder"]
    if pictures:
        head.append("Onset, apex, offset")
    with closing(Pictures(session)) as video:
        cells = list(_cells(session, rows, video if pictures else None))
    note = "" if pictures else '<p class="quiet">No pictures: the consent covers none.</p>'
    return _table(head, cells) + note


def _cells(
    session: Session, rows: Iterable[dict[str, Any]], video: Pictures | None
) -> Iterator[list[str]]:
    events = {event.number: event for event in session.confirmed}
    for row in rows:
        probability = (
            "" if row["probability"] is None else f"<small>{row['probability']:.0%}</small>"
        )
        line = [
            f"{row['onset_s']:.2f} s",
            f"{1e3 * row['duration_s']:.0f} ms",
            row["kind"],
            f"{escape(row['label'])}{probability}",
            escape(row["action_units"]),
            escape(row["question"] or ""),
            escape(row["verdict"] or "–"),
        ]
        if video is not None:
            line.append(f'<span class="shots">{_shots(video, events[row["event"]])}</span>')
        yield line


def _markers(session: Session) -> str:
    rows = [
        (f"{row['time_s']:.2f} s", escape(row["kind"]), escape(row["name"]), escape(row["note"]))
        for row in marker_rows(session)
    ]
    return _table(("Time", "Kind", "Name", "Note"), rows) if rows else ""


def _shots(video: Pictures, event: Event) -> str:
    """Return the aligned pictures of an event as HTML."""
    try:
        pictures = list(_aligned(video, event))
    except InputError:  # no face in the recorded picture
        return ""
    return "".join(f'<img alt="" src="{_data(picture)}">' for picture in pictures)


def _aligned(video: Pictures, event: Event) -> Iterator[ImageU8]:
    window = event.window
    moments = [video.nearest(m.time_s) for m in (window.onset, window.apex, window.offset) if m]
    # The aligner follows a face from picture to picture: some in between keep it one track.
    between = np.linspace(moments[0], moments[-1], BETWEEN).round().astype(int)
    places = sorted({*moments, *between.tolist()})
    replay = open_replay([video.frame(place) for place in places], window)
    for place in moments:
        nearest = np.argmin(np.abs(replay.times_s - video.stamps[place].time_s))
        yield replay.pictures[nearest]


def _data(picture: ImageU8) -> str:
    small = cv2.resize(picture, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)
    bgr: Any = cv2.cvtColor(np.asarray(small, np.uint8), cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()


def write_report(folder: Path, out: Path | None, coder: str | None) -> Path:
    """Write the report of the session in `folder`, as `coder` left it if given, to `out`, or beside
    the session as `DIR-report.html`; return its path. Raises `InputError` if it exists."""
    session = open_session(folder)
    if coder is not None:
        session = as_coded(session, coder)
    name = f"{folder.resolve().name}{f'-{coder}' if coder else ''}-report.html"
    path = out or folder.resolve().with_name(name)
    check_new(path)
    path.write_text(report(session), "utf-8")
    note_copies(session.folder, [path])
    return path
