"""Replay parity: compares a new analysis of a recording with the live one.

It leaves out the frames that the live analysis left out. So a lossless recording gives the same
events, with moments and scores equal to the last bit. A lossy one does not; the comparison shows
the differences.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from model.errors import InputError
from model.inference.checkpoint import checkpoint_digest, checkpoint_path
from model.machine import choose_device
from model.records import Event, Prediction, Stamp
from realtime.config import LiveConfig
from realtime.perception.pipeline import open_pipeline, pipeline_config
from realtime.results.event_lines import latest_states
from realtime.results.run_summary import RULES_SPOTTER
from realtime.sessions.frame_table import NO_PART
from realtime.sessions.reader import Session
from realtime.sessions.session_source import SessionSource
from realtime.sources.video_decoding import DAMAGED
from realtime.spotting.baseline_file import Baseline, load_baseline

SAME_PROBABILITY = 1e-4
"""Probabilities that differ by no more count as equal: engines add in different orders."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the analysis of the recording differs from the live one."""

    live: int
    """Number of confirmed events of the live analysis."""
    replayed: int
    """Number of confirmed events of the recording's analysis."""
    differences: tuple[str, ...]
    """One line each."""
    cautions: tuple[str, ...]
    """Reasons, other than the codec, for which the two may differ."""


def compare_with_live(source: SessionSource, device: str = "auto") -> Comparison:
    """Analyse the frames of `source` that were analysed live, with the flow, the classifier, the
    baseline and the least probability of the live analysis. Raises `InputError` if these are not
    available."""
    session = source.session
    then = session.document["config"]
    if then.get("spotter", RULES_SPOTTER) != RULES_SPOTTER:
        raise InputError(
            f"{session.folder.path} was spotted by the learned scorer {then['spotter']}, which "
            "this version no longer has: compare it with the version that recorded it"
        )
    config = LiveConfig(
        source=source.info.spec,
        flow=then["flow"],
        classifier=then["classifier"],
        device=device,
        face=session.face,
        least_me_probability=session.least_me_probability,
        baseline=_baseline(session),
    )
    options, _ = pipeline_config(replace(config, baseline=None), choose_device(device), source.info)
    if config.baseline is not None:
        options = replace(options, spotter=replace(options.spotter, baseline=config.baseline))
    pipeline = open_pipeline(options)
    analysed = set(session.frames.indices[session.frames.analysed].tolist())
    events: list[Event] = []
    last: Stamp | None = None
    try:
        for frame in source:
            if frame.stamp.index in analysed:
                events.extend(pipeline.step(frame).events)
                last = frame.stamp
        if last is not None:
            events.extend(pipeline.finish(last))
    finally:
        pipeline.close()
    again = tuple(event for event in latest_states(events) if event.state == "confirmed")
    return Comparison(
        len(session.confirmed),
        len(again),
        tuple(list_differences(session.confirmed, again)),
        tuple(_cautions(session, source.status().unusable.get(DAMAGED, 0))),
    )


def list_differences(live: tuple[Event, ...], again: tuple[Event, ...]) -> Iterator[str]:
    """Yield the differences, a line each. Each live event is compared with the event that overlaps
    it most."""
    left = list(again)
    for event in live:
        twin = max(left, key=lambda other: _overlap_s(event, other), default=None)
        if twin is None or _overlap_s(event, twin) <= 0:
            yield f"{_name(event)}: found live, not in the recording"
            continue
        left.remove(twin)
        parts = [*_moments(event, twin), *_names(event.prediction, twin.prediction)]
        if event.window.kind != twin.window.kind:
            parts.append(f"{event.window.kind} live, {twin.window.kind} in the recording")
        if parts:
            yield f"{_name(event)}: {'; '.join(parts)}"
    for event in left:
        yield f"{_name(event)}: found in the recording, not live"


def _moments(live: Event, again: Event) -> Iterator[str]:
    for moment in ("onset", "apex", "offset"):
        before, after = getattr(live.window, moment), getattr(again.window, moment)
        if before != after:
            yield f"{moment} {(after.time_s - before.time_s) * 1e3:+.1f} ms"
    if live.window.score != again.window.score:
        yield f"score {live.window.score:.4f} → {again.window.score:.4f}"


def _names(live: Prediction | None, again: Prediction | None) -> Iterator[str]:
    if live is None or again is None:
        return
    if live.label != again.label:
        yield f"{live.label} → {again.label}"
    common = live.probabilities.keys() & again.probabilities.keys()
    worst = max(
        (abs(live.probabilities[name] - again.probabilities[name]) for name in common), default=0.0
    )
    if worst > SAME_PROBABILITY:
        yield f"probabilities differ by up to {worst:.2g}"


def _overlap_s(one: Event, other: Event) -> float:
    ends = [event.window.end.time_s for event in (one, other)]
    return min(ends) - max(one.window.onset.time_s, other.window.onset.time_s)


def _name(event: Event) -> str:
    label = event.prediction.label if event.prediction else "?"
    return f"{event.window.kind} {label} at {event.window.onset.time_s:.3f} s"


def _cautions(session: Session, damaged: int) -> Iterator[str]:
    if damaged:
        yield f"{damaged} pictures in the video are damaged"
    frames = session.frames
    absent = int(frames.counts[frames.analysed & (frames.part == NO_PART)].sum())
    if absent:
        yield f"{absent} frames that were analysed live are not in the video"
    redacted = int(frames.counts[frames.redacted].sum())
    if redacted:
        yield f"{redacted} frames were redacted; the live analysis may have used them"
    weights = session.document["weights"]
    if weights["sha256"] != checkpoint_digest(checkpoint_path(weights["classifier"])):
        yield f"the weights of {weights['classifier']} have changed since the live analysis"
    if session.document["state"] == "recovered":
        yield "the recording was cut off: the last live results may be lost"


def _baseline(session: Session) -> Baseline | None:
    document = session.document["config"]["baseline"]
    if document is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "baseline.json"
        path.write_text(json.dumps(document), "utf-8")
        return load_baseline(path)
