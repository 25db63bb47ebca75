"""BIDS-style events (BIDS 1.10, "Events"): a table with its columns described in JSON.

A draft: rules for audio and video (BEP047) are under review, and not in BIDS yet. So the table
lies under `beh`, and the recording is named in the JSON, not copied, with the fields that the draft
has for it (bids-specification, pull requests 2231 and 2367; codecs by FFmpeg's names). Onset and
duration come first, in seconds of the video; what is not known is `n/a`.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import av.error

from realtime.export.plain import text
from realtime.sessions.export_rows import (
    EVENT_COLUMNS,
    event_rows,
    frame_rate,
    marker_rows,
    new_file,
    questions,
    start,
)
from realtime.sessions.reader import Session

BIDS_VERSION = "1.10.0"
COLUMNS: dict[str, str] = {
    "onset": "s from the first recorded frame, which is 0 s of the video",
    "duration": "s; 0 for a moment",
    "trial_type": "micro, macro, question, or a marker's kind",
    "value": "label of an expression, name of a question or a marker",
    **{
        name: EVENT_COLUMNS[name]
        for name in ("apex_s", "probability", "action_units", "score", "question")
    },
    "note": "in words",
}
README = """\
Facial expressions in recorded sessions, found by FMANet Live and, where the name of a file has
desc-<code>, reviewed by a person of that code.

Each session has a table of events under sub-<code>/ses-<start>/beh: micro- and macro-expressions
with onset and duration in seconds of the session's video, the class that a network gave them, the
questions that were asked, and markers. The file beside it, of the same name in JSON, describes each
column, the recording, and the network.

The recordings themselves are not part of this data set: BIDS has no rules for them yet (BEP047).
"""

_UNITS = {"onset": "s", "duration": "s", "apex_s": "s"}


def write_bids(session: Session, folder: Path) -> list[Path]:
    """`sub-<code>/ses-<start>/beh/…_events.tsv` and `.json`, and `dataset_description.json` and
    `README` where there are none yet. Labels in BIDS are letters and digits: others are left out of
    the code."""
    subject = "".join(c for c in session.participant if c.isalnum())
    name = session.document.get("protocol", {}).get("name", "")
    task = "".join(c for c in name if c.isascii() and c.isalnum()) or "session"
    coder = "".join(c for c in session.coder if c.isalnum())
    task += f"_desc-{coder}" if coder else ""
    where = folder / f"sub-{subject}" / f"ses-{start(session)}" / "beh"
    base = f"sub-{subject}_ses-{start(session)}_task-{task}_events"
    table, described = new_file(where / f"{base}.tsv"), new_file(where / f"{base}.json")
    where.mkdir(parents=True, exist_ok=True)
    rows = sorted(_rows(session), key=lambda row: float(row["onset"]))
    lines = ["\t".join(COLUMNS), *("\t".join(map(_cell, row.values())) for row in rows)]
    table.write_text("\n".join(lines) + "\n", "utf-8", newline="\n")
    described.write_text(json.dumps(_description(session), indent=2) + "\n", "utf-8")
    files = [table, described]
    dataset = folder / "dataset_description.json"
    if not dataset.exists():
        about: dict[str, Any] = {
            "Name": "FMANet Live sessions",
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "FMANet Live", "Version": _version(session)}],
        }
        authors = session.document.get("protocol", {}).get("authors")
        if authors:
            about["Authors"] = authors
        dataset.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", "utf-8")
        files.append(dataset)
    readme = folder / "README"
    if not any(folder.glob("README*")):
        readme.write_text(README, "utf-8", newline="\n")
        files.append(readme)
    return files


def _rows(session: Session) -> list[dict[str, Any]]:
    empty: dict[str, Any] = dict.fromkeys(COLUMNS)
    rows = [
        empty
        | {name: row[name] for name in COLUMNS if name in row}
        | {
            "onset": row["onset_s"],
            "duration": row["duration_s"],
            "trial_type": row["kind"],
            "value": row["label"],
        }
        for row in event_rows(session)
    ]
    rows += [
        empty
        | {
            "onset": question.start_s,
            "duration": question.end_s - question.start_s,
            "trial_type": "question",
            "value": question.name,
        }
        for question in questions(session)
    ]
    return rows + [
        empty
        | {
            "onset": row["time_s"],
            "duration": 0.0 if row["until_s"] is None else row["until_s"] - row["time_s"],
            "trial_type": row["kind"],
            "value": row["name"] or None,
            "note": row["note"] or None,
        }
        for row in marker_rows(session)
        if not row["kind"].startswith("question")
    ]


def _description(session: Session) -> dict[str, Any]:
    columns: dict[str, Any] = {
        name: {"Description": words} | ({"Units": _UNITS[name]} if name in _UNITS else {})
        for name, words in COLUMNS.items()
    }
    columns["trial_type"]["Levels"] = {
        "micro": "micro-expression, 0.5 s at most",
        "macro": "longer expression",
        "question": "question of the protocol",
        "mark": "marked by hand",
        "pause": "the analysis was paused",
        "resume": "it went on",
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
    """Return the entry as BEP047 puts it in the file beside an `_audiovideo` or a `_video`."""
    files = [session.folder.video(part) for part in session.folder.parts()]
    camera, heard = session.document["camera"], session.document["video"].get("audio")
    found: dict[str, Any] = {
        "Draft": "BIDS has no rules for recordings yet (BEP047)",
        "Suffix": "video" if heard is None else "audiovideo",
        "Files": [path.name for path in files],
        "RecordingDuration": round(session.seconds, 6),
        "Width": camera["width"],
        "Height": camera["height"],
    }
    if files and session.seconds:
        # The table of expressions is still valid if the video cannot be read.
        with suppress(av.error.FFmpegError), av.open(str(files[0])) as video:
            found["VideoCodec"] = video.streams.video[0].codec_context.name
        found["FrameRate"] = round(frame_rate(session), 3)
    if heard is not None:
        found |= {
            "AudioCodec": heard["codec"],
            "AudioSampleRate": heard["hz"],
            "AudioChannelCount": 1,
            "Device": heard["microphone"],
        }
    return found


def _version(session: Session) -> str:
    return str(session.document.get("software", {}).get("fmanet-live", "n/a"))


def _cell(value: object) -> str:
    return " ".join(text(value).split()) or "n/a"
