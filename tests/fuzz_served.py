"""What `tests/fuzz.py` does to the page's sockets and routes, and to recorded sessions.

Each function makes what its cases start from, in the folder it is given, and returns the cases.
"""

import json
import shutil
import struct
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import anyio
from anyio.from_thread import start_blocking_portal
from fakes import copied, grey_jpeg
from fuzz_files import watch
from fuzz_inputs import changed, changes, damage, damaged, rewritten, scalars, texts, values
from hypothesis import strategies as st
from spoken import spoken

import realtime.export.__main__ as exporting
import realtime.session.__main__ as keeping
from calibrate.guide import Guide
from model.records import Event, Prediction, Window
from realtime.clock import monotonic_s
from realtime.config import LiveConfig
from realtime.export import EXPORTS
from realtime.live import LiveSession
from realtime.review.coding import say
from realtime.session.compare import compare
from realtime.session.events import event_line
from realtime.session.folder import SessionFolder
from realtime.session.lines import LineFile
from realtime.session.plan import RecordPlan
from realtime.session.reader import open_session
from realtime.sources import SourceOptions
from realtime.sources.session import SessionSource
from realtime.ui.messages import finite_number, parse_message, pong
from realtime.ui.page import build_app

Message = dict[str, Any]
OPEN = ExitStack()
"""What is open until the process ends."""
DEMO = {"source": "demo", "width": 160, "height": 120, "fps": 5.0, "device": "cpu"}
"""Little to compute."""
OURS = {b"host": b"localhost"}
COMMANDS = {
    "do": "switch",
    "source": "demo",
    "rotate": 90,
    "sure": True,
    "ack": 0,
    "painted_s": 1.0,
    "ping": 1,
}
BODIES: dict[str, Any] = {
    "/live/study/draft": {"participant": "P07", "consent": "", "pictures": False, "codec": "h264", "minutes": 1},
    "/live/study/protocol": {"text": "name = 'x'", "at_s": None},
    "/live/study/key": {"text": "s", "at_s": 1.0},
    "/live/study/note": {"text": "s", "at_s": 1.0},
    "/live/study/question": {"text": "q1", "at_s": None},
    "/live/study/forget": {"seconds": 3.0},
    "/live/study/start": {}, "/live/study/stop": {}, "/live/study/pause": {}, "/live/study/resume": {},
    "/live/calibrate/begin/camera": {"participant": "", "false_alarms_per_min": 0.5},
    "/live/calibrate/begin/baseline": {"participant": "", "false_alarms_per_min": 0.5},
    "/live/calibrate/cancel": {}, "/live/calibrate/use": {},
    "/live/review/S/edit": {"coder": "C1", "frames": 75, "number": 1, "verdict": "open", "onset": 1, "apex": 2,
                              "offset": 3, "label": "positive", "note": ""},
    "/live/review/S/export": {"to": "csv", "coder": ""},
}  # fmt: skip
READ = (
    "/live/study/state", "/live/calibrate/state", "/live/calibrate/baseline.json", "/live/review/sessions",
    "/live/health/state", "/live/events/1/1/crop/onset.png", "/live/events/1/1/flow/onset_apex.png",
    "/live/events/1/1/replay.json", "/live/events/1/1/replay.jpg?factor=3", "/live/wheel.png",
    "/live/review/S/session", "/live/review/S/coding?coder=C1", "/live/review/S/motion?start_s=0&end_s=1&bins=9",
    "/live/review/S/loudness?start_s=0&end_s=1&bins=9", "/live/review/S/sound.wav", "/live/review/S/frame/1.jpg",
    "/live/review/S/replay/1-2-3/replay.json", "/live/review/S/replay/1-2-3/replay.jpg?factor=2",
    "/live/review/S/report.html?coder=C1", "/live/review/S/agreement?first=C1&second=C2", "/live/static/live.js",
)  # fmt: skip


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
            "type": kind, "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": method,
            "path": unquote(quote(path, errors="replace")), "raw_path": path.encode("utf-8", "replace"),
            "query_string": quote(query, "=&%", errors="replace").encode(), "headers": list(headers.items()),
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "subprotocols": [], "root_path": "",
        }  # fmt: skip
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


