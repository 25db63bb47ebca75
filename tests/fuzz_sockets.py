"""The page's sockets, routes and guard, given nonsense by `tests/fuzz.py`."""

import json
import shutil
import struct
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal
from fakes import grey_jpeg
from fuzz_inputs import apply_changes, apply_damage, changes, damage, scalars, texts, values
from fuzz_page import DEMO, OPEN, OURS, READ, Message, Page, record_session
from hypothesis import strategies as st

from realtime.config import LiveConfig
from realtime.stream.clock import monotonic_s
from realtime.ui.messages import answer_ping, parse_message

_MOMENT = {"text": "s", "at_s": 1.0}
_BEGIN = {"participant": "", "false_alarms_per_min": 0.5}
_DRAFT = {"participant": "P07", "consent": "", "pictures": False, "codec": "h264", "minutes": 1}
_EDIT = {
    "coder": "C1",
    "number": 1,
    "verdict": "open",
    "onset": 1,
    "apex": 2,
    "offset": 3,
    "label": "x",
    "action_units": ["AU12L"],
    "frames": 75,
}
BODIES: dict[str, Any] = {
    "study/draft": _DRAFT,
    "study/protocol": {"text": "name = 'x'"},
    "study/protocol/save": {"name": "x", "keys": [{"key": "s", "name": "x"}], "questions": []},
    "study/protocol/choose": {"text": "x.toml"},
    **dict.fromkeys(["study/key", "study/note", "study/question"], _MOMENT),
    "study/forget": {"seconds": 3.0},
    **{f"study/{verb}": {} for verb in ("start", "stop", "pause", "resume")},
    **dict.fromkeys(["calibrate/begin/camera", "calibrate/begin/baseline"], _BEGIN),
    **{f"calibrate/{verb}": {} for verb in ("cancel", "use")},
    "review/S/edit": _EDIT,
    **{f"review/S/{step}": {"coder": "C1", "frames": 75} for step in ("undo", "redo", "done")},
    "review/S/export": {"to": "csv", "coder": "", "look": True},
}
"""What is posted, by the address below `/live/`."""
HEADERS = [
    "host",
    "origin",
    "authorization",
    "cookie",
    "range",
    "sec-fetch-site",
    "sec-fetch-mode",
    "content-type",
    "content-length",
    "accept-encoding",
    "if-none-match",
    "if-modified-since",
    "x-forwarded-for",
    "upgrade",
]
HEADER_VALUES = (
    b"http://[|http://localhost|localhost|[::1|proxy|\xff|Basic YW5hOnA=|Basic x|Basic eDp2|"
    b'fmanet_live=control.616e61.x|fmanet_live=\xff|a=b; =; "|bytes=0-|bytes=9-1|'
    b"bytes=99999999999999999-|cross-site|navigate|cors|application/json|text/plain|"
    b"multipart/form-data; boundary=|gzip|*"
).split(b"|")


def cases(corpus: Path) -> dict[str, Any]:
    """The view, a viewer's camera, all routes and what guards them."""
    shelf = corpus / "shelf"
    shutil.rmtree(shelf, ignore_errors=True)
    shutil.copytree(record_session(corpus), shelf / "S")
    portal = OPEN.enter_context(start_blocking_portal())
    open_to_all = Page(portal, LiveConfig(**DEMO, sessions=shelf))
    browser = Page(portal, LiveConfig(source="browser", device="cpu", sessions=shelf))
    guarded = Page(
        portal,
        LiveConfig(
            source="browser",
            device="cpu",
            sessions=shelf,
            host="0.0.0.0",
            auth=("ana", "p"),
            view_password="v",
            root_path="/proxy/7",
            allow_hosts=("proxy",),
            allow_sources=(str(corpus), "http://127.0.0.1/x"),
        ),
    )

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

    def send_text(drawn: Any, _: Path) -> None:
        text, value = drawn
        for message in (parse_message(text), parse_message(json.dumps(value))):
            if message is not None:
                json.dumps(answer_ping(message), allow_nan=False)

    def as_text(text: str) -> Message:
        return {"type": "websocket.receive", "text": text.encode("utf-8", "replace").decode()}

    def as_bytes(content: bytes) -> Message:
        return {"type": "websocket.receive", "bytes": content}

    some = st.sampled_from(["pause", "resume", "switch", "rotate", "stop", "start"]) | scalars
    known: dict[str, Any] = {
        "do": some,
        "source": texts,
        "rotate": st.integers() | values,
        "sure": values,
        "ack": st.integers(0, 9) | scalars,
        "painted_s": st.floats() | st.just(monotonic_s()) | scalars,
        "ping": values,
    }
    commands = st.lists(st.sampled_from(list(known)), min_size=1, max_size=3).flatmap(
        lambda keys: st.fixed_dictionaries({key: known[key] for key in keys})
    )
    texted = (commands | values).map(lambda value: as_text(json.dumps(value))) | texts.map(as_text)
    odd = st.floats() | st.sampled_from([0.0, 1e300, float("nan")]) | st.just(monotonic_s())
    jpeg = st.builds(
        apply_damage, st.sampled_from([grey_jpeg(1), grey_jpeg(2)]), damage | st.just([])
    )
    frames = st.builds(
        lambda at_s, offset_s, skipped, content: as_bytes(
            struct.pack("<ddI", at_s, offset_s, skipped) + content
        ),
        odd,
        odd,
        st.integers(0, 2**32 - 1),
        jpeg,
    )
    binary = st.binary(max_size=64).map(as_bytes)
    spoiled = st.sampled_from([*READ, *(f"/live/{path}" for path in BODIES)]).flatmap(
        lambda path: damage.map(
            lambda done: apply_damage(path.encode(), done[:1]).decode("utf-8", "replace")[:4000]
        )
    )
    posted = st.sampled_from(list(BODIES)).flatmap(
        lambda path: st.tuples(
            st.booleans(),
            st.just(f"/live/{path}"),
            st.just("POST"),
            headers,
            changes.map(lambda done: as_json(apply_changes(BODIES[path], done))),
        )
    )
    header_values = st.sampled_from(HEADER_VALUES) | st.binary(max_size=20)
    names = st.sampled_from([name.encode() for name in HEADERS])
    headers = st.dictionaries(names, header_values, max_size=3).map(
        lambda drawn: (
            OURS
            | {b"authorization": b"Basic YW5hOnA=", b"content-type": b"application/json"}
            | drawn
        )
    )
    read = st.tuples(
        st.booleans(),
        st.sampled_from(READ) | spoiled,
        st.sampled_from(["GET", "GET", "HEAD", "POST", "PUT", "X"]),
        headers,
        st.binary(max_size=9),
    )
    return {
        "view": (st.lists(texted | binary, max_size=8), view),
        "camera": (
            st.tuples(texts, st.lists(frames | frames | texted | binary, max_size=6)),
            camera,
        ),
        "posted": (posted, routes),
        "read": (read, routes),
        "said": (st.tuples(texts, values), send_text),
    }


def as_json(value: Any) -> bytes:
    """With numbers that JSON has not, and whatever text."""
    return json.dumps(value).encode()
