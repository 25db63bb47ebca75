"""Run: one source from start to end, and its threads.

docs/architecture.md says what each thread does and may touch, how a run stops, and where every
frame goes. In short: the capture thread counts the frames
and appends them to the ring. The pipeline thread follows the
ring and runs `Pipeline.step`. The recorder thread follows the ring too, and has priority. Models
are loaded and warmed up before capture starts. After any failure, everything open is closed and
`finished` is set.
"""

import gc
import math
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial

from model.errors import InputError, describe_error
from model.records import Frame, Prediction, Stamp, Step
from realtime.config import LiveConfig, device_name
from realtime.perception.pipeline import open_pipeline, pipeline_config
from realtime.recording.recorder_thread import END_OF_SOURCE, open_recording
from realtime.results.clip_packing import ClipPacker
from realtime.results.clips import Clips
from realtime.results.results import Results
from realtime.sessions.ledger import PIPELINE_BEHIND, RECORDER_FIRST
from realtime.sources import Source
from realtime.sources.pacing import pace
from realtime.stream.clock import monotonic_s
from realtime.stream.counters import CaptureCounter
from realtime.stream.heap import trim_heap
from realtime.stream.pauses import Pauses
from realtime.stream.ring import FrameRing, RingReader
from realtime.stream.worker import Worker

RING_S = 6.0
"""Longer than the longest expression with its context and the pipeline's lag."""
RING_BYTES = 512 * 2**20
MAX_LAG_S = 1.0
HOLD = 1 / 3
"""Share of the ring that may wait for the recorder: 2 s, or a third of its bytes if large pictures
fill those first. While more is waiting, nothing is analysed."""
GO_ON = 1 / 12
"""Once less than this share is waiting (0.5 s), the recorder has caught up."""
DRAIN_S = 5.0
NAME_POLL_S = 0.003
"""While an expression is being named and no frame waits, look this often whether it is."""
JOIN_S = 5.0
WRITE_S = 60.0
"""At the end, the recorder may take this long to write what the ring holds and delete what must be
forgotten."""
CLASSIFY_BACKLOG = 8

STOPPED, FAILED = "stopped", "analysis failed"
NOT_BEGUN = "it could not begin"


class StillAliveError(RuntimeError):
    """Names the threads that did not end in time. They are left behind: their results are dropped,
    and the program can end without them."""


