"""LiveSession: a source analysed in real time. Every thread of the program is made here.

capture     Alone touches the source. Takes a frame, appends it to the ring, nothing else: no
            conversion, no lock that a reader may hold for long, no callback. So neither a slow
            analysis nor a slow viewer delays a capture time. Closes the ring, with the error if
            there was one, and then the source.
pipeline    Follows the ring frame by frame, because a spotter needs consecutive frames, and runs
            `Pipeline.step`. Writes `Results`. May fall behind by `MAX_LAG_S`; then it leaves out
            everything up to the newest frame and counts it: one long gap instead of many short
            ones, and results that are never old. Calls `on_step`, which must be quick.
classify    A `Worker`: flow of both phases and the network, window by window, so that the
            pipeline's next frame does not wait for it. If its short queue is full the pipeline
            thread waits; no window is dropped.
clips       A `Worker`: packs the pictures around an event for its replay. Apart from classify,
            because packing takes longer than a classification and is in no hurry.

Whoever looks (page, progress line) does so from threads of its own, through `snapshot`, `events`,
`history`, `clip` and `latest_step`: copies and frozen records, nothing that capture or pipeline
waits for. `start`, `stop`, `switch`, `pause` and `resume` may be called from any thread, not from
`on_step`.

Stop: capture is told and its source interrupted → it closes the ring → the pipeline reads the
ring out, for at most `DRAIN_S`, decides what was open and waits for what is being classified →
the workers finish → every join is bounded, and a thread that is still alive then is an error with
its name. Models are loaded and warm before capture starts.

Each captured frame has one fate: analysed, or dropped as "pipeline behind", "paused" or
"stopped". What a source itself lost or could not use stands beside that, under its own causes.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import Self

from model.errors import InputError
from model.records import Event, Frame, Stamp, Step
from realtime.baseline import Baseline
from realtime.captured import Captured, recent_fps
from realtime.clips import Clips, cut, span_s
from realtime.config import LiveConfig, choose_device, device_name
from realtime.pipeline import configured, open_pipeline
from realtime.results import Results, SignalAt
from realtime.ring import FrameRing
from realtime.snapshot import Snapshot, State, doubt, take_snapshot
from realtime.sources import Source, SourceStatus, open_source
from realtime.sources.browser import BrowserSource
from realtime.sources.pacing import paced
from realtime.worker import Worker

RING_S = 6.0
"""Longer than the longest expression with its context and the pipeline's lag."""
RING_BYTES = 512 * 2**20
MAX_LAG_S = 1.0
DRAIN_S = 5.0
JOIN_S = 5.0
CLASSIFY_BACKLOG = 8
CLIP_BACKLOG = 4

BEHIND, STOPPED = "pipeline behind", "stopped"


class LiveSession:
    """Source, ring, pipeline and their threads, from start to stop, as often as wanted."""

    def __init__(self, config: LiveConfig, on_step: Callable[[Step], None] | None = None) -> None:
        """`on_step` is called in the pipeline thread with every step, in order. Raises
        `InputError` if the device that `config` asks for is absent."""
        self._config = config
        self._device = choose_device(config.device)
        self._on_step = on_step
        self._results = Results()
        self._clips = Clips()
        self._control = threading.RLock()  # one start, stop or switch at a time
        self._run: _Run | None = None
        self._runs = 0
        self._starting = False
        self._failure = ""

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
        raises `InputError` if it cannot. A session that runs already is left alone."""
        with self._control:
            if self._run is not None and not self._run.finished.is_set():
                return
            self._begin(None)

    def switch(self, source: str, baseline: Baseline | None = None) -> None:
        """Stop, and start with another source or another baseline (None: as it was). A source that
        cannot be opened raises `InputError`, and what ran goes on; only a camera has to be let go
        before the next source is tried."""
        with self._control:
            baseline = baseline or self._config.baseline
            config = replace(self._config, source=source, baseline=baseline)
            run = self._run
            opened: Source | None = None
            if run is not None and run.source.info.kind != "camera":
                opened = open_source(source, config.source_options())
            self.stop()
            self._config = config
            self._begin(opened)

    def stop(self) -> None:
        """End the run and join its threads. Results stay readable. Raises `RuntimeError` naming
        the threads that did not end in time. Does nothing if nothing runs."""
        with self._control:
            if self._run is not None:
                self._run.stop()

    def pause(self) -> None:
        """Stop analysing. A file or the demo waits where it is; frames of a camera are dropped."""
        with self._control:
            if self._run is not None:
                self._run.resumed.clear()

    def resume(self) -> None:
        """Go on after `pause`."""
        with self._control:
            if self._run is not None:
                self._run.resumed.set()

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
        """What it was asked, with the source it was last switched to."""
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
    def browser(self) -> BrowserSource | None:
        """The source that the page's camera feeds, if this run has one."""
        source = self.source
        return source if isinstance(source, BrowserSource) else None

    def latest_step(self, after: int | None, timeout_s: float) -> Step | None:
        """See `Results.latest_step`."""
        return self._results.latest_step(after, timeout_s)

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
                return cut(run.ring, event)
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
        )

    def _begin(self, opened: Source | None) -> None:
        self.stop()
        self._starting = True
        self._failure = ""
        self._runs += 1
        self._run = None
        self._results.clear()
        self._clips.clear()
        try:
            # What can be wrong with the options shows before anything slow is loaded.
            source = opened or open_source(self._config.source, self._config.source_options())
            results, clips = self._results, self._clips
            self._run = _Run(self._config, self._device, source, results, clips, self._on_step)
        except InputError as error:
            self._failure = str(error)
            raise
        finally:
            self._starting = False

    def _state(self, run: "_Run | None") -> State:
        if self._starting:
            return "starting"
        if self._failure:
            return "failed"
        if run is None or run.stopped:
            return "stopped"
        if run.finished.is_set():
            return "failed" if run.error else "ended"
        return "running" if run.resumed.is_set() else "paused"

    def _message(self, run: "_Run | None", status: SourceStatus | None) -> str:
        if self._failure:
            return self._failure
        if run is not None and run.error is not None:
            return str(run.error)
        told = status.message if status else ""
        return told or (doubt(self._config.baseline, run.captured, run.warning) if run else "")


