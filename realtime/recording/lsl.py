"""Lab Streaming Layer: sends what is recorded, and receives other programs' markers.

Three streams go out. A sample carries the time at which the thing happened, not the time of
sending: `… frames` (frame number, part of the video, ms in it) the capture, `… events` (JSON) the
onset, `… markers` (words) the marked moment. These times are on the system's monotonic clock
(`realtime.sessions.clock_anchors.SOURCE_TIME`); LSL's `local_clock` differs from it by an offset
that is measured. A redaction cannot take back what was sent. Needs pylsl (extra `lsl`).
"""

import json
import threading
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from model.errors import InputError, error_line
from model.records import Event, Stamp
from realtime.sessions.clock_anchors import read_clock
from realtime.sessions.markers import Marker
from realtime.stream.clock import monotonic_s

PROGRAM = "FMANetLive"
RESOLVE_S = 1.0
"""How long to look for a stream before checking whether the run has ended."""
PULL_S = 0.2
CORRECTION_S = 1.0
"""How long to wait for a sender's clock: the sender may already be gone."""

Mark = Callable[[str, float], None]
"""Takes words and their time on the system's monotonic clock."""
Tell = Callable[[str], None]

_WORDS = {"question_start": "{name} start", "question_end": "{name} end"}


def import_pylsl() -> ModuleType:
    """Return pylsl. Raises `InputError` if it, or its liblsl, is missing."""
    try:
        import pylsl
    except (ImportError, RuntimeError, OSError) as error:  # the latter two: no liblsl
        raise InputError(f"LSL needs pylsl, pip install -e '.[lsl]' ({error})") from None
    module: ModuleType = pylsl
    return module


def measure_offset_s(lsl: ModuleType) -> float:
    """Return LSL's `local_clock()` minus `realtime.stream.clock`, the best of a few
    measurements."""
    _, at_s, clock_s = read_clock(lsl.local_clock)
    return clock_s - at_s


class Streams:
    """The three outlets of one recording. One thread sends to them."""

    def __init__(self, session: str) -> None:
        """`session` tells the streams of one recording from another's. Raises `InputError` without
        pylsl."""
        lsl = import_pylsl()
        self._offset_s = measure_offset_s(lsl)
        self._clock_offset_s = 0.0

        def outlet(name: str, kind: str, channels: list[str], form: int) -> Any:
            info = lsl.StreamInfo(
                f"{PROGRAM} {name}", kind, len(channels), 0, form, f"{PROGRAM}-{session}-{name}"
            )
            description = info.desc().append_child("channels")
            for label in channels:
                description.append_child("channel").append_child_value("label", label)
            return lsl.StreamOutlet(info)

        self._frames = outlet("frames", "VideoSync", ["frame", "part", "pts_ms"], lsl.cf_int32)
        self._events = outlet("events", "Markers", ["json"], lsl.cf_string)
        self._markers = outlet("markers", "Markers", ["marker"], lsl.cf_string)

    def frame(self, stamp: Stamp, clock_offset_s: float, part: int, pts_ms: int) -> None:
        """Send a recorded frame. `clock_offset_s`: the system's monotonic clock minus the
        source's."""
        self._clock_offset_s = clock_offset_s
        time_s = stamp.time_s + clock_offset_s + self._offset_s
        self._frames.push_sample([stamp.index % 2**31, part, pts_ms], time_s)

    def event(self, event: Event) -> None:
        """Send an expression's state, kind, label, and moments in LSL's time."""
        window = event.window
        moments = {"onset": window.onset, "apex": window.apex, "offset": window.offset}
        shift_s = self._clock_offset_s + self._offset_s
        news = {
            "number": event.number,
            "state": event.state,
            "kind": window.kind,
            "label": event.prediction.label if event.prediction else None,
            **{n: None if at is None else at.time_s + shift_s for n, at in moments.items()},
        }
        self._events.push_sample([json.dumps(news)], news["onset"])

    def marker(self, marker: Marker) -> None:
        """Send a marker."""
        words = _WORDS.get(marker.kind, "{name}").format(name=marker.name or marker.kind)
        if marker.note:
            words = f"{words}: {marker.note}"
        self._markers.push_sample([words], marker.monotonic_s + self._offset_s)


