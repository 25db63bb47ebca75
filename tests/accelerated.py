"""A long recording in accelerated time: the recorder, the results and what a page asks of them, on
a clock that jumps from frame to frame, with pictures of 16×16; then its review.

    python tests/accelerated.py --frames 1000000      prints the figures

`written_session` writes the tables of a long session at once, to look at the review alone:

    python tests/accelerated.py --frames 5000000 --review
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from fakes import FakeClock

from model.records import (
    Event,
    FlowPair,
    Frame,
    MotionSample,
    Prediction,
    SpotSignal,
    Stamp,
    Step,
    Window,
)
from realtime.recording.recorder import SessionRecorder
from realtime.recording.video_parts import PART_S
from realtime.results.event_lines import format_event
from realtime.results.event_tables import MOTION_COLUMNS, format_row, make_motion_row
from realtime.results.results import Results
from realtime.sessions.folder import SessionFolder, create_folder
from realtime.sessions.ledger import LedgerLine
from realtime.sessions.line_file import replace_text
from realtime.sessions.markers import Marker
from realtime.spotting.motion import REGIONS
from realtime.ui.open_sessions import OpenSession, SessionStore
from realtime.ui.viewer import LISTED, RECENT

FPS = 60
ZERO_S = 100.0
BEFORE_S = 1e6  # the results have the real clock, which this one must not overtake
EVENT_EVERY = 600
IMAGE = np.zeros((16, 16, 3), np.uint8)
SAMPLE = MotionSample(
    Stamp(0, 0.0),
    np.full((len(REGIONS), 2), 0.123, np.float32),
    np.zeros((2, 8, 8), np.float32),
    np.full(4, 0.0123, np.float32),
    np.full(2, 0.31, np.float32),
    1.5,
    0,
    frozenset(),
)
SIGNAL = SpotSignal(
    np.full(len(REGIONS), 0.174, np.float32), np.full(len(REGIONS), 0.4, np.float32), ()
)
DOCUMENT: dict[str, Any] = {
    "format": "fmanet-live-session",
    "version": 1,
    "participant": "P07",
    "started_utc": "2026-01-01T00:00:00+00:00",
    "state": "complete",
    "warnings": [],
    "video": {"codec": "h264", "lossless": False},
    "camera": {"width": 16, "height": 16, "lossless": True},
    "config": {},
}


def stamp(index: int) -> Stamp:
    return Stamp(index, ZERO_S + index / FPS + 1e-4 / 3)


def step(index: int) -> Step:
    at = stamp(index)
    events = () if index % EVENT_EVERY or not index else (event(index),)
    sample = MotionSample(at, *(getattr(SAMPLE, n) for n in SAMPLE.__slots__[1:]))
    timings_ms = {"face": 2.0}
    return Step(Frame(at, IMAGE, at.time_s - BEFORE_S), None, sample, SIGNAL, events, timings_ms)


def event(last: int) -> Event:
    window = Window(stamp(last - 30), stamp(last - 20), stamp(last - 10), 2.0, "micro", REGIONS[:1])
    shares = {"negative": 0.1, "positive": 0.8, "surprise": 0.1}
    found = Prediction("positive", shares, {"AU12": 0.9}, "fmanet")
    flows = FlowPair(np.zeros((2, 8, 8), np.float32), None)
    number = last // EVENT_EVERY
    return Event(number, "confirmed", window, found, "", stamp(last), flows=flows, crops=(IMAGE,))


class Day:
    """A recording and its page; `go_on` makes them work through more frames."""

    def __init__(self, path: Path) -> None:
        self.clock = FakeClock()
        self.folder = create_folder(path)
        self.recorder = SessionRecorder(
            self.folder, DOCUMENT, clock=lambda: "driver", losses=dict, now=self.clock.now
        )
        self.results = Results()
        self.frames = 0

    def go_on(self, frames: int) -> None:
        for index in range(self.frames, self.frames + frames):
            self.clock.now_s += 1 / FPS
            done = step(index)
            self.recorder.write(done.frame)
            self.results.add(done, waited_ms=1.0)
            self.recorder.note_step(done, done.frame.received_s + 0.02)
            self.results.events(RECENT)  # of the page, for each picture
            if index % (FPS // 2) == 0:
                self.look()
        self.frames += frames

    def look(self) -> None:
        """What the page asks twice a second."""
        shown = {event.number for event in self.results.events(LISTED)}
        self.results.deleted(shown)
        self.results.history(stamp(self.frames).time_s - 15)
        self.results.counts()
        self.recorder.status()

    def forget(self, seconds: float) -> None:
        end_s = stamp(self.frames - 1).time_s
        self.recorder.mark(Marker("redact", "", "", end_s - seconds, 0.0, "", end_s))
        self.recorder.beat()

    def close(self) -> None:
        self.recorder.close("end")


def written_session(path: Path, frames: int) -> SessionFolder:
    """The folder of a session as the recorder leaves it, with empty videos."""
    path.mkdir(parents=True)
    folder = SessionFolder(path)
    folder.write_document(DOCUMENT | {"zero_s": stamp(0).time_s})
    row = format_row(make_motion_row(step(0))).split(",", 2)[2]

    def ledger() -> Iterator[str]:
        for index in range(frames):
            at = stamp(index)
            ms = round((at.time_s - ZERO_S) * 1000)
            part = 1 + ms // (1000 * PART_S)
            line = LedgerLine(
                index, "recorded", at.time_s, at.time_s + 0.01, "driver", int(part), ms
            )
            yield line.text()
            yield LedgerLine(index, "analysed").text()

    replace_text(folder.frames, ledger())
    with folder.motion.open("w") as table:
        table.write(",".join(MOTION_COLUMNS) + "\n")
        table.writelines(f"{i},{stamp(i).time_s},{row}\n" for i in range(frames))
    last = range(EVENT_EVERY, frames, EVENT_EVERY)
    replace_text(folder.events, (format_event(event(index)) for index in last))
    replace_text(folder.markers, ())
    for part in range(1, 2 + int((frames - 1) / FPS // PART_S)):
        folder.video(part).touch()
    return folder


def memory_mb() -> float:
    return float(psutil.Process().memory_info().rss) / 1e6


class Timed:
    """Prints how much processor time something took."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        self.began_s = time.process_time()

    def __exit__(self, *_: object) -> None:
        took_ms = 1e3 * (time.process_time() - self.began_s)
        print(f"{self.what}: {took_ms:.1f} ms of a processor, {memory_mb():.0f} MB", flush=True)


