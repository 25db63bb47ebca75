"""Nonsense, as Hypothesis draws it: values, text, and what is damaged of something whole."""

import copy
import io
import json
import math
import re
from collections.abc import Sequence
from typing import Any
from zipfile import ZipFile, is_zipfile

from hypothesis import strategies as st

Damage = Sequence[tuple[str, float, int, bytes]]
"""What is done (`_DAMAGES`), where (0 to 1 of the content), over how many bytes, with what."""
Changes = Sequence[tuple[list[int], Any]]
"""The way to a place in a JSON value, and what is put there, or `GONE`."""
GONE = "(gone)"

_DAMAGES = ("cut", "delete", "double", "insert", "write", "word", "word", "word")
_NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63), 10**25, 10**400, 5e-324, 1e308, -1e308, 1e17)
_TEXTS = (
    "", " ", "\0", "\ud800", "\x1b[2J", "a\nb", "\u2028", "~nobody/x", "~", "..", "/", "a" * 300,
    "9" * 300, "²", "٣", "nan", "1e999", "http://[", "http://127.0.0.1:99999/", "P07", "C1",
    "2026-01-01T00:00:00+00:00", "loop:", "=1+1", ",", ";", "\t", '"', "🙂", "\ufeff", "\uffff",
    "C1/../x",
)  # fmt: skip
_WORDS = (
    b"nan", b"inf", b"-inf", b"1e999", b"-1", b"0", b"1e17", b"9" * 30, b"9" * 400, b"9" * 5000,
    b"null", b"true", b"[]", b"{}", b'""', b'"\\ud800"', b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"",
    b"[" * 5000, b'{"a":' * 3000, b",", b"\n", b"\r", b'"', b"=", b"1.5", b"x" * 200_000,
    b"\xed\xa0\x80",
    b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00",
)  # fmt: skip

numbers = st.one_of(
    st.sampled_from((*_NUMBERS, math.nan, math.inf, -math.inf)), st.integers(), st.floats()
)
texts = st.one_of(st.sampled_from(_TEXTS), st.text(max_size=30))
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
)
"""Of JSON; numbers may be none that JSON has."""

damage = st.lists(
    st.tuples(
        st.sampled_from(_DAMAGES),
        st.floats(0, 1),
        st.integers(1, 64),
        st.one_of(st.sampled_from(_WORDS), st.binary(max_size=8)),
    ),
    min_size=1,
    max_size=6,
)
changes = st.lists(
    st.tuples(st.lists(st.integers(0, 40), min_size=1, max_size=4), st.just(GONE) | values),
    min_size=1,
    max_size=3,
)


def apply_damage(content: bytes, done: Damage) -> bytes:
    """`content` after all of `done`, in order."""
    for kind, place, length, data in done:
        at = int(place * len(content))
        if kind == "cut":
            content = content[:at]
        elif kind == "delete":
            content = content[:at] + content[at + length :]
        elif kind == "double":
            content = content[: at + length] + content[at:]
        elif kind == "insert":
            content = content[:at] + data + content[at:]
        elif kind == "write":
            content = content[:at] + data + content[at + len(data) :]
        elif (word := re.compile(rb"[\w.+-]+").search(content, at)) is not None:
            content = content[: word.start()] + data + content[word.end() :]
    return content


def apply_damage_inside(content: bytes, done: Damage) -> bytes:
    """A zip archive (.xlsx, .npz) of which one file is damaged, and packed again whole; damaged
    itself where it is none."""
    if not is_zipfile(io.BytesIO(content)):
        return apply_damage(content, done)
    out = io.BytesIO()
    with ZipFile(io.BytesIO(content)) as old, ZipFile(out, "w") as new:
        names = old.namelist()
        chosen = names[sum(length for _, _, length, _ in done) % len(names)]
        for name in names:
            part = old.read(name)
            new.writestr(name, apply_damage(part, done) if name == chosen else part)
    return out.getvalue()


def apply_changes(document: Any, done: Changes) -> Any:
    """A copy of a JSON value after all of `done`; a way is followed as far as it goes."""
    document = {"": copy.deepcopy(document)}
    for way, value in done:
        parent, key = document, ""
        for step in way:
            inner = parent[key]
            if isinstance(inner, dict | list) and inner:
                parent = inner
                key = (
                    list(inner)[step % len(inner)] if isinstance(inner, dict) else step % len(inner)
                )
        if value == GONE and parent is not document:
            del parent[key]
        else:
            parent[key] = value
    return document[""]


def change_json(text: str, done: Changes) -> str:
    """JSON, changed; what is none any more stays as it is."""
    try:
        return json.dumps(apply_changes(json.loads(text), done))
    except (ValueError, RecursionError):
        return text
