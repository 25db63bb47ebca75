"""Protocols that are typed into a form: what is wrong stands at its field, and the file is new."""

import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InputError
from realtime.recording.protocol import load_protocol, parse_protocol
from realtime.recording.protocol_editing import (
    EntryError,
    ProtocolEntries,
    check_entries,
    format_protocol,
    list_protocols,
    save_protocol,
)

INTERVIEW = ProtocolEntries(
    "Interview A",
    "A. Meyer; B. Klein;",
    [("s", "stimulus"), ("ä", ' said "no" \n')],
    [("q1", "How did you come here?", "1"), ("q2", "C:\\> and back?", "")],
)


def test_a_typed_protocol_is_saved_as_toml_and_read_back(tmp_path: Path) -> None:
    protocol = check_entries(INTERVIEW)
    assert protocol.authors == ("A. Meyer", "B. Klein")
    assert protocol.keys == {"s": "stimulus", "ä": 'said "no"'}
    assert protocol.questions[1].key is None
    path = save_protocol(protocol, tmp_path / "sessions")
    assert path.name == "interview-a.toml"
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
    assert load_protocol(path) == protocol


def test_no_protocol_is_overwritten(tmp_path: Path) -> None:
    first = save_protocol(check_entries(INTERVIEW), tmp_path)
    assert save_protocol(check_entries(INTERVIEW), tmp_path) == first  # it is the same
    before = first.read_bytes()
    changed = check_entries(ProtocolEntries("interview: A!", "", [("x", "other")], []))
    assert save_protocol(changed, tmp_path).name == "interview-a-2.toml"
    assert first.read_bytes() == before
    (tmp_path / "protocol.toml").mkdir()
    nameless = check_entries(ProtocolEntries("?", "", [], []))
    assert save_protocol(nameless, tmp_path).name == "protocol-2.toml"
    files = ["interview-a-2.toml", "interview-a.toml", "protocol-2.toml"]
    assert list_protocols(tmp_path) == files
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"the protocol cannot be saved in .*file"):
        save_protocol(nameless, tmp_path / "file")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_file_whose_name_is_no_text_is_not_listed(tmp_path: Path) -> None:
    path = save_protocol(check_entries(INTERVIEW), tmp_path)
    (tmp_path / os.fsdecode(b"x\xff.toml")).touch()
    assert list_protocols(tmp_path) == [path.name]


def test_a_full_disk_leaves_no_empty_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(handle: int, *_: Any) -> Any:
        os.close(handle)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fdopen", fill)
    with pytest.raises(InputError, match=r"cannot be saved in .*: No space left on device"):
        save_protocol(check_entries(INTERVIEW), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_of_two_pages_that_save_at_once_neither_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "interview-a.toml"
    opens = os.open

    def be_late(path: Path, *options: Any) -> int:
        if not other.exists():
            other.write_text("the other page's")
        return opens(path, *options)

    monkeypatch.setattr(os, "open", be_late)
    assert save_protocol(check_entries(INTERVIEW), tmp_path).name == "interview-a-2.toml"
    assert other.read_text() == "the other page's"


@pytest.mark.parametrize(
    ("entries", "wrong"),
    [
        (ProtocolEntries(" ", "", [], []), {"name": "give the protocol a name"}),
        (
            ProtocolEntries("A", "", [("", "x"), ("s", " "), ("ss", "y")], []),
            {
                "keys.0.key": "one character, like s or 1",
                "keys.1.name": "say what the key marks",
                "keys.2.key": "one character, like s or 1",
            },
        ),
        (
            ProtocolEntries("A", "", [("1", "x"), ("1", "y")], [("q", "Why?", "1")]),
            {"keys.1.key": "1 is used twice", "questions.0.key": "1 is used twice"},
        ),
        (
            ProtocolEntries("A", "", [], [("q", "Why?", ""), (" q ", "", "12"), ("", "x", "")]),
            {
                "questions.1.name": "q is used twice",
                "questions.1.text": "write the question",
                "questions.1.key": "one character, like s or 1",
                "questions.2.name": "give it a short name, like q1",
            },
        ),
    ],
)
def test_everything_that_is_wrong_stands_at_its_field(
    entries: ProtocolEntries, wrong: dict[str, str]
) -> None:
    with pytest.raises(EntryError) as found:
        check_entries(entries)
    assert found.value.by_field == wrong


LINE = st.text(max_size=6)


@given(
    st.builds(
        ProtocolEntries,
        LINE,
        LINE,
        st.lists(st.tuples(LINE, LINE), max_size=3),
        st.lists(st.tuples(LINE, LINE, LINE), max_size=3),
    )
)
def test_whatever_is_accepted_can_be_read_back(entries: ProtocolEntries) -> None:
    try:
        protocol = check_entries(entries)
    except EntryError:
        return
    assert parse_protocol(format_protocol(protocol), "it") == protocol