class Run:
    """One source from start to end: its ring, its pipeline, its threads."""

    def __init__(
        self,
        config: LiveConfig,
        device: str,
        source: Source,
        results: Results,
        clips: Clips,
        on_step: Callable[[Step], None] | None,
    ) -> None:
        self.source = source
        self.ring = FrameRing(RING_S, RING_BYTES, as_sent=config.rotate == 0)
        self._pauses = Pauses()
        self.running = self._pauses.running
        self.finished = threading.Event()
        self.stopped = False
        self._asked_to_stop = False
        self.error: BaseException | None = None
        self.failed = ""
        """Why the analysis failed while the recording goes on, in words; empty if it did not."""
        self.faults: list[str] = []
        """What could not be closed, in words."""
        self._capture_error: BaseException | None = None
        self._closing_error: BaseException | None = None
        self.captured = CaptureCounter()
        self._last: Stamp | None = None
        self._seconds = config.seconds or math.inf
        self._results = results
        self._on_step = on_step
        self._ending = threading.Event()
        self._abandoned = threading.Event()
        self._waiting = False
        self._analysing = self.ring.follow()
        self._threads: list[threading.Thread] = []
        self._captured_all = threading.Event()
        self._source_closed = threading.Event()
        with ExitStack() as opened:  # closes everything if anything here fails
            opened.callback(self._attempt, source.close)
            self._classify = Worker("classify", CLASSIFY_BACKLOG)
            opened.callback(self._classify.stop, JOIN_S)
            self._packing = ClipPacker(self.ring, clips)
            opened.callback(self._packing.stop, JOIN_S)
            pipeline, self.warning = pipeline_config(config, device, source.info)
            self._pipeline = open_pipeline(pipeline, self._classify, settled=False)
            opened.callback(self._attempt, self._pipeline.close)
            self.recording = open_recording(
                config, device_name(device), source, self.ring, self.captured, self._pauses
            )
            if self.recording is not None:
                opened.callback(self.recording.recorder.close, NOT_BEGUN)
            # The objects loaded so far stay until the end. Each full garbage collection would scan
            # them again and stop all threads for 0.1 to 0.2 s.
            gc.collect()
            gc.freeze()
            trim_heap()
            opened.callback(gc.unfreeze)
            opened.callback(self._end)
            for name, action in self._actions().items():
                thread = threading.Thread(target=action, name=name, daemon=True)
                thread.start()
                self._threads.append(thread)
            opened.pop_all()

    def _actions(self) -> dict[str, Callable[[], None]]:
        """Return each thread's function, by thread name."""
        actions = {"capture": self._capture, "pipeline": self._analyse, "ring": self.ring.pack}
        if self.recording is None:
            return actions
        write = partial(self.recording.write, self.finished, self._why_ended)
        listeners = self.recording.listeners(self.finished, self._captured_all)
        return {**actions, "recorder": write, **listeners}

    def stop(self) -> None:
        """See `LiveSession.stop`."""
        if self.stopped:
            return
        self._asked_to_stop = not self.finished.is_set()
        alive = self._end()
        gc.unfreeze()  # this run's objects may be collected now
        self.stopped = True
        if alive:
            raise StillAliveError(f"threads still alive after stop: {', '.join(alive)}")

    def _end(self) -> list[str]:
        """End all threads; return the names of those that are still alive. A hanging thread does
        not keep the recording from being closed."""
        self._end_capture()
        for thread in self._threads:
            if thread.name == "capture":
                thread.join(JOIN_S)
                self.ring.close()
            elif thread.name == "pipeline":
                thread.join(DRAIN_S)
                self._abandoned.set()
                thread.join(JOIN_S)
                if thread.is_alive():
                    self._attempt(self._pipeline.close_engine)
                self.finished.set()
            else:
                thread.join(WRITE_S)
        alive = [] if self._classify.stop(JOIN_S) else [self._classify.name]
        alive += self._packing.stop(JOIN_S)
        alive += [thread.name for thread in self._threads if thread.is_alive()]
        if alive:
            # The next run may use the same results: keep the threads left behind away from them.
            self._results, self._on_step = Results(), None
        return alive

    def pause(self) -> None:
        """See `LiveSession.pause`. Call it only when the run is not paused."""
        self._pauses.begin(monotonic_s())

    def resume(self) -> None:
        """See `LiveSession.resume`. Call it only when the run is paused."""
        self._pauses.end(monotonic_s())

    def ask_for(self, least_me_probability: float) -> None:
        """See `LiveSession.ask_for`."""
        self._pipeline.ask_for(least_me_probability)

    @property
    def engine(self) -> str:
        """What runs the classifier now."""
        return self._pipeline.engine

    @property
    def large(self) -> Prediction | None:
        """See `LiveSession.large`."""
        return self._pipeline.large

    @property
    def trouble(self) -> str:
        """What failed in the pipeline and was replaced; empty if nothing did."""
        return self._pipeline.trouble

    @property
    def waiting(self) -> bool:
        """Whether analysis is on hold because the recorder is behind."""
        return self._waiting and self._must_wait()

    def _why_ended(self, ended: str) -> str:
        """Return why the recording ended. `ended`: why the source ended."""
        if self._asked_to_stop and ended == END_OF_SOURCE:
            ended = STOPPED
        reasons = [ended, self.failed, *self.faults]
        return "; ".join(reason for reason in reasons if reason)

    def _capture(self) -> None:
        error: BaseException | None = None
        try:
            while self._capture_until_pause():
                self.running.wait()
        except BaseException as caught:  # the ring raises it where frames are read
            self._capture_error = error = caught
        with ExitStack() as ending:  # runs last to first, each even if another raises
            ending.callback(self._source_closed.set)
            ending.callback(self._attempt, self.source.close)
            ending.callback(self.ring.close, error)
            ending.callback(self._captured_all.set)

    def _capture_until_pause(self) -> bool:
        """Take frames until the source or the run ends (return False), or a paused file waits
        (return True)."""
        info = self.source.info
        frames = pace(self.source, self._ending) if not info.live else iter(self.source)
        for frame in frames:
            if self._ending.is_set() or self.captured.age_s(frame.stamp) >= self._seconds:
                return False
            self.captured.take(frame.stamp)
            if self.running.is_set():
                self.ring.append(frame)
            elif info.live:
                # Read on: otherwise a camera delivers old frames later
                self.captured.pause_frames += 1
            else:
                self.ring.append(frame)
                return True  # its clock starts again when the run resumes
        return False

    def _analyse(self) -> None:
        follower = self._analysing
        try:
            try:
                self._follow(follower)
            except BaseException as error:
                if error is not self._capture_error:
                    raise
                self.error = error
            self._decide_last()
        except BaseException as error:
            self.error = error
            if self.recording is not None:
                self._go_on_without(follower, error)
        finally:
            with ExitStack() as ending:  # as in `_capture`
                ending.callback(self.finished.set)
                ending.callback(self._take_closing_error)
                ending.callback(self._source_closed.wait, JOIN_S)
                ending.callback(self._attempt, self._pipeline.close)
                ending.callback(self._end_capture)
        if self.error is not None and not isinstance(self.error, InputError):
            raise self.error  # a bug: its traceback is shown

    def _decide_last(self) -> None:
        if self._last is None:
            return
        events = self._results.add_last(self._pipeline.finish(self._last))
        if self.recording is not None:
            self.recording.recorder.note_events(events)
        self._packing.finish(events, JOIN_S)

    def _take_closing_error(self) -> None:
        """If closing failed and nothing else did, report that error."""
        self.error = self.error or self._closing_error

    def _attempt(self, close: Callable[[], None]) -> None:
        """Call `close` and keep its error, which counts less than the error that ended the run."""
        try:
            close()
        except BaseException as error:
            self.faults.append(f"closing: {describe_error(error)}")
            self._closing_error = self._closing_error or error

    def _go_on_without(self, follower: RingReader, error: BaseException) -> None:
        """Drop every further frame: the analysis has failed, but the recording goes on."""
        self.failed = f"{FAILED}: {describe_error(error)}"
        with suppress(Exception):  # a capture error: the failure of the analysis is reported
            for frame, missed in follower:
                self._leave_out(FAILED, missed + 1, (*follower.missed, frame.stamp))

    def _follow(self, follower: RingReader) -> None:
        catching_up = False
        promised: Frame | None = None
        for frame, missed in follower:
            self._leave_out(PIPELINE_BEHIND, missed, follower.missed)
            newest = self.ring.latest() or frame
            # Compare with the newest frame, not the clock: if the source is late, skip nothing.
            behind = newest.received_s - frame.received_s > MAX_LAG_S
            catching_up = (catching_up or behind) and frame is not newest
            self._waiting = self._must_wait()
            cause = PIPELINE_BEHIND if catching_up else ""
            cause = RECORDER_FIRST if self._waiting else cause
            if self._abandoned.is_set():
                cause, promised = STOPPED, None  # the face that was found ahead is not needed
            if cause and frame is not promised:
                self._leave_out(cause, 1, (frame.stamp,))
                continue
            waited_s = max(0.0, monotonic_s() - frame.received_s)
            promised = None if cause else follower.peek()
            step = self._pipeline.step(frame, promised)  # may take any time, see `_end`
            step = self._results.add(step, waited_ms=waited_s * 1e3)
            if self.recording is not None:
                self.recording.recorder.note_step(step, monotonic_s())
            self._last = frame.stamp
            self._packing.take(step.events, frame.stamp.time_s)
            if self._on_step is not None:
                self._on_step(step)
            while self._pipeline.is_naming and follower.waits_for(NAME_POLL_S):
                self._take_named(frame.stamp.time_s)

    def _take_named(self, now_s: float) -> None:
        events, timings_ms = self._pipeline.take_named()
        if not events:
            return
        events = self._results.add_named(events, timings_ms)
        if self.recording is not None:
            self.recording.recorder.note_events(events)
        self._packing.take(events, now_s)

    def _must_wait(self) -> bool:
        """Return whether the analysis must leave the processor to the recorder."""
        if self.recording is None:
            return False
        return self.recording.backlog > (GO_ON if self._waiting else HOLD)

    def _leave_out(self, cause: str, frames: int, stamps: tuple[Stamp, ...]) -> None:
        self._results.drop(cause, frames, stamps)
        if self.recording is not None:
            self.recording.recorder.note_unanalysed(stamps, cause)

    def _end_capture(self) -> None:
        self._ending.set()
        self.running.set()
        self._attempt(self.source.interrupt)
