"""A page without a network, and a session to review, for `tests/fuzz.py`."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import anyio
from spoken import spoken

from calibrate.guide import Guide
from model.records import Event, Prediction, Window
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.recording.plan import RecordPlan
from realtime.results.event_lines import format_event
from realtime.review.coding import add_edit, end_blind, undo_edit
from realtime.sessions.folder import SessionFolder
from realtime.sessions.line_file import LineFile
from realtime.sessions.reader import open_session
from realtime.ui.page import build_app

Message = dict[str, Any]
OPEN = ExitStack()
"""What is open until the process ends."""
DEMO = {"source": "demo", "width": 160, "height": 120, "fps": 5.0, "device": "cpu"}
"""Little to compute."""
OURS = {b"host": b"localhost"}
READ = [
    "/live/study/state",
    "/live/calibrate/state",
    "/live/calibrate/baseline.json",
    "/live/review/sessions",
    "/live/health",
    "/live/static/live.js",
    "/live/wheel.png",
    "/live/events/1/1/crop/onset.png",
    "/live/events/1/1/flow/onset_apex.png",
    "/live/events/1/1/replay.json",
    "/live/events/1/1/replay.jpg?factor=3",
    "/live/review/S/session",
    "/live/review/S/coding?coder=C1",
    "/live/review/S/coding?coder=&look=true",
    "/live/review/S/motion?start_s=0&end_s=1&bins=9&coder=C1",
    "/live/review/S/loudness?start_s=0&end_s=1&bins=9",
    "/live/review/S/sound.wav",
    "/live/review/S/frame/1.jpg",
    "/live/review/S/replay/1-2-3/replay.json",
    "/live/review/S/replay/1-2-3/replay.jpg?factor=2",
    "/live/review/S/report.html?coder=C1",
    "/live/review/S/agreement?first=C1&second=C2",
]


class Page:
    """A page without a network: what would be sent to it is given to it."""

    def __init__(self, portal: Any, config: LiveConfig) -> None:
        guide = Guide()
        self.session = LiveSession(config, guide.take)
        guide.attach(self.session)
        self._portal = portal

        async def build() -> Any:
            return build_app(self.session, calibrator=guide)

        self.app = portal.call(build)
        self.session.start()

    def ask(
        self,
        kind: str,
        path: str,
        headers: dict[bytes, bytes],
        incoming: Iterable[Message],
        method: str = "GET",
    ) -> list[Message]:
        """All that it answers; raises what escapes it."""
        path, _, query = path.partition("?")
        scope = {
            "type": kind,
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "method": method,
            "path": unquote(quote(path, errors="replace")),
            "raw_path": path.encode("utf-8", "replace"),
            "query_string": quote(query, "=&%", errors="replace").encode(),
            "headers": list(headers.items()),
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "subprotocols": [],
            "root_path": "",
        }
        sent: list[Message] = []
        left = iter(incoming)

        async def receive() -> Message:
            for message in left:
                return message
            await anyio.sleep(0.02)
            return {
                "type": "http.disconnect" if kind == "http" else "websocket.disconnect",
                "code": 1001,
            }

        async def send(message: Message) -> None:
            (message.get("text") or "").encode()  # as the server does
            sent.append(message)

        self._portal.call(self.app, scope, receive, send)
        return sent


def record_session(corpus: Path) -> Path:
    """A session with sound, an event, markers, two coders and an export, made once."""
    folder = corpus / "S"
    if folder.exists():
        return folder
    plan = RecordPlan(corpus / "plain", "P07", codec="ffv1", consent="analysis", pictures=True)
    config = LiveConfig(**{**DEMO, "fps": 25.0}, seconds=3, record=plan)
    with LiveSession(config) as session:
        session.mark("stimulus", "a picture of a dog")
        session.mark("q1", kind="question_start")
        session.wait(60)
    made = SessionFolder(corpus / "plain")
    stamps = [frame.stamp for frame in open_session(made.path).frames if frame.time_s is not None]
    events = LineFile(made.events)
    window = Window(stamps[10], stamps[20], stamps[30], 2.0, "micro", ("mouth_left",))
    prediction = Prediction("positive", {"positive": 0.7, "negative": 0.3}, {"AU12": 0.9}, "fmanet")
    events.write(format_event(Event(1, "confirmed", window, prediction, "", stamps[32], 1.0)))
    events.close()
    heard = spoken(made.path, corpus / "spoken")
    for coder, label in (("C1", "positive"), ("C2", "negative")):
        moments = stamps[10], stamps[21], stamps[30]
        add_edit(heard, coder, 1, verdict="accepted", moments=moments, label=label)
        add_edit(heard, coder, None, verdict="open", moments=moments, label=label, note="again")
    undo_edit(heard, "C2")
    end_blind(heard, "C1")
    heard.folder.path.rename(folder)
    return folder
