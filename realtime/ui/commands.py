"""Commands from a page to the session: checks permission, and asks before touching a recording."""

from typing import Any

from model.errors import InputError
from realtime.live import LiveSession
from realtime.ui.allowed_sources import check_source
from realtime.ui.failures import report_failure
from realtime.ui.guard import Person

RECORDED = {
    "stop": "A recording is going on. End it?",
    "pause": "A recording is going on. Pause it?",
}
"""Questions to ask before the live view touches a recording."""


class Commands:
    """Carries out the commands of one person at a page."""

    def __init__(self, session: LiveSession, person: Person) -> None:
        self._session = session
        self._person = person

    def obey(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Carry out `message`, which may take seconds. Returns the answer, or None if there is
        nothing to say: `error`, or `confirm` with a question; to confirm, the page sends the same
        command again with `sure`."""
        name = str(message["do"])
        try:
            if not self._person.may_control:
                raise InputError("with this password you may only look")
            question = RECORDED.get(name)
            if question and message.get("sure") is not True and self._session.records:
                return {"type": "confirm", "do": name, "question": question}
            self._do(name, message)
        except Exception as error:
            return {"type": "error", "message": report_failure(error)}
        return None

    def _do(self, name: str, message: dict[str, Any]) -> None:
        session, who = self._session, self._person.name
        if name == "start":
            if session.snapshot().state == "paused":
                session.audit(who, "resume")
                session.resume()
            else:
                session.start()
        elif name == "pause":
            session.audit(who, "pause")
            session.pause()
        elif name == "stop":
            session.audit(who, "stop")
            session.stop()
        elif name == "switch":
            source = str(message.get("source", ""))
            check_source(source, session.config)
            session.switch(source)
        elif name == "rotate":
            rotate = message.get("rotate")
            if isinstance(rotate, int):  # ignore other types
                session.switch(session.config.source, rotate=rotate)
