"""Lab Streaming Layer: what is recorded, told to others; their markers, taken in.

Out go three streams, each sample with the time at which the thing itself happened, not when it was
told: `… frames` (frame number, part of the video, ms in it) at its capture, `… events` (JSON) at
its onset, `… markers` (words) at its moment. Capture times are the system's monotonic clock
(`realtime.session.clocks.SOURCE_TIME`), as LSL's `local_clock` is, but for an offset that is
measured. What was told cannot be taken back: a redaction does not reach who listened. Wants pylsl
(extra `lsl`).
"""

import json
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from model.errors import InputError
from model.records import Event, Stamp
from realtime.clock import monotonic_s
from realtime.session.markers import Marker

PROGRAM = "FMANetLive"
TRIES = 5
RESOLVE_S = 1.0
"""How long a stream is looked for before it is looked whether the run goes on."""
PULL_S = 0.2
CORRECTION_S = 1.0
"""How long a sender is waited for that does not tell its clock: it may be gone already."""

_WORDS = {"question_start": "{name} start", "question_end": "{name} end"}


def library() -> ModuleType:
    """pylsl; raises `InputError` if it, or the liblsl in it, is not to be had."""
    try:
        import pylsl
    except (ImportError, RuntimeError, OSError) as error:  # the latter two: no liblsl
        raise InputError(f"LSL needs pylsl, pip install -e '.[lsl]' ({error})") from None
    module: ModuleType = pylsl
    return module


def offset_s(lsl: ModuleType) -> float:
    """What to add to `realtime.clock` to have LSL's `local_clock()`: of a few tries the one
    least disturbed."""
    found: list[tuple[float, float]] = []
    for _ in range(TRIES):
        before_s = monotonic_s()
        clock_s: float = lsl.local_clock()
        after_s = monotonic_s()
        found.append((after_s - before_s, clock_s - (before_s + after_s) / 2))
    return min(found)[1]


class Streams:
    """The three outlets of one recording. One thread tells them."""

    def __init__(self, session: str) -> None:
        """`session`: what tells the streams of one recording from another's. Raises `InputError`
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
        """A frame was recorded. `tie_s`: what to add to the source's time to have the system's
        monotonic clock."""
        self._tie_s = tie_s
        time_s = stamp.time_s + tie_s + self._offset_s
        self._frames.push_sample([stamp.index % 2**31, part, pts_ms], time_s)

    def event(self, event: Event) -> None:
        """Something became known of an expression: state, kind, label, and its moments in LSL's
        time."""
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
        """Something was marked."""
        words = _WORDS.get(marker.kind, "{name}").format(name=marker.name or marker.kind)
        if marker.note:
            words = f"{words}: {marker.note}"
        self._markers.push_sample([words], marker.monotonic_s + self._offset_s)


def take_markers(stream: str, mark: Callable[[str, float], None], ended: threading.Event) -> None:
    """Until `ended`, hand each sample of the LSL stream called `stream` to `mark`: its words and
    the moment on the system's monotonic clock. The stream may begin later, and come back."""
    lsl = library()
    shift_s = offset_s(lsl)
    inlet: Any = None
    known_s: float | None = None
    while not ended.is_set():
        if inlet is None:
            found = lsl.resolve_byprop("name", stream, timeout=RESOLVE_S)
            if found:
                inlet = lsl.StreamInlet(found[0])
                known_s = correction_s(lsl, inlet, None)
            continue
        values, time_s = inlet.pull_sample(PULL_S)
        if values is None:
            continue
        known_s = correction_s(lsl, inlet, known_s)
        # Of a sender that was gone before its clock was known only the arrival can be told.
        at_s = lsl.local_clock() if known_s is None else time_s + known_s
        mark(" ".join(str(value) for value in values), at_s - shift_s)
    if inlet is not None:
        inlet.close_stream()


def correction_s(lsl: ModuleType, inlet: Any, last: float | None) -> float | None:
    """What to add to the sender's clock; `last` if it does not answer."""
    try:
        told_s: float = inlet.time_correction(CORRECTION_S)
    except (lsl.util.TimeoutError, lsl.util.LostError):
        return last
    return told_s