class _Run:
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
        self.finished = threading.Event()
        self.stopped = False
        self.error: BaseException | None = None
        self.captured = Captured()
        self._last: Stamp | None = None
        self._seconds = config.seconds or math.inf
        self._results = results
        self._clips = clips
        self._on_step = on_step
        self._ending = threading.Event()
        self._abandoned = threading.Event()
        self._unpacked: dict[int, Event] = {}  # confirmed, their context not yet captured
        self._packed: deque[Future[None]] = deque()
        self._threads: list[threading.Thread] = []
        self._classify = Worker("classify", CLASSIFY_BACKLOG)
        self._packing = Worker("clips", CLIP_BACKLOG)
        try:
            pipeline, self.warning = configured(config, device, source.info)
            self._pipeline = open_pipeline(pipeline, self._classify)
        except BaseException:
            source.close()
            self._join()
            raise
        self._threads = [
            threading.Thread(target=self._capture, name="capture"),
            threading.Thread(target=self._analyse, name="pipeline"),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """See `LiveSession.stop`."""
        if self.stopped:
            return
        self._end_capture()
        capture, pipeline = self._threads
        capture.join(JOIN_S)
        pipeline.join(DRAIN_S)
        self._abandoned.set()
        pipeline.join(JOIN_S)
        self._join()
        self.stopped = True

    def _capture(self) -> None:
        error: BaseException | None = None
        try:
            while self._capture_until_pause():
                self.resumed.wait()
        except BaseException as caught:  # raised again where the frames are read
            error = caught
        finally:
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
        try:
            try:
                self._follow()
            except InputError as error:  # the capture's, raised where its frames are read
                self.error = error
            if self._last is not None:
                last_events = self._pipeline.finish(self._last)
                self._results.add_last(last_events)
                self._pack(last_events, math.inf)
        except BaseException as error:
            self.error = error
            raise
        finally:
            self._end_capture()
            self._pipeline.close()
            self.finished.set()

    def _follow(self) -> None:
        catching_up = False
        for frame, missed in self.ring.follow():
            self._results.drop(BEHIND, missed)
            newest = self.ring.latest() or frame
            # Against the newest frame, not the clock: a source that is late itself is no reason.
            behind = newest.received_s - frame.received_s > MAX_LAG_S
            catching_up = (catching_up or behind) and frame is not newest
            if self._abandoned.is_set() or catching_up:
                self._results.drop(STOPPED if self._abandoned.is_set() else BEHIND, 1)
                continue
            waited_s = max(0.0, time.monotonic() - frame.received_s)
            step = self._results.add(self._pipeline.step(frame), waited_ms=waited_s * 1e3)
            self._last = frame.stamp
            self._pack(step.events, frame.stamp.time_s)
            if self._on_step is not None:
                self._on_step(step)

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
