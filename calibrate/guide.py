"""Guides step by step through the calibration of a running session, for the page's Calibrate tab.

`take` runs in the session's pipeline thread, everything else in threads of the page's server. The
lock is held for a millisecond per frame, and never during a call to the session.
"""

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from calibrate.baseline import measure
from calibrate.baseline.measure import BaselineMeasure, parse_participant
from calibrate.camera import check
from calibrate.camera.check import CameraCheck, CameraReport
from calibrate.wording import baseline_rows, camera_rows
from model.errors import InputError
from model.records import Step
from realtime.live import LiveSession
from realtime.results.run_summary import list_versions
from realtime.sources.demo_face import REST
from realtime.spotting.baseline_file import Baseline, to_json
from realtime.spotting.motion import REGIONS

INTERRUPTED_S = 2.0
"""A longer gap ends a measurement: the session was paused, or the source changed."""
DEMO_AT_REST = f"demo:{REST}"
INTERRUPTED = "interrupted: the source was stopped, paused or changed; begin again"


class Guide:
    """One session's calibration. Implements `realtime.ui.calibration.Calibrator`."""

    def __init__(
        self,
        *,
        camera_s: float = check.USUAL_CHECK_S,
        baseline_s: float = measure.USUAL_S,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`camera_s` and `baseline_s`: length of each measurement; `now` dates a baseline."""
        self._lengths_s = {"camera": camera_s, "baseline": baseline_s}
        self._now = now
        self._lock = threading.Lock()
        self._session: LiveSession | None = None
        self._doing: CameraCheck | BaselineMeasure | None = None
        self._last_s: float | None = None
        self._participant = ""
        self._report: CameraReport | None = None
        self._baseline: Baseline | None = None
        self._errors = {"camera": "", "baseline": ""}
        self._source = ""  # the session's source before the demo face was asked to rest
        self._used = False

    def attach(self, session: LiveSession) -> None:
        """See `Calibrator.attach`."""
        self._session = session

    def take(self, step: Step) -> None:
        """See `Calibrator.take`."""
        with self._lock:
            doing = self._doing
            if doing is None:
                return
            time_s = step.frame.stamp.time_s
            if self._last_s is not None and not 0 < time_s - self._last_s <= INTERRUPTED_S:
                self._fail(doing, INTERRUPTED)
                return
            self._last_s = time_s
            doing.push(step)
            if doing.seconds >= self._lengths_s[_name(doing)]:
                self._finish(doing)

    def begin(self, what: str, *, participant: str, false_alarms_per_min: float) -> None:
        """See `Calibrator.begin`."""
        code = parse_participant(participant)
        session = self._running()
        source = session.source
        if source is None:
            raise InputError("no source is open: start one first")
        if what == "camera":
            doing: CameraCheck | BaselineMeasure = CameraCheck(source.info)
        elif what == "baseline":
            doing = BaselineMeasure(false_alarms_per_min=false_alarms_per_min)
        else:
            raise InputError(f"measurement {what!r}: choose camera or baseline")
        if what == "baseline" and source.info.kind == "demo":
            # The demo face shows an expression every few seconds, so it is never neutral.
            if session.config.source != DEMO_AT_REST:
                self._source = session.config.source
            session.switch(DEMO_AT_REST)
        with self._lock:
            self._errors[what] = ""
            if what == "camera":
                self._report = None
            else:
                self._baseline, self._used = None, False
            self._participant = code
            self._last_s = None
            self._doing = doing

    def cancel(self) -> None:
        """See `Calibrator.cancel`."""
        with self._lock:
            self._doing = None

    def use(self) -> None:
        """See `Calibrator.use`."""
        with self._lock:
            baseline = self._require_baseline()
        session = self._running()
        resting_demo = session.config.source == DEMO_AT_REST
        session.switch((self._source if resting_demo else "") or session.config.source, baseline)
        with self._lock:
            self._used = True

    def file(self) -> tuple[str, str]:
        """See `Calibrator.file`."""
        with self._lock:
            baseline = self._require_baseline()
        name = baseline.measured.participant if baseline.measured else ""
        return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', name) or 'baseline'}.json", to_json(baseline)

    def state(self) -> dict[str, Any]:
        """See `Calibrator.state`. `doing` ("camera", "baseline" or None), `seconds` of `of`,
        `hint`; `camera`: `light`, `verdict`, `findings`, `rows`; `baseline`: `rows`, `regions`;
        what went wrong with each last time: `camera_error`, `baseline_error`; `used`."""
        session = self._running()
        state = session.snapshot().state
        with self._lock:
            doing = self._doing
            if doing is not None and state in ("stopped", "ended", "failed", "paused"):
                self._fail(doing, INTERRUPTED)
                doing = None
            return {
                "doing": None if doing is None else _name(doing),
                "seconds": 0.0 if doing is None else doing.seconds,
                "of": 0.0 if doing is None else self._lengths_s[_name(doing)],
                "hint": "" if doing is None else doing.hint,
                "running": state in ("running", "starting"),
                "camera": None if self._report is None else _camera(self._report),
                "camera_error": self._errors["camera"],
                "baseline": None if self._baseline is None else _rest(self._baseline),
                "baseline_error": self._errors["baseline"],
                "used": self._used,
            }

    def _running(self) -> LiveSession:
        if self._session is None:
            raise RuntimeError("a guide without a session")
        return self._session

    def _require_baseline(self) -> Baseline:
        if self._baseline is None:
            raise InputError("no baseline was measured yet: do that first")
        return self._baseline

    def _finish(self, doing: CameraCheck | BaselineMeasure) -> None:
        session = self._running()
        source = session.source
        try:
            if isinstance(doing, CameraCheck):
                self._report = doing.report()
            elif source is not None:
                self._baseline = doing.baseline(
                    source.info,
                    now=self._now(),
                    software=list_versions(),
                    participant=self._participant,
                )
            self._doing = None
        except InputError as error:
            self._fail(doing, str(error))

    def _fail(self, doing: CameraCheck | BaselineMeasure, why: str) -> None:
        self._errors[_name(doing)] = why
        self._doing = None


def _name(doing: CameraCheck | BaselineMeasure) -> str:
    return "camera" if isinstance(doing, CameraCheck) else "baseline"


def _camera(report: CameraReport) -> dict[str, Any]:
    return {
        "light": report.light,
        "verdict": report.verdict,
        "findings": [{"light": f.light, "what": f.what, "do": f.remedy} for f in report.findings],
        "rows": camera_rows(report),
    }


def _rest(baseline: Baseline) -> dict[str, Any]:
    measured = baseline.measured
    assert measured is not None  # this guide measured it
    return {
        "rows": baseline_rows(baseline),
        "regions": [
            {
                "name": name.replace("_", " "),
                "noise_px": measured.noise_px[name],
                "floor_px": baseline.floor_px[name],
            }
            for name in REGIONS
        ],
    }
