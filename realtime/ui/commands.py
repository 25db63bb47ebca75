"""Carries out a page's commands if the person may control; asks before it touches a recording."""

from typing import Any

from model.errors import InputError
from realtime.live import LiveSession
from realtime.ui.access import Person
from realtime.ui.allowed_sources import check_source
from realtime.ui.failures import report_failure
from realtime.ui.messages import ViewerMessage

QUESTIONS = {
    "stop": "A recording is in progress. End it?",
    "pause": "A recording is in progress. Pause it?",
}
"""Questions to ask before a command touches a recording."""


def carry_out(
    session: LiveSession, person: Person, message: ViewerMessage
) -> dict[str, Any] | None:
    """Carry out the command in `message`, which may take seconds. Return the answer: None if all is
    well, an `error`, or `confirm` with a question. To confirm, the page sends the command again
    with `sure`."""
    try:
        if not person.may_control:
            raise InputError("this password only lets you look, not control")
        question = QUESTIONS.get(str(message.do))
        if question and not message.sure and session.records:
            return {"type": "confirm", "do": message.do, "question": question}
        _carry_out(session, person.name, message)
    except Exception as error:
        return {"type": "error", "message": report_failure(error)}
    return None


def _carry_out(session: LiveSession, who: str, message: ViewerMessage) -> None:
    match message.do:
        case "start" if session.snapshot().state == "paused":
            session.audit(who, "resume")
            session.resume()
        case "start":
            session.start()
        case "pause":
            session.audit(who, "pause")
            session.pause()
        case "stop":
            session.audit(who, "stop")
            session.stop()
        case "switch":
            check_source(message.source, session.config)
            session.switch(message.source)
        case "seek" if message.to_s is not None:
            session.seek(message.to_s)
        case "ask" if message.probability is not None:
            session.ask_for(message.probability)
        case "rotate" if message.rotate is not None:
            session.switch(session.config.source, rotate=message.rotate)
