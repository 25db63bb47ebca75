"""Study: the recordings that a person at the page starts, one after another.

It keeps the form that is filled in before a recording, says what is missing, starts and stops
recordings, and takes keys, notes and requests to forget. Any thread may call it.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from model.errors import InputError
from realtime.live import LiveSession
from realtime.protocol_keys import NOTE, Keys
from realtime.recording.camera_check import Check
from realtime.recording.check_list import check_disk_space, check_jpegs, make_check_list
from realtime.recording.microphone import list_microphones
from realtime.recording.plan import PlanError, RecordPlan
from realtime.recording.protocol import Protocol, load_protocol, parse_protocol
from realtime.recording.protocol_editing import (
    ProtocolEntries,
    check_entries,
    list_protocols,
    save_protocol,
)
from realtime.recording.status import RecordingStatus
from realtime.sessions.crash_safe_video import CODECS
from realtime.sessions.document_check import PARTICIPANT
from realtime.sessions.folder import disk_speed

GOING_ON = ("running", "paused")
MOST_FORGOTTEN_S = 3600.0
"""The most that can be deleted at once while recording; Review deletes any part later."""
OPENED = "opened"
"""Stands for a protocol that was not saved on the page; the names of files end in .toml."""
MESSAGES = 50
"""Number of messages that the page shows, the last ones."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The form before a recording, not checked yet."""

    participant: str = ""
    consent: str = ""
    pictures: bool = False
    audio: str = ""
    voice: bool = False
    codec: str = "h264"
    minutes: float | None = None
    show_labels: bool = False
    lsl: bool = False
    lsl_markers: str = ""

    @property
    def planned_s(self) -> float | None:
        """The planned length in seconds; None: none is planned."""
        return None if self.minutes is None else 60 * self.minutes


