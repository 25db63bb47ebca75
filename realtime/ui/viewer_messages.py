"""What viewers send, of which nothing can be relied on."""

import math
from typing import Annotated, Any

from pydantic import AfterValidator

from model.text import clean_text, parse_json
from realtime.stream.clock import monotonic_s

Text = Annotated[str, AfterValidator(clean_text)]
"""Words from a page, of which a half of a character cannot be told to any."""


class NonsenseError(Exception):
    """What a viewer sent is none of the protocol's: its socket is closed with `code`."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


LONGEST = 4096
"""Letters of a message. To read one of millions takes a second, in which nothing else runs."""


def parse_message(text: str) -> dict[str, Any]:
    """A message as an object; an empty one, which asks for nothing, if it is not one. Raises
    `NonsenseError` if it is longer than any."""
    if len(text) > LONGEST:
        raise NonsenseError(1009)
    try:
        message = parse_json(text)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def finite_number(value: object) -> float | None:
    """`value` if it is a number that a float can hold; a viewer may send anything."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def pong(message: dict[str, Any]) -> dict[str, Any]:
    """The answer by which the browser finds its clock's offset from `realtime.stream.clock`
    here."""
    ping = finite_number(message.get("ping"))
    return {"type": "pong", "ping": ping, "server_s": monotonic_s()}
