"""One open page: frames and news out, acknowledgements and commands in.

A viewer is sent at most `IN_FLIGHT` frames that it has not acknowledged. So a slow viewer sees
fewer frames, but never old ones, and slows nobody else. A page in the background acknowledges none:
it is sent news, so nothing is missing when it is shown again, but no pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
from anyio import to_thread
from starlette.websockets import WebSocket

from model.records import Event, Step
from realtime.live import LiveSession
from realtime.recording.status import RecordingStatus
from realtime.results.demo_tally import MOST_EVENTS, DemoTally, Tally
from realtime.results.overlay import find_current_event
from realtime.results.restlessness import RESTLESS_S, find_restless
from realtime.results.snapshot import Snapshot
from realtime.results.unit_activity import UnitMeasurement
from realtime.sources import Source
from realtime.sources.demo_face import Demo
from realtime.spotting.baseline_file import Baseline
from realtime.stream.clock import monotonic_s
from realtime.stream.latency import Percentiles
from realtime.stream.ring import FrameRing
from realtime.ui.access import get_person
from realtime.ui.commands import carry_out
from realtime.ui.messages import (
    FrameEncoder,
    ViewerMessage,
    answer_ping,
    make_event_message,
    make_forgotten,
    make_frame_message,
    make_hello,
    make_status,
    parse_message,
)

IN_FLIGHT = 2
STATUS_S = 0.5
PLAYED = ("file", "folder", "session", "loop")
"""Kinds of source that are played, not live."""
PLOT_S = 15.0
"""Length of the plot that a new viewer starts with."""
LISTED = 200
"""Events that the page lists, the last ones (`KEPT` in `static/events.js`)."""
RECENT = 16
"""The expression in progress is one of this many last events."""
COMMANDS = 8
"""Commands of a viewer that may wait. No person sends more: such a client loses its socket."""
LATEST_S = 60.0
"""A frame painted later than this counts as not seen."""
_WAIT_S = 0.5  # for a step, before checking whether the viewer is still there


@dataclass(slots=True)
class _SentFrame:
    """A frame on its way to a viewer. Times are on this program's monotonic clock."""

    data: bytes
    step: Step
    captured_s: float
    start_s: float
    encoded_s: float
    sent_s: float = 0.0
    """When the socket took it."""


