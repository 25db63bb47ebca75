"""Run: one source from start to end. Every thread of the program is made here.

capture     Alone touches the source. Takes a frame, appends it to the ring, nothing else: no
            conversion, no lock that a reader may hold for long, no callback. So neither a slow
            analysis nor a slow viewer delays a capture time. Closes the ring, with the error if
            there was one, and then the source.
pipeline    Follows the ring frame by frame, because a spotter needs consecutive frames, and runs
            `Pipeline.step`. Writes `Results`. May fall behind by `MAX_LAG_S`; then it leaves out
            everything up to the newest frame and counts it: one long gap instead of many short
            ones, and results that are never old. Calls `on_step`, which must be quick.
face        Of the pipeline: while frames wait, finds the face of the next one beside the motion of
            this one. A frame whose face was looked for is analysed, so that an analysis of what
            was analysed live, in the same order, finds the same.
classify    A `Worker`: flow of both phases and the network, window by window, so that the
            pipeline's next frame does not wait for it. If its short queue is full the pipeline
            thread waits; no window is dropped.
recorder    Of a run that is recorded: follows the ring on its own, so that the video is whole even
            when the analysis lags, and is the only one that writes the session's files. It comes
            first, since a recording cannot be made again and an analysis can: once `HOLD` of the
            ring waits for it, the pipeline leaves frames out until it has all but caught up, and
            an analysis that fails does not end it. If the ring runs over all the same, the frames
            that it missed are in the ledger.
sound       Of a run that is recorded with sound: keeps the microphone open. PortAudio has a thread
            of its own, which hands over blocks of samples; the recorder writes them.
lsl         Of a run that takes markers from another program: waits for them and notes them.
clips       A `Worker`: packs the pictures around an event for its replay. Apart from classify,
            because packing takes longer than a classification and is in no hurry.

Stop: capture is told and its source interrupted → it closes the ring → the pipeline reads the
ring out, for at most `DRAIN_S`, decides what was open and waits for what is being classified →
the recorder writes what is left and closes its files → the workers finish → every join is bounded,
and a thread that is still alive then is an error with its name. Models are loaded and warm before
capture starts.

Each captured frame has one fate: analysed, or dropped as "pipeline behind", "recorder first",
"analysis failed", "paused" or "stopped". What a source itself lost or could not use stands beside
that, under its own causes.
"""

import gc
import math
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from model.errors import InputError, told
from model.records import Event, Frame, Stamp, Step
from realtime.captured import Captured
from realtime.clips import Clips, cut, span_s
from realtime.clock import monotonic_s
from realtime.config import LiveConfig, device_name
from realtime.pauses import Pauses
from realtime.pipeline import configured, open_pipeline
from realtime.results import Results
from realtime.ring import Follower, FrameRing
from realtime.session.lsl import MarkerStream
from realtime.session.microphone import Microphone
from realtime.session.notebook import Notebook
from realtime.session.opening import open_recorder
from realtime.session.sound import Block
from realtime.session.status import RecordingStatus
from realtime.snapshot import PAUSED
from realtime.sources import Source, SourceStatus
from realtime.sources.pacing import paced
from realtime.worker import Worker

RING_S = 6.0
"""Longer than the longest expression with its context and the pipeline's lag."""
RING_BYTES = 512 * 2**20
MAX_LAG_S = 1.0
HOLD = 1 / 3
"""2 s of the ring's seconds, or a third of its bytes where pictures are so large that these run
out first: while more waits for the recorder, nothing is analysed."""
GO_ON = 1 / 12
"""0.5 s: with less than that, it has caught up."""
DRAIN_S = 5.0
JOIN_S = 5.0
WRITE_S = 60.0
"""How long the recorder may take at the end: what the ring holds is written still, and what is to
be forgotten deleted."""
BEAT_S = 0.2
"""How often the recorder writes what was noted, where no frames come: within what a killed program
may lose."""
CLASSIFY_BACKLOG = 8
CLIP_BACKLOG = 4