def show_live(folder: Path, frames: int) -> None:
    day, part = Day(folder / "live"), 20_000
    for until in range(part, frames + 1, part):
        if until not in (part, 2 * part, frames) and until % 1_000_000:
            day.go_on(part)
            continue
        with Timed(f"20,000 frames up to {until}"):
            day.go_on(part)
        with Timed("one look of the page"):
            day.look()
        with Timed("forget 30"):
            day.forget(30)
    day.close()


def show_review(folder: Path, frames: int) -> None:
    path = folder / "sessions" / "S"
    written_session(path, frames)
    store = SessionStore(path.parent)
    with Timed(f"open {frames} frames"):
        opened: OpenSession = store.open("S")
    with Timed("open it again"):
        store.open("S")
    with Timed("its description"):
        print(f"{len(json.dumps(opened.describe()))} bytes")
    with Timed("the times of its frames"):
        opened.pictures.times_s.tobytes()
    with Timed("its motion, once"):
        opened.motion.bin_peaks(ZERO_S, ZERO_S + frames / FPS, 1000)
    with Timed("12 s of its motion"):
        opened.motion.bin_peaks(ZERO_S, ZERO_S + 12, 1500)
    with Timed("the frame at a time"):
        opened.pictures.nearest(stamp(frames // 2).time_s)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--frames", type=int, default=1_000_000)
    p.add_argument("--review", action="store_true")
    options = p.parse_args()
    with tempfile.TemporaryDirectory() as made:
        (show_review if options.review else show_live)(Path(made), options.frames)


if __name__ == "__main__":
    main()
