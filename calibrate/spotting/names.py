"""The spotter's findings with the classifier's names, for STRS."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from calibrate.spotting.footage import TestFootage, interval_of
from calibrate.spotting.outcomes import Outcome, true_interval
from model.datasets.class_merges import SYNONYMS, merge
from model.records import Event, Stamp
from realtime.perception.pipeline import PipelineConfig, open_pipeline
from realtime.spotting.spotting_scores import Expression


def name_events(footage: TestFootage, config: PipelineConfig) -> Outcome:
    """The confirmed events of the whole pipeline, and the labelled truth. Raises what
    `open_pipeline` does."""
    pipeline = open_pipeline(config)
    classes = pipeline.classifier.labels
    found: dict[Expression, float] = {}
    confidence: dict[Expression, float] = {}
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
            confidence[interval] = max(event.prediction.probabilities.values())
    truth = [true_interval(row) for row in footage.truth()]
    truth = [replace(row, label=class_of(row.label, classes)) for row in truth]
    return Outcome.of(found, (), truth, np.array(times_s), confidence=confidence)


def class_of(label: str, classes: Sequence[str]) -> str:
    """The one of a classifier's `classes` that an annotated `label` belongs to: the label itself,
    or its class in MEGC's three. Empty if it belongs to none, since no name can agree with it."""
    word = label.strip().lower()
    if word in classes:
        return word
    merged = merge(3).class_of.get(SYNONYMS.get(word, word))
    return merged if merged is not None and merged in classes else ""
