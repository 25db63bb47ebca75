"""Text from outside, whatever it holds."""

import json
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.text import clean_line, clean_text, count_noun, decode_text, parse_json


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_text_is_read_in_the_encodings_that_editors_save(encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    assert decode_text((mark + "Grüße ✓\n").encode(encoding)) == "Grüße ✓\n"


def test_one_is_no_plural() -> None:
    counted = [count_noun(number, "session") for number in (0, 1, 2)]
    assert counted == ["0 sessions", "1 session", "2 sessions"]


def test_another_encoding_is_told() -> None:
    with pytest.raises(UnicodeDecodeError):
        decode_text("Grüße".encode("cp1252"))


@given(st.text(st.characters(exclude_categories=())))
def test_clean_text_can_be_written_anywhere(text: str) -> None:
    clean = clean_text(text)
    clean.encode("utf-8")
    json.dumps(clean, ensure_ascii=False).encode("utf-8")
    element = ET.Element("a")
    element.text = clean
    assert ET.fromstring(ET.tostring(element)).text or not clean
    assert "\n" not in clean_line(text)
    assert clean_text(clean) == clean


def test_what_is_text_stays_as_it_is() -> None:
    assert clean_text("Größe\t1 µm\nzweite Zeile 😀") == "Größe\t1 µm\nzweite Zeile 😀"
    assert clean_text("go\x1b[A on") == "go�[A on"
    assert clean_text(b"caf\xe9".decode("utf-8", "surrogateescape")) == "caf�"
    assert clean_line("a\r\nb\tc ") == "a b c"


@pytest.mark.parametrize("text", ["", "[" * 9000, '{"a":' * 9000, "9" * 5000, "nul"])
def test_what_is_no_json_is_one_kind_of_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


def test_json_is_read() -> None:
    assert parse_json('{"a": [1, 0.5, null]}') == {"a": [1, 0.5, None]}
