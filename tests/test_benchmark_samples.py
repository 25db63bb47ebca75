"""Percentiles, samples and the figures that come from them: pure, without a run."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.records import Event, Frame, Prediction, Stamp, Step, Window
from realtime.benchmark.figures import deadline, memory, rate
from realtime.benchmark.monitor import Reading
from realtime.benchmark.percentiles import NAMES, RESAMPLED_BLOCK_S, block_length, resample, tail
from realtime.benchmark.samples import LOST, ResultLog, latencies, stage, tabulate_frames

IMAGE = np.zeros((16, 16, 3), np.uint8)
FPS = 50.0


def step(index: int, events: Sequence[Event] = (), *, due_s: float) -> Step:
    frame = Frame(Stamp(index, index / FPS), IMAGE, due_s)
    return Step(frame, None, None, None, tuple(events), {"face": 2.0})


def confirmed(offset: int, known: int) -> Event:
    stamps = [Stamp(i, i / FPS) for i in (offset - 10, offset - 5, offset)]
    prediction = Prediction("positive", {"positive": 1.0}, {}, "fmanet")
    known_at = Stamp(known, known / FPS)
    return Event(0, "confirmed", Window(*stamps, 2.0), prediction, "", known_at)


def reading(at_s: float, mb: float) -> Reading:
    return Reading(at_s, 1.0, 0.0, 0.0, mb, None, None)


def test_the_growth_of_memory_is_that_after_the_warm_up() -> None:
    def grown(until_s: int) -> dict[str, float | None]:
        return memory([reading(s, min(300 + 17 * s, 500 + s / 60)) for s in range(until_s)])

    assert grown(10) == {"most_mb": 453.0, "mb_per_min": None}
    assert grown(100)["mb_per_min"] is None
    assert grown(130)["mb_per_min"] == pytest.approx(1)
    assert memory([]) == {"most_mb": None, "mb_per_min": None}


@given(st.lists(st.floats(0.01, 1e5), min_size=1, max_size=3000))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values: list[float]) -> None:
    found = tail(np.array(values), FPS)
    for name, p in NAMES.items():
        value = found[name]
        if value is None:
            assert len(values) * (100 - p) < 100 + 1e-6
            continue
        not_above = sum(v <= value for v in values) / len(values)
        below = sum(v < value for v in values) / len(values)
        assert below < p / 100 + 1e-9
        assert not_above >= p / 100 - 1e-9
    assert (found["max"], found["n"]) == (max(values), len(values))


def test_a_frame_that_was_never_analysed_is_later_than_any_other() -> None:
    found = tail(np.array([1.0] * 90 + [math.inf] * 10), 10)
    assert (found["p50"], found["p95"], found["max"]) == (1.0, None, None)
    assert found["intervals"]["p50"] == (1.0, 1.0)


def test_intervals_hold_the_percentile_and_widen_when_neighbours_share_their_fate() -> None:
    rng = np.random.default_rng(4)
    alone = rng.lognormal(0, 0.5, 3000)
    together = np.repeat(rng.lognormal(0, 0.5, 3000 // 30), 30)  # stalls of 30 frames
    widths = []
    for values in (alone, together):
        found = tail(values, 60)
        low, high = found["intervals"]["p95"]
        assert high is not None
        assert low <= found["p95"] <= high
        widths.append(high - low)
    assert widths[1] > 2 * widths[0]
    assert tail(alone[:100], 60)["intervals"] == {}


def test_resampling_keeps_whole_blocks() -> None:
    block = block_length(60)
    assert block == round(60 * RESAMPLED_BLOCK_S)
    drawn = resample(np.repeat(np.arange(10.0), block), block, (50.0, 90.0))
    assert drawn.shape == (1000, 2)
    assert (drawn[:, 0] <= drawn[:, 1]).all()


def test_every_frame_that_was_due_is_in_the_table() -> None:
    """Analysed, left out by the program, lost by the source: due at its own time in each case."""
    log = ResultLog()
    for index in (0, 1, 5, 6):
        log.add(step(index, due_s=100 + index / FPS), waited_ms=1)
    log.drop("pipeline behind", 2, (Stamp(2, 2 / FPS), Stamp(3, 3 / FPS)))
    table = tabulate_frames(log, 7, warm_up_s=0.05)
    fates = ["analysed"] * 2 + ["pipeline behind"] * 2 + [LOST] + ["analysed"] * 2
    assert table["fate"].to_pylist() == fates
    assert table["load"].to_pylist() == [7] * 7
    assert table["frame"].to_pylist() == list(range(7))
    assert table["due_s"].to_pylist() == pytest.approx([n / FPS for n in range(7)])
    assert table["measured"].to_pylist() == [False] * 3 + [True] * 4
    late = latencies(table)
    assert np.isinf(late).tolist() == [True, True, False, False]
    assert stage(table, "face").tolist() == [2.0, 2.0]
    assert stage(table, "paint").tolist() == []
    assert rate(table) == pytest.approx(FPS)


def test_what_a_viewer_saw_stands_at_its_frame() -> None:
    log = ResultLog()
    for index in range(3):
        log.add(step(index, due_s=index / FPS), waited_ms=1)
    for ms in (3.0, 9.0):  # by two viewers
        timings_ms = {"encode": ms, "send": ms, "paint": ms}
        log.add_painted(1, painted_ms=ms, timings_ms=timings_ms)
    table = tabulate_frames(log, 0, 0.0)
    assert table["paint_ms"].to_pylist() == [None, 3.0, None]


def test_a_decision_is_split_where_its_frame_was_due() -> None:
    log = ResultLog()
    for index in range(30):
        # The event comes out with a later frame than the one on which it was decided.
        events = [confirmed(offset=20, known=24)] if index == 27 else []
        log.add(step(index, events, due_s=-1000 + index / FPS), waited_ms=0)
    (decision,) = log.decisions
    assert decision.state == "confirmed"
    assert decision.look_ahead_ms == pytest.approx(4 / FPS * 1e3)
    emitted_s = -1000 + 27 / FPS + log.rows[27]["latency_ms"] / 1e3
    assert decision.after_ms / 1e3 == pytest.approx(emitted_s - (-1000 + 24 / FPS), abs=0.1)


def test_misses_are_counted_with_their_longest_run() -> None:
    found = deadline(np.array([1, 30, 1, 30, math.inf, 30, 1, 20.0]), 20.0)
    assert (found["misses"], found["share"], found["longest_streak"]) == (4, 0.5, 3)
