"""The report of a session: one HTML file that needs no other file. Print it for a PDF."""

import base64
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from model.errors import InputError
from model.records import MICRO_S, Event, ImageU8
from realtime.recording.check_list import drop_remedy
from realtime.results.replay import open_replay
from realtime.results.run_summary import check_new
from realtime.results.sentences import Language
from realtime.review.blind_coding import Blindness, measure_blindness
from realtime.review.coding import apply_edits, read_coder
from realtime.review.motion_lanes import read_motion
from realtime.review.quality import Quality, measure_quality
from realtime.review.rates import measure_rates
from realtime.review.recorded_frames import RecordedFrames
from realtime.review.session_sound import open_sound
from realtime.review.timeline_drawing import draw_timeline
from realtime.sessions.export_rows import event_rows, marker_rows
from realtime.sessions.exported_copies import note_copies
from realtime.sessions.ledger import describe_cause
from realtime.sessions.markers import KIND_WORDS
from realtime.sessions.reader import Session, open_session
from realtime.sources import CLOCK_WORDS
from realtime.stream.packed_frame import encode_jpeg

THUMB_PX = 96
THUMB_QUALITY = 85
BETWEEN = 12

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=select_autoescape(["html", "svg"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def make_report(session: Session) -> str:
    """Return the HTML of the report of `session`, which may have a coder's edits.

    It has pictures of the face only if the recorded consent covers them. It never has sound: a
    voice tells who is speaking, and what is said.
    """
    motion, sound = read_motion(session.folder), open_sound(session)
    quality = measure_quality(session, motion, sound)
    consent = session.document["consent"] or {}
    return TEMPLATES.get_template("report.html").render(
        session=session,
        document=session.document,
        quality=quality,
        timeline=draw_timeline(session, motion, sound),
        rates=measure_rates(session),
        events=list(event_rows(session)),
        pictures=_pictures(session) if consent.get("pictures") else None,
        markers=list(marker_rows(session)),
        kind_words=KIND_WORDS,
        time_stamps=_time_stamps(session),
        methods=describe_methods(session, quality),
        amounts=_amounts,
        blindness=_blindness(session),
        warnings=map(drop_remedy, session.document["warnings"]),
    )


def describe_methods(session: Session, quality: Quality) -> str:
    """Return the methods paragraph for a paper. It claims no more than the session's files say."""
    verdicts = Counter(session.verdicts.values())
    verdicts["open"] = sum(event.number not in session.verdicts for event in session.confirmed)
    text = TEMPLATES.get_template("methods.txt").render(
        document=session.document,
        quality=quality,
        network=Path(session.document["weights"]["classifier"]).stem,
        coder=session.coder,
        blindness=_blindness(session),
        verdicts=verdicts,
        time_stamps=_time_stamps(session),
        micro_s=MICRO_S,
    )
    return " ".join(text.split())


def _blindness(session: Session) -> Blindness | None:
    """Return how blind the coder was; None if nobody reviewed the session."""
    if not session.coder:
        return None
    return measure_blindness(read_coder(session.folder, session.coder))


def _time_stamps(session: Session) -> str:
    clock = session.document["camera"]["clock"]
    return CLOCK_WORDS.get(clock, f"by {clock}")


def _amounts(form: str, by_cause: Mapping[str, float]) -> str:
    return ", ".join(form % (amount, describe_cause(why)) for why, amount in by_cause.items())


def _pictures(session: Session) -> dict[int, list[str]]:
    """Return aligned pictures of each event, as data URLs; none if there is no face."""
    found: dict[int, list[str]] = {}
    with closing(RecordedFrames(session)) as video:
        for event in session.confirmed:
            try:
                found[event.number] = [
                    data_url(picture) for picture in _align(video, event, session.face)
                ]
            except InputError:  # no face in the recorded picture
                found[event.number] = []
    return found


def _align(video: RecordedFrames, event: Event, face: str) -> Iterator[ImageU8]:
    window = event.window
    moments = [video.nearest(m.time_s) for m in (window.onset, window.apex, window.offset) if m]
    # The aligner follows a face from picture to picture, so give it some in between.
    between = np.linspace(moments[0], moments[-1], BETWEEN).round().astype(int)
    places = sorted({*moments, *between.tolist()})
    replay = open_replay([video.frame(place) for place in places], window, face)
    for place in moments:
        nearest = np.argmin(np.abs(replay.times_s - video.times_s[place]))
        yield replay.pictures[nearest]


def data_url(picture: ImageU8) -> str:
    """Return a picture, (H, W, 3) uint8 RGB, as a small JPEG that stands in the page itself."""
    small = cv2.resize(picture, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)
    jpeg = encode_jpeg(np.asarray(small, np.uint8), THUMB_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def write_session_report(
    folder: Path, out: Path | None, coder: str | None, language: Language = "en"
) -> Path:
    """Write the report of the session in `folder`, with the edits of `coder` if given, to `out`
    (None: `DIR-report.html` beside the session); return its path. `language` is that of the
    sentences. Raises `InputError` if it exists."""
    session = open_session(folder)
    if coder is not None:
        session = apply_edits(session, coder)
    session = replace(session, language=language)
    name = f"{folder.resolve().name}{f'-{coder}' if coder else ''}-report.html"
    path = out or folder.resolve().with_name(name)
    check_new(path)
    report = make_report(session)
    path.touch(mode=0o600, exist_ok=False)  # as private as the session
    path.write_text(report, "utf-8")
    note_copies(session.folder, [path])
    return path
