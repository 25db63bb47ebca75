"""A study's protocol: what each key marks, and which questions are asked.

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
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from model.errors import InputError
from model.text import clean_line, read_text
from realtime.results.value_checks import describe_misfit

Line = Annotated[str, AfterValidator(clean_line)]
Name = Annotated[str, StringConstraints(pattern=r"\S"), AfterValidator(clean_line)]
Key = Annotated[str, StringConstraints(pattern=r"^\S$")]
"""One character."""

REMEDY = (
    'a protocol has name, authors, [keys] as s = "stimulus" with one character each, and '
    "[[questions]] with name, text, key"
)


class Question(BaseModel):
    """A question of the protocol."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    text: Name
    key: Key | None = None


class Protocol(BaseModel):
    """What each key marks, and the questions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line = ""
    keys: dict[Key, Name] = Field(default_factory=dict)
    """Marker by key. A question's key is not among them."""
    questions: tuple[Question, ...] = ()
    authors: tuple[Line, ...] = ()
    """The study's authors, as a data set names them."""

    @model_validator(mode="after")
    def _check_doubles(self) -> "Protocol":
        keys = [*self.keys, *(question.key for question in self.questions if question.key)]
        names = [question.name for question in self.questions]
        for what, values in (("key", keys), ("question", names)):
            for value in values:
                if values.count(value) > 1:
                    raise ValueError(f"{what} {value!r} is used twice")
        return self

    def document(self) -> dict[str, Any]:
        """Return the protocol for `session.json`."""
        questions = [{"name": q.name, "text": q.text, "key": q.key or ""} for q in self.questions]
        return self.model_dump(mode="json") | {"questions": questions}


def load_protocol(path: Path) -> Protocol:
    """Read a protocol file. Raises `InputError` as `parse_protocol` does."""
    try:
        return parse_protocol(read_text(path), f"--protocol {path}")
    except OSError as error:
        raise InputError(f"--protocol {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"--protocol {path} is not TOML in UTF-8 or UTF-16: {error}") from None


def parse_protocol(text: str, path: str) -> Protocol:
    """Return the protocol in `text`. Raises `InputError` that names the place, the value and the
    remedy; it calls the text `path`."""
    try:
        return Protocol.model_validate(tomllib.loads(text))
    except ValidationError as error:
        problem = describe_misfit(error.errors()[0])
        raise InputError(clean_line(f"{path}: {problem}; {REMEDY}")) from None
    except ValueError as error:  # `TOMLDecodeError`, or a number with too many digits
        raise InputError(f"{path} is not TOML: {error}") from None
    except RecursionError:
        raise InputError(f"{path} is not a protocol: it is nested too deeply") from None
