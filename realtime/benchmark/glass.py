"""Glass to glass: from a screen, through a camera and this program, to a screen again.

    python -m realtime.benchmark glass --source 0 --out g/

shows the address of a page with a time code. With the camera pointed at it, every frame tells by
itself when what it shows was on the screen, whatever the camera's driver says. With the live page
open too, the way ends when the same frame is painted there.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from model.cli import new_folder
from model.records import Frame, Step
from realtime.benchmark.browser import page_of
from realtime.benchmark.percentiles import format_percentile as as_text
from realtime.benchmark.percentiles import tail
from realtime.benchmark.report import GLASS, facts, write_json
from realtime.benchmark.samples import Observed
from realtime.benchmark.screen import Shown, serve_screen
from realtime.benchmark.tables import columns
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
"""Source clocks that are this system's clock."""
_WAITING_FRAMES = 4
_BEAT_S = 0.25


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
    """Reads numbers in its own thread; it may skip frames but never delays another thread."""

    def __init__(self) -> None:
        self.found: list[tuple[Frame, int]] = []
        self.unreadable = 0
        """Frames in which no number could be read reliably."""
        self.left_out = 0
        """Frames that came while others were being read."""
        self._reader = Reader()
        self._thread = ThreadPoolExecutor(1, "reading")
        self._tasks: list[Future[None]] = []
        self._waiting = threading.Semaphore(_WAITING_FRAMES)

    def take(self, step: Step) -> None:
        """Take a frame, in the pipeline's thread."""
        if self._waiting.acquire(blocking=False):
            self._tasks.append(self._thread.submit(self._read, step.frame))
        else:
            self.left_out += 1

    def stop(self) -> None:
        """Read the waiting frames, and end. Raises the error of the reading thread."""
        self._thread.shutdown()
        for task in self._tasks:
            task.result()

    def _read(self, frame: Frame) -> None:
        try:
            number = self._reader.read(frame.image)
        finally:
            self._waiting.release()
        if number is None:
            self.unreadable += 1
        else:
            self.found.append((frame, number))


def run_glass(config: LiveConfig, out: Path, command: Sequence[str], port: int) -> None:
    """Say where the time code is, measure for `config.seconds`, write `glass.json` into `out`."""
    new_folder(out)
    known = facts(config, ["glass", *command])
    told = Shown()
    with serve_screen(told, port) as address:
        print(f"time code: {address}  (open it full screen, on this machine, camera on it)")

        def during(session: LiveSession, until_s: float) -> None:
            with page_of(session) as live:
                print(f"live page: {live}  (open it too, to measure until it is painted)")
                wait(session, until_s)

        seen, found = measure_glass(config, told, during=during)
    report = {"facts": known, **found, "seen": [asdict(each) for each in seen]}
    path = write_json(out, GLASS, report)
    print(f"{words(found)}\nevery frame in {path}")


def words(found: Mapping[str, Any]) -> str:
    """Return the delays on a few lines, and the data behind them."""
    frames, hz = found["frames"], found["refresh_hz"]
    names = ("p50", "p95", "p99", "max")
    rows: list[Sequence[str]] = [("ms", *names, "n")]
    for name, what in SPANS.items():
        delay = found["delays_ms"][name]
        cells = (as_text(delay, p) for p in names) if delay["n"] else ("", "", "", "not known")
        rows.append((what, *cells, str(delay["n"])))
    screen = "no page told what it showed" if hz is None else f"the screen changed at {hz:.1f} Hz"
    counts = f"{frames['read']} of {frames['captured']} frames read, {frames['unreadable']} could"
    text = f"{columns(rows)}\n{counts} not be; {screen}"
    if not frames["read"]:
        text += "\nNothing was read: are all four markers in the picture, and in focus?"
    return text


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
    rows = observed.frames()
    seen = []
    for frame, number in reading.found:
        index, received_s = frame.stamp.index, frame.received_s
        shown_s = shown.at_s(number, received_s)
        if shown_s is None:
            continue
        late_ms = [rows.get(index, {}).get(f"{end}_ms") for end in ("latency", "painted")]
        result_s, painted_s = (None if ms is None else received_s + ms / 1e3 for ms in late_ms)
        seen.append(
            Seen(
                frame=index,
                number=number,
                shown_s=shown_s,
                captured_s=frame.stamp.time_s if clock in SAME_CLOCK else None,
                received_s=received_s,
                result_s=result_s,
                painted_s=painted_s,
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
    """Return percentiles of each of `SPANS`, in ms."""
    found = {}
    for name in SPANS:
        ends = [(each.shown_s, getattr(each, f"{name}_s")) for each in seen]
        found[name] = tail([(end - start) * 1e3 for start, end in ends if end is not None])
    return found


def wait(session: LiveSession, until_s: float) -> None:
    """Wait until `until_s` of the monotonic clock, or the source's end."""
    while not session.wait(_BEAT_S) and monotonic_s() < until_s:
        pass
