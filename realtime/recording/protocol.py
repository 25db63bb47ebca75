"""A study's protocol: which keys mark what, and which questions are asked.

name = "Interview A"
authors = ["A. Meyer", "B. Klein"]   # of the study, for exports

[keys]                  # hot keys and what they mark
s = "stimulus"
d = "disturbance"

[[questions]]           # in the order in which they are asked
name = "q1"
text = "How did you come here today?"
key = "1"               # starts it; the next question, or the key again, ends it
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from model.errors import InputError
from model.text import clean_line, read_text


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the protocol."""

    name: str
    text: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Protocol:
    """Names for keys, and questions."""

    name: str = ""
    keys: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Marker by key; no key of a question among them."""
    questions: tuple[Question, ...] = ()
    authors: tuple[str, ...] = ()
    """The study's authors, as a data set names them."""

    def document(self) -> dict[str, Any]:
        """Return the protocol for `session.json`."""
        questions = [{"name": q.name, "text": q.text, "key": q.key} for q in self.questions]
        return {
            "name": self.name,
            "authors": list(self.authors),
            "keys": dict(self.keys),
            "questions": questions,
        }


def load_protocol(path: Path) -> Protocol:
    """Read a protocol file. Raises `InputError` saying what is wrong with it."""
    try:
        return parse_protocol(read_text(path), f"--protocol {path}")
    except OSError as error:
        raise InputError(f"--protocol {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"--protocol {path} is not TOML in UTF-8 or UTF-16: {error}") from None


def parse_protocol(text: str, path: str) -> Protocol:
    """Return the protocol in `text`. Raises `InputError` saying what is wrong with it; `path` is
    the name of the text in that message."""
    try:
        document = tomllib.loads(text)
    except ValueError as error:  # `TOMLDecodeError`, or a number with too many digits
        raise InputError(f"{path} is not TOML: {error}") from None
    except RecursionError:
        raise InputError(f"{path} is no protocol: it is nested too deeply") from None
    unknown = sorted(set(document) - {"name", "authors", "keys", "questions"})
    if unknown:
        raise InputError(f"{path}: {unknown[0]} is none of name, authors, keys, questions")
    name = document.get("name", "")
    keys = document.get("keys", {})
    questions = document.get("questions", [])
    if not isinstance(name, str) or not isinstance(keys, dict) or not isinstance(questions, list):
        raise InputError(f'{path}: needs name = "…", a table [keys] and tables [[questions]]')
    authors = document.get("authors", [])
    if not isinstance(authors, list) or not all(isinstance(name, str) for name in authors):
        raise InputError(f'{path}: authors are a list of names, as ["A. Meyer", "B. Klein"]')
    asked = tuple(_question(path, entry) for entry in questions)
    _check_keys(path, [*keys, *(q.key for q in asked if q.key)])
    _check_names(path, keys, asked)
    named = {key: clean_line(marker) for key, marker in keys.items()}
    by = tuple(clean_line(author) for author in authors)
    return Protocol(clean_line(name), MappingProxyType(named), asked, by)


def _question(path: str, entry: Any) -> Question:
    if (
        not isinstance(entry, dict)
        or not entry.keys() <= {"name", "text", "key"}
        or not all(isinstance(value, str) for value in entry.values())
        or not entry.get("name")
        or not entry.get("text")
    ):
        raise InputError(f"{path}: a question has name, text and key, not {entry!r}")
    return Question(**{name: clean_line(value) for name, value in entry.items()})


def _check_keys(path: str, keys: list[str]) -> None:
    for key in keys:
        if len(key) != 1 or key.isspace():
            raise InputError(f"{path}: key {key!r} must be one character")
        if keys.count(key) > 1:
            raise InputError(f"{path}: key {key!r} is used twice")


def _check_names(path: str, keys: dict[str, Any], questions: tuple[Question, ...]) -> None:
    for key, name in keys.items():
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"{path}: key {key!r} needs a name to mark, not {name!r}")
    names = [question.name for question in questions]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}: two questions are called {name!r}")
