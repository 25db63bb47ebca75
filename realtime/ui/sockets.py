"""The page's two sockets: the view (frames and news out, commands in) and a viewer's camera (in).

Nothing here blocks the event loop: waiting for a step, encoding it and every command to the
session run in threads. A viewer has at most `IN_FLIGHT` frames that it has not yet painted; while
it has, newer ones pass it by. So a slow viewer is shown fewer frames, never old ones, and slows
nobody else.
"""

import json
import math
import struct
from dataclasses import dataclass
from typing import Any

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup
from starlette.websockets import WebSocket, WebSocketDisconnect

from model.errors import InputError
from model.records import Event, Step
from realtime.clock import monotonic_s
from realtime.latency import Percentiles
from realtime.live import LiveSession
from realtime.overlay import current_event
from realtime.ring import FrameRing
from realtime.session.status import RecordingStatus
from realtime.snapshot import Snapshot
from realtime.ui.view import (
    FrameEncoder,
    event_message,
    forgotten_message,
    frame_message,
    hello_message,
    status_message,
)

IN_FLIGHT = 2
STATUS_S = 0.5
HISTORY_S = 15.0
"""What a new viewer's plot starts with."""
RECENT = 16
"""Among the last that many events is the one going on."""
MAX_JPEG_BYTES = 8 * 2**20
_WAIT_S = 0.5  # for a step, before looking whether the viewer is still there


class Sockets:
    """What all viewers of one session share."""

    def __init__(self, session: LiveSession) -> None:
        self._session = session
        self._encoder = FrameEncoder()
        # A pool of its own: viewers who wait for a frame must not use up the threads that
        # commands and pictures need.
        self._waiting = anyio.CapacityLimiter(64)
        self._feeding = False

    async def view(self, socket: WebSocket) -> None:
        """Serve one viewer until it leaves."""
        await socket.accept()
        viewer = _Viewer(socket, self._session, self._encoder, self._waiting)
        try:
            await viewer.serve()
        except* WebSocketDisconnect:
            pass

    async def camera(self, socket: WebSocket) -> None:
        """Take frames from a viewer's camera until it leaves; one camera at a time.

        In: binary, a little-endian float64 (capture time, s of `realtime.clock` here) and the
        JPEG; or text `{"ping": x}`. Out: `{"credit": 1}` for each frame taken, `{"ping": x,
        "server_s": …}`, or `{"error": …}` and the end.
        """
        await socket.accept()
        if self._feeding:
            await socket.send_json({"error": "another page's camera is the source already"})
            await socket.close()
            return
        self._feeding = True
        try:
            await self._take_frames(socket)
        except WebSocketDisconnect:
            pass
        finally:
            self._feeding = False

    async def _take_frames(self, socket: WebSocket) -> None:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is not None:
                await socket.send_json(_pong(parse_message(text)))
                continue
            source = self._session.browser
            if source is None and self._session.starting:
                await socket.send_json({"credit": 1})  # the next run may want its frames
                continue
            if source is None:
                await socket.send_json({"error": "the source is no longer the browser's camera"})
                await socket.close()
                return
            data = message["bytes"]
            if not 8 < len(data) <= MAX_JPEG_BYTES:
                await socket.close(1009)
                return
            (captured_s,) = struct.unpack_from("<d", data)
            if not math.isfinite(captured_s):
                await socket.close(1007)
                return
            source.offer(data[8:], captured_s)
            await socket.send_json({"credit": 1})


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


class _Viewer:
    """One open page."""

    def __init__(
        self,
        socket: WebSocket,
        session: LiveSession,
        encoder: FrameEncoder,
        waiting: anyio.CapacityLimiter,
    ) -> None:
        self._socket = socket
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
        await self._socket.send_json(hello_message())
        await self._tell()  # before the first frame: a new run clears the plot
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._send_frames)
            tasks.start_soon(self._send_status)
            await self._listen(tasks)
            tasks.cancel_scope.cancel()

    async def _listen(self, tasks: TaskGroup) -> None:
        async for text in self._socket.iter_text():
            message = parse_message(text)
            if "ack" in message:
                self._acknowledged(message)
            elif "ping" in message:
                await self._socket.send_json(_pong(message))
            elif "do" in message:
                # Loading models takes seconds, in which frames are still to be acknowledged.
                tasks.start_soon(self._command, message)

    def _acknowledged(self, message: dict[str, Any]) -> None:
        number = message["ack"]
        sent = self._in_flight.pop(number, None) if isinstance(number, int) else None
        if sent is None:
            return
        self._credit.release()
        painted_s = message.get("painted_s")  # None: a newer one was painted instead
        # A frame from before this viewer came waited for the viewer, not for the program.
        if isinstance(painted_s, int | float) and sent.encoded.captured_s >= self._since_s:
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
        try:
            await to_thread.run_sync(self._do, message)
        except InputError as error:
            await self._socket.send_json({"type": "error", "message": str(error)})
        await self._tell()

    def _do(self, message: dict[str, Any]) -> None:
        name = message["do"]
        if name == "start":
            if self._session.snapshot().state == "paused":
                self._session.resume()
            else:
                self._session.start()
        elif name == "pause":
            self._session.pause()
        elif name == "stop":
            self._session.stop()
        elif name == "switch":
            self._session.switch(str(message.get("source", "")))
        elif name == "rotate":
            rotate = message.get("rotate")
            if isinstance(rotate, int):  # nonsense asks for nothing
                self._session.switch(self._session.config.source, rotate=rotate)


def badge(snapshot: Snapshot, source_state: str | None, recording: RecordingStatus | None) -> str:
    if snapshot.state == "running":
        if source_state == "reconnecting":
            return "RECONNECTING"
        if recording is not None and snapshot.captured:
            return "NOT RECORDING" if recording.failure else "REC"
        return "LIVE" if snapshot.captured else "WAITING"
    return snapshot.state.upper()


def parse_message(text: str) -> dict[str, Any]:
    """A message as an object; an empty one, which asks for nothing, if it is not one."""
    try:
        message = json.loads(text)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _pong(message: dict[str, Any]) -> dict[str, Any]:
    """The answer by which the browser finds its clock's offset from `realtime.clock` here."""
    return {"type": "pong", "ping": message.get("ping"), "server_s": monotonic_s()}
