"""The open-loop clock."""

import threading
from collections.abc import Iterator

import pytest
from fakes import FakeClock, picture
from hypothesis import given
from hypothesis import strategies as st

from model.records import Frame, Stamp
from realtime.sources.pacing import pace


def frames(times_s: list[float]) -> list[Frame]:
    return [Frame(Stamp(i, t), picture(1, 2, 2), 0.0) for i, t in enumerate(times_s)]


@given(
    st.lists(st.floats(0.001, 0.5), min_size=1, max_size=30),
    st.lists(st.floats(0.0, 2.0), min_size=30, max_size=30),
    st.lists(st.floats(0.0, 0.2), min_size=30, max_size=30),
)
def test_the_schedule_does_not_care_how_slow_reader_and_source_are(
    steps_s: list[float], reader_s: list[float], source_s: list[float]
) -> None:
    """`received_s` is the due time whatever happens; no frame comes before it; a late one comes
    at once."""
    clock = FakeClock()
    times_s = [10.0]
    for step_s in steps_s:
        times_s.append(times_s[-1] + step_s)

    def slow_source() -> Iterator[Frame]:
        for frame, takes_s in zip(frames(times_s), [0.0, *source_s], strict=False):
            clock.now_s += takes_s
            yield frame

    start_s = clock.now_s
    delivered = pace(slow_source(), threading.Event(), now=clock.now, wait=clock.wait)
    for i, takes_s in zip(range(len(times_s)), [*reader_s, 0.0], strict=False):
        asked_s = clock.now_s
        frame = next(delivered)
        due_s = start_s + times_s[i] - 10.0
        assert frame.stamp == Stamp(i, times_s[i])
        assert frame.received_s == pytest.approx(due_s, abs=1e-6)
        ready_s = asked_s + (source_s[i - 1] if i else 0.0)
        assert clock.now_s == pytest.approx(max(due_s, ready_s), abs=1e-6)
        clock.now_s += takes_s
    assert next(delivered, None) is None


def test_stop_ends_it_while_it_waits_and_before() -> None:
    clock = FakeClock()
    clock.stop_after_waits = 1
    delivered = pace(frames([0.0, 1.0, 2.0]), threading.Event(), now=clock.now, wait=clock.wait)
    assert [f.stamp.index for f in delivered] == [0, 1]
    stopped = threading.Event()
    stopped.set()
    assert list(pace(frames([0.0, 1.0]), stopped)) == []


def test_it_paces_by_the_real_clock() -> None:
    delivered = list(pace(frames([5.0, 5.01, 5.02]), threading.Event()))
    due_s = [f.received_s for f in delivered]
    assert due_s[2] - due_s[0] == pytest.approx(0.02)
