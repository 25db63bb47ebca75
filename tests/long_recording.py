"""A long recording with the page open, as its user would make it, and what became of every frame.

python tests/long_recording.py --seconds 600 --fps 60      prints the figures

The program runs as a process of its own, and a real Chromium shows its Live tab all the while.
"""

import argparse
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path

import psutil
from playwright.sync_api import sync_playwright

from realtime.review.motion_lanes import read_motion
from realtime.review.quality import measure_quality
from realtime.sessions.reader import Session, open_session
from realtime.sessions.video_cut import read_pts
from realtime.stream.clock import monotonic_s

ROOT = Path(__file__).parent.parent
START_S = 120.0
END_S = 60.0
LOOK_S = 5.0


def record(folder: Path, seconds: float, *options: str) -> tuple[list[float], str]:
    """Record `folder`; returns the program's memory in MiB, every few seconds, and what the
    page's status line said in the end."""
    command = [sys.executable, "run_live.py", "--source", "demo", "--no-browser", "--port", "0"]
    command += ["--record", str(folder), "--participant", "P07", "--seconds", str(seconds)]
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with (
        subprocess.Popen(
            [*command, *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as program,
        sync_playwright() as playwright,
    ):
        assert program.stdout is not None
        assert select.select([program.stdout], [], [], START_S)[0], "the program did not start"
        address = re.search(r"http://\S+", os.read(program.stdout.fileno(), 4096).decode())
        assert address is not None
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address[0])
        page.wait_for_selector("#live [data-ref=picture][data-index]", timeout=1000 * START_S)
        memory, process = [], psutil.Process(program.pid)
        until_s = monotonic_s() + seconds + END_S
        while page.get_attribute("#live .fl", "data-badge") != "ENDED":
            assert monotonic_s() < until_s, "the recording did not end"
            page.wait_for_timeout(1000 * LOOK_S)
            memory.append(process.memory_info().rss / 2**20)
        said = page.inner_text("#live [data-ref=status]")
        browser.close()
        program.send_signal(signal.SIGINT)
        program.wait(END_S)
    return memory, said


def account(session: Session) -> list[str]:
    """The figures, after checking that every captured frame has its place or its cause."""
    listed = Counter((r.part, r.pts_ms) for r in session.frames if r.fate == "recorded")
    folder = session.folder
    in_video = Counter((part, ms) for part in folder.parts() for ms in read_pts(folder.video(part)))
    assert listed == in_video, "ledger and video disagree"
    assert all(r.cause for r in session.frames if r.fate != "recorded"), "a loss without a cause"
    indices = [(r.index, r.count) for r in session.frames]
    assert all(a + n == b for (a, n), (b, _) in pairwise(indices)), "a hole"
    quality = measure_quality(session, read_motion(folder), None)
    captured = sum(r.count for r in session.frames)
    size = sum(folder.video(part).stat().st_size for part in folder.parts())
    median, low, high = quality.interval_ms
    return [
        f"{captured} frames captured, {quality.recorded} in the video, lost: {quality.losses or 0}",
        f"{quality.analysed} analysed, {quality.late} of them late",
        f"interval {median:.2f} ms ({low:.2f} to {high:.2f})",
        f"longest gap {1e3 * quality.longest_gap_s:.0f} ms",
        f"{size / 1e9:.2f} GB of video in {len(folder.parts())} files",
    ]


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--seconds", type=float, default=600.0)
    p.add_argument("--fps", default="60")
    p.add_argument("--classifier", default="fmanet")
    options = p.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "session"
        memory, said = record(
            folder, options.seconds, "--fps", options.fps, "--classifier", options.classifier
        )
        print("\n".join(account(open_session(folder))))
        half = memory[len(memory) // 2 :]
        print(
            f"memory {min(memory):.0f} to {max(memory):.0f} MiB, in the second half {min(half):.0f}"
        )
        print(" ".join(said.split()))
        print(f"load of the machine at the end: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
