"""The page's Calibrate tab: the calibrator's interface, and the tab's routes.

The measurements belong to `calibrate`, which this package does not know; `run_live.py` passes in an
object that follows `Calibrator`. The tab's script asks for its state a few times a second and draws
it.
"""

from typing import Any, Protocol

from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel, FiniteFloat

from model.errors import InputError
from model.records import Step
from realtime.live import LiveSession
from realtime.ui.failures import report_failure
from realtime.ui.viewer_messages import Text


class Calibrator(Protocol):
    """Measures what a running session sees. Any thread."""

    def take(self, step: Step) -> None:
        """Take every step of the session, in order, in its pipeline thread. Must be quick."""
        ...

    def attach(self, session: LiveSession) -> None:
        """Set the session whose steps it takes; called once, before the session starts."""
        ...

    def begin(self, what: str, *, participant: str, false_alarms_per_min: float) -> None:
        """Begin the measurement `what`, "camera" or "baseline", and discard the last result of that
        kind. Raises `InputError` if it cannot begin."""
        ...

    def cancel(self) -> None:
        """Stop the measurement and keep nothing of it."""
        ...

    def state(self) -> dict[str, Any]:
        """Return the state for the page, as JSON values."""
        ...

    def use(self) -> None:
        """Make the session use the measured baseline. Raises `InputError` without one."""
        ...

    def file(self) -> tuple[str, str]:
        """Return name and text of the measured baseline's file. Raises `InputError` without one."""
        ...


class CalibrationRequest(BaseModel):
    """The options of a measurement."""

    participant: Text = ""
    false_alarms_per_min: FiniteFloat = 0.5


def calibration_routes(calibrator: Calibrator) -> APIRouter:
    """Return routes under `/live/calibrate/`. Failures are reported in the answer, as `error`."""
    router = APIRouter(prefix="/live/calibrate")

    @router.get("/state")
    def state() -> dict[str, Any]:
        return calibrator.state()

    @router.post("/begin/{what}")
    def begin(what: str, wish: CalibrationRequest) -> dict[str, Any]:
        try:
            calibrator.begin(
                what,
                participant=wish.participant,
                false_alarms_per_min=wish.false_alarms_per_min,
            )
        except Exception as error:
            return {**calibrator.state(), "error": report_failure(error)}
        return calibrator.state()

    @router.post("/cancel")
    def cancel() -> dict[str, Any]:
        calibrator.cancel()
        return calibrator.state()

    @router.post("/use")
    def use() -> dict[str, Any]:
        try:
            calibrator.use()
        except Exception as error:
            return {**calibrator.state(), "error": report_failure(error)}
        return calibrator.state()

    @router.get("/baseline.json")
    def file() -> Response:
        try:
            name, text = calibrator.file()
        except InputError as error:
            raise HTTPException(404, str(error)) from None
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        }
        return Response(text, media_type="application/json", headers=headers)

    return router
