"""Study: one recording after another, as a person at the page asks for them.

It keeps the form filled in before a recording, says what is missing, starts and stops recordings,
and takes keys, notes and requests to forget. Any thread may call it.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from model.errors import InputError
from realtime.live import LiveSession
from realtime.recording.camera_check import Check
from realtime.recording.checks import check_list, jpegs, room
from realtime.recording.keys import NOTE, Keys
from realtime.recording.microphone import microphones
from realtime.recording.plan import PLANNED_S, RecordPlan
from realtime.recording.protocol import Protocol, parse_protocol
from realtime.recording.status import RecordingStatus
from realtime.sessions.crash_safe_video import CODECS
from realtime.sessions.folder import PARTICIPANT, disk_speed

GOING_ON = ("running", "paused")
SAID = 50
"""How many of the last markers are shown."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The form before a recording, not checked yet."""

    participant: str = ""
    consent: str = ""
    pictures: bool = False
    audio: str = ""
    voice: bool = False
    codec: str = "h264"
    minutes: float = PLANNED_S / 60
    lsl: bool = False
    lsl_markers: str = ""


class Study:
    """The recordings of one live session."""

    def __init__(self, session: LiveSession, camera: Callable[[], Check | None]) -> None:
        """`camera` returns the result of the camera check, None if nobody made one."""
        self._session = session
        self._root = session.config.sessions
        self._camera = camera
        self._lock = threading.Lock()
        self._changing = threading.Lock()  # held while a recording starts or ends
        self._draft = Draft()
        self._protocol = Protocol()
        self._keys = Keys(self._protocol, session)
        self._speed: float | None = None
        self._microphones: list[str] | None = None
        self._said: deque[tuple[float, str]] = deque(maxlen=SAID)
        self._last: RecordingStatus | None = None
        plan = session.config.record
        if plan is not None:  # the command line asked for it, and it has begun
            self._draft = Draft(
                plan.participant,
                plan.consent,
                plan.pictures,
                "",  # ask the next person again
                False,
                plan.codec,
                plan.planned_s / 60,
                plan.lsl,
                plan.lsl_markers,
            )
            self._protocol = plan.protocol
            self._keys = Keys(plan.protocol, session)

    def fill_in(self, draft: Draft) -> None:
        """Keep the filled-in form. Raises `InputError` for an unknown codec."""
        if draft.codec not in CODECS:
            raise InputError(f"codec {draft.codec}: choose one of {', '.join(CODECS)}")
        with self._lock:
            self._draft = draft

    def take_protocol(self, text: str) -> None:
        """Use the protocol in `text` (TOML) from the next recording on. Raises `InputError` saying
        what is wrong with it."""
        protocol = parse_protocol(text, "the protocol")
        with self._lock:
            self._protocol = protocol

    def start(self) -> None:
        """Begin a recording; the source restarts. Raises `InputError` if it cannot begin, or if one
        is in progress."""
        with self._alone():
            if self._active() is not None:
                raise InputError("a recording is going on: stop it first")
            plan = self._plan()
            with self._lock:
                self._keys = Keys(plan.protocol, self._session)
                self._said.clear()
                self._speed = None  # measure again: the disk may be busier by then
            self._session.record(plan)

    def stop(self) -> None:
        """End the recording; the source restarts without one. Raises `InputError` if there is none,
        or if another page is starting or ending one."""
        with self._alone():
            if self._active() is None:
                raise InputError("no recording is going on")
            self._session.stop()
            self._last = self._session.recording()
            self._session.record(None)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the right to start or end a recording. Raises `InputError` if another page has
        it."""
        if not self._changing.acquire(blocking=False):
            raise InputError("another page is starting or ending a recording: see what it did")
        try:
            yield
        finally:
            self._changing.release()

    def audit(self, who: str, did: str) -> None:
        """See `LiveSession.audit`."""
        self._session.audit(who, did)

    def press(self, key: str, at_s: float | None) -> None:
        """Handle a key of the protocol, pressed at `at_s` of the monotonic clock (None: now).
        Raises `InputError` if the protocol has no such key or nothing is recorded."""
        self._tell(self._keys.press(key, at_s))

    def ask(self, name: str, at_s: float | None) -> None:
        """Start the question `name`, or end it if it is open; see `press`."""
        if name not in (question.name for question in self._protocol.questions):
            raise InputError(f"question {name!r}: the protocol has none of that name")
        self._tell(self._keys.ask(name, at_s))

    def note(self, text: str, at_s: float | None) -> None:
        """Note `text`; see `press`."""
        if not text.strip():
            raise InputError("a note needs words")
        self._session.mark(NOTE, text.strip(), at_s=at_s)
        self._tell(f"noted: {text.strip()}")

    def pause(self) -> None:
        """Pause analysis and recording."""
        self._session.pause()
        self._tell("paused")

    def resume(self) -> None:
        """Continue after `pause`."""
        self._session.resume()
        self._tell("resumed")

    def forget(self, seconds: float) -> None:
        """Delete the last `seconds`. Raises `InputError` if nothing is recorded."""
        self._session.redact(seconds)
        with self._lock:
            self._said = deque(
                (pair for pair in self._said if pair[0] < self._seconds() - seconds), maxlen=SAID
            )
        self._tell(f"the last {seconds:g} s are deleted")

    def state(self) -> dict[str, Any]:
        """Return the state as JSON values: `recording` (folder, frames, dropped, seconds, failure,
        sound, paused; None if there is none), `last` (the recording before), `draft`, `codecs`,
        `microphones`, `checks`, `missing` (what stops a recording from beginning), `protocol` with
        the question that is `open`, `said`."""
        if self._microphones is None:
            self._microphones = _found()
        active = self._active()
        checks, missing = self._checks() if active is None else ((), "")
        with self._lock:
            keys = self._keys if active is not None else Keys(self._protocol, self._session)
            protocol = self._protocol if active is None else self._recorded_protocol()
            return {
                "recording": active and {**asdict(active), "paused": self._paused()},
                "last": self._last and asdict(self._last),
                "draft": asdict(self._draft),
                "codecs": list(CODECS),
                "microphones": self._microphones,
                "checks": [asdict(check) for check in checks],
                "missing": missing,
                "protocol": {**protocol.document(), "open": keys.open_question},
                "said": [{"at_s": at_s, "words": words} for at_s, words in self._said],
            }

    def _active(self) -> RecordingStatus | None:
        status = self._session.recording()
        going_on = self._session.snapshot().state in GOING_ON
        if status is not None and not going_on:
            self._last = status
        return status if going_on else None

    def _paused(self) -> bool:
        return self._session.snapshot().state == "paused"

    def _seconds(self) -> float:
        return self._session.snapshot().seconds

    def _recorded_protocol(self) -> Protocol:
        plan = self._session.config.record
        return self._protocol if plan is None else plan.protocol

    def _tell(self, words: str) -> None:
        with self._lock:
            self._said.append((self._seconds(), words))

    def _plan(self) -> RecordPlan:
        draft = self._draft
        return RecordPlan(
            self._root / draft.participant,
            draft.participant,
            codec=draft.codec,
            consent=draft.consent.strip(),
            pictures=draft.pictures and bool(draft.consent.strip()),
            audio=draft.audio,
            voice=draft.voice and bool(draft.consent.strip()),
            protocol=self._protocol,
            camera=self._camera(),
            planned_s=60 * draft.minutes,
            lsl=draft.lsl,
            lsl_markers=draft.lsl_markers.strip(),
        )

    def _checks(self) -> tuple[tuple[Check, ...], str]:
        """Return the checks, and what stops a recording from beginning (empty if nothing does)."""
        source = self._session.source
        if source is None:
            return (), "no source is open: start one on the Live tab"
        try:
            plan = self._plan()
            missing = ""
        except InputError as error:
            # Show the other checks even before the form is complete.
            missing = str(error)
            plan = replace(self._blank(), consent=self._draft.consent.strip())
        speed = self._speed  # a start from another page may clear it meanwhile
        if speed is None:
            speed = self._speed = disk_speed(plan.folder)
        config = self._session.config
        space = room(plan, source.info, config.seconds)
        kept = jpegs(plan, source.info) if plan.untouched else space
        for check in (space, kept):
            if not check.good:
                missing = missing or check.text
        return (space, *check_list(plan, source.info, config.baseline, speed)), missing

    def _blank(self) -> RecordPlan:
        # Until a participant is named, assume the participant of the baseline.
        baseline = self._session.config.baseline
        whose = baseline.participant if baseline is not None else ""
        code = whose if PARTICIPANT.fullmatch(whose) else "X"
        return RecordPlan(self._root / code, code, codec=self._draft.codec, camera=self._camera())


def _found() -> list[str]:
    try:
        return list(microphones())
    except InputError:  # no PortAudio, so no choice
        return []
