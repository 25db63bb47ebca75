"""Messages from a page over its sockets. Any client may send anything, so everything is checked."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, FiniteFloat, ValidationError

from model.text import clean_text
from realtime.stream.clock import monotonic_s

Text = Annotated[str, AfterValidator(clean_text)]
"""Text from a page, with lone surrogates and control characters replaced."""
MAX_CHARACTERS = 4096
"""The most characters of a message. Parsing millions takes a second in which nothing else runs."""


class ViewerMessage(BaseModel):
    """A message from a page. An empty one asks for nothing."""

    model_config = ConfigDict(strict=True)

    ack: int | None = None
    """Number of a frame message that the page is done with."""
    painted_s: FiniteFloat | None = None
    """When it was painted, on this program's monotonic clock; None if a newer one was instead."""
    ping: FiniteFloat | None = None
    """Time on the page's clock, which the answer repeats."""
    do: Literal["start", "pause", "stop", "switch", "rotate"] | None = None
    source: str = ""
    """Of `switch`."""
    rotate: int | None = None
    """Of `rotate`: degrees clockwise."""
    sure: bool = False
    """The person has confirmed the command."""


def parse_message(text: str) -> ViewerMessage | None:
    """Return the message in `text`: an empty one if it is not valid, None if it is longer than
    `MAX_CHARACTERS`."""
    if len(text) > MAX_CHARACTERS:
        return None
    try:
        return ViewerMessage.model_validate_json(text)
    except ValidationError:
        return ViewerMessage()


def answer_ping(message: ViewerMessage) -> dict[str, Any]:
    """Return the answer to a ping, from which the page computes how its clock differs from this
    program's."""
    return {"type": "pong", "ping": message.ping, "server_s": monotonic_s()}