def sockets(corpus: Path) -> dict[str, Any]:
    """The view, a viewer's camera, all routes and what guards them."""
    shelf = corpus / "shelf"
    shutil.rmtree(shelf, ignore_errors=True)
    shutil.copytree(recorded(corpus), shelf / "S")
    portal = OPEN.enter_context(start_blocking_portal())
    open_to_all = Page(portal, LiveConfig(**DEMO, sessions=shelf))
    browser = Page(portal, LiveConfig(source="browser", device="cpu", sessions=shelf))
    guarded = Page(
        portal,
        LiveConfig(
            source="browser", device="cpu", sessions=shelf, host="0.0.0.0", auth=("ana", "p"), view_password="v",
            root_path="/proxy/7", allow_hosts=("proxy",), allow_sources=(str(corpus), "http://127.0.0.1/x"),
        ),
    )  # fmt: skip

    def view(messages: list[Message], _: Path) -> None:
        page = open_to_all
        if page.session.snapshot().state != "running" or page.session.config.source != "demo":
            page.session.switch("demo", rotate=0)
        page.ask("websocket", "/live/view", OURS, [{"type": "websocket.connect"}, *messages])

    def camera(drawn: Any, _: Path) -> None:
        key, messages = drawn
        path = f"/live/camera?page={key}"
        browser.ask("websocket", path, OURS, [{"type": "websocket.connect"}, *messages])

    def routes(drawn: Any, _: Path) -> None:
        page, path, method, headers, body = drawn
        asked = [{"type": "http.request", "body": body, "more_body": False}]
        sent = (guarded if page else open_to_all).ask("http", path, headers, asked, method)
        if sent[0]["status"] >= 500:
            raise ValueError(f"{method} {path}: {sent}")
        answer = b"".join(message.get("body", b"") for message in sent[1:])
        if dict(sent[0]["headers"]).get(b"content-type") == b"application/json" and answer:
            json.loads(answer, parse_constant=float.fromhex)

    def said(drawn: Any, _: Path) -> None:
        text, value = drawn
        for message in (parse_message(text), parse_message(json.dumps(value))):
            json.dumps(pong(message), allow_nan=False)
        finite_number(value)

    def as_text(text: str) -> Message:
        return {"type": "websocket.receive", "text": text.encode("utf-8", "replace").decode()}

    def as_bytes(content: bytes) -> Message:
        return {"type": "websocket.receive", "bytes": content}

    some = st.sampled_from(["pause", "resume", "switch", "rotate", "stop", "start"]) | scalars
    known: dict[str, Any] = {
        "do": some, "source": texts, "rotate": st.integers() | values, "sure": values, "ack": st.integers(0, 9) | scalars,
        "painted_s": st.floats() | st.just(monotonic_s()) | scalars, "ping": values,
    }  # fmt: skip
    commands = st.lists(st.sampled_from(list(known)), min_size=1, max_size=3).flatmap(
        lambda keys: st.fixed_dictionaries({key: known[key] for key in keys})
    )
    texted = (commands | values).map(lambda value: as_text(json.dumps(value))) | texts.map(as_text)
    odd = st.floats() | st.sampled_from([0.0, 1e300, float("nan")]) | st.just(monotonic_s())
    jpeg = st.builds(damaged, st.sampled_from([grey_jpeg(1), grey_jpeg(2)]), damage | st.just([]))
    frames = st.builds(
        lambda at_s, offset_s, skipped, content: as_bytes(struct.pack("<ddI", at_s, offset_s, skipped) + content),
        odd, odd, st.integers(0, 2**32 - 1), jpeg,
    )  # fmt: skip
    binary = st.binary(max_size=64).map(as_bytes)
    spoiled = st.sampled_from(READ + tuple(BODIES)).flatmap(
        lambda path: damage.map(
            lambda done: damaged(path.encode(), done[:1]).decode("utf-8", "replace")[:4000]
        )
    )
    posted = st.sampled_from(list(BODIES)).flatmap(
        lambda path: st.tuples(
            st.booleans(), st.just(path), st.just("POST"), headers, changes.map(lambda done: as_json(changed(BODIES[path], done)))
        )
    )  # fmt: skip
    header_values = st.sampled_from(
        [b"http://[", b"http://localhost", b"localhost", b"[::1", b"proxy", b"\xff", b"Basic YW5hOnA=", b"Basic x", b"Basic " + b"/" * 400,
         b"Basic eDp2", b"fmanet_live=control.616e61.x", b"fmanet_live=\xff", b"a=b; =; \\\"", b"bytes=0-", b"bytes=9-1", b"bytes=99999999999999999-",
         b"cross-site", b"navigate", b"cors", b"application/json", b"text/plain", b"multipart/form-data; boundary=", b"gzip", b"*"]
    ) | st.binary(max_size=20)  # fmt: skip
    names = st.sampled_from(
        [b"host", b"origin", b"authorization", b"cookie", b"range", b"sec-fetch-site", b"sec-fetch-mode", b"content-type",
         b"content-length", b"accept-encoding", b"if-none-match", b"if-modified-since", b"x-forwarded-for", b"upgrade"]
    )  # fmt: skip
    headers = st.dictionaries(names, header_values, max_size=3).map(
        lambda drawn: (
            OURS
            | {b"authorization": b"Basic YW5hOnA=", b"content-type": b"application/json"}
            | drawn
        )
    )
    read = st.tuples(
        st.booleans(), st.sampled_from(READ) | spoiled, st.sampled_from(["GET", "GET", "HEAD", "POST", "PUT", "X"]), headers, st.binary(max_size=9)
    )  # fmt: skip
    return {
        "view": (st.lists(texted | binary, max_size=8), view),
        "camera": (
            st.tuples(texts, st.lists(frames | frames | texted | binary, max_size=6)),
            camera,
        ),
        "posted": (posted, routes),
        "read": (read, routes),
        "said": (st.tuples(texts, values), said),
    }


