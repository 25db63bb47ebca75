"""The summary of an analysed recording: one HTML page that needs no other file. Its numbers come
from the tables that were written, so they say the same."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from model.errors import InputError
from model.files import read_json
from model.records import Event, ImageU8
from realtime.review.motion_lanes import read_motion_csv
from realtime.review.session_report import TEMPLATES, data_url
from realtime.review.study_sessions import read_analysis
from realtime.review.timeline_drawing import draw_motion
from realtime.sessions.reader import Session


def make_analysis_summary(
    record: Path, motion: Path, files: Sequence[Path], pictures: Mapping[int, list[str]] | None
) -> str:
    """Return the HTML that sums up the analysis of `record`. `motion`: its motion table as CSV;
    `files`: what else was written; `pictures`: see `make_thumbnails`, None to show none. Raises
    `InputError` if a table is damaged."""
    analysis = read_analysis(record, broken=True)
    lanes = read_motion_csv(motion)
    zero_s = float(lanes.times_s[0]) if len(lanes.times_s) else 0.0
    moments = ("onset_s", "apex_s", "offset_s")
    document = read_json(record)
    return TEMPLATES.get_template("analysis.html").render(
        record=document,
        network=Path(document["options"]["classifier"]).stem,
        facts=analysis.facts,
        rates=analysis.rates,
        timeline=draw_motion(lanes),
        events=[row | {m: row[m] - zero_s for m in moments} for row in analysis.rows],
        markers=[],
        files=[path.name for path in files],
        pictures=pictures,
    )


def make_thumbnails(events: Sequence[Event]) -> dict[int, list[str]]:
    """Return the aligned grey pictures of `events` at onset, apex and offset as data URLs, by place
    in order of onset."""
    ordered = sorted(events, key=lambda event: event.window.onset.time_s)
    return {n: [data_url(_as_rgb(crop)) for crop in e.crops] for n, e in enumerate(ordered)}


def require_pictures(session: Session) -> None:
    """Raise `InputError` unless the consent of `session` covers pictures of the face."""
    if not (session.document["consent"] or {}).get("pictures"):
        raise InputError(
            f"{session.folder.path}: the recorded consent covers no pictures of the face: "
            "leave out --pictures"
        )


def _as_rgb(crop: ImageU8) -> ImageU8:
    return np.asarray(cv2.cvtColor(crop, cv2.COLOR_GRAY2RGB), np.uint8)
