"""What the demo showed beside what was found."""

from model.records import Event, Prediction, Stamp, Window
from model.synthetic import SyntheticFace, TrueExpression
from realtime.results.demo_tally import DemoTally, Tally


def true(onset_s: float, label: str, kind: str = "micro") -> TrueExpression:
    return TrueExpression(onset_s, onset_s + 0.1, onset_s + 0.3, kind, label, "AU12", 1.0)  # type: ignore[arg-type]


def event(number: int, onset_s: float, label: str, state: str = "confirmed") -> Event:
    moments = [Stamp(round(30 * s), s) for s in (onset_s, onset_s + 0.1, onset_s + 0.3)]
    window = Window(*moments, 2.0)
    prediction = Prediction(label, {label: 1.0}, {}, "test")
    return Event(number, state, window, prediction, "", moments[2])  # type: ignore[arg-type]


SHOWN = (true(1, "positive"), true(5, "surprise"), true(8, "", "blink"), true(9, "negative"))


def truth(until_s: float, from_s: float) -> tuple[TrueExpression, ...]:
    return tuple(row for row in SHOWN if from_s < row.offset_s <= until_s)


def test_found_named_missed_and_extra_are_counted() -> None:
    events = [
        event(1, 1.05, "positive"),
        event(2, 5.0, "negative"),
        event(3, 7.0, "surprise"),
        event(4, 9.0, "negative", "withdrawn"),
    ]
    tally = DemoTally(truth)
    assert tally.count(events[:1], 2.0) == Tally(0, 0, 0, 0, {})  # too early to say
    assert tally.count(events[:1], 4.0) == Tally(1, 1, 1, 0, {1: "positive"})
    assert tally.count(events, 20.0) == Tally(3, 2, 1, 1, {1: "positive", 2: "surprise", 3: ""})


def test_what_is_long_past_is_not_counted() -> None:
    tally = DemoTally(truth)
    tally.count([event(1, 1.0, "positive")], 20.0)
    assert tally.count([event(1, 1.0, "positive")], 1000.0) == Tally()


def test_the_truth_from_a_time_on_is_the_rest_of_the_truth() -> None:
    face = SyntheticFace(seed=9, fps=30)
    assert face.truth(90, 40) == tuple(row for row in face.truth(90) if row.offset_s > 40)
