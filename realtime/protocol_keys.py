"""What a person types while a recording runs: keys of the protocol, notes, pause, forget.

s               a key of the protocol: sets its marker, or starts its question, or ends it
pause, resume   analysis and recording; a camera's pictures in between are not recorded
forget 30       deletes the last 30 seconds
anything else   a note
"""

from typing import NamedTuple

from model.errors import InputError
from realtime.live import LiveSession
from realtime.recording.protocol import Protocol
from realtime.sessions.audit import TERMINAL
from realtime.sessions.markers import MarkerKind

NOTE = "note"


class Marked(NamedTuple):
    """What a key did."""

    words: str
    at_s: float
    """Time of the marker in s of the video, as the tables have it."""


class Keys:
    """The keys of one protocol. Remembers which questions were asked."""

    def __init__(self, protocol: Protocol, session: LiveSession) -> None:
        self._protocol = protocol
        self._session = session
        self._questions = {q.key: q.name for q in protocol.questions if q.key}
        self._asked: list[tuple[float, str, bool]] = []
        """When a question started or ended, s of the video, its name, and whether it ended."""
        self._unfinished = ""

    def type_text(self, typed: str) -> list[str]:
        """Carry out the complete lines in `typed`; keep an incomplete one for the next call. Return
        what was done, or why it failed, in words."""
        *lines, self._unfinished = (self._unfinished + typed).split("\n")
        done = []
        for line in lines:
            try:
                words = self.carry_out(line)
            except InputError as error:
                words = str(error)
            else:
                if words:
                    self._session.audit(TERMINAL, words)
            done.append(words)
        return [words for words in done if words]

    def carry_out(self, line: str) -> str:
        """Carry out `line` and return what was done, in words; empty for an empty line. Raises
        `InputError` for a "forget" without a number of seconds."""
        text = line.strip()
        word, _, rest = text.partition(" ")
        if not text:
            return ""
        if text in self._questions or text in self._protocol.keys:
            return self.press(text).words
        if text == "pause":
            self._session.pause()
            return "paused"
        if text == "resume":
            self._session.resume()
            return "resumed"
        if word == "forget":
            return self._read_forget(rest)
        self._session.mark(NOTE, text)
        return "noted"

    @property
    def open_question(self) -> str:
        """Name of the question in progress; empty if there is none."""
        _, name, ended = self._asked[-1] if self._asked else (0.0, "", True)
        return "" if ended else name

    @property
    def answered(self) -> list[str]:
        """Names of the questions that were asked and are over. A question is over when it is ended,
        or another one starts."""
        over = dict.fromkeys(name for _, name, _ in self._asked)
        return [name for name in over if name != self.open_question]

    def press(self, key: str, at_s: float | None = None) -> Marked:
        """Carry out `key` of the protocol at `at_s` of the monotonic clock (None: now) and return
        what was done. Raises `InputError` if the protocol has no such key."""
        if key in self._questions:
            return self.ask(self._questions[key], at_s)
        name = self._protocol.keys.get(key)
        if name is None:
            raise InputError(f"key {key!r}: the protocol has no such key")
        return Marked(f"marked {name}", self._session.mark(name, at_s=at_s))

    def ask(self, name: str, at_s: float | None = None) -> Marked:
        """Start the question `name`, or end it if it is open; see `press`."""
        if name not in (question.name for question in self._protocol.questions):
            raise InputError(f"question {name!r}: the protocol has no such question")
        ends = self.open_question == name
        kind: MarkerKind = "question_end" if ends else "question_start"
        marked_s = self._session.mark(name, kind=kind, at_s=at_s)
        self._asked.append((marked_s, name, ends))
        return Marked(f"{name} {'ended' if ends else 'started'}", marked_s)

    def forget(self, seconds: float) -> tuple[float, float]:
        """Delete the last `seconds`, and with them the questions that started or ended then; return
        start and end, s of the video. Raises `InputError` as `LiveSession.redact` does."""
        start_s, end_s = self._session.redact(seconds)
        self._asked = [asked for asked in self._asked if asked[0] < start_s]
        return start_s, end_s

    def _read_forget(self, rest: str) -> str:
        try:
            seconds = float(rest)
        except ValueError:
            raise InputError(f"forget {rest}: say how many seconds, as in forget 30") from None
        if not 0 < seconds < float("inf"):
            raise InputError(f"forget {rest}: choose more than 0 seconds")
        self.forget(seconds)
        return f"the last {seconds:g} s are deleted"