def as_json(value: Any) -> bytes:
    """With numbers that JSON has not, and whatever text."""
    return json.dumps(value).encode()


def sessions(corpus: Path) -> dict[str, Any]:
    """Recorded sessions of which files are damaged, gone, exchanged or something else, and all
    that reads them."""
    whole = recorded(corpus)
    portal = OPEN.enter_context(start_blocking_portal())
    shelf = corpus / "shelf"
    shelf.mkdir(exist_ok=True)
    page = Page(portal, LiveConfig(source="browser", device="cpu", sessions=shelf))
    files = sorted(path.name for path in whole.iterdir())
    reviewing = [path for path in READ if path.startswith("/live/review/")]

    def route(path: str) -> Callable[[Path], None]:
        def read(folder: Path) -> None:
            shutil.rmtree(shelf, ignore_errors=True)
            shutil.copytree(folder, shelf / "S", symlinks=True)
            asked = [{"type": "http.request", "body": b"", "more_body": False}]
            sent = page.ask("http", path, OURS, asked)
            if sent[0]["status"] >= 500:
                raise ValueError(f"{path}: {sent}")

        return read

    def command(main: Callable[[], None], *words: str) -> Callable[[Path], None]:
        def call(folder: Path) -> None:
            beside = [word.replace("HERE", str(folder.parent)) for word in words]
            sys.argv = ["program", *(str(folder) if word == "S" else word for word in beside)]
            main()

        return call

    def replay(folder: Path) -> None:
        watch(SessionSource(str(folder), SourceOptions()))

    def parity(folder: Path) -> None:
        with closing(SessionSource(str(folder), SourceOptions())) as source:
            compare(source, "cpu")

    readers: dict[str, Callable[[Path], None]] = {
        "recover": command(keeping.main, "recover", "S"),
        "redact": command(keeping.main, "redact", "S", "--from", "0.5", "--to", "1"),
        "redact all": command(keeping.main, "redact", "S", "--from", "0", "--to", "inf"),
        "delete": command(keeping.main, "delete", "S", "--receipt", "HERE/receipt.json"),
        "agree": command(keeping.main, "agree", "S", "C1", "C2"),
        "report": command(keeping.main, "report", "S", "--coder", "C1"),
        "replay": replay,
        "compare": parity,
        **{f"export {name}": command(exporting.main, "S", "--to", name) for name in EXPORTS},
        "export coded": command(exporting.main, "S", "--to", "csv", "--coder", "C1"),
        **{path: route(path) for path in reviewing},
    }

    def read(drawn: Any, scratch: Path) -> None:
        reader, done = drawn
        folder = copied(whole, scratch / "S")
        for name, way, detail in done:
            spoil(folder, name, way, detail, files)
        readers[reader](folder)

    ways = st.one_of(
        st.tuples(st.just("damage"), damage),
        st.tuples(st.just("damage"), damage),
        st.tuples(st.just("change"), changes),
        st.tuples(st.just("change"), changes),
        st.tuples(
            st.just("cell"), st.tuples(st.integers(0, 200), st.integers(0, 20), scalars.map(str))
        ),
        st.tuples(st.sampled_from(["gone", "folder", "loop", "empty", "nowhere"]), st.none()),
        st.tuples(st.just("other"), st.sampled_from(files)),
    )
    spoilt = st.builds(
        lambda name, way: (name, *way),
        st.sampled_from([*files, "session.json", "events.jsonl"]),
        ways,
    )
    done = st.lists(spoilt, min_size=1, max_size=3)
    twice = [name for name in readers if name != "compare"] * 4 + ["compare"]
    return {"read": (st.tuples(st.sampled_from(twice), done), read)}


