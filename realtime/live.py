"""LiveSession: a source analysed in real time, started, switched and stopped as one likes.

It makes one `realtime.run.Run` per start, in which all threads live. Whoever looks (page, progress
line) does so from threads of its own, through `snapshot`, `events`, `history`, `clip` and
`latest_step`: copies and frozen records, nothing that capture or pipeline waits for. `start`,
`stop`, `switch`, `record`, `pause`, `resume`, `mark` and `redact` may be called from any thread,
not from `on_step`.
"""

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self

from model.errors import InputError, describe_error
from model.machine import choose_device
from model.records import Event, Frame, Step
from realtime.config import LiveConfig, device_name
from realtime.recording.notebook import Notebook
from realtime.recording.plan import RecordPlan
from realtime.recording.status import RecordingStatus
from realtime.results.clips import Clips, cut
from realtime.results.results import Results, SignalAt
from realtime.results.snapshot import Snapshot, State, doubt, take_snapshot
from realtime.run import Run, StillAliveError
from realtime.sessions.markers import MarkerKind
from realtime.sources import (
    ASKED_RATE,
    Source,
    SourceStatus,
    open_source,
    split_spec,
    without_password,
)
from realtime.sources.browser import BrowserSource
from realtime.spotting.baseline import Baseline
from realtime.stream.counters import Captured, recent_fps
from realtime.stream.heap import share_heap
from realtime.stream.packed_frame import unpack
from realtime.stream.ring import FrameRing

WAITING = "recording first: the analysis waits until the recorder has caught up"