BEHIND, STOPPED = "pipeline behind", "stopped"
RECORDER_FIRST, FAILED = "recorder first", "analysis failed"
END = "end of the source"


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
        self.ring = FrameRing(RING_S, RING_BYTES)
        self.resumed = threading.Event()
        self.resumed.set()
        self._pauses = Pauses()
        self.finished = threading.Event()
        self.stopped = False
        self._asked_to_stop = False
        self.error: BaseException | None = None
        self.notebook: Notebook | None = None
        """Where moments are noted, of a run that is recorded."""
        self.failed = ""
        """In words, what ended the analysis of a run that is recorded, which goes on."""
        self._capture_error: BaseException | None = None
        self.captured = Captured()
        self._last: Stamp | None = None
        self._seconds = config.seconds or math.inf
        self._results = results
        self._clips = clips
        self._on_step = on_step
        self._ending = threading.Event()
        self._abandoned = threading.Event()
        self._waiting = False
        self._recording = self.ring.follow()
        self._unpacked: dict[int, Event] = {}  # confirmed, their context not yet captured
        self._packed: deque[Future[None]] = deque()
        self._threads: list[threading.Thread] = []
        self._captured_all = threading.Event()
        self._classify = Worker("classify", CLASSIFY_BACKLOG)
        self._packing = Worker("clips", CLIP_BACKLOG)
        try:
            plan = config.record
            self._microphone = Microphone(plan.audio) if plan and plan.audio else None
            named = plan.lsl_markers if plan else ""
            self._marker_stream = MarkerStream(named) if named else None
            pipeline, self.warning = configured(config, device, source.info)
            self._pipeline = open_pipeline(pipeline, self._classify)
            try:
                self._recorder = open_recorder(
                    config, source, device_name(device), self._losses, self._microphone
                )
            except BaseException:
                self._pipeline.close()
                raise
        except BaseException:
            source.close()
            self._join()
            raise
        self._threads = [
            threading.Thread(target=self._capture, name="capture"),
            threading.Thread(target=self._analyse, name="pipeline"),
        ]
        if self._recorder is not None:
            self._threads.append(threading.Thread(target=self._record, name="recorder"))
            self.notebook = Notebook(
                self._recorder, self.ring, lambda: source.info.clock, self.resumed
            )
            if self._marker_stream is not None:
                hear = partial(
                    self._marker_stream.listen,
                    self.notebook.hear,
                    self.notebook.tell,
                    self.finished,
                )
                self._threads.append(threading.Thread(target=hear, name="lsl"))
            if self._microphone is not None:
                listen = partial(self._microphone.listen, self._hear, self._captured_all)
                self._threads.append(threading.Thread(target=listen, name="sound"))
        # What is loaded by now stays until the end. To look through it again, as each full
        # collection would, stops all threads for a tenth of a second or two.
        gc.collect()
        gc.freeze()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """See `LiveSession.stop`."""
        if self.stopped:
            return
        self._asked_to_stop = not self.finished.is_set()
        self._end_capture()
        capture, pipeline, *recorder = self._threads
        capture.join(JOIN_S)
        pipeline.join(DRAIN_S)
        self._abandoned.set()
        pipeline.join(JOIN_S)
        for thread in recorder:
            thread.join(WRITE_S)
        self._join()
        gc.unfreeze()  # of this run all may go
        self.stopped = True

    def pause(self) -> None:
        """See `LiveSession.pause`; of a run that is not paused."""
        self._pauses.begin(monotonic_s())
        self.resumed.clear()

    def resume(self) -> None:
        """See `LiveSession.resume`; of a run that is."""
        self._pauses.end(monotonic_s())
        self.resumed.set()

    def _hear(self, block: Block) -> None:
        assert self._recorder is not None  # it asked for the microphone
        assert self._microphone is not None
        # A block comes up to a few tenths of a second late: what counts is when it was spoken.
        end_s = block.time_s + block.count / self._microphone.rate
        self._recorder.hear(block, PAUSED if self._pauses.overlap(block.time_s, end_s) else "")

    @property
    def engine(self) -> str:
        """What runs the classifier now."""
        return self._pipeline.engine

    @property
    def trouble(self) -> str:
        """What of the classifier's engine failed and was replaced; empty if nothing did."""
        return self._pipeline.trouble

    @property
    def waiting(self) -> bool:
        """Whether nothing is analysed now because the recorder is behind."""
        return self._waiting and self._must_wait()

    def recording(self) -> RecordingStatus | None:
        """How the recording stands; None if this run is not recorded."""
        if self._recorder is None:
            return None
        status = self._recorder.status()
        if self._marker_stream is not None:
            status = replace(status, markers=self._marker_stream.state)
        return replace(status, sound=self._microphone.state) if self._microphone else status

    def _losses(self) -> Mapping[str, int]:
        status = self.source.status()
        return {**status.dropped, **status.unusable, PAUSED: self.captured.paused}

    def _record(self) -> None:
        recorder = self._recorder
        assert recorder is not None
        ended = END
        follower = self._recording
        try:
            for taken in follower.beats(BEAT_S):
                if taken is None:
                    recorder.beat()
                else:
                    recorder.write(taken[0], follower.missed)
        except Exception as error:  # the capture's, and raised by the pipeline
            ended = str(error) if isinstance(error, InputError) else told(error)
        finally:
            while not self.finished.wait(BEAT_S):
                recorder.beat()
            if self._asked_to_stop and ended == END:
                ended = STOPPED
            if self.failed:
                ended = f"{ended}; {self.failed}"
            status = self.source.status()
            measured = {"fps": self.captured.fps(), "seconds": self.captured.seconds()}
            recorder.close(ended, measured=measured, source=_counts(status))

    def _capture(self) -> None:
        error: BaseException | None = None
        try:
            while self._capture_until_pause():
                self.resumed.wait()
        except BaseException as caught:  # raised again where the frames are read
            self._capture_error = error = caught
        finally:
            self._captured_all.set()
            self.ring.close(error)
            self.source.close()

    def _capture_until_pause(self) -> bool:
        """Take frames until the source or the run ends; True if it was only a pause."""
        info = self.source.info
        frames = paced(self.source, self._ending) if info.paced_by_stamps else iter(self.source)
        for frame in frames:
            if self._ending.is_set() or self.captured.age_s(frame.stamp) >= self._seconds:
                return False
            self.captured.take(frame.stamp)
            if self.resumed.is_set():
                self.ring.append(frame)
            elif info.live:
                self.captured.paused += 1  # unread, a camera would show the past afterwards
            else:
                self.ring.append(frame)
                return True  # a file waits; its clock starts anew when it goes on
        return False

    def _analyse(self) -> None:
        follower = self.ring.follow()
        try:
            try:
                self._follow(follower)
            except InputError as error:
                if error is not self._capture_error:
                    raise
                self.error = error
            if self._last is not None:
                last_events = self._pipeline.finish(self._last)
                last_events = self._results.add_last(last_events)
                if self._recorder is not None:
                    self._recorder.finished(last_events)
                self._pack(last_events, math.inf)
        except BaseException as error:
            self.error = error
            if self._recorder is not None and error is not self._capture_error:
                self._go_on_without(follower, error)
            raise
        finally:
            self._end_capture()
            self._pipeline.close()
            self.finished.set()

    def _go_on_without(self, follower: Follower, error: BaseException) -> None:
        """The analysis has failed; the recording does not end with it."""
        self.failed = f"{FAILED}: {told(error)}"
        with suppress(Exception):  # the capture's: that the analysis failed comes first
            for frame, missed in follower:
                self._leave_out(FAILED, missed + 1, (*follower.missed, frame.stamp))

    def _follow(self, follower: Follower) -> None:
        catching_up = False
        promised: Frame | None = None
        for frame, missed in follower:
            self._leave_out(BEHIND, missed, follower.missed)
            newest = self.ring.latest() or frame
            # Against the newest frame, not the clock: a source that is late itself is no reason.
            behind = newest.received_s - frame.received_s > MAX_LAG_S
            catching_up = (catching_up or behind) and frame is not newest
            self._waiting = self._must_wait()
            cause = BEHIND if catching_up else ""
            cause = RECORDER_FIRST if self._waiting else cause
            if self._abandoned.is_set():
                cause, promised = STOPPED, None  # what follows from its face is not asked any more
            if cause and frame is not promised:
                self._leave_out(cause, 1, (frame.stamp,))
                continue
            waited_s = max(0.0, monotonic_s() - frame.received_s)
            promised = None if cause else follower.peek()
            step = self._results.add(self._pipeline.step(frame, promised), waited_ms=waited_s * 1e3)
            if self._recorder is not None:
                self._recorder.analysed(step, monotonic_s())
            self._last = frame.stamp
            self._pack(step.events, frame.stamp.time_s)
            if self._on_step is not None:
                self._on_step(step)

    def _must_wait(self) -> bool:
        """Whether the processor is the recorder's now."""
        if self._recorder is None:
            return False
        return self._recording.backlog > (GO_ON if self._waiting else HOLD)

    def _leave_out(self, cause: str, frames: int, stamps: tuple[Stamp, ...]) -> None:
        self._results.drop(cause, frames, stamps)
        if self._recorder is not None:
            self._recorder.left_out(stamps, cause)

    def _pack(self, events: tuple[Event, ...], now_s: float) -> None:
        """Have the clips packed whose last frame has come."""
        self._unpacked.update((e.number, e) for e in events if e.state == "confirmed")
        for number, event in list(self._unpacked.items()):
            if now_s >= span_s(event)[1]:
                del self._unpacked[number]
                frames = cut(self.ring, event)
                self._packed.append(self._packing.submit(self._clips.keep, number, frames))
        while self._packed and self._packed[0].done():
            self._packed.popleft().result()

    def _end_capture(self) -> None:
        self._ending.set()
        self.resumed.set()
        self.source.interrupt()

    def _join(self) -> None:
        alive = [w.name for w in (self._classify, self._packing) if not w.stop(JOIN_S)]
        alive += [thread.name for thread in self._threads if thread.is_alive()]
        if alive:
            raise RuntimeError(f"threads still alive after stop: {', '.join(alive)}")


def _counts(status: SourceStatus) -> dict[str, Any]:
    return {
        "frames": status.frames,
        "dropped": dict(status.dropped),
        "unusable": dict(status.unusable),
        "message": status.message,
    }
