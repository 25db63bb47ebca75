"""The page's two sockets: the view (frames and news out, commands in) and a viewer's camera (in).

Nothing here blocks the event loop: waiting for a step, encoding it and every command to the session
run in threads. A client that sends nonsense loses its socket; the others are not affected.
"""

import math
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from realtime.live import LiveSession
from realtime.stream.slewed_clock import SlewedClock
from realtime.ui.guard import person
from realtime.ui.view_messages import FrameEncoder
from realtime.ui.viewer import Viewer
from realtime.ui.viewer_messages import NonsenseError, parse_message, pong

MOST_VIEWERS = 32
"""Viewers at once who only look, and as many who may control: so lookers never keep out the
others."""
MAX_JPEG_BYTES = 8 * 2**20
HEADER = struct.Struct("<ddI")
"""Header before the JPEG of a viewer's camera."""
MOST_SKIPPED = 100_000
"""Frames of half an hour; a page that reports more has miscounted."""


class Sockets:
    """State that all viewers of one session share."""

    def __init__(self, session: LiveSession) -> None:
        self._session = session
        self._encoder = FrameEncoder()
        # A separate pool: viewers who wait for a frame must not use up the threads that commands
        # and pictures need.
        self._waiting = anyio.CapacityLimiter(2 * MOST_VIEWERS)
        self._commanding = anyio.CapacityLimiter(4)
        self._viewers: Counter[bool] = Counter()  # by whether they may control
        self._feeder: _Feeder | None = None
        self._last_key, self._last_clock = "", SlewedClock()

    async def view(self, socket: WebSocket) -> None:
        """Serve one viewer until it leaves."""
        await socket.accept()
        role = person(socket).may_control
        if self._viewers[role] >= MOST_VIEWERS:
            told = "too many pages are open here: close one"
            await socket.send_json({"type": "error", "message": told})
            await socket.close(1013)
            return
        self._viewers[role] += 1
        viewer = Viewer(socket, self._session, self._encoder, self._waiting, self._commanding)
        code = 0
        try:
            await viewer.serve()
        except* WebSocketDisconnect:
            pass
        except* RuntimeError:
            if socket.application_state is not WebSocketState.DISCONNECTED:
                raise  # else one task wrote after another had found that it left
        except* NonsenseError as errors:
            code = next(error.code for error in _leaves(errors))
        finally:
            self._viewers[role] -= 1
        if code:
            with suppress(RuntimeError, WebSocketDisconnect):  # already closed
                await socket.close(code)

    async def camera(self, socket: WebSocket) -> None:
        """Take frames from a viewer's camera until it leaves; one camera at a time. A page that
        lost its connection reconnects with its old key, `?page=KEY`, and goes on, even if the old
        connection is not yet known to be dead.

        In: binary, `HEADER` (capture time in s on the page's clock; the page's estimate of
        `realtime.stream.clock` here minus that clock; how many frames before it the page skipped)
        and the JPEG; or text `{"ping": x}`. Out: `{"credit": 1}` for each frame taken, `{"ping": x,
        "server_s": …}`, or `{"error": …}` and the end.
        """
        await socket.accept()
        before, key = self._feeder, socket.query_params.get("page", "")
        if before is not None and not (key and key == before.key):
            await socket.send_json({"error": "another page's camera is the source already"})
            await socket.close()
            return
        if not (key and key == self._last_key):  # else its clock is known, and goes on
            self._last_key, self._last_clock = key, SlewedClock()
        feeder = self._feeder = _Feeder(key, socket)
        if before is not None:
            with suppress(RuntimeError, WebSocketDisconnect):
                await before.socket.close()
        try:
            await self._take_frames(socket, self._last_clock)
        except WebSocketDisconnect:
            pass
        except NonsenseError as error:
            await socket.close(error.code)
        finally:
            if self._feeder is feeder:
                self._feeder = None
                source = self._session.browser
                if source is not None:
                    source.lost()

    async def _take_frames(self, socket: WebSocket, clock: SlewedClock) -> None:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is not None:
                await socket.send_json(pong(parse_message(text)))
                continue
            source = self._session.browser
            if source is None and self._session.starting:
                await socket.send_json({"credit": 1})  # the next run may want its frames
                continue
            if source is None:
                await socket.send_json({"error": "the source is no longer the browser's camera"})
                await socket.close()
                return
            data = message.get("bytes") or b""
            if not HEADER.size < len(data) <= MAX_JPEG_BYTES:
                await socket.close(1009)
                return
            there_s, offset_s, skipped = HEADER.unpack_from(data)
            if not (math.isfinite(there_s) and math.isfinite(offset_s)):
                await socket.close(1007)
                return
            captured_s = clock.here_s(there_s, offset_s)
            source.offer(data[HEADER.size :], captured_s, min(skipped, MOST_SKIPPED))
            await socket.send_json({"credit": 1})


@dataclass(frozen=True, slots=True, eq=False)
class _Feeder:
    """The page whose camera is the source."""

    key: str
    socket: WebSocket


def _leaves(group: BaseExceptionGroup[NonsenseError]) -> Iterator[NonsenseError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
