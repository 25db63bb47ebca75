"""The routes of the page's Study tab."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, FiniteFloat

from realtime.recording.camera_check import Check, camera_check
from realtime.study import Draft, Study
from realtime.ui.calibration import Calibrator
from realtime.ui.failures import report_failure
from realtime.ui.guard import person
from realtime.ui.viewer_messages import Text


class DraftRequest(BaseModel):
    """The form before a recording; see `Draft`."""

    participant: Text
    consent: Text
    pictures: bool
    audio: Text = ""
    voice: bool = False
    codec: Text
    minutes: FiniteFloat
    lsl: bool = False
    lsl_markers: Text = ""


class TextRequest(BaseModel):
    """A key, the name of a question, a note, or a protocol."""

    text: Text
    at_s: FiniteFloat | None = None
    """When, on this program's monotonic clock; None: now."""


class Span(BaseModel):
    """How much to forget."""

    seconds: FiniteFloat


def study_routes(study: Study) -> APIRouter:
    """Return routes under `/live/study/`. Each answers with `Study.state`, and with `error` if
    something failed."""
    router = APIRouter(prefix="/live/study")

    def done(
        request: Request, did: str, action: Callable[[], None], *, begins: bool = False
    ) -> dict[str, Any]:
        """Do it, and have the recording's audit say who did; `begins`: only then there is one."""
        who = person(request).name
        try:
            if not begins:
                study.audit(who, did)
            action()
            if begins:
                study.audit(who, did)
        except Exception as error:
            return {**study.state(), "error": report_failure(error)}
        return study.state()

    @router.get("/state")
    def state() -> dict[str, Any]:
        return study.state()

    @router.post("/draft")
    def draft(request: Request, wish: DraftRequest) -> dict[str, Any]:
        return done(request, "fill in", lambda: study.fill_in(Draft(**wish.model_dump())))

    @router.post("/protocol")
    def protocol(request: Request, words: TextRequest) -> dict[str, Any]:
        return done(request, "protocol", lambda: study.take_protocol(words.text))

    @router.post("/start")
    def start(request: Request) -> dict[str, Any]:
        return done(request, "record", study.start, begins=True)

    @router.post("/stop")
    def stop(request: Request) -> dict[str, Any]:
        return done(request, "stop", study.stop)

    @router.post("/key")
    def key(request: Request, words: TextRequest) -> dict[str, Any]:
        return done(request, "key", lambda: study.press(words.text, words.at_s))

    @router.post("/question")
    def question(request: Request, words: TextRequest) -> dict[str, Any]:
        return done(request, "question", lambda: study.ask(words.text, words.at_s))

    @router.post("/note")
    def note(request: Request, words: TextRequest) -> dict[str, Any]:
        return done(request, "note", lambda: study.note(words.text, words.at_s))

    @router.post("/pause")
    def pause(request: Request) -> dict[str, Any]:
        return done(request, "pause", study.pause)

    @router.post("/resume")
    def resume(request: Request) -> dict[str, Any]:
        return done(request, "resume", study.resume)

    @router.post("/forget")
    def forget(request: Request, span: Span) -> dict[str, Any]:
        seconds = span.seconds
        return done(request, f"forget the last {seconds:g} s", lambda: study.forget(seconds))

    return router


def measured_camera(calibrator: Calibrator | None) -> Check | None:
    """Return the result of the Calibrate tab's camera check; None if nobody made one."""
    report = calibrator.state()["camera"] if calibrator is not None else None
    return None if report is None else camera_check(report)
