"""The page's two sockets: the view (frames and news out, commands in) and a viewer's camera (in).

Waiting for a step, encoding it and every command to the session run in threads, not in the event
loop. A client that sends nonsense loses its socket; the others are not affected.
"""

import math
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from realtime.live import LiveSession
from realtime.stream.slewed_clock import SlewedClock
from realtime.ui.access import get_person
from realtime.ui.messages import FrameEncoder, answer_ping, parse_message
from realtime.ui.viewer import Viewer

MOST_VIEWERS = 32
"""The most viewers at once who may only look, and the most who may control. The two are counted
separately, so that the first never keep out the second."""
FRAME_HEADER = struct.Struct("<ddI")
"""The header before each JPEG of a viewer's camera."""
MOST_SKIPPED = 100_000
"""Half an hour of frames; a page that reports more has miscounted."""


class Sockets:
    """The sockets of one session, and what they share."""

    def __init__(self, session: LiveSession, after_command: Callable[[], None]) -> None:
        """`after_command` is called in a thread after each command of a viewer."""
        self._session = session
        self._after_command = after_command
        self._encoder = FrameEncoder()
        # Separate limits: viewers who wait for a frame must not use up the threads that commands
        # and pictures need.
        self._waiting = anyio.CapacityLimiter(2 * MOST_VIEWERS)
        self._commanding = anyio.CapacityLimiter(4)
        self._viewers: Counter[bool] = Counter()  # by whether they may control
        self._camera_page: _CameraPage | None = None
        self._last_key, self._last_clock = "", SlewedClock()

    async def view(self, socket: WebSocket) -> None:
        """Serve one viewer until it leaves."""
        await socket.accept()
        role = get_person(socket).may_control
        if self._viewers[role] >= MOST_VIEWERS:
            await socket.send_json(
                {"type": "error", "message": "too many pages are open: close one"}
            )
            await socket.close(1013)
            return
        self._viewers[role] += 1
        viewer = Viewer(
            socket,
            self._session,
            self._encoder,
            self._waiting,
            self._commanding,
            self._after_command,
        )
        try:
            await viewer.serve()
        except* WebSocketDisconnect:
            pass
        except* RuntimeError:
            if socket.application_state is not WebSocketState.DISCONNECTED:
                raise  # otherwise one task sent after another saw the viewer leave
        finally:
            self._viewers[role] -= 1

    async def camera(self, socket: WebSocket) -> None:
        """Take frames from a viewer's camera until it leaves; one camera at a time. A page that
        lost its connection connects again with its old key, `?page=KEY`, and goes on, even if
        nobody has noticed yet that the old connection is dead.

        In: binary, `FRAME_HEADER` (capture time in s on the page's clock; the page's estimate of
        `realtime.stream.clock` here minus that clock; number of frames that the page skipped before
        this one) and the JPEG; or text `{"ping": x}`. Out: `{"credit": 1}` for each frame taken,
        `{"ping": x, "server_s": …}`, or `{"error": …}` and the end.
        """
        await socket.accept()
        before, key = self._camera_page, socket.query_params.get("page", "")
        if before is not None and not (key and key == before.key):
            await socket.send_json({"error": "another page's camera is the source"})
            await socket.close()
            return
        if not (key and key == self._last_key):  # otherwise keep the page's clock
            self._last_key, self._last_clock = key, SlewedClock()
        camera_page = self._camera_page = _CameraPage(key, socket)
        if before is not None:
            with suppress(RuntimeError, WebSocketDisconnect):
                await before.socket.close()
        try:
            await socket.close(await self._take_frames(socket, self._last_clock))
        except WebSocketDisconnect:
            pass
        finally:
            if self._camera_page is camera_page:
                self._camera_page = None
                source = self._session.browser
                if source is not None:
                    source.mark_away()

    async def _take_frames(self, socket: WebSocket, clock: SlewedClock) -> int:
        """Take frames until the end; return the code with which to close the socket."""
        while True:
            received = await socket.receive()
            if received["type"] == "websocket.disconnect":
                raise WebSocketDisconnect
            if received.get("text") is not None:
                message = parse_message(received["text"])
                if message is None:
                    return 1009
                await socket.send_json(answer_ping(message))
                continue
            source = self._session.browser
            if source is None and not self._session.starting:
                await socket.send_json({"error": "the source is no longer the browser's camera"})
                return 1000
            if source is not None:
                data = received.get("bytes") or b""
                if len(data) <= FRAME_HEADER.size:
                    return 1009
                there_s, offset_s, skipped = FRAME_HEADER.unpack_from(data)
                if not (math.isfinite(there_s) and math.isfinite(offset_s)):
                    return 1007
                captured_s = clock.here_s(there_s, offset_s)
                source.offer(data[FRAME_HEADER.size :], captured_s, min(skipped, MOST_SKIPPED))
            # While the session starts, the next run may want the page's frames.
            await socket.send_json({"credit": 1})


@dataclass(frozen=True, slots=True, eq=False)
class _CameraPage:
    """The page whose camera is the source."""

    key: str
    socket: WebSocket
