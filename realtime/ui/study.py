"""The routes of the page's Study tab."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, FiniteFloat

from realtime.recording.camera_check import Check, judge_camera
from realtime.recording.protocol_editing import EntryError, ProtocolEntries
from realtime.study import Draft, Study
from realtime.ui.access import get_person
from realtime.ui.calibration import Calibrator
from realtime.ui.failures import report_failure
from realtime.ui.messages import Text

MOST_ROWS = 200
"""The most keys or questions of a protocol that the page saves."""


class DraftRequest(BaseModel):
    """The form before a recording; see `Draft`."""

    participant: Text
    consent: Text
    pictures: bool
    audio: Text = ""
    voice: bool = False
    codec: Text
    minutes: FiniteFloat | None = None
    show_labels: bool = False
    lsl: bool = False
    lsl_markers: Text = ""


class TextRequest(BaseModel):
    """A key, the name of a question, a note, or a protocol."""

    text: Text
    at_s: FiniteFloat | None = None
    """Time on this program's monotonic clock; None: now."""


class KeyEntry(BaseModel):
    """A row of the protocol's keys."""

    key: Text
    name: Text


class QuestionEntry(BaseModel):
    """A row of the protocol's questions."""

    name: Text
    text: Text
    key: Text = ""


class ProtocolRequest(BaseModel):
    """A protocol as it was typed; see `ProtocolEntries`."""

    name: Text
    authors: Text = ""
    keys: list[KeyEntry] = Field(default_factory=list, max_length=MOST_ROWS)
    questions: list[QuestionEntry] = Field(default_factory=list, max_length=MOST_ROWS)

    def entries(self) -> ProtocolEntries:
        """Return the same as `ProtocolEntries`."""
        return ProtocolEntries(
            self.name,
            self.authors,
            [(row.key, row.name) for row in self.keys],
            [(row.name, row.text, row.key) for row in self.questions],
        )


class SpanToForget(BaseModel):
    """How much to delete."""

    seconds: FiniteFloat


def build_study_routes(study: Study) -> APIRouter:
    """Return the routes under `/live/study/`. Each answers with `Study.state` and, if it failed,
    with `error`; for wrong entries of a protocol also with `wrong`, which says what by field."""
    router = APIRouter(prefix="/live/study")

    def run(
        request: Request, did: str, action: Callable[[], None], *, begins: bool = False
    ) -> dict[str, Any]:
        """Run `action`, and note in the recording's audit who did `did`. `begins`: the recording
        exists only after `action`."""
        who = get_person(request).name
        try:
            if not begins:
                study.audit(who, did)
            action()
            if begins:
                study.audit(who, did)
        except Exception as error:
            wrong = error.by_field if isinstance(error, EntryError) else {}
            return {**study.state(), "error": report_failure(error), "wrong": wrong}
        return study.state()

    @router.get("/state")
    def state() -> dict[str, Any]:
        return study.state()

    @router.post("/draft")
    def draft(request: Request, form: DraftRequest) -> dict[str, Any]:
        return run(request, "fill in", lambda: study.fill_in(Draft(**form.model_dump())))

    @router.post("/protocol")
    def protocol(request: Request, entry: TextRequest) -> dict[str, Any]:
        return run(request, "protocol", lambda: study.take_protocol(entry.text))

    @router.post("/protocol/save")
    def save_protocol(request: Request, form: ProtocolRequest) -> dict[str, Any]:
        return run(request, "save protocol", lambda: study.save_protocol(form.entries()))

    @router.post("/protocol/choose")
    def choose_protocol(request: Request, entry: TextRequest) -> dict[str, Any]:
        return run(request, "choose protocol", lambda: study.choose_protocol(entry.text))

    @router.post("/start")
    def start(request: Request) -> dict[str, Any]:
        return run(request, "record", study.start, begins=True)

    def add_command(name: str, command: Callable[[], None]) -> None:
        @router.post(f"/{name}")
        def route(request: Request) -> dict[str, Any]:
            return run(request, name, command)

    def add_entry(name: str, enter: Callable[[str, float | None], None]) -> None:
        @router.post(f"/{name}")
        def route(request: Request, entry: TextRequest) -> dict[str, Any]:
            return run(request, name, lambda: enter(entry.text, entry.at_s))

    for name, command in {"stop": study.stop, "pause": study.pause, "resume": study.resume}.items():
        add_command(name, command)
    for name, enter in {"key": study.press, "question": study.ask, "note": study.note}.items():
        add_entry(name, enter)

    @router.post("/forget")
    def forget(request: Request, span: SpanToForget) -> dict[str, Any]:
        seconds = span.seconds
        return run(request, f"forget the last {seconds:g} s", lambda: study.forget(seconds))

    return router


def find_camera_check(calibrator: Calibrator | None) -> Check | None:
    """Return the result of the Calibrate tab's camera check; None if there is none."""
    report = calibrator.state()["camera"] if calibrator is not None else None
    return None if report is None else judge_camera(report)
