"""The routes of the page's Study tab."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from model.errors import InputError
from realtime.session.verdict import Check, camera_check
from realtime.study import Draft, Study
from realtime.ui.calibration import Calibrator


class Wish(BaseModel):
    """What is filled in; see `Draft`."""

    participant: str
    consent: str
    pictures: bool
    audio: str = ""
    voice: bool = False
    codec: str
    minutes: float
    lsl: bool = False
    lsl_markers: str = ""


class Words(BaseModel):
    """A key, the name of a question, a note, or a protocol."""

    text: str
    at_s: float | None = None
    """When, on this program's monotonic clock; None: now."""


class Span(BaseModel):
    """What is to be forgotten."""

    seconds: float


def study_routes(study: Study) -> APIRouter:
    """Routes under `/live/study/`; each answers with `Study.state`, and what could not be done
    with `error` in it."""
    router = APIRouter(prefix="/live/study")

    def done(action: Callable[[], None]) -> dict[str, Any]:
        try:
            action()
        except InputError as error:
            return {**study.state(), "error": str(error)}
        return study.state()

    @router.get("/state")
    def state() -> dict[str, Any]:
        return study.state()

    @router.post("/draft")
    def draft(wish: Wish) -> dict[str, Any]:
        return done(lambda: study.fill_in(Draft(**wish.model_dump())))

    @router.post("/protocol")
    def protocol(words: Words) -> dict[str, Any]:
        return done(lambda: study.take_protocol(words.text))

    @router.post("/start")
    def start() -> dict[str, Any]:
        return done(study.start)

    @router.post("/stop")
    def stop() -> dict[str, Any]:
        return done(study.stop)

    @router.post("/key")
    def key(words: Words) -> dict[str, Any]:
        return done(lambda: study.press(words.text, words.at_s))

    @router.post("/question")
    def question(words: Words) -> dict[str, Any]:
        return done(lambda: study.ask(words.text, words.at_s))

    @router.post("/note")
    def note(words: Words) -> dict[str, Any]:
        return done(lambda: study.note(words.text, words.at_s))

    @router.post("/pause")
    def pause() -> dict[str, Any]:
        return done(study.pause)

    @router.post("/resume")
    def resume() -> dict[str, Any]:
        return done(study.resume)

    @router.post("/forget")
    def forget(span: Span) -> dict[str, Any]:
        return done(lambda: study.forget(span.seconds))

    return router


def measured_camera(calibrator: Calibrator | None) -> Check | None:
    """What the Calibrate tab's camera check found; None if it was not made."""
    report = calibrator.state()["camera"] if calibrator is not None else None
    return None if report is None else camera_check(report)
