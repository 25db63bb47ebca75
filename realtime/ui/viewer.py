"""One open page: frames and news out, acknowledgements and commands in.

A viewer has at most `IN_FLIGHT` frames that it has not yet painted; while it has, newer ones pass
it by. So a slow viewer is shown fewer frames, never old ones, and slows nobody else.
"""

from dataclasses import dataclass
from typing import Any

import anyio
from anyio import to_thread
from starlette.websockets import WebSocket

from model.records import Event, Step
from realtime.live import LiveSession
from realtime.recording.status import RecordingStatus
from realtime.results.overlay import current_event
from realtime.results.snapshot import Snapshot
from realtime.stream.clock import monotonic_s
from realtime.stream.latency import Percentiles
from realtime.stream.ring import FrameRing
from realtime.ui.commands import Commands
from realtime.ui.guard import person
from realtime.ui.view_messages import (
    FrameEncoder,
    event_message,
    forgotten_message,
    frame_message,
    hello_message,
    status_message,
)
from realtime.ui.viewer_messages import NonsenseError, finite_number, parse_message, pong

IN_FLIGHT = 2
STATUS_S = 0.5
HISTORY_S = 15.0
"""What a new viewer's plot starts with."""
RECENT = 16
"""Among the last that many events is the one going on."""
COMMANDS = 8
"""So many of a viewer's commands wait; who sends more is no person, and loses the socket."""
LATEST_S = 60.0
"""A frame painted later than this was not looked at."""
_WAIT_S = 0.5  # for a step, before looking whether the viewer is still there


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A frame as a viewer gets it."""

    data: bytes
    step: Step
    captured_s: float
    """On this program's clock."""
    start_s: float
    done_s: float

    @property
    def took_ms(self) -> float:
        return (self.done_s - self.start_s) * 1e3


@dataclass(slots=True)
class _Sent:
    """A frame on its way to a viewer's eye."""

    encoded: _Encoded
    at_s: float = 0.0
    """When the socket had taken it."""

    @property
    def took_ms(self) -> float:
        return (self.at_s - self.encoded.done_s) * 1e3


