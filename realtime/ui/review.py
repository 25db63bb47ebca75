"""The routes of the page's Review tab.

Times are seconds of the video, counted from the first recorded frame. Frames are given by their
place in the video (`realtime.review.recorded_frames`).
"""

import math
import threading
from collections import OrderedDict
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, Field, FiniteFloat

from model.errors import InputError
from model.labels import CLASSES
from model.records import Kind, Stamp, Window
from model.text import clean_line
from realtime.export import export, export_folder
from realtime.results.clips import CONTEXT_S
from realtime.results.replay import LARGEST_FACTOR, Replay
from realtime.review.agreement import agree
from realtime.review.coding import add_edit, apply_edits, find_kinds, list_expressions
from realtime.review.motion_lanes import LANES, MotionLanes, read_motion
from realtime.review.recorded_frames import RecordedFrames
from realtime.review.session_report import make_report
from realtime.review.session_sound import LANE_DB, SessionSound, open_sound
from realtime.sessions.coder_edits import Edit
from realtime.sessions.export_rows import find_questions, marker_rows, name_files, name_session
from realtime.sessions.exported_copies import ForgottenCopies, forget_copies
from realtime.sessions.folder import DOCUMENT, SessionFolder, hold
from realtime.sessions.ledger import describe_cause
from realtime.sessions.markers import KIND_WORDS
from realtime.sessions.reader import UNFINISHED, Session, open_session
from realtime.sessions.recover import recover
from realtime.ui.downloads import NO_STORE, answer_file, answer_zip, attachment, find_export
from realtime.ui.event_pictures import Replays, answer_jpeg, answer_replay, describe_replay
from realtime.ui.failures import error_as_404, error_as_answer, report_failure
from realtime.ui.messages import Text
from realtime.ui.sound_stream import answer_sound

KEPT_SESSIONS = 2
FRAME_QUALITY = 92
MAX_REPLAY_S = 12.0
_LISTED = ("participant", "started_utc", "state")


class EditRequest(BaseModel):
    """A coder's edit of one expression; frames are given by their places."""

    coder: Text
    frames: int
    number: int | None
    verdict: Literal["open", "accepted", "rejected"]
    onset: int
    apex: int
    offset: int
    label: Text
    note: Text = ""


class ExportRequest(BaseModel):
    """What to export, and whose edits to apply."""

    to: Text
    coder: Text = ""


class TimeRange(BaseModel):
    """A stretch of the video in seconds, and the number of bins that describe it."""

    start_s: FiniteFloat
    end_s: FiniteFloat
    bins: int = Field(1000, ge=1, le=4000)


class _OpenSession:
    """One session, and what a review of it needs."""

    def __init__(self, path: Path) -> None:
        self.session: Session = open_session(path)
        self.mark = object()
        """Part of the key of its replays; an `id` could be used again by another object."""
        self.pictures = RecordedFrames(self.session)
        self.motion: MotionLanes = read_motion(self.session.folder)
        self._sound = open_sound(self.session)

    @property
    def sound(self) -> SessionSound:
        """The sound. Raises `InputError` if the session has none."""
        return self._sound or SessionSound(self.session)

    def seconds(self, time_s: float) -> float:
        return time_s - self.session.zero_s

    def describe(self) -> dict[str, Any]:
        """Return everything except pictures, motion and sound, as JSON values."""
        session = self.session
        labels = dict.fromkeys(CLASSES)
        for event in session.confirmed:
            if event.prediction is not None:
                labels.update(dict.fromkeys(event.prediction.probabilities))
        return {
            "participant": session.participant,
            "started_utc": session.document["started_utc"],
            "seconds": session.seconds,
            "warnings": session.document["warnings"],
            "times_s": [round(self.seconds(s.time_s), 6) for s in self.pictures.stamps],
            "lanes": list(LANES),
            "sound": None if self._sound is None else {"quiet_db": LANE_DB},
            "labels": list(labels),
            "markers": [
                row | {"words": row["note"] or row["name"] or KIND_WORDS[row["kind"]]}
                for row in marker_rows(session)
            ],
            "questions": [asdict(question) for question in find_questions(session)],
            "gaps": [
                {"start_s": self.seconds(a), "end_s": self.seconds(b), "why": describe_cause(why)}
                for a, b, why in session.gaps()
            ],
            "coders": session.folder.coders(),
            "deletion_interrupted": session.deletion_interrupted,
        }

    def edit(self, edit: Edit, kind: Kind) -> dict[str, Any]:
        """Return one expression as a coder sees it."""
        stamps = {"onset": edit.onset, "apex": edit.apex, "offset": edit.offset}
        return {
            "number": edit.number,
            "verdict": edit.verdict,
            "label": edit.label,
            "kind": kind,
            "note": edit.note,
            "changed": bool(edit.utc),
            **{name: self.pictures.nearest(stamp.time_s) for name, stamp in stamps.items()},
            **{f"{name}_s": self.seconds(stamp.time_s) for name, stamp in stamps.items()},
        }

    def stamp(self, place: int) -> Stamp:
        if not 0 <= place < len(self.pictures.stamps):
            count = len(self.pictures.stamps)
            raise InputError(f"frame {place}: the session has {count} frames, counted from 0")
        return self.pictures.stamps[place]

    def moment(self, place: int, now: Stamp | None) -> Stamp:
        """Return the moment that a coder means by `place`: `now`, unless the coder moved it. If the
        frame of `now` is not in the video, the page shows the nearest one."""
        if now is not None and self.pictures.nearest(now.time_s) == place:
            return now
        return self.stamp(place)


