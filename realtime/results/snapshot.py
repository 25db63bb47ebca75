"""The state of a live session, for display."""

from collections import Counter
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Literal

from realtime.config import LiveConfig
from realtime.results.results import Counts
from realtime.sources import SourceInfo, SourceStatus, hide_password
from realtime.spotting.baseline_file import Baseline, rate_warning
from realtime.stream.counters import CaptureCounter

PAUSED = "paused"
_RATE_KNOWN_S = 3.0

State = Literal["stopped", "starting", "running", "paused", "ended", "failed"]
"""`ended`: the source came to its end. `failed`: see the message. Both still need `stop`."""


@dataclass(frozen=True, slots=True)
class Snapshot(Counts):
    """State of a session; here `dropped` also has the frames that the source lost or could not use.
    Frozen: read it from any thread, keep it as long as you like."""

    state: State
    run: int
    """Number of the start; events and history begin again with each start."""
    source: str
    """The source in one line, as opened; before that, as asked for."""
    message: str
    """What a person should know now; empty if nothing."""
    width: int
    height: int
    rotate: int
    """Degrees clockwise by which the source's pictures are turned."""
    seconds: float
    """Time of the source between first and last captured frame."""
    fps_measured: float | None
    """Captured frames per second of the source's time: over the last two seconds while it runs,
    over the whole run afterwards. None before there are two frames."""
    captured: int
    """Frames delivered by the source."""
    device: str
    flow: str
    classifier: str
    engine: str
    """What runs the classifier now, and which engine is being built for it; empty before a run."""


def quality_warning(baseline: Baseline | None, captured: CaptureCounter, warning: str) -> str:
    """Return a warning about the results of a run with this baseline, or empty: `warning` from when
    its source was opened, or that the rate differs from the baseline's."""
    if baseline is None or captured.seconds() < _RATE_KNOWN_S:
        return warning
    return rate_warning(baseline, captured.fps()) or warning


def take_snapshot(
    counts: Counts,
    captured: CaptureCounter,
    status: SourceStatus | None,
    *,
    config: LiveConfig,
    info: SourceInfo | None,
    state: State,
    run: int,
    message: str,
    fps_measured: float | None,
    device: str,
    engine: str,
) -> Snapshot:
    """Return a snapshot from the counts of a run, its source and its results."""
    dropped = Counter(counts.dropped)
    dropped[PAUSED] += captured.pause_frames
    if status is not None:
        dropped.update(status.dropped)
        dropped.update(status.unusable)
    found = {field.name: getattr(counts, field.name) for field in fields(counts)}
    found["dropped"] = MappingProxyType({cause: n for cause, n in dropped.items() if n})
    return Snapshot(
        **found,
        state=state,
        run=run,
        source=info.description if info else hide_password(config.source),
        message=message,
        width=info.width if info else config.width,
        height=info.height if info else config.height,
        rotate=config.rotate,
        seconds=captured.seconds(),
        fps_measured=fps_measured,
        captured=captured.frames,
        device=device,
        flow=config.flow,
        classifier=config.classifier,
        engine=engine,
    )