class Viewer:
    """One open page."""

    def __init__(
        self,
        socket: WebSocket,
        session: LiveSession,
        encoder: FrameEncoder,
        waiting: anyio.CapacityLimiter,
        commanding: anyio.CapacityLimiter,
        after_command: Callable[[], None],
    ) -> None:
        self._socket = socket
        self._person = get_person(socket)
        self._commanding = commanding
        self._after_command = after_command
        self._commands_in, self._commands = anyio.create_memory_object_stream[ViewerMessage](
            COMMANDS
        )
        self._session = session
        self._encoder = encoder
        self._waiting = waiting
        self._credit = anyio.Semaphore(IN_FLIGHT, max_value=IN_FLIGHT)
        self._in_flight: dict[int, _SentFrame] = {}
        self._number = 0
        self._painted = Percentiles()
        self._since_s = monotonic_s()
        self._run = -1
        self._ring: FrameRing | None = None
        self._start_s: float | None = None
        self._events: dict[int, Event] = {}
        self._hides_labels = False
        self._forgotten: tuple[tuple[float, float], ...] = ()
        self._last: Step | None = None
        self._tally: DemoTally | None = None
        self._units: UnitMeasurement | None = None  # the last one sent
        self._news_lock = anyio.Lock()
        self._shown_news = 0  # of the changes of events

    async def serve(self) -> None:
        """Serve the page until it leaves, or sends what no page would send."""
        async with self._commands_in, self._commands:
            await self._socket.send_json(self._hello())
            await self._send_news()  # before the first frame: a new run clears the plot
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send_frames)
                tasks.start_soon(self._send_status)
                tasks.start_soon(self._obey)
                code = await self._listen()
                tasks.cancel_scope.cancel()
            if code is not None:
                await self._socket.close(code)

    def _hello(self) -> dict[str, Any]:
        config = self._session.config
        return make_hello(may_control=self._person.may_control, shared=config.is_shared)

    async def _listen(self) -> int | None:
        """Return the code with which to close the socket; None if the viewer has left."""
        while True:
            received = await self._socket.receive()
            if received["type"] == "websocket.disconnect":
                return None
            if received.get("text") is None:
                return 1003  # binary
            message = parse_message(received["text"])
            if message is None:
                return 1009
            if message.ack is not None:
                self._acknowledge(message.ack, message.painted_s)
            elif message.ping is not None:
                await self._socket.send_json(answer_ping(message))
            elif message.do is not None:
                try:
                    # A command may load models for seconds; acknowledgements must not wait for it.
                    self._commands_in.send_nowait(message)
                except anyio.WouldBlock:
                    return 1008

    async def _obey(self) -> None:
        """Carry out commands one after the other."""
        async for message in self._commands:
            answer = await to_thread.run_sync(
                carry_out, self._session, self._person, message, limiter=self._commanding
            )
            await to_thread.run_sync(self._after_command, limiter=self._commanding)
            if answer is not None:
                await self._socket.send_json(answer)
            await self._send_news()

    def _acknowledge(self, number: int, painted_s: float | None) -> None:
        sent = self._in_flight.pop(number, None)
        if sent is None:
            return
        self._credit.release()
        # A frame from before this viewer came waited for the viewer, not for this program.
        if painted_s is None or sent.captured_s < self._since_s:
            return
        if painted_s - sent.captured_s > LATEST_S:
            return
        # The viewer's clock is known to half a round trip: a small negative value is this error.
        self._painted.add(max(0.0, (painted_s - sent.captured_s) * 1e3))
        frame = sent.step.frame
        self._session.results.add_painted(
            frame.stamp.index,
            painted_ms=max(0.0, (painted_s - frame.received_s) * 1e3),
            timings_ms={
                "encode": (sent.encoded_s - sent.start_s) * 1e3,
                "send": (sent.sent_s - sent.encoded_s) * 1e3,
                "paint": max(0.0, (painted_s - sent.sent_s) * 1e3),
            },
        )

    async def _send_frames(self) -> None:
        after: int | None = None
        while True:
            await self._credit.acquire()
            sent = await self._wait_for_frame(after)
            after = sent.step.frame.stamp.index
            self._in_flight[self._number] = sent
            self._number += 1
            await self._socket.send_bytes(sent.data)
            sent.sent_s = monotonic_s()

    async def _wait_for_frame(self, after: int | None) -> _SentFrame:
        while True:
            ring = self._session.ring
            frame = await to_thread.run_sync(
                self._next_frame, after, limiter=self._waiting, abandon_on_cancel=True
            )
            if ring is not self._ring or self._session.results.news != self._shown_news:
                await self._send_news()  # before the frame: a new run makes the page clear itself
            if ring is not self._ring or ring is not self._session.ring:
                after = None  # a new run has begun, and this frame may be of the last one
            elif frame is not None:
                return frame

    def _next_frame(self, after: int | None) -> _SentFrame | None:
        """Return the newest frame, encoded; None if there is no newer one than `after`. Runs in a
        thread."""
        step = self._session.results.latest_step(after, _WAIT_S)
        if step is None:
            return None
        start_s = monotonic_s()
        time_s = step.frame.stamp.time_s
        last_s = time_s - PLOT_S
        if self._last is not None and self._last.frame.stamp.time_s < time_s:
            last_s = max(last_s, self._last.frame.stamp.time_s)
        self._last = step
        signals = [s for s in self._session.results.history(last_s) if s.stamp.time_s <= time_s]
        captured_s = self._captured_s(step)
        event = find_current_event(self._session.results.events(RECENT), time_s)
        units = None
        if self._session.hides_labels:  # asked after the events: they may be those of a recording
            event = None
        else:
            units = self._encoder.measure_units(step, self._run)
        is_new, self._units = units is not self._units, units
        data = make_frame_message(
            self._number,
            step,
            event,
            signals,
            self._encoder.parts(step, self._session.config.rotate),
            captured_s,
            large=self._session.large,
            units=units if is_new else None,
        )
        return _SentFrame(data, step, captured_s, start_s, monotonic_s())

    def _captured_s(self, step: Step) -> float:
        """Return when the frame was captured, on this program's clock: the source's time if it is
        on that clock, otherwise the time of arrival."""
        source = self._session.source
        frame = step.frame
        same_clock = source is not None and source.info.clock in ("driver", "browser")
        if same_clock and 0 <= frame.received_s - frame.stamp.time_s < 1:
            return frame.stamp.time_s
        return frame.received_s

    async def _send_status(self) -> None:
        while True:
            await self._send_news()
            await anyio.sleep(STATUS_S)

    async def _send_news(self) -> None:
        """Send the status, new and changed events, and what was forgotten."""
        async with self._news_lock:
            for message in await to_thread.run_sync(self._news):
                await self._socket.send_json(message)

    def _news(self) -> list[dict[str, Any]]:
        session = self._session
        self._ring = session.ring
        snapshot, source = session.snapshot(), session.source
        if snapshot.run != self._run:
            self._run = snapshot.run
            self._events = {}
            self._forgotten = ()
            self._last = None
            self._painted = Percentiles()
            self._start_s = None
            self._tally = None
        if self._start_s is None:
            self._start_s = self._zero_s(snapshot)
        state = None if source is None else source.status().state
        status = make_status(
            snapshot,
            session.config,
            badge=choose_badge(
                snapshot,
                state,
                session.recording(),
                kind="" if source is None else source.info.kind,
            ),
            info=None if source is None else source.info,
            restless=self._restless(),
            tally=None if session.hides_labels else self._count(source),
            start_s=self._start_s or 0.0,
            painted=self._painted.summary(),
            labels_hidden=session.hides_labels,
        )
        news = [status]
        self._shown_news = session.results.news
        events = {event.number: event for event in session.results.events(LISTED)}
        gone = session.results.deleted(self._events.keys() - events.keys())
        forgotten = session.results.forgotten_spans()
        if gone or forgotten != self._forgotten:
            self._forgotten = forgotten
            news.append(make_forgotten(gone, forgotten))
        hides = session.hides_labels  # asked after the events: they may be those of a recording
        if hides != self._hides_labels:
            self._hides_labels, self._events = hides, {}  # all are sent again
        for number, event in events.items():
            # Identity, not equality: an event that lost its pictures is sent again too.
            if self._events.get(number) is not event:
                news.append(make_event_message(event, hide_label=hides))
        self._events = events
        return news

    def _restless(self) -> dict[str, float]:
        if self._last is None:
            return {}
        since_s = self._last.frame.stamp.time_s - RESTLESS_S - 1
        baseline = self._session.config.baseline or Baseline.default()
        return find_restless(self._session.results.history(since_s), baseline.floor_px)

    def _count(self, source: Source | None) -> Tally | None:
        if not isinstance(source, Demo) or self._last is None:
            return None
        if self._tally is None:
            self._tally = DemoTally(source.truth)
        recent = self._session.results.events(MOST_EVENTS)
        return self._tally.count(recent, self._last.frame.stamp.time_s)

    def _zero_s(self, snapshot: Snapshot) -> float | None:
        """Return the source's time at which the page's clock shows 0:00: the beginning of a file or
        the demo, the first frame's for a camera. None before the first frame."""
        source, ring = self._session.source, self._session.ring
        if source is not None and source.info.clock in ("file", "synthetic"):
            return source.info.zero_s
        latest = None if ring is None else ring.latest()
        return None if latest is None else latest.stamp.time_s - snapshot.seconds


def choose_badge(
    snapshot: Snapshot,
    source_state: str | None,
    recording: RecordingStatus | None,
    *,
    kind: str = "",
) -> str:
    """Return the text of the page's badge. `kind`: of the source."""
    if snapshot.state != "running":
        return snapshot.state.upper()
    if source_state == "reconnecting":
        return "RECONNECTING"
    if not snapshot.captured:
        return "WAITING"
    if recording is None:
        return "PLAYING" if kind in PLAYED else "LIVE"
    return "NOT RECORDING" if recording.failure else "REC"
