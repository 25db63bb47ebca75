"""Recordings killed at random moments: the real program, SIGKILL, recovery, and what was lost.

python tests/kills.py --runs 50 --classifier CHECKPOINT     prints each run and the worst loss
"""

import argparse
import math
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
from fakes import motion_jpeg, web_server

from realtime.sessions.crash_safe_video import CODECS
from realtime.sessions.folder import SessionFolder
from realtime.sessions.ledger import parse_line
from realtime.sessions.line_file import read_lines
from realtime.sessions.recover import recover
from realtime.sessions.video_cut import read_pts
from realtime.sources import SourceOptions, open_source
from realtime.stream.clock import monotonic_s

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Loss:
    """What a kill cost."""

    frames: int
    """In the video after recovery."""
    lost_s: float
    """From the last frame in the video to the kill, on the monotonic clock."""
    buffered_s: float
    """Of that, what the recorder had in hand already: from the last frame in the video to the last
    one in the ledger. The rest is how far a busy machine was behind."""
    unlisted: int
    """Pictures whose ledger line recovery had to make up."""


def record_and_kill(folder: Path, after_s: float, *options: str) -> float:
    """Start a recording, kill it `after_s` after its first frame is in the ledger; returns when,
    on the monotonic clock."""
    command = [sys.executable, "run_live.py", "--headless", "--source", "demo", *options]
    command += ["--record", str(folder), "--participant", "P07"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        due_s = float("inf")
        while monotonic_s() < due_s:
            wait_s = min(0.02, due_s - monotonic_s())
            if select.select([process.stderr], [], [], max(0.0, wait_s))[0]:
                told = os.read(process.stderr.fileno(), 65536)
                assert told, "the recording ended before it was killed"
            ledger = read_lines(SessionFolder(folder).frames)
            if due_s == float("inf") and any(",recorded," in line for line in ledger):
                due_s = monotonic_s() + after_s
        process.send_signal(signal.SIGKILL)
        return monotonic_s()


@contextmanager
def jpeg_camera(fps: float) -> Iterator[str]:
    """The address of a network camera that sends JPEGs of the demo face, 640×480, in real time."""
    with closing(open_source("demo", SourceOptions(fps=30, seconds=1))) as demo:
        jpegs = [cv2.imencode(".jpg", frame.image[..., ::-1])[1].tobytes() for frame in demo]
    with web_server(motion_jpeg(math.inf, lambda i: jpegs[i % len(jpegs)], fps)) as address:
        yield address


def loss(folder: Path, killed_s: float) -> Loss:
    """Recover `folder`, check that ledger and video agree, and say what was lost."""
    session = SessionFolder(folder)
    done = recover(session)
    lines = [line for text in read_lines(session.frames) if (line := parse_line(text))]
    listed = Counter(line.pts_ms for line in lines if line.fate == "recorded")
    assert listed == Counter(read_pts(session.video(1))), "ledger and video disagree"
    assert set(listed.values()) <= {1}, "a frame is there twice"
    kept = [line.received_s for line in lines if line.fate == "recorded" and line.received_s]
    lost = [line.received_s for line in lines if line.fate == "dropped" and line.received_s]
    # With no picture kept, everything from the first frame on is lost.
    last_s = max(kept, default=min(lost, default=killed_s))
    return Loss(
        frames=done.frames,
        lost_s=killed_s - last_s,
        buffered_s=max(lost, default=last_s) - last_s,
        unlisted=done.unlisted,
    )


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--runs", type=int, default=50)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--longest", type=float, default=3.0, help="s from the first frame to the kill")
    p.add_argument("--codec", choices=CODECS, help="default: h264, every fourth ffv1")
    p.add_argument("--classifier", default="fmanet")
    options = p.parse_args()
    moments = random.Random(options.seed)
    losses = []
    for run in range(options.runs):
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made) / "session"
            fps = "30" if run % 2 else "60"
            codec = options.codec or ("ffv1" if run % 4 == 3 else "h264")
            after_s = moments.uniform(0, options.longest)
            asked = ["--fps", fps, "--codec", codec, "--classifier", options.classifier]
            with ExitStack() as serving:
                if CODECS[codec].keeps_jpegs:
                    asked += ["--source", serving.enter_context(jpeg_camera(float(fps)))]
                killed_s = record_and_kill(folder, after_s, *asked)
            losses.append(loss(folder, killed_s))
            print(f"{run + 1}: {fps} fps {codec}, killed at {after_s:.2f} s: {losses[-1]}")
    worst = max(losses, key=lambda one: one.lost_s)
    buffered_s = max(one.buffered_s for one in losses)
    print(f"{len(losses)} kills; worst loss {worst.lost_s:.3f} s, {buffered_s:.3f} s in hand")


if __name__ == "__main__":
    main()
