"""The routes of the page's Review tab.

Times are seconds of the video, 0 being the first recorded frame; frames are named by their place
in it (`realtime.review.pictures`).
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, HTTPException, Query, Response
from pydantic import BaseModel, FiniteFloat

from model.errors import InputError
from model.labels import CLASSES
from model.records import Kind, Stamp, Window
from model.text import clean_line
from realtime.export import export, export_folder
from realtime.results.clips import CONTEXT_S
from realtime.results.overlay import finite
from realtime.results.replay import LARGEST_FACTOR, Replay
from realtime.review.agreement import agree
from realtime.review.coding import add_edit, as_coded, coded_expressions, kinds
from realtime.review.motion_lanes import LANES, MotionLanes, read_motion
from realtime.review.pictures import Pictures
from realtime.review.report import report
from realtime.review.sound import LANE_DB, Sound, sound_of
from realtime.sessions.coder_edits import Edit
from realtime.sessions.export_rows import marker_rows, questions
from realtime.sessions.folder import DOCUMENT, SessionFolder
from realtime.sessions.reader import Session, open_session
from realtime.ui.failures import report_failure
from realtime.ui.pictures import Replays, jpeg, replay_facts, replay_picture
from realtime.ui.sound import sound_answer
from realtime.ui.viewer_messages import Text

KEPT_SESSIONS = 2
JPEG_QUALITY = 92
MAX_BINS = 4000
MAX_REPLAY_S = 12.0
_TOLD = ("participant", "started_utc", "state")


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
    """What to export, and which coder's version."""

    to: Text
    coder: Text = ""


class _Opened:
    """One session with what reviewing it needs."""

    def __init__(self, path: Path) -> None:
        self.session: Session = open_session(path)
        self.mark = object()
        """Key for its replays; another object may reuse an `id` later."""
        self.pictures = Pictures(self.session)
        self.motion: MotionLanes = read_motion(self.session.folder)
        self._sound = sound_of(self.session)

    @property
    def sound(self) -> Sound:
        """Return the sound. Raises `InputError` if the session has none."""
        return self._sound or Sound(self.session)

    def seconds(self, time_s: float) -> float:
        return time_s - self.session.zero_s

    def described(self) -> dict[str, Any]:
        """Return everything except the pictures and the motion."""
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
            "markers": list(marker_rows(session)),
            "questions": [asdict(question) for question in questions(session)],
            "gaps": [
                {"start_s": self.seconds(a), "end_s": self.seconds(b), "why": why}
                for a, b, why in session.gaps()
            ],
            "coders": session.folder.coders(),
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
            raise InputError(f"frame {place}: the session has {len(self.pictures.stamps)}")
        return self.pictures.stamps[place]

    def moment(self, place: int, now: Stamp | None) -> Stamp:
        """Return the moment that a coder means by `place`: `now`, unless the coder moved it. An
        analysed frame may be missing from the video; its nearest neighbour then shows it."""
        kept = now is not None and self.pictures.nearest(now.time_s) == place
        return now if now is not None and kept else self.stamp(place)