class LiveSession:
    """Source, ring, pipeline and their threads, from start to stop, as often as wanted."""

    def __init__(
        self,
        config: LiveConfig,
        on_step: Callable[[Step], None] | None = None,
        results: Results | None = None,
    ) -> None:
        """`on_step` is called in the pipeline thread with every step, in order. `results` takes
        what is found, for who wants to see each of it on its way. Raises `InputError` if the
        device that `config` asks for is absent."""
        share_heap()
        self._config = config
        self._device = choose_device(config.device)
        self._on_step = on_step
        self._results = results or Results()
        self._clips = Clips()
        self._on_forget: list[Callable[[], None]] = []
        self._control = threading.RLock()  # one start, stop or switch at a time
        self._run: Run | None = None
        self._plan = config.record  # of the first start alone
        self._fps = config.fps
        self._runs = 0
        self._starting = False
        self._failure = ""
        self._left_behind = ""
        """In words, what of the run before did not end."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Open the source, load and warm the models, begin. Returns when capture has started;
        raises `InputError` if it cannot. A session that runs already is left alone. What the first
        start records, as `LiveConfig.record` says, ends with its run: who comes before the camera
        next has agreed to nothing."""
        with self._control:
            if self._run is not None and not self._run.finished.is_set():
                return
            self._begin(None, self._plan)
            self._plan = None
            self.audit("the command line", "record")

    def switch(
        self, source: str, baseline: Baseline | None = None, rotate: int | None = None
    ) -> None:
        """Stop, and start with another source, another baseline, or the pictures turned by `rotate`
        degrees clockwise (None: as it was). A source that cannot be opened raises `InputError`, and
        what ran goes on; only a camera has to be let go before the next source is tried. What is
        recorded has to be stopped first: `InputError`."""
        with self._control:
            if self.records:
                shown = without_password(source)
                raise InputError(f"--source {shown}: a recording is going on, stop it first")
            baseline = baseline or self._config.baseline
            rotate = self._config.rotate if rotate is None else rotate
            # What a camera was asked for is nothing to ask of a file, which would be slowed down.
            fps = self._fps if source and split_spec(source)[0] in ASKED_RATE else None
            config = replace(self._config, source=source, baseline=baseline, rotate=rotate, fps=fps)
            run = self._run
            opened: Source | None = None
            if run is not None and run.source.info.kind != "camera":
                opened = open_source(source, config.source_options())
            self._config = config
            self._begin(opened, None)

    def stop(self) -> None:
        """End the run and join its threads. Results stay readable. Raises `StillAliveError` naming
        the threads that did not end in time, once: they are left behind, and another start is
        free. Does nothing if nothing runs."""
        with self._control:
            try:
                if self._run is not None:
                    self._run.stop()
            finally:
                self._config = replace(self._config, record=None)

    def pause(self) -> None:
        """Stop analysing. A file or the demo waits where it is; frames of a camera are dropped."""
        with self._control:
            if self._run is not None and self._run.resumed.is_set():
                if self._run.recording is not None:
                    self._run.recording.notebook.mark("pause", "", "")
                self._run.pause()

    def resume(self) -> None:
        """Go on after `pause`."""
        with self._control:
            if self._run is not None and not self._run.resumed.is_set():
                if self._run.recording is not None:
                    # Before: the clock of a file stands still.
                    self._run.recording.notebook.mark("resume", "", "")
                self._run.resume()

    def record(self, plan: RecordPlan | None) -> None:
        """Stop, and start anew: recorded as `plan` says, or, with None, not recorded. A recording
        is a run of its own, so that analysing it again begins where the live analysis began.
        Raises `InputError` if it cannot be recorded; then it goes on unrecorded. One that is going
        on has to be stopped first."""
        with self._control:
            if plan is not None and self.records:
                raise InputError("a recording is going on: stop it first")
            try:
                self._begin(None, plan)
            except Exception:
                if plan is not None:
                    self.record(None)
                raise

    def mark(
        self, name: str, note: str = "", kind: MarkerKind = "mark", at_s: float | None = None
    ) -> None:
        """Note, in the session that is recorded, that `name` happens now, or happened at `at_s` of
        the monotonic clock. A question's start and end are the kinds `question_start` and
        `question_end`. Raises `InputError` if nothing is recorded, or nothing any more."""
        if not self._recorded().mark(kind, name, note, at_s):
            recording = self.recording()
            why = recording.failure if recording is not None else ""
            raise InputError(f"nothing can be marked: {why or 'the recording has ended'}")

    def audit(self, who: str, did: str) -> None:
        """Note, in the session that is recorded if one is, that somebody did something."""
        run = self._run
        if run is not None and run.recording is not None:
            run.recording.recorder.audit(who, did)

    def redact(self, seconds: float) -> None:
        """Forget the last `seconds`: they are deleted from what is shown, the recording, and its
        tables. Raises `InputError` if nothing is recorded; if nothing is any more, it is deleted
        from what is shown alone, and the error says how to delete it from the recording."""
        if not 0 < seconds < math.inf:
            raise InputError(f"redact {seconds:g} s: choose more than 0, and a number")
        self._forget(*self._recorded().last(seconds))

    def on_forget(self, forget: Callable[[], None]) -> None:
        """Have `forget` called whenever something is to be forgotten, by whoever keeps pictures of
        this session."""
        self._on_forget.append(forget)

    def _forget(self, start_s: float, end_s: float) -> None:
        """Forget what lies between these times of the source, wherever it is."""
        # What is shown first, then what is written, then what neither needs any more.
        self._clips.forget(self._results.forget(start_s, end_s), start_s, end_s)
        for forget in self._on_forget:
            forget()
        try:
            self._recorded().redact(start_s, end_s)
        finally:
            ring = self.ring
            if ring is not None:
                ring.forget(start_s, end_s)

    def forgotten(self) -> tuple[tuple[float, float], ...]:
        """See `Results.forgotten`."""
        return self._results.forgotten()

    def recording(self) -> RecordingStatus | None:
        """How the recording stands; None if there is none."""
        run = self._run
        return run.recording.status() if run and run.recording else None

    def wait(self, timeout_s: float | None = None) -> bool:
        """Sleep until the source has ended and everything is analysed; False if that takes longer
        than `timeout_s`. Raises the error that ended the run, if one did."""
        run = self._run
        if run is None:
            return True
        if not run.finished.wait(timeout_s):
            return False
        if run.error is not None:
            raise run.error
        return True

    @property
    def config(self) -> LiveConfig:
        """What it was asked, with the source it was last switched to and what this run records."""
        return self._config

    @property
    def ring(self) -> FrameRing | None:
        """The frames of this run; None before the first start."""
        run = self._run
        return run.ring if run else None

    @property
    def source(self) -> Source | None:
        """What this run reads; only `info`, `status` and a demo's truth are for others."""
        run = self._run
        return run.source if run else None

    @property
    def starting(self) -> bool:
        """Whether one run has ended for another that is about to begin."""
        return self._starting

    @property
    def browser(self) -> BrowserSource | None:
        """The source that the page's camera feeds, if this run has one."""
        source = self.source
        return source if isinstance(source, BrowserSource) else None

    def latest_step(self, after: int | None, timeout_s: float) -> Step | None:
        """See `Results.latest_step`."""
        return self._results.latest_step(after, timeout_s)

    def shown(self, index: int, *, painted_ms: float, timings_ms: Mapping[str, float]) -> None:
        """See `Results.shown`."""
        self._results.shown(index, painted_ms=painted_ms, timings_ms=timings_ms)

    def events(self) -> tuple[Event, ...]:
        """See `Results.events`."""
        return self._results.events()

    def history(self, since_s: float) -> tuple[SignalAt, ...]:
        """See `Results.history`."""
        return self._results.history(since_s)

    def clip(self, number: int) -> tuple[Frame, ...]:
        """The frames from half a second before event `number` to half a second after it: of the
        last events packed ones, of one that is going on what the ring holds; else empty."""
        frames = self._clips.frames(number)
        run = self._run
        if frames or run is None:
            return frames
        for event in self._results.events():
            if event.number == number:
                held = cut(run.ring, event)
                kept = (f for f in held if not self._results.is_forgotten(f.stamp))
                return tuple(map(unpack, kept))
        return ()

    def snapshot(self) -> Snapshot:
        """How the session stands now."""
        run = self._run
        source = run.source if run else None
        status = source.status() if source else None
        captured = run.captured if run else Captured()
        running = run is not None and not run.finished.is_set() and run.resumed.is_set()
        return take_snapshot(
            self._results.counts(),
            captured,
            status,
            config=self._config,
            info=source.info if source else None,
            state=self._state(run),
            run=self._runs,
            message=self._message(run, status),
            fps_measured=recent_fps(run.ring) if run and running else captured.fps(),
            device=device_name(self._device),
            engine=run.engine if run else "",
        )

    def _recorded(self) -> Notebook:
        run = self._run
        if run is None or run.recording is None:
            raise InputError("nothing is recorded that could be marked: start with --record")
        return run.recording.notebook

    @property
    def records(self) -> bool:
        """Whether a recording is going on: one that failed is not."""
        run, recording = self._run, self.recording()
        if run is None or run.finished.is_set():
            return False
        return recording is not None and not recording.failure

    def _begin(self, opened: Source | None, plan: RecordPlan | None) -> None:
        self._starting = True  # also while what ran ends: a viewer's camera waits for what follows
        try:
            self._left_behind = ""
            try:
                self.stop()
            except StillAliveError as error:
                self._left_behind = str(error)
            self._config = replace(self._config, record=plan)
            self._failure = ""
            self._runs += 1
            self._run = None
            self._results.clear()
            self._clips = Clips()  # what was left behind keeps the one before
            # What can be wrong with the options shows before anything slow is loaded.
            source = opened or open_source(self._config.source, self._config.source_options())
            results, clips = self._results, self._clips
            self._run = Run(self._config, self._device, source, results, clips, self._on_step)
        except Exception as error:
            self._failure = describe_error(error)
            raise
        finally:
            self._starting = False

    def _state(self, run: Run | None) -> State:
        if self._starting:
            return "starting"
        if self._failure:
            return "failed"
        if run is None or run.stopped:
            return "stopped"
        if run.finished.is_set():
            return "failed" if run.error else "ended"
        return "running" if run.resumed.is_set() else "paused"

    def _message(self, run: Run | None, status: SourceStatus | None) -> str:
        if self._failure:
            return self._failure
        if run is not None and run.error is not None and not run.failed:
            return describe_error(run.error)
        recording = self.recording()
        if recording is not None and recording.failure:
            return recording.failure
        if run is not None and run.waiting:
            return WAITING
        if run is not None and run.failed:
            return f"{run.failed}; the recording goes on"
        faults = [*run.faults, *(run.recording.faults if run.recording else ())] if run else []
        if faults:
            return "; ".join(faults)
        if self._left_behind:
            return self._left_behind
        if run is not None and run.trouble:
            return run.trouble
        told = status.message if status else ""
        told = told or (doubt(self._config.baseline, run.captured, run.warning) if run else "")
        told = told or (recording.markers if recording is not None and self.records else "")
        heard = recording.sound if recording is not None and self.records else ""
        return told or (f"sound is recorded: {heard}" if heard else "")
