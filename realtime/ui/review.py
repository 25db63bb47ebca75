"""The routes of the page's Review tab.

Times are seconds of the video, counted from the first recorded frame. Frames are given by their
place in the video (`realtime.review.recorded_frames`).
"""

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, Field, FiniteFloat

from model.errors import InputError
from model.records import Window
from realtime.export import export, export_folder
from realtime.results.clips import CONTEXT_S
from realtime.results.replay import Replay
from realtime.review.coding import apply_edits, check_coder, read_coder
from realtime.review.session_report import make_report
from realtime.sessions.export_rows import name_files
from realtime.sessions.exported_copies import ForgottenCopies, forget_copies
from realtime.sessions.folder import hold
from realtime.sessions.reader import RecoveryNeededError, Session
from realtime.sessions.recover import recover
from realtime.ui.downloads import NO_STORE, answer_file, answer_zip, attachment, find_export
from realtime.ui.event_pictures import Factor, Replays, answer_jpeg, answer_replay, describe_replay
from realtime.ui.failures import error_as_404, error_as_answer
from realtime.ui.messages import Text
from realtime.ui.open_sessions import OpenSession, SessionStore
from realtime.ui.review_coding import add_coding_routes, may_see_program
from realtime.ui.sound_stream import answer_sound

FRAME_QUALITY = 92
MAX_REPLAY_S = 12.0


class ExportRequest(BaseModel):
    """What to export, and whose edits to apply."""

    to: Text
    coder: Text = ""
    look: bool = False


class TimeRange(BaseModel):
    """A stretch of the video in seconds, and the number of bins that describe it."""

    start_s: FiniteFloat
    end_s: FiniteFloat
    bins: int = Field(1000, ge=1, le=4000)


def build_review_routes(root: Path) -> APIRouter:
    """Return the routes under `/live/review/` for the sessions in `root`. Answers report failures
    as `error`; a missing picture is a 404."""
    router = APIRouter(prefix="/live/review")
    store = SessionStore(root)
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
        try:
            return store.open(name).describe()
        except RecoveryNeededError as error:
            return {"recovery_needed": str(error)}

    @router.get("/{name}/times.f64")
    @error_as_404
    def times(name: str) -> Response:
        # As numbers, because a day has millions: as text they take five times as long.
        opened = store.open(name)
        times_s = (opened.pictures.times_s - opened.session.zero_s).astype("<f8")
        return Response(times_s.tobytes(), media_type="application/octet-stream", headers=NO_STORE)

    @router.post("/{name}/recover")
    @error_as_answer
    def recover_session(name: str) -> dict[str, Any]:
        with hold(store.find(name)) as folder:
            done = recover(folder)
            # A deletion that is finished now reaches what was exported, too.
            copies = forget_copies(folder) if done.redactions else ForgottenCopies((), ())
            return {**asdict(done), "copies_left": [str(path) for path in copies.left]}

    @router.get("/{name}/motion")
    @error_as_answer
    def motion(
        name: str, at: Annotated[TimeRange, Query()], coder: str = "", look: bool = False
    ) -> dict[str, Any]:
        opened = store.open(name)
        if not may_see_program(opened, coder, look):
            return {"over": None}  # its height is the program's score
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
        factor: Factor = 1.0,
    ) -> Response:
        return answer_replay(replay_of(name, onset, apex, offset)[0], factor)

    @router.get("/{name}/report.html")
    @error_as_404
    def report_page(name: str, coder: str = "", look: bool = False, save: bool = False) -> Response:
        session = _as_coded_by(store.open(name), coder, look)
        headers = attachment(f"{name_files(session)}_report.html") if save else NO_STORE
        return Response(make_report(session), media_type="text/html", headers=headers)

    @router.post("/{name}/export")
    @error_as_answer
    def export_session(name: str, request: ExportRequest) -> dict[str, Any]:
        session = _as_coded_by(store.open(name), request.coder, request.look)
        out = export_folder(session)
        files = [path.relative_to(out).as_posix() for path in export(session, [request.to], out)]
        return {"folder": str(out), "files": files}

    @router.get("/{name}/exported/{file:path}")
    @error_as_404
    def exported(name: str, file: str) -> Response:
        return answer_file(find_export(export_folder(store.open(name).session), file))

    @router.get("/{name}/exported.zip")
    @error_as_404
    def exported_zip(name: str, file: Annotated[list[str], Query()], coder: str = "") -> Response:
        session = store.open(name).session
        named = replace(session, coder=coder and check_coder(coder))
        return answer_zip(export_folder(session), file, f"{name_files(named)}.zip")

    add_coding_routes(router, store)
    return router


def _as_coded_by(opened: OpenSession, coder: str, look: bool) -> Session:
    """Return the session with the coder's edits, if there are any. Raises `InputError` if the coder
    codes blind, or nobody wants to `look`: what is exported and reported has the program's
    labels."""
    session = opened.session
    if not may_see_program(opened, coder, look):
        who, button = "this", "Show them without coding"
        if coder:
            who, button = f"coder {coder} codes blind, and this", "Done coding blind"
        raise InputError(f"{who} would show what the program found: first press {button}")
    edited = coder and read_coder(session.folder, coder).edits
    return apply_edits(session, coder) if edited else session


def _window(opened: OpenSession, onset: int, apex: int, offset: int) -> Window:
    start, middle, end = map(opened.pictures.stamp, (onset, apex, offset))
    if not 0 <= end.time_s - start.time_s <= MAX_REPLAY_S:
        raise InputError(f"a replay lasts at most {MAX_REPLAY_S:g} s: play the video instead")
    return Window(start, middle, end, math.inf)


def _replay(replays: Replays, name: str, opened: OpenSession, window: Window) -> Replay:
    assert window.offset is not None
    first = opened.pictures.nearest(window.onset.time_s - CONTEXT_S)
    last = opened.pictures.nearest(window.offset.time_s + CONTEXT_S)
    key = (name, opened.mark, window.onset, window.apex, window.offset)
    face = opened.session.face
    return replays.open(key, lambda: opened.pictures.between(first, last), window, face)
