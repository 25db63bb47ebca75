"""Protocols, plans and what is typed, given nonsense by `tests/fuzz.py`."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from fuzz_inputs import apply_damage, change_json, changes, damage, scalars, texts
from hypothesis import strategies as st
from test_sessions_files import Heard

from model.errors import InputError
from realtime.protocol_keys import Keys
from realtime.recording.camera_check import load_camera_report
from realtime.recording.plan import take_plan
from realtime.recording.protocol import load_protocol, parse_protocol

PROTOCOL = """name = "Interview A"
authors = ["A. Meyer", "B. Klein"]
[keys]
s = "stimulus"
d = "disturbance"
[[questions]]
name = "q1"
text = "How did you come here today?"
key = "1"
"""


def cases(corpus: Path) -> dict[str, Any]:
    """Protocols, what is typed while they hold, plans, reports of the camera's check."""
    checked = json.dumps(
        {"format": "fmanet-live camera", "version": 1, "light": "green", "verdict": "good"}
    )

    def protocol(drawn: Any, scratch: Path) -> None:
        done, typed = drawn
        path = scratch / "protocol.toml"
        path.write_bytes(apply_damage(PROTOCOL.encode(), done))
        hear(load_protocol(path), typed)

    def words(drawn: Any, _: Path) -> None:
        text, typed = drawn
        hear(parse_protocol(text, "the protocol"), typed)

    def hear(loaded: Any, typed: list[str]) -> None:
        json.dumps(loaded.document(), ensure_ascii=False).encode()
        keys = Keys(loaded, Heard())
        for line in typed:
            keys.type_text(line)
            with suppress(InputError):
                keys.press(line, None)

    def plan(drawn: dict[str, Any], scratch: Path) -> None:
        for name, text in (("protocol", PROTOCOL), ("camera_report", checked)):
            if drawn[name] is not None:
                path = scratch / name
                path.write_bytes(apply_damage(text.encode(), drawn[name]))
                drawn = drawn | {name: path}
        take_plan(dict(drawn))

    def camera(done: Any, scratch: Path) -> None:
        path = scratch / "camera.json"
        path.write_text(change_json(checked, done))
        load_camera_report(path)

    toml = st.builds(
        lambda name, keys, questions: "\n".join(
            [f"name = {json.dumps(name)}", "[keys]"]
            + [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in keys.items()]
            + [
                line
                for question in questions
                for line in ["[[questions]]"]
                + [f"{key} = {json.dumps(value)}" for key, value in question.items()]
            ]
        ),
        scalars,
        st.dictionaries(texts, scalars, max_size=3),
        st.lists(
            st.dictionaries(st.sampled_from(["name", "text", "key", "x"]), scalars), max_size=3
        ),
    )
    typed = st.lists(
        st.sampled_from(["s\n", "1\n", "pause\n", "resume\n", "forget 30\n", "forget nan\n"])
        | texts,
        max_size=8,
    )
    flags = st.booleans()
    plans = st.fixed_dictionaries(
        {
            "record": st.just(Path("P07")),
            "participant": st.sampled_from(["P07", None]) | texts,
            "codec": st.sampled_from(["h264", "ffv1", "mjpeg", None]) | texts,
            "consent": st.none() | texts,
            "pictures": flags,
            "audio": st.none() | texts,
            "voice": flags,
            "protocol": st.none() | damage,
            "lsl": flags,
            "lsl_markers": st.none() | texts,
            "strict": flags,
            "camera_report": st.none() | damage,
        }
    )
    return {
        "protocol": (st.tuples(damage, typed), protocol),
        "words": (st.tuples(toml | texts, typed), words),
        "plan": (plans, plan),
        "camera": (changes, camera),
    }
