"""What the spotter finds, with the names that the classifier gives it: for STRS."""

from dataclasses import replace

import numpy as np

from calibrate.spotting_figures import Outcome
from calibrate.spotting_footage import Footage, interval_of
from model.records import Event, Stamp
from realtime.pipeline import PipelineConfig, open_pipeline
from realtime.scoring import Interval


def named(footage: Footage, config: PipelineConfig) -> Outcome:
    """The confirmed events of the whole pipeline, beside the truth with its labels. Raises what
    `open_pipeline` does."""
    pipeline = open_pipeline(config)
    found: dict[Interval, float] = {}
    times_s: list[float] = []
    events: list[Event] = []
    stamp: Stamp | None = None
    try:
        for frame in footage.frames():
            stamp = frame.stamp
            times_s.append(stamp.time_s)
            events += pipeline.step(frame).events
        if stamp is not None:
            events += pipeline.finish(stamp)
    finally:
        pipeline.close()
    for event in events:
        if event.state == "confirmed" and event.prediction is not None:
            interval = replace(interval_of(event.window), label=event.prediction.label)
            found[interval] = event.known_at.time_s
    return Outcome.of(found, (), footage.truth(), np.array(times_s))
