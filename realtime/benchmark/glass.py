"""Glass to glass: from a screen, through a camera and this program, to a screen again.

    python -m realtime.benchmark glass --source 0 --out g/

shows the address of a page with a time code. With the camera pointed at it, every frame tells by
itself when what it shows was on the screen, whatever the camera's driver says. With the live page
open too, the way ends when the same frame is painted there.
"""

import queue
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from model.records import Frame, Step
from realtime.benchmark.percentiles import tail
from realtime.benchmark.samples import PAINTED, Observed
from realtime.benchmark.screen import Shown
from realtime.benchmark.timecode import Reader
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.stream.clock import monotonic_s

SPANS = {
    "captured": "shown → captured, by the camera's clock",
    "received": "shown → frame available to the program",
    "result": "shown → result",
    "painted": "shown → painted on the live page",
}
SAME_CLOCK = ("driver", "browser")
"""Clocks of sources that are this system's."""
_WAITING_FRAMES = 4
_BEAT_S = 0.25
_JOIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame in which a number was read; times in s of `realtime.stream.clock`."""

    frame: int
    number: int
    shown_s: float
    captured_s: float | None
    """None where the source's clock is not this system's."""
    received_s: float
    result_s: float | None
    painted_s: float | None
    """None where no page showed that frame."""


class Reading:
    """Reads numbers in a thread of its own, which may leave frames out but holds nobody up."""

    def __init__(self) -> None:
        self.found: list[tuple[Frame, int]] = []
        self.unreadable = 0
        """Frames in which no number could be read for sure."""
        self.left_out = 0
        """Frames that came while others were being read."""
        self._frames: queue.Queue[Frame | None] = queue.Queue(_WAITING_FRAMES)
        self._thread = threading.Thread(target=self._read, name="reading")
        self._thread.start()

    def take(self, step: Step) -> None:
        """A frame, from the pipeline's thread."""
        try:
            self._frames.put_nowait(step.frame)
        except queue.Full:
            self.left_out += 1

    def stop(self) -> None:
        """Read what waits, and end."""
        self._frames.put(None)
        self._thread.join(_JOIN_S)

    def _read(self) -> None:
        reader = Reader()
        while (frame := self._frames.get()) is not None:
            number = reader.read(frame.image)
            if number is None:
                self.unreadable += 1
            else:
                self.found.append((frame, number))


def measure_glass(
    config: LiveConfig,
    shown: Shown,
    *,
    during: Callable[[LiveSession, float], None],
) -> tuple[list[Seen], dict[str, Any]]:
    """Run `config` and follow what its frames show; `during(session, until_s)` waits meanwhile.

    Returns the frames in which a number was read, and what `glass.json` says of them.
    """
    observed, reading = Observed(), Reading()
    with ExitStack() as ending:
        ending.callback(reading.stop)
        session = LiveSession(replace(config, seconds=None), reading.take, results=observed)
        with session:
            during(session, monotonic_s() + (config.seconds or 0.0))
            source = session.source
            clock = "" if source is None else source.info.clock
        snapshot = session.snapshot()
    done_s = {row[0]: row[3] for row in observed.rows}
    seen = []
    for frame, number in reading.found:
        index, received_s = frame.stamp.index, frame.received_s
        shown_s = shown.at_s(number, received_s)
        if shown_s is None:
            continue
        painted_ms = observed.views.get(index, {}).get(PAINTED)
        seen.append(
            Seen(
                frame=index,
                number=number,
                shown_s=shown_s,
                captured_s=frame.stamp.time_s if clock in SAME_CLOCK else None,
                received_s=received_s,
                result_s=done_s.get(index),
                painted_s=None if painted_ms is None else received_s + painted_ms / 1e3,
            )
        )
    return seen, {
        "source": snapshot.source,
        "fps": snapshot.fps_measured,
        "refresh_hz": shown.refresh_hz(),
        "frames": {
            "captured": snapshot.captured,
            "read": len(seen),
            "unreadable": reading.unreadable,
            "left_out": reading.left_out,
        },
        "delays_ms": delays(seen),
    }


def delays(seen: list[Seen]) -> dict[str, Any]:
    """Percentiles of each of `SPANS`, in ms."""
    found = {}
    for name in SPANS:
        ends = [(each.shown_s, getattr(each, f"{name}_s")) for each in seen]
        late_ms = np.array([(end - start) * 1e3 for start, end in ends if end is not None])
        found[name] = asdict(tail(late_ms, 0))
    return found


def wait(session: LiveSession, until_s: float) -> None:
    """Until `until_s` of the monotonic clock, or the source's end."""
    while not session.wait(_BEAT_S) and monotonic_s() < until_s:
        pass