class _Shelf:
    """The sessions of a folder; the last opened ones are kept."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._opened: OrderedDict[str, tuple[tuple[int, ...], _Opened]] = OrderedDict()

    def folders(self) -> dict[str, Path]:
        """Return the folders by displayable name: a name from another system may not be valid
        text."""
        folders = self._root.iterdir() if self._root.is_dir() else ()
        return {clean_line(path.name): path for path in folders if (path / DOCUMENT).is_file()}

    def open(self, name: str) -> _Opened:
        """Open a session. Raises `InputError` if there is none of that name, or it is not whole."""
        path = self.folders().get(name)
        if path is None:
            raise InputError(f"session {name!r}: there is none in {self._root}")
        folder = SessionFolder(path)
        # A redaction or recovery since then changes everything.
        tables = (folder.document, folder.frames, folder.events, folder.markers)
        videos = map(folder.video, folder.parts())
        state = tuple(map(_changed_ns, (*tables, *videos)))
        with self._lock:
            kept = self._opened.get(name)
            if kept is None or kept[0] != state:
                if kept is not None:
                    kept[1].pictures.close()
                kept = (state, _Opened(folder.path))
                self._opened[name] = kept
            self._opened.move_to_end(name)
            while len(self._opened) > KEPT_SESSIONS:
                self._opened.popitem(last=False)[1][1].pictures.close()
            return kept[1]

    def listed(self) -> list[dict[str, Any]]:
        """Return one entry per session, newest first; if a session cannot be opened, it says
        why."""
        found: list[dict[str, Any]] = []
        for name, path in self.folders().items():
            folder = SessionFolder(path)
            try:
                document = folder.read_document()
                described = {key: clean_line(str(document[key])) for key in _TOLD}
                found.append({"name": name, **described, "coders": folder.coders()})
            except Exception as error:
                found.append({"name": name, "started_utc": "", "error": report_failure(error)})
        return sorted(found, key=lambda one: str(one["started_utc"]), reverse=True)


def _changed_ns(path: Path) -> int:
    """Return when `path` last changed; 0 if it is missing, or a dangling link."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def review_routes(root: Path) -> APIRouter:
    """Return routes under `/live/review/` over the sessions in `root`. Failures are reported in the
    answer, as `error`; a missing picture is a 404."""
    router = APIRouter(prefix="/live/review")
    shelf = _Shelf(root)
    replays = Replays()

    def told(answer: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            return answer()
        except Exception as error:
            return {"error": report_failure(error)}

    @router.get("/sessions")
    def sessions() -> dict[str, Any]:
        return {"folder": str(root), "sessions": shelf.listed()}

    @router.get("/{name}/session")
    def session(name: str) -> dict[str, Any]:
        return told(lambda: shelf.open(name).described())

    @router.get("/{name}/coding")
    def coding(name: str, coder: str) -> dict[str, Any]:
        return told(lambda: _coding(shelf.open(name), coder))

    @router.post("/{name}/edit")
    def edit(name: str, said: EditRequest) -> dict[str, Any]:
        return told(lambda: _edited(shelf.open(name), said))

    @router.get("/{name}/motion")
    def motion(
        name: str,
        start_s: FiniteFloat,
        end_s: FiniteFloat,
        bins: int = Query(1000, ge=1, le=MAX_BINS),
    ) -> dict[str, Any]:
        def answer() -> dict[str, Any]:
            opened = shelf.open(name)
            zero_s = opened.session.zero_s
            return {"over": opened.motion.binned(start_s + zero_s, end_s + zero_s, bins)}

        return told(answer)

    @router.get("/{name}/loudness")
    def loudness(
        name: str,
        start_s: FiniteFloat,
        end_s: FiniteFloat,
        bins: int = Query(1000, ge=1, le=MAX_BINS),
    ) -> dict[str, Any]:
        return told(lambda: {"db": shelf.open(name).sound.loudness(start_s, end_s, bins)})

    @router.get("/{name}/sound.wav")
    def sound(name: str, wanted: Annotated[str | None, Header(alias="range")] = None) -> Response:
        try:
            return sound_answer(lambda: shelf.open(name).sound, wanted)
        except (InputError, OSError) as error:
            raise HTTPException(404, report_failure(error)) from None

    @router.get("/{name}/frame/{place}.jpg")
    def frame(name: str, place: int) -> Response:
        try:
            image = shelf.open(name).pictures.frame(place).image
        except (InputError, OSError) as error:
            raise HTTPException(404, report_failure(error)) from None
        return jpeg(image, JPEG_QUALITY)

    @router.get("/{name}/replay/{onset}-{apex}-{offset}/replay.json")
    def replay(name: str, onset: int, apex: int, offset: int) -> dict[str, Any]:
        def answer() -> dict[str, Any]:
            opened = shelf.open(name)
            window = _window(opened, onset, apex, offset)
            return replay_facts(lambda: _replay(replays, name, opened, window), window)

        return told(answer)

    @router.get("/{name}/replay/{onset}-{apex}-{offset}/replay.jpg")
    def replay_sheet(
        name: str,
        onset: int,
        apex: int,
        offset: int,
        factor: float = Query(1.0, ge=1, le=LARGEST_FACTOR),
    ) -> Response:
        def made() -> Replay:
            opened = shelf.open(name)
            return _replay(replays, name, opened, _window(opened, onset, apex, offset))

        return replay_picture(made, factor)

    @router.get("/{name}/report.html")
    def told_in_full(name: str, coder: str = "") -> Response:
        try:
            page = report(_as_left(shelf.open(name).session, coder))
        except (InputError, OSError) as error:
            raise HTTPException(404, report_failure(error)) from None
        return Response(page, media_type="text/html", headers={"Cache-Control": "no-store"})

    @router.post("/{name}/export")
    def exported(name: str, wish: ExportRequest) -> dict[str, Any]:
        def answer() -> dict[str, Any]:
            session = _as_left(shelf.open(name).session, wish.coder)
            out = export_folder(session)
            files = [path.relative_to(out).as_posix() for path in export(session, [wish.to], out)]
            return {"folder": str(out), "files": files}

        return told(answer)

    @router.get("/{name}/agreement")
    def agreement(name: str, first: str, second: str) -> dict[str, Any]:
        def answer() -> dict[str, Any]:
            found = asdict(agree(shelf.open(name).session, first, second))
            return {key: _known(value) for key, value in found.items()}

        return told(answer)

    return router


def _coding(opened: _Opened, coder: str) -> dict[str, Any]:
    seen = coded_expressions(opened.session, coder)
    named = kinds(opened.session, seen)
    return {"coder": coder, "expressions": [opened.edit(e, named[e.number]) for e in seen]}


def _edited(opened: _Opened, said: EditRequest) -> dict[str, Any]:
    if said.frames != len(opened.pictures.stamps):
        raise InputError("the session has changed since it was opened: load the page again")
    now = next(
        (e for e in coded_expressions(opened.session, said.coder) if e.number == said.number), None
    )
    edit = add_edit(
        opened.session,
        said.coder,
        said.number,
        verdict=said.verdict,
        moments=(
            opened.moment(said.onset, now.onset if now else None),
            opened.moment(said.apex, now.apex if now else None),
            opened.moment(said.offset, now.offset if now else None),
        ),
        label=said.label,
        note=said.note,
    )
    return _coding(opened, said.coder) | {"number": edit.number}


def _as_left(session: Session, coder: str) -> Session:
    """Return it as the coder left it; as found without a coder, or if the coder made no edit."""
    return as_coded(session, coder) if coder in session.folder.coders() else session


def _window(opened: _Opened, onset: int, apex: int, offset: int) -> Window:
    start, middle, end = opened.stamp(onset), opened.stamp(apex), opened.stamp(offset)
    if not 0 <= end.time_s - start.time_s <= MAX_REPLAY_S:
        raise InputError(f"a replay is at most {MAX_REPLAY_S:g} s long: play the video instead")
    return Window(start, middle, end, math.inf)


def _replay(replays: Replays, name: str, opened: _Opened, window: Window) -> Replay:
    assert window.offset is not None
    first = opened.pictures.nearest(window.onset.time_s - CONTEXT_S)
    last = opened.pictures.nearest(window.offset.time_s + CONTEXT_S)
    key = (name, opened.mark, window.onset, window.apex, window.offset)
    return replays.open(key, lambda: opened.pictures.between(first, last), window)


def _known(value: object) -> object:
    """Return NaN as null, because JSON has no NaN; other values unchanged."""
    if isinstance(value, tuple):
        return [_known(one) for one in value]
    return finite(value) if isinstance(value, float) else value
