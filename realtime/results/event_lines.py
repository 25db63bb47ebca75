"""Events as lines: each time something became known, the whole of it."""

import json
from collections.abc import Iterable
from typing import Any

from model.records import Event, Prediction, Stamp, Window


def event_line(event: Event) -> str:
    """`event` as a line of `events.jsonl`, without its pictures; floats keep every bit."""
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
    """The event of a line; None for what is damaged."""
    try:
        values: dict[str, Any] = json.loads(line)
        prediction = None
        if values["label"] is not None:
            prediction = Prediction(
                values["label"],
                values["probabilities"],
                values["action_units"],
                values["classifier"],
            )
        window = Window(
            _stamp(values["onset"]),
            _stamp(values["apex"]),
            None if values["offset"] is None else _stamp(values["offset"]),
            values["score"],
            values["kind"],
            tuple(values["regions"]),
        )
        return Event(
            number=values["number"],
            state=values["state"],
            window=window,
            prediction=prediction,
            reason=values["reason"],
            known_at=_stamp(values["known_at"]),
            emitted_s=values["emitted_s"],
        )
    except (ValueError, KeyError, TypeError):
        return None


def as_they_stand(events: Iterable[Event]) -> tuple[Event, ...]:
    """Of each event the last word, in the order in which they were first known."""
    last: dict[int, Event] = {}
    for event in events:
        last[event.number] = event
    return tuple(last.values())


def within(event: Event, start_s: float, end_s: float) -> bool:
    """Whether `event` has part in the span from `start_s` to `end_s`."""
    window = event.window
    return window.onset.time_s <= end_s and (window.offset or event.known_at).time_s >= start_s


def _pair(stamp: Stamp) -> list[float]:
    return [stamp.index, stamp.time_s]


def _stamp(pair: list[float]) -> Stamp:
    index, time_s = pair
    return Stamp(int(index), float(time_s))
