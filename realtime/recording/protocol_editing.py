"""Protocols that are written on the page: entries of a form → a protocol → a file of its own.

Files lie beside the sessions, as TOML that only their owner can read. None is ever overwritten: a
changed protocol is a new file, so a session's protocol can always be found again.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from model.errors import InputError
from model.text import clean_line
from realtime.recording.protocol import Protocol, Question

ENDING = ".toml"
UNNAMED = "protocol"
MAX_NAME = 40
"""Characters of a file's name, without its number and ending."""
_ONE_CHARACTER = "one character, like s or 1"


class EntryError(InputError):
    """Entries of a form that are wrong."""

    def __init__(self, by_field: dict[str, str]) -> None:
        """`by_field`: what is wrong, by the field's place, like `questions.0.key`."""
        fields = "one field is" if len(by_field) == 1 else f"{len(by_field)} fields are"
        super().__init__(f"the protocol is not saved: {fields} wrong")
        self.by_field = by_field


@dataclass(frozen=True, slots=True)
class ProtocolEntries:
    """A protocol as it is typed into a form, not checked yet."""

    name: str
    authors: str
    """Separated by semicolons."""
    keys: Sequence[tuple[str, str]]
    """Key and what it marks, by row."""
    questions: Sequence[tuple[str, str, str]]
    """Name, text and key, by row."""


def check_entries(entries: ProtocolEntries) -> Protocol:
    """Return the protocol in `entries`. Raises `EntryError` with everything that is wrong."""
    wrong: dict[str, str] = {}
    keys_at: dict[str, str] = {}  # field by key
    names_at: dict[str, str] = {}  # field by question

    def check_key(field: str, typed: str) -> str:
        key = clean_line(typed)
        if len(key) != 1:
            wrong[field] = _ONE_CHARACTER
        elif key in keys_at:
            wrong[field] = f"{key} is used twice"
        keys_at.setdefault(key, field)
        return key

    def check_text(field: str, typed: str, missing: str) -> str:
        text = clean_line(typed)
        if not text:
            wrong[field] = missing
        return text

    name = check_text("name", entries.name, "give the protocol a name")
    keys = {}
    for row, (key, marks) in enumerate(entries.keys):
        marker = check_text(f"keys.{row}.name", marks, "say what the key marks")
        keys[check_key(f"keys.{row}.key", key)] = marker
    questions = []
    for row, (title, words, key) in enumerate(entries.questions):
        at = f"questions.{row}"
        question = check_text(f"{at}.name", title, "give it a short name, like q1")
        if question in names_at and question:
            wrong[f"{at}.name"] = f"{question} is used twice"
        names_at.setdefault(question, f"{at}.name")
        text = check_text(f"{at}.text", words, "write the question")
        typed = check_key(f"{at}.key", key) if key.strip() else None
        if not wrong:
            questions.append(Question(name=question, text=text, key=typed))
    if wrong:
        raise EntryError(wrong)
    authors = tuple(filter(None, map(clean_line, entries.authors.split(";"))))
    return Protocol(name=name, keys=keys, questions=tuple(questions), authors=authors)


def format_protocol(protocol: Protocol) -> str:
    """Return `protocol` as TOML, which `parse_protocol` reads."""
    lines = [f"name = {_quote(protocol.name)}"]
    if protocol.authors:
        lines.append(f"authors = [{', '.join(map(_quote, protocol.authors))}]")
    if protocol.keys:
        lines += ["", "[keys]"]
        lines += [f"{_quote(key)} = {_quote(marks)}" for key, marks in protocol.keys.items()]
    for question in protocol.questions:
        lines += ["", "[[questions]]", f"name = {_quote(question.name)}"]
        lines.append(f"text = {_quote(question.text)}")
        if question.key:
            lines.append(f"key = {_quote(question.key)}")
    return "\n".join(lines) + "\n"


def save_protocol(protocol: Protocol, folder: Path) -> Path:
    """Write `protocol` to a new file in `folder`, named after it; return its path, or that of a
    file which holds the same already. Raises `InputError` if it cannot be written."""
    letters = "".join(c if c.isalnum() else " " for c in protocol.name.lower())
    name = "-".join(letters.split())[:MAX_NAME].strip("-") or UNNAMED
    text = format_protocol(protocol).encode()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for stem in chain([name], (f"{name}-{number}" for number in count(2))):
            path = folder / (stem + ENDING)
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                if path.is_file() and path.read_bytes() == text:
                    return path
                continue
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(text)
            except OSError:  # half a protocol must not be there to choose
                path.unlink()
                raise
            return path
    except OSError as error:
        raise InputError(f"the protocol cannot be saved in {folder}: {error.strerror}") from None
    raise AssertionError("unreachable: count() has no end")


def list_protocols(folder: Path) -> list[str]:
    """Return the names of the protocol files in `folder`; names that are not plain text, which no
    page can send back, are left out."""
    names = (path.name for path in folder.glob(f"*{ENDING}") if path.is_file())
    return sorted(name for name in names if clean_line(name) == name)


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # its escapes are TOML's too
