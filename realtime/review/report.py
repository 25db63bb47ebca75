"""The report of a session: one HTML file that needs no other file. Print it for a PDF."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import closing
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
from realtime.review.quality import measure
from realtime.review.rates import rates
from realtime.review.sound import sound_of
from realtime.review.template import fill_template
from realtime.review.timeline import timeline
from realtime.sessions.export_rows import event_rows, marker_rows
from realtime.sessions.exported_copies import note_copies
from realtime.sessions.reader import Session, open_session

THUMB_PX = 96
JPEG_QUALITY = 85
BETWEEN = 12


def report(session: Session) -> str:
    """Return the HTML of the report of `session`, which may have a coder's edits.

    It has pictures of the face only if the recorded consent covers them. It never has sound: a
    voice tells who is speaking, and what is said.
    """
    motion, sound = read_motion(session.folder), sound_of(session)
    quality = measure(session, motion, sound)
    consent = session.document["consent"] or {}
    return fill_template(
        "report.html",
        session=session,
        document=session.document,
        quality=quality,
        timeline=timeline(session, motion, sound),
        rates=rates(session),
        events=list(event_rows(session)),
        pictures=_pictures(session) if consent.get("pictures") else None,
        markers=list(marker_rows(session)),
        methods=methods(session, quality),
        amounts=_amounts,
    )


def _amounts(form: str, by_cause: Mapping[str, float]) -> str:
    return ", ".join(form % (amount, cause) for cause, amount in by_cause.items())


def _pictures(session: Session) -> dict[int, list[str]]:
    """Return aligned pictures of each event, as data URLs; none if there is no face."""
    found: dict[int, list[str]] = {}
    with closing(Pictures(session)) as video:
        for event in session.confirmed:
            try:
                found[event.number] = [
                    _data_url(picture) for picture in _align(video, event, session.face)
                ]
            except InputError:  # no face in the recorded picture
                found[event.number] = []
    return found


def _align(video: Pictures, event: Event, face: str) -> Iterator[ImageU8]:
    window = event.window
    moments = [video.nearest(m.time_s) for m in (window.onset, window.apex, window.offset) if m]
    # The aligner follows a face from picture to picture, so give it some in between.
    between = np.linspace(moments[0], moments[-1], BETWEEN).round().astype(int)
    places = sorted({*moments, *between.tolist()})
    replay = open_replay([video.frame(place) for place in places], window, face)
    for place in moments:
        nearest = np.argmin(np.abs(replay.times_s - video.stamps[place].time_s))
        yield replay.pictures[nearest]


def _data_url(picture: ImageU8) -> str:
    small = cv2.resize(picture, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)
    bgr: Any = cv2.cvtColor(np.asarray(small, np.uint8), cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()


def write_report(folder: Path, out: Path | None, coder: str | None) -> Path:
    """Write the report of the session in `folder`, with the edits of `coder` if given, to `out`
    (None: `DIR-report.html` beside the session); return its path. Raises `InputError` if it
    exists."""
    session = open_session(folder)
    if coder is not None:
        session = as_coded(session, coder)
    name = f"{folder.resolve().name}{f'-{coder}' if coder else ''}-report.html"
    path = out or folder.resolve().with_name(name)
    check_new(path)
    path.write_text(report(session), "utf-8")
    note_copies(session.folder, [path])
    return path
