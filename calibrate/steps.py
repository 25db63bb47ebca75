"""Runs a source through perception for the length of a measurement, without naming expressions."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from model.errors import SourceError
from model.face.aligner import FaceAligner
from model.face.choice import LARGEST
from model.records import Step
from realtime.config import LiveConfig
from realtime.live import LiveSession
from realtime.perception.spotting_steps import Perception
from realtime.sessions.ledger import PIPELINE_BEHIND
from realtime.sources import Source, SourceInfo, open_source

START_UP_S = 10.0
"""Extra time to wait for a live source."""
_LOOK_S = 0.2


def steps_of(source: Source, seconds: float, face: str = LARGEST) -> Iterator[Step]:
    """Steps of the first `seconds` of a recording or the demo, as fast as the machine can go.
    `face`: which of several, see `model.face.choice`."""
    perception = Perception(aligner=FaceAligner(face))
    first_s: float | None = None
    try:
        for frame in source:
            first_s = frame.stamp.time_s if first_s is None else first_s
            if frame.stamp.time_s - first_s > seconds:
                return
            yield perception.step(frame)
    finally:
        source.close()


def feed_steps(
    config: LiveConfig,
    seconds: float,
    take: Callable[[Step], None],
    opened: Callable[[SourceInfo], None],
    progress: Callable[[float], None],
) -> int:
    """Pass the info of `config.source` to `opened`, then each step to `take`, until `seconds` have
    passed or the source ends. Returns how many frames this machine was too slow for.

    A `LiveSession` captures a live source, so that perception does not delay capture; `take` then
    runs in its threads. Raises `SourceError` if the source breaks or delivers nothing.
    """
    if config.source.partition(":")[0] == "browser":
        raise SourceError("the browser's camera is measured on its page: fmanet live, Calibrate")
    source = open_source(config.source, config.source_options())
    if not source.info.live:
        opened(source.info)
        first_s: float | None = None
        for step in steps_of(source, seconds, config.face):
            first_s = step.frame.stamp.time_s if first_s is None else first_s
            take(step)
            progress(step.frame.stamp.time_s - first_s)
        return 0
    source.close()
    with LiveSession(replace(config, seconds=seconds), on_step=take) as session:
        running = session.source
        if running is not None:
            opened(running.info)
        for _ in range(round((seconds + START_UP_S) / _LOOK_S)):
            ended = session.wait(_LOOK_S)
            progress(session.snapshot().seconds)
            if ended:
                break
        else:
            raise SourceError(f"{config.source} delivered too little in {seconds + START_UP_S:g} s")
        return session.snapshot().dropped.get(PIPELINE_BEHIND, 0)
