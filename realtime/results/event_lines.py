"""Writes and reads events as lines. Each change of an event gives a line with the whole event."""

import json
from collections.abc import Iterable
from typing import Any, get_args

from model.records import Event, EventState, Kind, Prediction, Stamp, Window
from model.text import parse_json
from realtime.results.value_checks import (
    as_number,
    as_share,
    as_shares,
    as_stamp,
    as_text,
    as_vectors,
    as_whole,
)

_KINDS, _STATES = get_args(Kind), get_args(EventState)


def format_event(event: Event) -> str:
    """Return `event` as a line of `events.jsonl`, without pictures; floats keep every bit."""
    window, prediction = event.window, event.prediction
    return json.dumps(
        {
            "number": event.number,
            "state": event.state,
            "onset": _pair(window.onset),
            "apex": _pair(window.apex),
            "offset": None if window.offset is None else _pair(window.offset),
            "kind": window.kind,
            "score": window.score,
            "regions": list(window.regions),
            "motion_px": {name: list(uv) for name, uv in window.motion_px.items()},
            "me_probability": window.me_probability,
            "label": prediction.label if prediction else None,
            "probabilities": dict(prediction.probabilities) if prediction else {},
            "action_units": dict(prediction.action_units) if prediction else {},
            "classifier": prediction.classifier if prediction else None,
            "reason": event.reason,
            "known_at": _pair(event.known_at),
            "emitted_s": event.emitted_s,
        },
        ensure_ascii=False,
    )


def parse_event(line: str) -> Event | None:
    """Return the event of a line; None if the line is damaged."""
    try:
        values: dict[str, Any] = parse_json(line)
        state, kind = values["state"], values["kind"]
        prediction = None
        if values["label"] is not None:
            prediction = Prediction(
                as_text(values["label"]),
                as_shares(values["probabilities"]),
                as_shares(values["action_units"]),
                as_text(values["classifier"]),
            )
        # Recordings of earlier versions have no motion, and no probability of being an ME.
        probability = values.get("me_probability")
        window = Window(
            as_stamp(values["onset"]),
            as_stamp(values["apex"]),
            None if values["offset"] is None else as_stamp(values["offset"]),
            as_number(values["score"]),
            kind,
            tuple(map(as_text, values["regions"])),
            as_vectors(values.get("motion_px", {})),
            None if probability is None else as_share(probability),
        )
        unfinished = prediction is None or window.offset is None
        if kind not in _KINDS or state not in _STATES or (state == "confirmed" and unfinished):
            return None
        return Event(
            number=as_whole(values["number"]),
            state=state,
            window=window,
            prediction=prediction,
            reason=as_text(values["reason"]),
            known_at=as_stamp(values["known_at"]),
            emitted_s=as_number(values["emitted_s"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def latest_states(events: Iterable[Event]) -> tuple[Event, ...]:
    """Return the latest state of each event, in the order in which they were first known."""
    last: dict[int, Event] = {}
    for event in events:
        last[event.number] = event
    return tuple(last.values())


def overlaps(event: Event, start_s: float, end_s: float) -> bool:
    """Return whether `event` overlaps the span from `start_s` to `end_s`."""
    window = event.window
    return window.onset.time_s <= end_s and (window.offset or event.known_at).time_s >= start_s


def _pair(stamp: Stamp) -> list[float]:
    return [stamp.index, stamp.time_s]
