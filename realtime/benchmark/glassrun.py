"""Glass to glass as a command: what a person has to do, and what is left of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.cli import new_folder
from realtime.benchmark.browser import page_of
from realtime.benchmark.facts import facts
from realtime.benchmark.glass import SPANS, measure_glass, wait
from realtime.benchmark.screen import Shown, serve_screen
from realtime.benchmark.verdict import shown as as_text
from realtime.config import LiveConfig
from realtime.live import LiveSession

FORMAT = "fmanet-live glass 1"


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
    report = {"format": FORMAT, "facts": known, **found, "seen": [asdict(each) for each in seen]}
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    (out / "glass.json").write_text(text + "\n", encoding="utf-8")
    print(words(found))
    print(f"every frame in {out / 'glass.json'}")


def words(found: Mapping[str, Any]) -> str:
    """Delays on a few lines, and what they rest on."""
    frames = found["frames"]
    hz = found["refresh_hz"]
    lines = [f"{'ms':42} {'p50':>7} {'p95':>7} {'p99':>7} {'max':>7} {'n':>6}"]
    for name, what in SPANS.items():
        delay = found["delays_ms"][name]
        figures = " ".join(f"{as_text(delay, p):>7}" for p in ("p50", "p95", "p99", "max"))
        lines.append(f"{what:42} {figures if delay['n'] else 'not known':>31} {delay['n']:6}")
    screen = "no page told what it showed" if hz is None else f"the screen changed at {hz:.1f} Hz"
    lines.append(
        f"{frames['read']} of {frames['captured']} frames read, {frames['unreadable']} could not "
        f"be; {screen}"
    )
    if not frames["read"]:
        lines.append("Nothing was read: are all four markers in the picture, and in focus?")
    return "\n".join(lines)