class Viewer:
    """One open page."""

    def __init__(
        self,
        socket: WebSocket,
        session: LiveSession,
        encoder: FrameEncoder,
        waiting: anyio.CapacityLimiter,
        commanding: anyio.CapacityLimiter,
    ) -> None:
        self._socket = socket
        self._commands = Commands(session, person(socket))
        self._may_control = person(socket).may_control
        self._commanding = commanding
        self._orders, self._ordered = anyio.create_memory_object_stream[dict[str, Any]](COMMANDS)
        self._session = session
        self._encoder = encoder
        self._waiting = waiting
        self._credit = anyio.Semaphore(IN_FLIGHT, max_value=IN_FLIGHT)
        self._in_flight: dict[int, _Sent] = {}
        self._sent = 0
        self._painted = Percentiles()
        self._since_s = monotonic_s()
        self._run = -1
        self._ring: FrameRing | None = None
        self._start_s: float | None = None
        self._told: dict[int, Event] = {}
        self._forgotten: tuple[tuple[float, float], ...] = ()
        self._last: Step | None = None
        self._telling = anyio.Lock()

    async def serve(self) -> None:
        """Until it leaves; raises `NonsenseError`."""
        async with self._orders, self._ordered:
            await self._socket.send_json(hello_message(may_control=self._may_control))
            await self._tell()  # before the first frame: a new run clears the plot
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send_frames)
                tasks.start_soon(self._send_status)
                tasks.start_soon(self._obey)
                await self._listen()
                tasks.cancel_scope.cancel()

    async def _listen(self) -> None:
        while True:
            received = await self._socket.receive()
            if received["type"] == "websocket.disconnect":
                return
            text = received.get("text")
            if text is None:
                raise NonsenseError(1003)  # binary
            message = parse_message(text)
            if "ack" in message:
                self._acknowledged(message)
            elif "ping" in message:
                await self._socket.send_json(pong(message))
            elif "do" in message:
                try:
                    # Loading models takes seconds, in which frames are still to be acknowledged.
                    self._orders.send_nowait(message)
                except anyio.WouldBlock:
                    raise NonsenseError(1008) from None

    async def _obey(self) -> None:
        """One command after the other."""
        async for message in self._ordered:
            await self._command(message)

    def _acknowledged(self, message: dict[str, Any]) -> None:
        number = message["ack"]
        sent = self._in_flight.pop(number, None) if isinstance(number, int) else None
        if sent is None:
            return
        self._credit.release()
        painted_s = finite_number(message.get("painted_s"))  # None: a newer one was painted
        # A frame from before this viewer came waited for the viewer, not for the program.
        if painted_s is None or painted_s - sent.encoded.captured_s > LATEST_S:
            return
        if sent.encoded.captured_s >= self._since_s:
            # The viewer's clock is known to half a round trip: a small negative is that error.
            self._painted.add(max(0.0, (painted_s - sent.encoded.captured_s) * 1e3))
            frame = sent.encoded.step.frame
            self._session.shown(
                frame.stamp.index,
                painted_ms=max(0.0, (painted_s - frame.received_s) * 1e3),
                timings_ms={
                    "encode": sent.encoded.took_ms,
                    "send": sent.took_ms,
                    "paint": max(0.0, (painted_s - sent.at_s) * 1e3),
                },
            )

    async def _send_frames(self) -> None:
        after: int | None = None
        while True:
            await self._credit.acquire()
            encoded = await self._wait_for_frame(after)
            after = encoded.step.frame.stamp.index
            sent = self._in_flight[self._sent] = _Sent(encoded)
            self._sent += 1
            if encoded.step.events:
                await self._tell()
            await self._socket.send_bytes(encoded.data)
            sent.at_s = monotonic_s()

    async def _wait_for_frame(self, after: int | None) -> "_Encoded":
        while True:
            message = await to_thread.run_sync(
                self._next_frame, after, limiter=self._waiting, abandon_on_cancel=True
            )
            if self._session.ring is not self._ring:
                # Another run: told before its first frame, since the page then clears itself.
                # What was just taken may still be of the last one.
                await self._tell()
                after = None
            elif message is not None:
                return message

    def _next_frame(self, after: int | None) -> "_Encoded | None":
        """The newest frame, encoded. In a thread."""
        step = self._session.latest_step(after, _WAIT_S)
        if step is None:
            return None
        start_s = monotonic_s()
        time_s = step.frame.stamp.time_s
        last_s = time_s - HISTORY_S
        if self._last is not None and self._last.frame.stamp.time_s < time_s:
            last_s = max(last_s, self._last.frame.stamp.time_s)
        self._last = step
        signals = [s for s in self._session.history(last_s) if s.stamp.time_s <= time_s]
        captured_s = self._captured_s(step)
        event = current_event(self._session.events()[-RECENT:], time_s)
        parts = self._encoder.parts(step)
        data = frame_message(self._sent, step, event, signals, parts, captured_s)
        return _Encoded(data, step, captured_s, start_s, monotonic_s())

    def _captured_s(self, step: Step) -> float:
        """When the frame was captured, on this program's clock: the source's own time where that
        is the same clock, else when the frame became available."""
        source = self._session.source
        frame = step.frame
        same_clock = source is not None and source.info.clock in ("driver", "browser")
        if same_clock and 0 <= frame.received_s - frame.stamp.time_s < 1:
            return frame.stamp.time_s
        return frame.received_s

    async def _send_status(self) -> None:
        while True:
            await self._tell()
            await anyio.sleep(STATUS_S)

    async def _tell(self) -> None:
        """Send the status, every event that is new or has changed, and what is gone."""
        async with self._telling:
            for message in await to_thread.run_sync(self._news):
                await self._socket.send_json(message)

    def _news(self) -> list[dict[str, Any]]:
        self._ring = self._session.ring
        snapshot = self._session.snapshot()
        if snapshot.run != self._run:
            self._run = snapshot.run
            self._told = {}
            self._forgotten = ()
            self._last = None
            self._painted = Percentiles()
            self._start_s = None
        if self._start_s is None:
            self._start_s = self._begin_s(snapshot)
        source = self._session.source
        status = status_message(
            snapshot,
            self._session.config,
            badge=badge(
                snapshot,
                None if source is None else source.status().state,
                self._session.recording(),
            ),
            kind="" if source is None else source.info.kind,
            start_s=self._start_s or 0.0,
            painted=self._painted.summary(),
        )
        news = [status]
        events = {event.number: event for event in self._session.events()}
        gone, forgotten = self._told.keys() - events.keys(), self._session.forgotten()
        if gone or forgotten != self._forgotten:
            self._forgotten = forgotten
            news.append(forgotten_message(gone, forgotten))
        for number, event in events.items():
            # Identity, not equality: an event whose pictures have made room is told again too.
            if self._told.get(number) is not event:
                news.append(event_message(event))
        self._told = events
        return news

    def _begin_s(self, snapshot: Snapshot) -> float | None:
        """The source's time at which the page's clock stands at 0:00, None before it is known.
        A file's times and the demo's are their own; a camera's count from its first frame."""
        source, ring = self._session.source, self._session.ring
        if source is not None and source.info.clock in ("file", "synthetic"):
            return 0.0
        latest = None if ring is None else ring.latest()
        return None if latest is None else latest.stamp.time_s - snapshot.seconds

    async def _command(self, message: dict[str, Any]) -> None:
        answer = await to_thread.run_sync(self._commands.obey, message, limiter=self._commanding)
        if answer is not None:
            await self._socket.send_json(answer)
        await self._tell()


def badge(snapshot: Snapshot, source_state: str | None, recording: RecordingStatus | None) -> str:
    if snapshot.state == "running":
        if source_state == "reconnecting":
            return "RECONNECTING"
        if recording is not None and snapshot.captured:
            return "NOT RECORDING" if recording.failure else "REC"
        return "LIVE" if snapshot.captured else "WAITING"
    return snapshot.state.upper()
