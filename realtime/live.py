"""LiveSession: analyses a source in real time; start, switch and stop it as often as you like.

Each start makes one `realtime.live_threads.Run`, which owns all threads. Readers (page, progress
line) call `snapshot`, `clip` and the reading methods of `results` from their own threads. They get
copies and frozen records, and never hold up capture or pipeline. Any thread may call `start`,
`stop`, `switch`, `record`, `pause`, `resume`, `mark` and `redact`, but `on_step` must not.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Self

from model.errors import InputError, describe_error
from model.machine import choose_device
from model.records import Frame, Prediction, Step
from realtime.config import LiveConfig, device_name
from realtime.live_threads import Run, StillAliveError
from realtime.recording.notebook import Notebook
from realtime.recording.plan import RecordPlan
from realtime.recording.status import RecordingStatus
from realtime.results.clips import Clips, find_clip
from realtime.results.results import Results
from realtime.results.snapshot import Snapshot, State, quality_warning, take_snapshot
from realtime.sessions.audit import TERMINAL
from realtime.sessions.markers import MarkerKind
from realtime.sources import (
    ASKED_RATE,
    SEEKABLE,
    Source,
    SourceStatus,
    open_source,
    split_spec,
)
from realtime.sources.browser import BrowserSource
from realtime.spotting.baseline_file import Baseline
from realtime.stream.counters import CaptureCounter, recent_fps
from realtime.stream.heap import share_heap
from realtime.stream.ring import FrameRing

LAST_S = 1.0
"""A seek leaves at least this much to be played."""
WAITING = "recording first: the analysis waits until the recorder has caught up"


class LiveSession:
    """Source, ring, pipeline and their threads, for any number of runs."""

    def __init__(
        self,
        config: LiveConfig,
        on_step: Callable[[Step], None] | None = None,
        results: Results | None = None,
    ) -> None:
        """`on_step` is called in the pipeline thread with every step, in order. `results` collects
        the results; pass your own to watch them arrive. Raises `InputError` if this machine lacks
        the device that `config` asks for."""
        share_heap()
        self._config = config
        self._device = choose_device(config.device)
        self._on_step = on_step
        self.results = results or Results()
        """What the run found so far. Readers may call `add_painted` and what changes nothing."""
        self._clips = Clips()
        self._on_forget: list[Callable[[], None]] = []
        self._control = threading.RLock()  # one start, stop or switch at a time
        self._run: Run | None = None
        self._plan = config.record  # for the first start only
        self._fps = config.fps
        self._runs = 0
        self._starting = False
        self._failure = ""
        self._left_behind = ""
        """The threads of the previous run that did not end, in words."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Open the source, load and warm up the models, and return once capture has started. Does
        nothing if the session is running. Only the first start records as `LiveConfig.record` says:
        the next person before the camera has not agreed to be recorded. Raises `InputError` if it
        cannot start."""
        with self._control:
            if self._run is not None and not self._run.finished.is_set():
                return
            self._begin(None, self._plan)
            self._plan = None
            self.audit(TERMINAL, "record")

    def switch(
        self, source: str, baseline: Baseline | None = None, rotate: int | None = None
    ) -> None:
        """Stop, and start with another source, another baseline, or pictures turned by `rotate`
        degrees clockwise (None: as before). Raises `InputError` if the source cannot be opened; the
        old run then goes on, unless it had a camera, which is released before the next source is
        opened. Raises `InputError` during a recording: stop it first."""
        with self._control:
            if self.records:
                raise InputError("stop the recording before changing the source")
            baseline = baseline or self._config.baseline
            rotate = self._config.rotate if rotate is None else rotate
            # The frame rate asked of a camera would slow a file down.
            fps = self._fps if source and split_spec(source)[0] in ASKED_RATE else None
            config = replace(self._config, source=source, baseline=baseline, rotate=rotate, fps=fps)
            run = self._run
            opened: Source | None = None
            if run is not None and run.source.info.kind != "camera":
                opened = open_source(source, config.source_options())
            self._config = config
            self._begin(opened, None)

    def seek(self, to_s: float) -> None:
        """Play the recording from `to_s` on, s from its beginning: a new run, since nothing of what
        was seen before says anything of what comes then. Raises `InputError` if the source is no
        recording that can be searched, or during a recording: stop it first."""
        with self._control:
            if self.records:
                raise InputError("stop the recording before changing the source")
            info = self._run.source.info if self._run is not None else None
            if info is None or info.kind not in SEEKABLE or info.duration_s is None:
                raise InputError("only a film, a folder of images or a session can be searched")
            start_s = min(max(0.0, to_s), max(0.0, info.duration_s - LAST_S))
            options = replace(self._config.source_options(), start_s=start_s)
            self._begin(open_source(self._config.source, options), None)

    def ask_for(self, least_me_probability: float) -> None:
        """From now on, find micro-expressions that are ones with at least this probability. Raises
        `InputError` if it is out of range, or during a recording, which has one such setting."""
        with self._control:
            if self.records:
                raise InputError("stop the recording before asking for fewer or more expressions")
            self._config = replace(self._config, least_me_probability=least_me_probability)
            if self._run is not None:
                self._run.ask_for(least_me_probability)

    def stop(self) -> None:
        """End the run and join its threads. Results stay readable. If threads do not end in time,
        they are left behind: raises `StillAliveError` with their names, once, and the next start
        works. Does nothing if nothing is running."""
        with self._control:
            try:
                if self._run is not None:
                    self._run.stop()
            finally:
                self._config = replace(self._config, record=None)

    def pause(self) -> float | None:
        """Stop analysing. A file or the demo waits where it is; a camera's frames are dropped.
        Returns the time of the marker that a recording gets, as `mark` does; None if it gets
        none."""
        with self._control:
            if self._run is None or not self._run.running.is_set():
                return None
            marked_s = self._note_pause("pause")
            self._run.pause()
            return marked_s

    def resume(self) -> float | None:
        """Continue after `pause`; returns what `pause` does."""
        with self._control:
            if self._run is None or self._run.running.is_set():
                return None
            # Before the run resumes: until then the clock of a file stands still.
            marked_s = self._note_pause("resume")
            self._run.resume()
            return marked_s

    def _note_pause(self, kind: MarkerKind) -> float | None:
        recording = self._run.recording if self._run is not None else None
        return None if recording is None else recording.notebook.mark(kind, "", "")

    def record(self, plan: RecordPlan | None) -> None:
        """Stop, and start again with a recording as `plan` says, or without one if it is None. A
        recording is always a run of its own, so that a later analysis starts where the live one
        did. Raises `InputError` if another recording is in progress, or if recording cannot start;
        the session then runs on unrecorded."""
        with self._control:
            if plan is not None and self.records:
                raise InputError("a recording is in progress: stop it first")
            try:
                self._begin(None, plan)
            except Exception:
                if plan is not None:
                    self.record(None)
                raise

    def mark(
        self, name: str, note: str = "", kind: MarkerKind = "mark", at_s: float | None = None
    ) -> float:
        """Mark in the recording that `name` happens now, or happened at `at_s` of the monotonic
        clock; return the marker's time in s of the video, as the tables have it. The kinds
        `question_start` and `question_end` start and end a question. Raises `InputError` if there
        is no recording, or it has ended."""
        marked_s = self._notebook().mark(kind, name, note, at_s)
        if marked_s is None:
            recording = self.recording()
            why = recording.failure if recording is not None else ""
            raise InputError(f"nothing can be marked: {why or 'the recording has ended'}")
        return marked_s

    def audit(self, who: str, did: str) -> None:
        """Note in the recording's audit, if there is a recording, that `who` did `did`."""
        run = self._run
        if run is not None and run.recording is not None:
            run.recording.recorder.audit(who, did)

    def redact(self, seconds: float) -> tuple[float, float]:
        """Delete the last `seconds` from what is shown, from the recording and from its tables;
        return start and end of what was deleted, in s of the video. Raises `InputError` if there is
        no recording. If it has ended, deletes only from what is shown; the error gives the command
        that deletes from the recording."""
        if not 0 < seconds < math.inf:
            raise InputError(f"redact {seconds:g} s: choose a finite number above 0")
        return self._forget(*self._notebook().last(seconds))

    def on_forget(self, forget: Callable[[], None]) -> None:
        """Register `forget`, which is called whenever something must be forgotten. Everything that
        keeps pictures of this session registers here."""
        self._on_forget.append(forget)

    def _forget(self, start_s: float, end_s: float) -> tuple[float, float]:
        """Forget everything between these times of the source."""
        # First what is shown, then what is written, then the ring, which both read.
        self._clips.forget(self.results.forget(start_s, end_s), start_s, end_s)
        for forget in self._on_forget:
            forget()
        try:
            return self._notebook().redact(start_s, end_s)
        finally:
            ring = self.ring
            if ring is not None:
                ring.forget(start_s, end_s)

    def recording(self) -> RecordingStatus | None:
        """Return the state of the recording; None if there is none."""
        run = self._run
        return run.recording.status() if run and run.recording else None

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the source has ended and everything is analysed; return False if that takes
        longer than `timeout_s`. Raises the error that ended the run, if there was one."""
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
        """The options, with this run's source and recording."""
        return self._config

    @property
    def ring(self) -> FrameRing | None:
        """The frames of this run; None before the first start."""
        run = self._run
        return run.ring if run else None

    @property
    def source(self) -> Source | None:
        """This run's source. Callers may use only `info`, `status` and a demo's truth."""
        run = self._run
        return run.source if run else None

    @property
    def large(self) -> Prediction | None:
        """What a large movement in progress is named so far; None if there is none, or names are
        hidden. It is named only while this is read."""
        run = self._run
        if run is None or run.finished.is_set() or self.hides_labels:
            return None
        return run.large

    @property
    def starting(self) -> bool:
        """Whether a run is being replaced by the next one."""
        return self._starting

    @property
    def browser(self) -> BrowserSource | None:
        """The source that the page's camera feeds, if this run has one."""
        source = self.source
        return source if isinstance(source, BrowserSource) else None

    def clip(self, number: int) -> tuple[Frame, ...]:
        """Return the frames from half a second before event `number` to half a second after it;
        empty if they are no longer kept."""
        return find_clip(number, self._clips, self.results, self.ring)

    def snapshot(self) -> Snapshot:
        """Return the state of the session now."""
        run = self._run
        source = run.source if run else None
        status = source.status() if source else None
        captured = run.captured if run else CaptureCounter()
        running = run is not None and not run.finished.is_set() and run.running.is_set()
        return take_snapshot(
            self.results.counts(),
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

    def _notebook(self) -> Notebook:
        run = self._run
        if run is None or run.recording is None:
            raise InputError("there is no recording: start with --record")
        return run.recording.notebook

    @property
    def records(self) -> bool:
        """Whether a recording is in progress and has not failed."""
        run, recording = self._run, self.recording()
        if run is None or run.finished.is_set():
            return False
        return recording is not None and not recording.failure

    @property
    def hides_labels(self) -> bool:
        """Whether nobody may see how expressions are named: a recording is in progress, or about to
        begin, and its plan does not show labels."""
        plan, run = self._config.record, self._run
        ended = run is not None and run.finished.is_set()
        return plan is not None and not plan.show_labels and not ended

    def _begin(self, opened: Source | None, plan: RecordPlan | None) -> None:
        self._starting = True  # while the old run ends too: a viewer's camera waits for the next
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
            self.results.clear()
            self._clips = Clips()  # a run left behind keeps its own
            # Report wrong options before loading anything slow.
            source = opened or open_source(self._config.source, self._config.source_options())
            results, clips = self.results, self._clips
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
        return "running" if run.running.is_set() else "paused"

    def _message(self, run: Run | None, status: SourceStatus | None) -> str:
        if self._failure or run is None:
            return self._failure or self._left_behind
        if run.error is not None and not run.failed:
            return describe_error(run.error)
        recording = self.recording()
        faults = [*run.faults, *(run.recording.faults if run.recording else ())]
        markers, sound = (
            (recording.markers, recording.sound) if recording and self.records else ("", "")
        )
        by_importance = (
            recording.failure if recording else "",
            WAITING if run.waiting else "",
            f"{run.failed}; the recording goes on" if run.failed else "",
            "; ".join(faults),
            self._left_behind,
            run.trouble,
            status.message if status else "",
            quality_warning(self._config.baseline, run.captured, run.warning),
            markers,
            f"sound is recorded: {sound}" if sound else "",
        )
        return next(filter(None, by_importance), "")
