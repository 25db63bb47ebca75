"""Lab Streaming Layer: sends what is recorded, and takes in other programs' markers.

Three streams go out. Each sample carries the time of the thing itself, not the time of sending: `…
frames` (frame number, part of the video, ms in it) at its capture, `… events` (JSON) at its onset,
`… markers` (words) at its moment. Capture times are the system's monotonic clock
(`realtime.sessions.clock_anchors.SOURCE_TIME`), as is LSL's `local_clock`, apart from a measured
offset. Sent samples cannot be taken back: a redaction does not reach the listeners. Needs pylsl
(extra `lsl`).
"""

import json
import threading
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from model.errors import InputError, error_line
from model.records import Event, Stamp
from realtime.sessions.markers import Marker
from realtime.stream.clock import monotonic_s

PROGRAM = "FMANetLive"
TRIES = 5
RESOLVE_S = 1.0
"""How long to look for a stream before checking whether the run still goes on."""
PULL_S = 0.2
CORRECTION_S = 1.0
"""How long to wait for a sender's clock: the sender may be gone already."""

_WORDS = {"question_start": "{name} start", "question_end": "{name} end"}


def library() -> ModuleType:
    """Return pylsl. Raises `InputError` if it, or its liblsl, is missing."""
    try:
        import pylsl
    except (ImportError, RuntimeError, OSError) as error:  # the latter two: no liblsl
        raise InputError(f"LSL needs pylsl, pip install -e '.[lsl]' ({error})") from None
    module: ModuleType = pylsl
    return module


def offset_s(lsl: ModuleType) -> float:
    """Return what to add to `realtime.stream.clock` to get LSL's `local_clock()`: the least
    disturbed of a few measurements."""
    found: list[tuple[float, float]] = []
    for _ in range(TRIES):
        before_s = monotonic_s()
        clock_s: float = lsl.local_clock()
        after_s = monotonic_s()
        found.append((after_s - before_s, clock_s - (before_s + after_s) / 2))
    return min(found)[1]


class Streams:
    """The three outlets of one recording. One thread sends to them."""

    def __init__(self, session: str) -> None:
        """`session` distinguishes the streams of one recording from another's. Raises `InputError`
        without pylsl."""
        lsl = library()
        self._offset_s = offset_s(lsl)
        self._tie_s = 0.0

        def outlet(name: str, kind: str, channels: list[str], form: int) -> Any:
            info = lsl.StreamInfo(
                f"{PROGRAM} {name}", kind, len(channels), 0, form, f"{PROGRAM}-{session}-{name}"
            )
            described = info.desc().append_child("channels")
            for label in channels:
                described.append_child("channel").append_child_value("label", label)
            return lsl.StreamOutlet(info)

        self._frames = outlet("frames", "VideoSync", ["frame", "part", "pts_ms"], lsl.cf_int32)
        self._events = outlet("events", "Markers", ["json"], lsl.cf_string)
        self._markers = outlet("markers", "Markers", ["marker"], lsl.cf_string)

    def frame(self, stamp: Stamp, tie_s: float, part: int, pts_ms: int) -> None:
        """Send a recorded frame. `tie_s`: what to add to the source's time to get the system's
        monotonic clock."""
        self._tie_s = tie_s
        time_s = stamp.time_s + tie_s + self._offset_s
        self._frames.push_sample([stamp.index % 2**31, part, pts_ms], time_s)

    def event(self, event: Event) -> None:
        """Send news of an expression: state, kind, label, and its moments in LSL's time."""
        window = event.window
        moments = {"onset": window.onset, "apex": window.apex, "offset": window.offset}
        said = {
            "number": event.number,
            "state": event.state,
            "kind": window.kind,
            "label": event.prediction.label if event.prediction else None,
            **{
                name: None if stamp is None else stamp.time_s + self._tie_s + self._offset_s
                for name, stamp in moments.items()
            },
        }
        self._events.push_sample([json.dumps(said)], said["onset"])

    def marker(self, marker: Marker) -> None:
        """Send a marker."""
        words = _WORDS.get(marker.kind, "{name}").format(name=marker.name or marker.kind)
        if marker.note:
            words = f"{words}: {marker.note}"
        self._markers.push_sample([words], marker.monotonic_s + self._offset_s)