class MarkerStream:
    """Another program's stream of markers. A separate thread listens to it."""

    def __init__(self, spec: str) -> None:
        """`spec`: the stream's name, or `NAME@SOURCE_ID` if several have that name."""
        self._spec = spec
        self._source_id: str | None = None
        self._away_s: float | None = None
        self.state = f"LSL markers: no stream {spec} yet"
        """Why no stream is open, in words; empty if one is. Any thread may read it."""

    def listen(self, mark: Mark, tell: Tell, ended: threading.Event) -> None:
        """Until `ended`, pass each sample to `mark`: its words and its time on the system's
        monotonic clock. The stream may begin later, and stop and come back; `tell` gets a message
        for each gap. Any other failure goes to `tell` and `state`, and is raised."""
        try:
            self._listen(mark, tell, ended)
        except Exception as error:
            self.state = f"LSL markers failed: {error_line(error)}"
            tell(self.state)
            raise

    def _listen(self, mark: Mark, tell: Tell, ended: threading.Event) -> None:
        lsl = import_pylsl()
        shift_s = measure_offset_s(lsl)
        while not ended.is_set():
            info = self._find(lsl)
            if info is None:
                continue
            # Do not let the library recover a stream: it would not report the gap. Take bytes: some
            # senders do not send UTF-8, and pylsl would lose the sample.
            inlet = lsl.StreamInlet(info, recover=False, as_numpy=True)
            self._source_id = info.source_id()
            if self._away_s is not None:
                tell(f"back after {monotonic_s() - self._away_s:.1f} s")
            self.state, self._away_s = "", None
            try:
                _pull(lsl, inlet, shift_s, mark, ended)
            except lsl.util.LostError:
                self._away_s = monotonic_s()
                self.state = f"LSL markers: lost {self._spec}; its markers are not recorded now"
                tell("lost: its sender is gone")
            finally:
                inlet.close_stream()

    def _find(self, lsl: ModuleType) -> Any:
        """Return the stream to listen to; None if none matches, or several do."""
        streams = find_streams(lsl, self._spec)
        known = [info for info in streams if info.source_id() == self._source_id]
        streams = known[:1] or streams
        if len(streams) > 1:
            self.state = _choice(self._spec, streams)
        return streams[0] if len(streams) == 1 else None


def check_stream(spec: str) -> None:
    """Raise `InputError` if `spec` matches several streams. A missing one may begin later."""
    streams = find_streams(import_pylsl(), spec)
    if len(streams) > 1:
        raise InputError(f"--lsl-markers {spec}: {_choice(spec, streams)}")


def find_streams(lsl: ModuleType, spec: str) -> list[Any]:
    """Look for `RESOLVE_S`; return the streams that match `spec`."""
    streams = lsl.resolve_byprop("name", spec, minimum=2, timeout=RESOLVE_S)
    name, at, source_id = spec.rpartition("@")
    if not streams and at:
        named = lsl.resolve_byprop("name", name, minimum=2, timeout=RESOLVE_S)
        streams = [info for info in named if info.source_id() == source_id]
    return list({info.uid(): info for info in streams}.values())


def _choice(spec: str, streams: Sequence[Any]) -> str:
    """Return the message that asks to choose one of several `streams`."""
    ids = " and ".join(f"{info.source_id() or '(none)'} on {info.hostname()}" for info in streams)
    return (
        f"{len(streams)} LSL streams are called {spec}, with the source ids {ids}: choose one with "
        f"--lsl-markers {spec}@SOURCE_ID"
    )


def _pull(lsl: ModuleType, inlet: Any, shift_s: float, mark: Mark, ended: threading.Event) -> None:
    known_s = measure_correction_s(lsl, inlet, None)
    while not ended.is_set():
        values, time_s = inlet.pull_sample(PULL_S)
        if values is None:
            continue
        known_s = measure_correction_s(lsl, inlet, known_s)
        # If the sender left before it told its clock, use the time of arrival.
        at_s = lsl.local_clock() if known_s is None else time_s + known_s
        mark(" ".join(_words(value) for value in values), at_s - shift_s)


def _words(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def measure_correction_s(lsl: ModuleType, inlet: Any, last: float | None) -> float | None:
    """Return this machine's LSL clock minus the sender's; `last` if the sender does not answer."""
    try:
        correction: float = inlet.time_correction(CORRECTION_S)
    except (lsl.util.TimeoutError, lsl.util.LostError):
        return last
    return correction