def spoil(folder: Path, name: str, way: str, detail: Any, files: list[str]) -> None:
    """Do to one file of a session what was drawn."""
    path = folder / name
    if not path.is_file():
        return
    content = path.read_bytes()
    if way == "damage":
        path.write_bytes(damaged(content, detail))
    elif way == "change" and name.endswith(".json"):
        path.write_text(rewritten(content.decode("utf-8", "replace"), detail))
    elif way == "change" and name.endswith(".jsonl"):
        lines = content.decode("utf-8", "replace").splitlines() or [""]
        at = detail[0][0][0] % len(lines)
        lines[at] = rewritten(lines[at], detail)
        path.write_text("".join(f"{line}\n" for line in lines))
    elif way == "cell":
        row, column, cell = detail
        rows = [line.split(",") for line in content.decode("utf-8", "replace").splitlines()]
        if rows:
            cells = rows[row % len(rows)]
            cells[column % len(cells)] = cell
        path.write_bytes("".join(f"{','.join(row)}\n" for row in rows).encode("utf-8", "replace"))
    elif way == "other" and (folder / detail).is_file():
        path.write_bytes((folder / detail).read_bytes())
    elif way in ("gone", "folder", "loop", "nowhere"):
        path.unlink()
        if way == "folder":
            path.mkdir()
        elif way != "gone":
            path.symlink_to(name if way == "loop" else "not/there")
    elif way == "empty":
        path.write_bytes(b"")


def recorded(corpus: Path) -> Path:
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
    events.write(event_line(Event(1, "confirmed", window, prediction, "", stamps[32], 1.0)))
    events.close()
    heard = spoken(made.path, corpus / "spoken")
    for coder, label in (("C1", "positive"), ("C2", "negative")):
        moments = stamps[10], stamps[21], stamps[30]
        say(heard, coder, 1, verdict="accepted", moments=moments, label=label)
        say(heard, coder, None, verdict="open", moments=moments, label=label, note="again")
    heard.folder.path.rename(folder)
    return folder
