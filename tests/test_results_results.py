"""What a run found: bounded, consistent, and readable while it is written."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from model.records import (
    Event,
    EventState,
    FlowPair,
    Frame,
    Prediction,
    SpotSignal,
    Stamp,
    Step,
    Window,
)
from realtime.results.results import DETAILED_EVENTS, HISTORY_S, Results

TIMEOUT_S = 10
IMAGE = np.zeros((16, 16, 3), np.uint8)
SIGNAL = SpotSignal(np.zeros(12, np.float32), np.ones(12, np.float32), ())


def step(index: int, events: Sequence[Event] = (), *, fps: float = 30, received: float = 0) -> Step:
    frame = Frame(Stamp(index, index / fps), IMAGE, received)
    return Step(frame, None, None, SIGNAL, tuple(events), {"face": 2.0})


def event(number: int, state: EventState, *, offset: int = 3) -> Event:
    window = Window(Stamp(1, 0.0), Stamp(2, 0.1), Stamp(offset, 0.2), 2.0)
    prediction = Prediction("positive", {"negative": 0.2, "positive": 0.8}, {}, "fmanet")
    flows = FlowPair(np.zeros((2, 8, 8), np.float32), None)
    return Event(number, state, window, prediction, "", Stamp(4, 0.3), flows=flows, crops=(IMAGE,))


def test_each_event_shows_its_present_state_in_the_order_of_appearance() -> None:
    results = Results()
    results.add(step(0, [event(0, "early")]), waited_ms=1)
    results.add(step(1, [event(1, "early"), event(0, "confirmed")]), waited_ms=1)
    results.add_last((event(1, "withdrawn"),))
    assert [(e.number, e.state) for e in results.events()] == [(0, "confirmed"), (1, "withdrawn")]


def test_a_name_may_come_between_two_steps() -> None:
    results = Results()
    results.add(step(0), waited_ms=1)
    before = results.news
    (named,) = results.add_named((event(0, "confirmed"),), {"flow": 2.0})
    assert results.events() == (named,)
    assert named.emitted_s > 0
    assert results.news > before
    assert results.counts().stages["flow"].n == 1
    results.forget(0.0, 1.0)
    assert results.add_named((event(1, "early"),), {}) == ()


def test_what_is_forgotten_does_not_come_back_late() -> None:
    results = Results()
    results.add(step(0, [event(0, "early")]), waited_ms=1)
    assert results.forget(0.0, 1.0) == (0,)
    late = results.add(step(15, [event(0, "confirmed"), event(1, "early")]), waited_ms=1)
    assert late.events == results.add_last((event(1, "confirmed"),)) == results.events() == ()
    results.add(step(60), waited_ms=1)
    assert [entry.stamp.index for entry in results.history(-1.0)] == [60]
    assert results.forgotten_spans() == ((0.0, 1.0),)


def test_no_viewer_is_shown_what_is_forgotten() -> None:
    results = Results()
    results.add(step(0), waited_ms=1)
    results.forget(0.0, 1.0)
    assert results.latest_step(None, 0) is None
    results.add(step(15), waited_ms=1)  # was under way
    assert results.latest_step(None, 0) is None
    results.add(step(60), waited_ms=1)
    latest = results.latest_step(None, 0)
    assert latest is not None
    results.forget(0.5, 1.5)
    assert results.latest_step(None, 0) is latest


def test_old_events_keep_their_result_and_lose_their_pictures() -> None:
    results = Results()
    for number in range(DETAILED_EVENTS + 10):
        state: EventState = "withdrawn" if number % 5 == 0 else "confirmed"
        results.add(step(number, [event(number, state)]), waited_ms=1)
    events = results.events()
    old, recent = events[:-DETAILED_EVENTS], events[-DETAILED_EVENTS:]
    assert [e.number for e in recent] == list(range(10, DETAILED_EVENTS + 10))
    assert [e.number for e in old] == [1, 2, 3, 4, 6, 7, 8, 9]
    assert all(e.flows is None and not e.crops and e.prediction for e in old)
    assert all(e.flows is not None and e.crops for e in recent)


def test_a_page_asks_for_the_newest_events_alone() -> None:
    results = Results()
    results.add(step(0, [event(n, "confirmed") for n in range(5)]), waited_ms=0)
    assert [one.number for one in results.events(2)] == [3, 4]
    assert [one.number for one in results.events()] == [0, 1, 2, 3, 4]
    assert results.deleted({0, 4, 7}) == {7}
    results.forget(0, 1)
    assert results.deleted({0, 4}) == {0, 4}


def test_history_is_what_is_newer_and_no_longer_than_its_bound() -> None:
    results = Results()
    for index in range(int(HISTORY_S * 30) + 200):
        results.add(step(index), waited_ms=0)
    everything = results.history(-1)
    assert everything[-1].stamp.time_s - everything[0].stamp.time_s <= HISTORY_S
    assert [s.stamp.index for s in results.history(everything[-4].stamp.time_s)] == [
        s.stamp.index for s in everything[-3:]
    ]


def test_counts_and_latencies() -> None:
    results = Results()
    done = results.add(step(3, received=-1e-3), waited_ms=4)
    results.add(step(5, [event(0, "confirmed", offset=3)]), waited_ms=6)
    results.drop("pipeline behind", 2)
    results.drop("pipeline behind", 0)
    counts = results.counts()
    assert done.events == ()
    assert (counts.analysed, counts.faces, dict(counts.dropped)) == (2, 0, {"pipeline behind": 2})
    assert counts.stages["wait"].max == 6
    assert counts.stages["face"].n == 2
    assert counts.frame_to_result.n == 2
    (confirmed,) = results.events()
    assert counts.decision.n == 1
    assert counts.decision.max == pytest.approx((confirmed.emitted_s + 1e-3) * 1e3)


def test_only_confirmed_events_have_a_decision_latency() -> None:
    results = Results()
    results.add(step(3), waited_ms=0)
    results.add(step(4, [event(0, "early"), event(1, "withdrawn")]), waited_ms=0)
    assert results.counts().decision.n == 0


def test_a_viewer_waits_for_another_step_and_skips_what_it_missed() -> None:
    results = Results()
    assert results.latest_step(None, 0) is None
    results.add(step(0), waited_ms=0)
    first = results.latest_step(None, TIMEOUT_S)
    assert first is not None
    assert results.latest_step(0, 0) is None
    seen: list[Step | None] = []
    viewer = threading.Thread(target=lambda: seen.append(results.latest_step(0, TIMEOUT_S)))
    viewer.start()
    results.add(step(7), waited_ms=0)
    viewer.join(TIMEOUT_S)
    (latest,) = seen
    assert latest is not None
    assert latest.frame.stamp.index == 7


def test_after_a_change_of_source_numbers_start_again() -> None:
    results = Results()
    results.add(step(500), waited_ms=0)
    results.clear()
    assert results.latest_step(500, 0) is None
    results.add(step(0), waited_ms=0)
    latest = results.latest_step(500, 0)
    assert latest is not None
    assert latest.frame.stamp.index == 0
    assert results.counts().analysed == 1