class MarkerStream:
    """Another program's stream of markers; a thread of its own listens to it."""

    def __init__(self, spec: str) -> None:
        """`spec`: the stream's name, or `NAME@SOURCE_ID` if several have that name."""
        self._spec = spec
        self._source_id: str | None = None
        self._away_s: float | None = None
        self.state = f"LSL markers: no stream {spec} yet"
        """Why no stream is open, in words; empty while one is. Any thread may read it."""

    def listen(
        self,
        mark: Callable[[str, float], None],
        tell: Callable[[str], None],
        ended: threading.Event,
    ) -> None:
        """Until `ended`, pass each sample to `mark`: its words, and its moment on the system's
        monotonic clock. The stream may begin later, go and come back; `tell` hears of the gaps.
        Other failures go to `tell` and `state`, and are raised."""
        try:
            self._listen(mark, tell, ended)
        except Exception as error:
            self.state = f"LSL markers failed: {error_line(error)}"
            tell(self.state)
            raise

    def _listen(
        self,
        mark: Callable[[str, float], None],
        tell: Callable[[str], None],
        ended: threading.Event,
    ) -> None:
        lsl = library()
        shift_s = offset_s(lsl)
        while not ended.is_set():
            info = self._found(lsl)
            if info is None:
                continue
            # The library must not recover a stream: it would not report the gap. Take bytes: not
            # every sender keeps to UTF-8, and pylsl would lose the sample.
            inlet = lsl.StreamInlet(info, recover=False, as_numpy=True)
            self._source_id = info.source_id()
            if self._away_s is not None:
                tell(f"back after {monotonic_s() - self._away_s:.1f} s")
            self.state, self._away_s = "", None
            try:
                _pull(lsl, inlet, shift_s, mark, ended)
            except lsl.util.LostError:
                self._away_s = monotonic_s()
                self.state = f"LSL markers: {self._spec} is away; what it sends is not recorded"
                tell("away: its sender is gone")
            finally:
                inlet.close_stream()

    def _found(self, lsl: ModuleType) -> Any:
        """Return the stream to take; None if it is missing, or several match."""
        streams = find_streams(lsl, self._spec)
        known = [info for info in streams if info.source_id() == self._source_id]
        streams = known[:1] or streams
        if len(streams) > 1:
            self.state = _several(self._spec, streams)
        return streams[0] if len(streams) == 1 else None


def check_stream(spec: str) -> None:
    """Raise `InputError` if `spec` matches several streams. No match is fine: it may begin
    later."""
    streams = find_streams(library(), spec)
    if len(streams) > 1:
        raise InputError(f"--lsl-markers {spec}: {_several(spec, streams)}")


def find_streams(lsl: ModuleType, spec: str) -> list[Any]:
    """Return the streams that match `spec`, after looking for `RESOLVE_S`."""
    streams = lsl.resolve_byprop("name", spec, minimum=2, timeout=RESOLVE_S)
    name, at, source_id = spec.rpartition("@")
    if not streams and at:
        named = lsl.resolve_byprop("name", name, minimum=2, timeout=RESOLVE_S)
        streams = [info for info in named if info.source_id() == source_id]
    return list({info.uid(): info for info in streams}.values())


def _several(spec: str, streams: Sequence[Any]) -> str:
    named = " and ".join(f"{info.source_id() or '(none)'} on {info.hostname()}" for info in streams)
    return (
        f"{len(streams)} LSL streams are called {spec}, with the source ids {named}: "
        f"--lsl-markers {spec}@SOURCE_ID takes one"
    )


def _pull(
    lsl: ModuleType,
    inlet: Any,
    shift_s: float,
    mark: Callable[[str, float], None],
    ended: threading.Event,
) -> None:
    known_s = correction_s(lsl, inlet, None)
    while not ended.is_set():
        values, time_s = inlet.pull_sample(PULL_S)
        if values is None:
            continue
        known_s = correction_s(lsl, inlet, known_s)
        # If a sender left before its clock was known, only the time of arrival is known.
        at_s = lsl.local_clock() if known_s is None else time_s + known_s
        mark(" ".join(_words(value) for value in values), at_s - shift_s)


def _words(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def correction_s(lsl: ModuleType, inlet: Any, last: float | None) -> float | None:
    """Return what to add to the sender's clock; `last` if the sender does not answer."""
    try:
        told_s: float = inlet.time_correction(CORRECTION_S)
    except (lsl.util.TimeoutError, lsl.util.LostError):
        return last
    return told_s