class _SessionStore:
    """The sessions in a folder. The last opened ones stay open."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._opened: OrderedDict[str, tuple[tuple[int, ...], _OpenSession]] = OrderedDict()

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

    def open(self, name: str) -> _OpenSession:
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
                kept = (state, _OpenSession(folder.path))
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


def build_review_routes(root: Path) -> APIRouter:
    """Return the routes under `/live/review/` for the sessions in `root`. Answers report failures
    as `error`; a missing picture is a 404."""
    router = APIRouter(prefix="/live/review")
    store = _SessionStore(root)
    replays = Replays()

    def replay_of(name: str, onset: int, apex: int, offset: int) -> tuple[Replay, Window]:
        opened = store.open(name)
        window = _window(opened, onset, apex, offset)
        return _replay(replays, name, opened, window), window

    @router.get("/sessions")
    def sessions() -> dict[str, Any]:
        return {"folder": str(root), "sessions": store.entries()}

    @router.get("/{name}/session")
    @error_as_answer
    def session(name: str) -> dict[str, Any]:
        return store.open(name).describe()

    @router.post("/{name}/recover")
    @error_as_answer
    def recover_session(name: str) -> dict[str, Any]:
        with hold(store.find(name)) as folder:
            done = recover(folder)
            # A deletion that is finished now reaches what was exported, too.
            copies = forget_copies(folder) if done.redactions else ForgottenCopies((), ())
            return {**asdict(done), "copies_left": [str(path) for path in copies.left]}

    @router.get("/{name}/coding")
    @error_as_answer
    def coding(name: str, coder: str) -> dict[str, Any]:
        return _coding(store.open(name), coder)

    @router.post("/{name}/edit")
    @error_as_answer
    def edit(name: str, request: EditRequest) -> dict[str, Any]:
        return _add_edit(store.open(name), request)

    @router.get("/{name}/motion")
    @error_as_answer
    def motion(name: str, at: Annotated[TimeRange, Query()]) -> dict[str, Any]:
        opened = store.open(name)
        zero_s = opened.session.zero_s
        return {"over": opened.motion.bin_peaks(at.start_s + zero_s, at.end_s + zero_s, at.bins)}

    @router.get("/{name}/loudness")
    @error_as_answer
    def loudness(name: str, at: Annotated[TimeRange, Query()]) -> dict[str, Any]:
        return {"db": store.open(name).sound.loudness(at.start_s, at.end_s, at.bins)}

    @router.get("/{name}/sound.wav")
    @error_as_404
    def sound(name: str, wanted: Annotated[str | None, Header(alias="range")] = None) -> Response:
        return answer_sound(lambda: store.open(name).sound, wanted)

    @router.get("/{name}/frame/{place}.jpg")
    @error_as_404
    def frame(name: str, place: int) -> Response:
        return answer_jpeg(store.open(name).pictures.frame(place).image, FRAME_QUALITY)

    @router.get("/{name}/replay/{onset}-{apex}-{offset}/replay.json")
    @error_as_answer
    def replay(name: str, onset: int, apex: int, offset: int) -> dict[str, Any]:
        return describe_replay(*replay_of(name, onset, apex, offset))

    @router.get("/{name}/replay/{onset}-{apex}-{offset}/replay.jpg")
    @error_as_404
    def replay_sheet(
        name: str,
        onset: int,
        apex: int,
        offset: int,
        factor: float = Query(1.0, ge=1, le=LARGEST_FACTOR),
    ) -> Response:
        return answer_replay(replay_of(name, onset, apex, offset)[0], factor)

    @router.get("/{name}/report.html")
    @error_as_404
    def report_page(name: str, coder: str = "", save: bool = False) -> Response:
        session = _as_coded_by(store.open(name).session, coder)
        headers = attachment(f"{name_files(session)}_report.html") if save else NO_STORE
        return Response(make_report(session), media_type="text/html", headers=headers)

    @router.post("/{name}/export")
    @error_as_answer
    def export_session(name: str, request: ExportRequest) -> dict[str, Any]:
        session = _as_coded_by(store.open(name).session, request.coder)
        out = export_folder(session)
        files = [path.relative_to(out).as_posix() for path in export(session, [request.to], out)]
        return {"folder": str(out), "files": files}

    @router.get("/{name}/exported/{file:path}")
    @error_as_404
    def exported(name: str, file: str) -> Response:
        return answer_file(find_export(export_folder(store.open(name).session), file))

    @router.get("/{name}/exported.zip")
    @error_as_404
    def exported_zip(name: str, file: Annotated[list[str], Query()]) -> Response:
        session = store.open(name).session
        return answer_zip(export_folder(session), file, f"{name_session(session)}.zip")

    @router.get("/{name}/agreement")
    @error_as_answer
    def agreement(name: str, first: str, second: str) -> dict[str, Any]:
        return asdict(agree(store.open(name).session, first, second))

    return router


def _coding(opened: _OpenSession, coder: str) -> dict[str, Any]:
    edits = list_expressions(opened.session, coder)
    kind = find_kinds(opened.session, edits)
    return {"coder": coder, "expressions": [opened.edit(e, kind[e.number]) for e in edits]}


def _add_edit(opened: _OpenSession, request: EditRequest) -> dict[str, Any]:
    if request.frames != len(opened.pictures.stamps):
        raise InputError("the session has changed since it was opened: load the page again")
    expressions = list_expressions(opened.session, request.coder)
    now = next((e for e in expressions if e.number == request.number), None)
    edit = add_edit(
        opened.session,
        request.coder,
        request.number,
        verdict=request.verdict,
        moments=(
            opened.moment(request.onset, now.onset if now else None),
            opened.moment(request.apex, now.apex if now else None),
            opened.moment(request.offset, now.offset if now else None),
        ),
        label=request.label,
        note=request.note,
    )
    return _coding(opened, request.coder) | {"number": edit.number}


def _as_coded_by(session: Session, coder: str) -> Session:
    """Return `session` with the coder's edits, if there are any."""
    return apply_edits(session, coder) if coder in session.folder.coders() else session


def _window(opened: _OpenSession, onset: int, apex: int, offset: int) -> Window:
    start, middle, end = opened.stamp(onset), opened.stamp(apex), opened.stamp(offset)
    if not 0 <= end.time_s - start.time_s <= MAX_REPLAY_S:
        raise InputError(f"a replay lasts at most {MAX_REPLAY_S:g} s: play the video instead")
    return Window(start, middle, end, math.inf)


def _replay(replays: Replays, name: str, opened: _OpenSession, window: Window) -> Replay:
    assert window.offset is not None
    first = opened.pictures.nearest(window.onset.time_s - CONTEXT_S)
    last = opened.pictures.nearest(window.offset.time_s + CONTEXT_S)
    key = (name, opened.mark, window.onset, window.apex, window.offset)
    face = opened.session.face
    return replays.open(key, lambda: opened.pictures.between(first, last), window, face)
