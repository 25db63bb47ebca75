"""BIDS-style events (BIDS 1.10, "Events"): a table, and a JSON file that describes its columns.

BIDS has no rules for audio and video yet: BEP047 is a draft. So the table lies under `beh`, and the
recording is not copied, but described in the JSON by the draft's fields (bids-specification, pull
requests 2231 and 2367; codecs by FFmpeg's names). Onset and duration come first, in seconds of the
video; unknown values are `n/a`.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model.files import require_new
from realtime.export.csv_parquet import format_cell
from realtime.sessions.export_rows import (
    EVENT_COLUMNS,
    event_rows,
    find_questions,
    format_start,
    marker_rows,
)
from realtime.sessions.reader import Session

BIDS_VERSION = "1.10.0"
BIDS_COLUMNS: dict[str, str] = {
    "onset": "s from the first recorded frame, which is 0 s of the video",
    "duration": "s; 0 for a moment",
    "trial_type": "micro, macro, question, or a marker's kind",
    "value": "label of an expression, name of a question or a marker",
    **{
        name: EVENT_COLUMNS[name]
        for name in (
            "apex_s",
            "probability",
            "action_units",
            "action_units_by",
            "score",
            "me_probability",
            "question",
            "blind",
        )
    },
    "note": "free text",
}
README = """\
Facial expressions in recorded sessions, found by FMANet Live. If the name of a file has
desc-<code>, the coder of that code reviewed them.

Each session has a table of events under sub-<code>/ses-<start>/beh: micro- and macro-expressions
with onset and duration in seconds of the session's video, the class that a network gave them or
the label of the coder, the questions that were asked, and markers. The JSON file of the same name
describes the columns, the recording, and the network.

The recordings themselves are not part of this data set: BIDS has no rules for them yet (BEP047).
"""

_UNITS = {"onset": "s", "duration": "s", "apex_s": "s"}


def write_bids(session: Session, folder: Path) -> list[Path]:
    """Write `sub-<code>/ses-<start>/beh/…_events.tsv` and `.json`, and `dataset_description.json`
    and `README` if there are none yet. Labels in BIDS are letters and digits, so other characters
    of the codes are left out."""
    subject = "".join(c for c in session.participant if c.isalnum())
    name = session.document.get("protocol", {}).get("name", "")
    task = "".join(c for c in name if c.isascii() and c.isalnum()) or "session"
    coder = "".join(c for c in session.coder if c.isalnum())
    task += f"_desc-{coder}" if coder else ""
    where = folder / f"sub-{subject}" / f"ses-{format_start(session)}" / "beh"
    base = f"sub-{subject}_ses-{format_start(session)}_task-{task}_events"
    table, columns = require_new(where / f"{base}.tsv"), require_new(where / f"{base}.json")
    where.mkdir(parents=True, exist_ok=True)
    rows = sorted(_rows(session), key=lambda row: float(row["onset"]))
    cells = (
        (" ".join(format_cell(value).split()) or "n/a" for value in row.values()) for row in rows
    )
    lines = ["\t".join(BIDS_COLUMNS), *map("\t".join, cells)]
    table.write_text("\n".join(lines) + "\n", "utf-8", newline="\n")
    columns.write_text(_to_json(_description(session)), "utf-8")
    files = [table, columns]
    about: dict[str, Any] = {
        "Name": "FMANet Live sessions",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "FMANet Live", "Version": _version(session)}],
    }
    authors = session.document.get("protocol", {}).get("authors")
    about |= {"Authors": authors} if authors else {}
    for name, content in (("dataset_description.json", _to_json(about)), ("README", README)):
        path = folder / name
        if not any(folder.glob(f"{path.stem}*")):
            path.write_text(content, "utf-8", newline="\n")
            files.append(path)
    return files


def _to_json(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _rows(session: Session) -> Iterator[dict[str, Any]]:
    empty: dict[str, Any] = dict.fromkeys(BIDS_COLUMNS)

    def row(
        onset: float, duration: float, kind: str, value: str, **cells: object
    ) -> dict[str, Any]:
        moment = {"onset": onset, "duration": duration, "trial_type": kind, "value": value or None}
        return empty | moment | {name: cell for name, cell in cells.items() if name in BIDS_COLUMNS}

    for event in event_rows(session):
        yield row(event["onset_s"], event["duration_s"], value=event["label"], **event)
    for asked in find_questions(session):
        yield row(asked.start_s, asked.end_s - asked.start_s, "question", asked.name)
    for marker in marker_rows(session):
        if not marker["kind"].startswith("question"):
            until_s = marker["time_s"] if marker["until_s"] is None else marker["until_s"]
            note = marker["note"] or None
            duration_s = until_s - marker["time_s"]
            yield row(marker["time_s"], duration_s, marker["kind"], marker["name"], note=note)


def _description(session: Session) -> dict[str, Any]:
    columns: dict[str, Any] = {
        name: {"Description": words} | ({"Units": _UNITS[name]} if name in _UNITS else {})
        for name, words in BIDS_COLUMNS.items()
    }
    columns["trial_type"]["Levels"] = {
        "micro": "micro-expression, 0.5 s at most",
        "macro": "longer expression",
        "question": "question of the protocol",
        "mark": "marker",
        "pause": "start of a pause",
        "resume": "end of a pause",
        "redact": "deleted on request",
    }
    return columns | {
        "Description": "Facial expressions found in a video, questions and markers",
        "StimulusPresentation": {
            "SoftwareName": "FMANet Live",
            "SoftwareVersion": _version(session),
        },
        "Recording": _recording(session),
        "Classifier": session.document.get("weights", {}),
    }


def _recording(session: Session) -> dict[str, Any]:
    """Return the fields that BEP047 has for the file beside an `_audiovideo` or a `_video`."""
    files = [session.folder.video(part) for part in session.folder.parts()]
    camera, audio = session.document["camera"], session.document["video"].get("audio")
    found: dict[str, Any] = {
        "Draft": "BIDS has no rules for recordings yet (BEP047)",
        "Suffix": "video" if audio is None else "audiovideo",
        "Files": [path.name for path in files],
        "RecordingDuration": round(session.seconds, 6),
        "Width": camera["width"],
        "Height": camera["height"],
    }
    if files and session.seconds:
        found["VideoCodec"] = session.document["video"]["codec"]  # by FFmpeg's name
        if not math.isnan(session.fps):
            found["FrameRate"] = round(session.fps, 3)
    if audio is not None:
        found |= {
            "AudioCodec": audio["codec"],
            "AudioSampleRate": audio["hz"],
            "AudioChannelCount": 1,
            "Device": audio["microphone"],
        }
    return found


def _version(session: Session) -> str:
    return str(session.document.get("software", {}).get("fmanet-live", "n/a"))