class Study:
    """The recordings of one live session."""

    def __init__(self, session: LiveSession, camera: Callable[[], Check | None]) -> None:
        """`camera` returns the result of the camera check; None if the camera was not checked."""
        self._session = session
        self._root = session.config.sessions
        self._camera = camera
        self._lock = threading.Lock()
        self._changing = threading.Lock()  # held while a recording starts or ends
        self._draft = Draft()
        self._protocol, self._protocol_file = Protocol(), ""
        self._keys = Keys(self._protocol, session)
        self._speed: float | None = None
        self._microphones: list[str] | None = None
        self._messages: deque[tuple[float, str]] = deque(maxlen=MESSAGES)
        self._last: RecordingStatus | None = None
        plan = session.config.record
        if plan is not None:  # the command line has started a recording
            # Without sound: the next person must be asked again.
            kept = {field.name for field in fields(Draft)} - {"audio", "voice", "minutes"}
            values = {name: getattr(plan, name) for name in kept}
            self._draft = Draft(**values, minutes=plan.planned_s and plan.planned_s / 60)
            self._protocol = plan.protocol
            self._protocol_file = "" if plan.protocol == Protocol() else OPENED
            self._keys = Keys(plan.protocol, session)

    def fill_in(self, draft: Draft) -> None:
        """Keep the filled-in form. Raises `InputError` for an unknown codec."""
        if draft.codec not in CODECS:
            raise InputError(f"codec {draft.codec}: choose one of {', '.join(CODECS)}")
        with self._lock:
            self._draft = draft

    def take_protocol(self, text: str) -> None:
        """Use the protocol in `text` (TOML) from the next recording on. Raises `InputError` as
        `parse_protocol` does."""
        protocol = parse_protocol(text, "the protocol")
        with self._lock:
            self._protocol, self._protocol_file = protocol, OPENED

    def save_protocol(self, entries: ProtocolEntries) -> None:
        """Save the protocol in `entries` as a new file beside the sessions, and use it from the
        next recording on. Raises `EntryError` if entries are wrong, `InputError` if it cannot be
        saved."""
        protocol = check_entries(entries)
        path = save_protocol(protocol, self._root)
        with self._lock:
            self._protocol, self._protocol_file = protocol, path.name

    def choose_protocol(self, name: str) -> None:
        """Use the saved protocol of the file `name` from the next recording on; empty: none. Raises
        `InputError` if there is no such file, or as `load_protocol` does."""
        if name and name not in list_protocols(self._root):
            raise InputError(f"protocol {name}: there is no such file beside the sessions")
        protocol = load_protocol(self._root / name) if name else Protocol()
        with self._lock:
            self._protocol, self._protocol_file = protocol, name

    def start(self) -> None:
        """Start a recording; the source starts again. Raises `InputError` if the recording cannot
        start, or another one is in progress."""
        with self._exclusive_change():
            if self._active() is not None:
                raise InputError("a recording is in progress: stop it first")
            plan = self._plan()
            with self._lock:
                self._keys = Keys(plan.protocol, self._session)
                self._messages.clear()
                self._speed = None  # measure it again for the next recording
            self._session.record(plan)

    def stop(self) -> None:
        """End the recording; the source starts again without one. Raises `InputError` if there is
        no recording, or another page is starting or ending one."""
        with self._exclusive_change():
            if self._active() is None:
                raise InputError("there is no recording to stop")
            self._session.stop()
            self._last = self._session.recording()
            self._clear_person()  # before the source opens again, which may fail
            self._session.record(None)

    def _clear_person(self) -> None:
        """Clear what the last participant agreed to, and whether names were shown: the next person
        must be asked again."""
        with self._lock:
            self._draft = replace(
                self._draft,
                participant="",
                consent="",
                pictures=False,
                voice=False,
                show_labels=False,
            )

    @contextmanager
    def _exclusive_change(self) -> Iterator[None]:
        """Lock out other pages that start or end a recording. Raises `InputError` if one does."""
        if not self._changing.acquire(blocking=False):
            raise InputError(
                "another page is starting or ending a recording: wait until it is done"
            )
        try:
            yield
        finally:
            self._changing.release()

    def audit(self, who: str, did: str) -> None:
        """See `LiveSession.audit`."""
        self._session.audit(who, did)

    def press(self, key: str, at_s: float | None) -> None:
        """Carry out a key of the protocol, pressed at `at_s` of the monotonic clock (None: now).
        Raises `InputError` if the protocol has no such key, or there is no recording."""
        self._show(*self._keys.press(key, at_s))

    def ask(self, name: str, at_s: float | None) -> None:
        """Start the question `name`, or end it if it is open; see `press`."""
        self._show(*self._keys.ask(name, at_s))

    def note(self, text: str, at_s: float | None) -> None:
        """Write `text` into the recording as a note; see `press`."""
        if not text.strip():
            raise InputError("a note needs text")
        self._show(f"noted: {text.strip()}", self._session.mark(NOTE, text.strip(), at_s=at_s))

    def pause(self) -> None:
        """Pause analysis and recording."""
        self._show("paused", self._session.pause())

    def resume(self) -> None:
        """Continue after `pause`."""
        self._show("resumed", self._session.resume())

    def forget(self, seconds: float) -> None:
        """Delete the last `seconds`. Raises `InputError` if there is no recording, or it is no time
        up to `MOST_FORGOTTEN_S`."""
        if not 0 < seconds <= MOST_FORGOTTEN_S:
            raise InputError(
                f"forget {seconds:g} s: choose more than 0, {MOST_FORGOTTEN_S:g} at most"
            )
        start_s, end_s = self._keys.forget(seconds)
        with self._lock:
            kept = [pair for pair in self._messages if pair[0] < start_s]
            self._messages = deque(kept, maxlen=MESSAGES)
        self._show(f"the last {seconds:g} s are deleted", end_s)

    def state(self) -> dict[str, Any]:
        """Return the state as JSON values: `recording` (a `RecordingStatus`, `paused`, and
        `planned_s`; None if there is none), `last` (the recording before it, and `name`, by which
        the Review tab lists it; empty if it does not), `draft`, `codecs`, `microphones`, `checks`,
        `missing` (why a recording cannot start), `form_errors` (the same by field of the form),
        `protocol` with the `open` question and those `answered`, `protocols` (the files beside the
        sessions), `protocol_file` (the one in use; `OPENED` for another, empty for none), `said`
        (the last messages)."""
        if self._microphones is None:
            self._microphones = _microphone_names()
        active, plan = self._active(), self._session.config.record
        paused = self._session.snapshot().state == "paused"
        checks, missing, wrong = self._checks() if active is None else ((), "", {})
        with self._lock:
            keys = self._keys if active is not None else Keys(self._protocol, self._session)
            protocol = self._protocol if active is None or plan is None else plan.protocol
            return {
                "recording": active
                and {**asdict(active), "paused": paused, "planned_s": self._planned_s()},
                "last": self._last and {**asdict(self._last), "name": self._listed(self._last)},
                "draft": asdict(self._draft),
                "codecs": list(CODECS),
                "microphones": self._microphones,
                "checks": [asdict(check) for check in checks],
                "missing": missing,
                "form_errors": wrong,
                "protocol": {
                    **protocol.document(),
                    "open": keys.open_question,
                    "answered": keys.answered,
                },
                "protocols": list_protocols(self._root),
                "protocol_file": self._protocol_file,
                "said": [{"at_s": at_s, "words": words} for at_s, words in self._messages],
            }

    def _active(self) -> RecordingStatus | None:
        status = self._session.recording()
        going_on = self._session.snapshot().state in GOING_ON
        if status is not None and not going_on:
            if self._last is None or self._last.folder != status.folder:
                self._clear_person()  # it has ended of itself
            self._last = status
        return status if going_on else None

    def _planned_s(self) -> float | None:
        config = self._session.config
        planned_s = None if config.record is None else config.record.planned_s
        return config.seconds or planned_s

    def _listed(self, status: RecordingStatus) -> str:
        folder = Path(status.folder)
        return folder.name if folder.parent.resolve() == self._root.resolve() else ""

    def _show(self, words: str, at_s: float | None) -> None:
        """Show `words`, with the time that the tables have; None: nothing was marked."""
        if at_s is not None:
            with self._lock:
                self._messages.append((at_s, words))

    def _plan(self) -> RecordPlan:
        draft = self._draft
        return RecordPlan(
            self._root / draft.participant,
            draft.participant,
            codec=draft.codec,
            consent=draft.consent,
            pictures=draft.pictures,
            audio=draft.audio,
            voice=draft.voice,
            protocol=self._protocol,
            camera=self._camera(),
            planned_s=draft.planned_s,
            show_labels=draft.show_labels,
            lsl=draft.lsl,
            lsl_markers=draft.lsl_markers.strip(),
        )

    def _checks(self) -> tuple[tuple[Check, ...], str, dict[str, str]]:
        """Return the checks, why a recording cannot start (empty if it can), and what of it is
        wrong at which field of the form."""
        source = self._session.source
        if source is None:
            return (), "no source is open: start one on the Live tab", {}
        wrong: dict[str, str] = {}
        try:
            plan = self._plan()
            missing = ""
        except PlanError as error:
            # The form is not complete yet; show the other checks all the same.
            missing, wrong = str(error), {**error.by_field}
            if "planned_s" in wrong:
                wrong["minutes"] = wrong.pop("planned_s")
            plan = self._blank_plan(None if "minutes" in wrong else self._draft.planned_s)
        speed = self._speed  # another page that starts a recording may clear it
        if speed is None:
            speed = self._speed = disk_speed(plan.folder)
        config = self._session.config
        space = check_disk_space(plan, source.info, config.seconds)
        kept = check_jpegs(plan, source.info) if plan.keeps_jpegs else space
        if not space.good and plan.planned_s:
            wrong.setdefault("minutes", space.text)
        if not kept.good and kept is not space:
            wrong["codec"] = kept.text
        for check in (space, kept):
            if not check.good:
                missing = missing or check.text
        return (space, *make_check_list(plan, source.info, config.baseline, speed)), missing, wrong

    def _blank_plan(self, planned_s: float | None) -> RecordPlan:
        """Return a plan for the participant of the baseline, while the form is not complete."""
        baseline = self._session.config.baseline
        whose = baseline.participant if baseline is not None else ""
        code = whose if PARTICIPANT.fullmatch(whose) else "X"
        draft = self._draft
        return RecordPlan(
            self._root / code,
            code,
            codec=draft.codec,
            consent=draft.consent,
            camera=self._camera(),
            planned_s=planned_s,
        )


def _microphone_names() -> list[str]:
    try:
        return list(list_microphones())
    except InputError:  # no PortAudio
        return []
