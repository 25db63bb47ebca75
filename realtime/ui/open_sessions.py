"""The sessions that the Review tab has open.

Times are seconds of the video, counted from the first recorded frame. Frames are given by their
place in the video (`realtime.review.recorded_frames`).
"""

import math
import threading
from collections import OrderedDict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.errors import InputError
from model.labels import ACTION_UNITS, CLASSES, EMOTIONS, UNCLEAR
from model.records import Event, Kind, Stamp
from model.synthetic.action_units import load_catalogue
from model.text import clean_line
from realtime.results.sentences import NAMED_FROM, describe_in_all
from realtime.review.coding import list_coders
from realtime.review.motion_lanes import LANES, MotionLanes, read_motion
from realtime.review.recorded_frames import RecordedFrames
from realtime.review.session_sound import LANE_DB, SessionSound, open_sound
from realtime.sessions.coder_edits import Edit
from realtime.sessions.export_rows import find_questions, marker_rows
from realtime.sessions.folder import DOCUMENT, SessionFolder
from realtime.sessions.ledger import describe_cause
from realtime.sessions.markers import KIND_WORDS
from realtime.sessions.reader import UNFINISHED, Session, open_session
from realtime.ui.failures import report_failure

KEPT_SESSIONS = 2
_LISTED = ("participant", "started_utc", "state")


class OpenSession:
    """One session, and what a review of it needs."""

    def __init__(self, path: Path) -> None:
        self.session: Session = open_session(path)
        self.mark = object()
        """Part of the key of its replays; an `id` could be used again by another object."""
        self.pictures = RecordedFrames(self.session)
        self._motion_lock = threading.Lock()
        self._motion: MotionLanes | None = None
        self._sound = open_sound(self.session)

    @property
    def motion(self) -> MotionLanes:
        """The motion, which is read when it is first asked for: of a day that takes seconds. Raises
        `InputError` if the table is damaged."""
        with self._motion_lock:
            if self._motion is None:
                self._motion = read_motion(self.session.folder)
            return self._motion

    @property
    def sound(self) -> SessionSound:
        """The sound. Raises `InputError` if the session has none."""
        return self._sound or SessionSound(self.session)

    def seconds(self, time_s: float) -> float:
        return time_s - self.session.zero_s

    def describe(self) -> dict[str, Any]:
        """Return everything except pictures, motion and sound, as JSON values."""
        session = self.session
        classes = dict.fromkeys(CLASSES)
        for event in session.confirmed:
            if event.prediction is not None:
                classes.update(dict.fromkeys(event.prediction.probabilities))
        units = load_catalogue().units
        return {
            "participant": session.participant,
            "started_utc": session.document["started_utc"],
            "seconds": session.seconds,
            "warnings": session.document["warnings"],
            "frames": len(self.pictures),
            "lanes": list(LANES),
            "sound": None if self._sound is None else {"quiet_db": LANE_DB},
            "labels": {"Classes": list(classes), "Emotions": EMOTIONS, "Neither": (UNCLEAR,)},
            "action_units": {unit: units[unit].name for unit in ACTION_UNITS},
            "markers": [
                row | {"words": row["note"] or row["name"] or KIND_WORDS[row["kind"]]}
                for row in marker_rows(session)
            ],
            "questions": [asdict(question) for question in find_questions(session)],
            "gaps": [
                {"start_s": self.seconds(a), "end_s": self.seconds(b), "why": describe_cause(why)}
                for a, b, why in session.gaps()
            ],
            "coders": list_coders(session.folder),
        }

    def edit(self, edit: Edit, kind: Kind, program: Event | None) -> dict[str, Any]:
        """Return one expression as a coder sees it. `program`: what the program found; None if it
        found nothing, or the coder may not see it."""
        stamps = {"onset": edit.onset, "apex": edit.apex, "offset": edit.offset}
        return {
            "number": edit.number,
            "verdict": edit.verdict,
            "label": edit.label,
            "kind": kind,
            "note": edit.note,
            "action_units": edit.action_units,
            "program": _describe_program(program),
            "changed": bool(edit.utc),
            **{name: self.pictures.nearest(stamp.time_s) for name, stamp in stamps.items()},
            **{f"{name}_s": self.seconds(stamp.time_s) for name, stamp in stamps.items()},
        }

    def moment(self, place: int, now: Stamp | None) -> Stamp:
        """Return the moment that a coder means by `place`: `now`, unless the coder moved it. If the
        frame of `now` is not in the video, the page shows the nearest one."""
        if now is not None and self.pictures.nearest(now.time_s) == place:
            return now
        return self.pictures.stamp(place)


def _describe_program(event: Event | None) -> dict[str, Any] | None:
    if event is None or event.prediction is None:
        return None
    found = event.prediction
    return {
        "label": found.label,
        "probability": max(found.probabilities.values(), default=None),
        "action_units": [unit for unit, p in found.action_units.items() if p >= NAMED_FROM],
        "sentences": describe_in_all(event),
        "score": event.window.score if math.isfinite(event.window.score) else None,
        "me_probability": event.window.me_probability,
    }


class SessionStore:
    """The sessions in a folder. The last opened ones stay open."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._opened: OrderedDict[str, tuple[tuple[int, ...], OpenSession]] = OrderedDict()

    def folders(self) -> dict[str, Path]:
        """Return the folders by a name that can be shown: a folder's own may not be valid text."""
        folders = self._root.iterdir() if self._root.is_dir() else ()
        return {clean_line(path.name): path for path in folders if (path / DOCUMENT).is_file()}

    def find(self, name: str) -> Path:
        """Return the folder of a session. Raises `InputError` if there is none of that name."""
        path = self.folders().get(name)
        if path is None:
            raise InputError(f"session {name!r}: there is none in {self._root}")
        return path

    def open(self, name: str) -> OpenSession:
        """Open a session. Raises `InputError` if there is none of that name, or it needs a
        recovery."""
        folder = SessionFolder(self.find(name))
        # Open it again if a redaction or recovery has changed it since.
        tables = (folder.document, folder.frames, folder.events, folder.markers)
        videos = map(folder.video, folder.parts())
        state = tuple(map(_changed_ns, (*tables, *videos)))
        with self._lock:
            kept = self._opened.get(name)
            if kept is None or kept[0] != state:
                if kept is not None:
                    kept[1].pictures.close()
                kept = (state, OpenSession(folder.path))
                self._opened[name] = kept
            self._opened.move_to_end(name)
            while len(self._opened) > KEPT_SESSIONS:
                self._opened.popitem(last=False)[1][1].pictures.close()
            return kept[1]

    def entries(self) -> list[dict[str, Any]]:
        """Return an entry for each session, newest first. The entry of a session that cannot be
        read says why."""
        found: list[dict[str, Any]] = []
        for name, path in self.folders().items():
            folder = SessionFolder(path)
            try:
                document = folder.read_document()
                values: dict[str, Any] = {key: clean_line(str(document[key])) for key in _LISTED}
                values["unfinished"] = document["state"] in UNFINISHED
                found.append({"name": name, **values, "coders": folder.coders()})
            except Exception as error:
                found.append({"name": name, "started_utc": "", "error": report_failure(error)})
        return sorted(found, key=lambda entry: str(entry["started_utc"]), reverse=True)


def _changed_ns(path: Path) -> int:
    """Return when `path` last changed; 0 if it is missing, or a dangling link."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
