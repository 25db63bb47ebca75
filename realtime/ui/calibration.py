"""The page's Calibrate tab: the calibrator's interface, and the tab's routes.

The measurements belong to `calibrate`, which this package does not import: `run_live.py` passes in
a `Calibrator`. The tab's script asks for its state a few times a second and draws it.
"""

from collections.abc import Callable
from typing import Any, Protocol

from fastapi import APIRouter, Response
from pydantic import BaseModel, FiniteFloat

from model.records import Step
from realtime.live import LiveSession
from realtime.ui.failures import error_as_404, report_failure
from realtime.ui.messages import Text


class Calibrator(Protocol):
    """Measures what a running session sees. Any thread."""

    def take(self, step: Step) -> None:
        """Take a step. The session's pipeline thread calls this for every step, in order, so it
        must be quick."""

    def attach(self, session: LiveSession) -> None:
        """Set the session whose steps it takes. Called once, before the session starts."""

    def begin(self, what: str, *, participant: str, false_alarms_per_min: float) -> None:
        """Begin the measurement `what`, "camera" or "baseline", and drop its last result. Raises
        `InputError` if it cannot begin."""

    def cancel(self) -> None:
        """Stop the measurement without a result."""

    def state(self) -> dict[str, Any]:
        """Return the state as JSON values."""

    def use(self) -> None:
        """Make the session use the measured baseline. Raises `InputError` without one."""

    def file(self) -> tuple[str, str]:
        """Return name and text of the measured baseline's file. Raises `InputError` without one."""


class CalibrationRequest(BaseModel):
    """The options of a measurement."""

    participant: Text = ""
    false_alarms_per_min: FiniteFloat = 0.5


def build_calibration_routes(calibrator: Calibrator) -> APIRouter:
    """Return the routes under `/live/calibrate/`. Answers report failures as `error`."""
    router = APIRouter(prefix="/live/calibrate")

    @router.get("/state")
    def state() -> dict[str, Any]:
        return calibrator.state()

    def after(action: Callable[[], None]) -> dict[str, Any]:
        try:
            action()
        except Exception as error:
            return {**calibrator.state(), "error": report_failure(error)}
        return calibrator.state()

    @router.post("/begin/{what}")
    def begin(what: str, options: CalibrationRequest) -> dict[str, Any]:
        return after(lambda: calibrator.begin(what, **options.model_dump()))

    @router.post("/cancel")
    def cancel() -> dict[str, Any]:
        return after(calibrator.cancel)

    @router.post("/use")
    def use() -> dict[str, Any]:
        return after(calibrator.use)

    @router.get("/baseline.json")
    @error_as_404
    def file() -> Response:
        name, text = calibrator.file()
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        }
        return Response(text, media_type="application/json", headers=headers)

    return router
