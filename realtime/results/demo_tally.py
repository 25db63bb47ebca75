"""The demo's truth beside what was found: which of the expressions shown were found, and which of
those named right."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from model.records import Event
from model.synthetic import TrueExpression
from realtime.spotting.spotting_scores import Expression, match

WINDOW_S = 300.0
"""How far back is counted."""
MOST_EVENTS = 1000
"""The last events that are looked at: three a second for that long, far more than are ever found.
Without a bound, a demo of hours would have all of its events sorted at every count."""
SETTLED_S = 2.0
"""An expression that ended longer ago has been found or missed."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of the last `WINDOW_S`."""

    shown: int = 0
    """Expressions that the demo showed, long enough ago to have been found."""
    found: int = 0
    named: int = 0
    """Of those found: with the right class."""
    extra: int = 0
    """Confirmed expressions where the demo showed none."""
    answers: dict[int, str] = field(default_factory=dict)
    """The true class by number of the event; empty where none was shown."""


class DemoTally:
    """Follows one run of the demo."""

    def __init__(self, truth: Callable[[float, float], tuple[TrueExpression, ...]]) -> None:
        """`truth(until_s, from_s)`: what the demo shows between these times."""
        self._truth = truth
        self._until_s = 0.0
        self._shown: deque[TrueExpression] = deque()
        self._known: object = None
        self._tally = Tally()

    def count(self, events: Sequence[Event], now_s: float) -> Tally:
        """Return the counts at `now_s` of the demo, from all events so far."""
        until_s = now_s - SETTLED_S
        if until_s > self._until_s:
            new = self._truth(until_s, self._until_s)
            self._shown += (row for row in new if row.kind != "blink")
            self._until_s = until_s
        while self._shown and self._shown[0].offset_s < now_s - WINDOW_S:
            self._shown.popleft()
        found = [
            event
            for event in events
            if event.state == "confirmed"
            and event.window.offset is not None
            and now_s - WINDOW_S <= event.window.offset.time_s
        ]
        known = ([event.number for event in found], [row.onset_s for row in self._shown])
        if known != self._known:
            self._known = known
            self._tally = _compare(found, list(self._shown), until_s)
        return self._tally


def _compare(found: list[Event], shown: list[TrueExpression], until_s: float) -> Tally:
    said = [_as_expression(event) for event in found]
    true = [Expression(r.onset_s, r.apex_s, r.offset_s, r.kind, r.label) for r in shown]
    pairs = dict(match(said, true))
    answers = {found[i].number: true[j].label for i, j in pairs.items()}
    # One that is not over for long may still belong to an expression that is not settled.
    extra = [i for i, e in enumerate(said) if i not in pairs and e.offset_s < until_s]
    return Tally(
        shown=len(true),
        found=len(pairs),
        named=sum(said[i].label == true[j].label for i, j in pairs.items()),
        extra=len(extra),
        answers=answers | {found[i].number: "" for i in extra},
    )


def _as_expression(event: Event) -> Expression:
    window, label = event.window, event.prediction.label if event.prediction else ""
    return Expression(
        window.onset.time_s, window.apex.time_s, window.end.time_s, window.kind, label
    )
