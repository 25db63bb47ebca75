"""FrameRing against a plain list, then with real threads."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from model.errors import SourceError
from model.records import Frame, Stamp
from realtime.stream.packed_frame import PackedFrame, unpack
from realtime.stream.ring import FrameRing, RingReader

WAIT_S = 30.0
"""Bound of every wait for another thread: reached only if the ring is broken."""


def frame(index: int, time_s: float, nbytes: int = 3) -> Frame:
    image = np.zeros((1, nbytes // 3, 3), np.uint8)
    image.setflags(write=False)
    return Frame(Stamp(index, time_s), image, received_s=time_s)


class RingMachine(RuleBasedStateMachine):
    """Every frame appended is kept in a list; the ring must agree with it at each moment."""

    @initialize(seconds=st.integers(1, 8), max_bytes=st.integers(3, 60))
    def start(self, seconds: int, max_bytes: int) -> None:
        self.seconds, self.max_bytes = seconds, max_bytes
        self.ring = FrameRing(seconds, max_bytes)
        self.all: list[Frame] = []
        self.readers: list[tuple[RingReader, list[int]]] = []
        self.closed = False

    def held(self) -> list[Frame]:
        kept: list[Frame] = []
        for candidate in reversed(self.all):
            span_s = self.all[-1].stamp.time_s - candidate.stamp.time_s
            size = sum(f.image.nbytes for f in kept) + candidate.image.nbytes
            if kept and (span_s > self.seconds or size > self.max_bytes):
                break
            kept.insert(0, candidate)
        return kept

    @precondition(lambda self: not self.closed)
    @rule(step=st.integers(1, 3), dt=st.integers(1, 5), pixels=st.integers(1, 30))
    def append(self, step: int, dt: int, pixels: int) -> None:
        last = self.all[-1].stamp if self.all else Stamp(-1, 0.0)
        self.all.append(frame(last.index + step, last.time_s + dt, 3 * pixels))
        self.ring.append(self.all[-1])

    @rule()
    def new_reader(self) -> None:
        next_at = [len(self.all) - len(self.held())]
        self.readers.append((self.ring.follow(), next_at))

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        reader, next_at = data.draw(st.sampled_from(self.readers))
        foreseen = reader.peek()
        if next_at[0] == len(self.all):
            assert foreseen is None
            if self.closed:
                with pytest.raises(StopIteration):
                    next(reader)
            return
        oldest = len(self.all) - len(self.held())
        expected = max(next_at[0], oldest)
        got, missed = next(reader)
        assert got is self.all[expected]
        assert missed == expected - next_at[0]
        assert foreseen is (None if missed else got)
        next_at[0] = expected + 1

    @invariant()
    def readers_know_what_waits_for_them(self) -> None:
        for reader, next_at in getattr(self, "readers", []):
            waiting = [f for f in self.held() if f in self.all[next_at[0] :]]
            expected = 0.0
            if waiting and not self.closed:
                seconds = waiting[-1].stamp.time_s - waiting[0].stamp.time_s
                size = sum(f.image.nbytes for f in waiting)
                expected = min(1.0, max(seconds / self.seconds, size / self.max_bytes))
            assert reader.backlog == expected

    @rule()
    def close(self) -> None:
        self.ring.close()
        self.closed = True

    @invariant()
    def agrees(self) -> None:
        held = self.held()
        assert self.ring.latest() is (held[-1] if held else None)
        assert self.ring.between(float("-inf"), float("inf")) == tuple(held)
        if held:
            first_s, middle_s, last_s = (held[n].stamp.time_s for n in (0, len(held) // 2, -1))
            # Whole seconds lie on frames, halves between them or beyond the ends.
            for t0_s, t1_s in (
                *((first_s, middle_s), (middle_s, last_s), (first_s + 0.5, middle_s + 0.5)),
                (last_s + 0.5, first_s),
            ):
                expected = [f for f in held if t0_s <= f.stamp.time_s <= t1_s]
                assert self.ring.between(t0_s, t1_s) == tuple(expected)


TestRingMachine = RingMachine.TestCase
TestRingMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize("stamp", [Stamp(5, 2.0), Stamp(4, 2.0), Stamp(6, 1.0), Stamp(6, 0.5)])
def test_stamps_that_do_not_increase_are_refused(stamp: Stamp) -> None:
    ring = FrameRing(seconds=10, max_bytes=1000)
    ring.append(frame(5, 1.0))
    with pytest.raises(ValueError, match="increase"):
        ring.append(frame(stamp.index, stamp.time_s))


def test_append_after_close_is_refused() -> None:
    ring = FrameRing(seconds=10, max_bytes=1000)
    ring.close()
    with pytest.raises(RuntimeError, match="closed"):
        ring.append(frame(0, 0.0))


@pytest.mark.parametrize(("seconds", "max_bytes"), [(0, 10), (-1, 10), (float("nan"), 10), (1, 0)])
def test_a_ring_without_room_is_refused(seconds: float, max_bytes: int) -> None:
    with pytest.raises(ValueError, match="room"):
        FrameRing(seconds, max_bytes)


def test_the_error_of_the_capture_reaches_every_reader_after_the_frames() -> None:
    ring = FrameRing(seconds=10, max_bytes=1000)
    ring.append(frame(0, 0.0))
    early, late = ring.follow(), ring.follow()
    assert next(early)[0].stamp.index == 0
    ring.close(SourceError("the camera is gone"))
    ring.close()  # the first call counts
    assert next(late)[0].stamp.index == 0
    for reader in (early, late, early):
        with pytest.raises(SourceError, match="gone"):
            next(reader)
    latest = ring.latest()
    assert latest is not None
    assert ring.between(0, 9) == (latest,)


def test_readers_that_keep_up_miss_nothing_and_those_that_do_not_are_told() -> None:
    """The writer goes on only after the fast readers have the frame; the slow one reads at the
    end. Every frame is read or counted, by each of them."""
    frames = [frame(i, i / 100) for i in range(200)]
    ring = FrameRing(seconds=0.2, max_bytes=10_000)
    turn = threading.Barrier(4)

    def follow_in_step() -> list[int]:
        seen = []
        for got, missed in ring.follow():
            assert missed == 0
            seen.append(got.stamp.index)
            turn.wait(WAIT_S)
        return seen

    slow = ring.follow()
    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(follow_in_step) for _ in range(3)]
        for item in frames:
            ring.append(item)
            turn.wait(WAIT_S)
        ring.close()
        for reader in readers:
            assert reader.result(WAIT_S) == list(range(200))
    rest = list(slow)
    assert [missed for _, missed in rest] == [200 - len(rest)] + [0] * (len(rest) - 1)
    assert rest[-1][0] is frames[-1]


def test_a_free_running_writer_loses_no_count() -> None:
    """No pace is agreed on: whatever the scheduler does, read + missed = appended."""
    ring = FrameRing(seconds=0.05, max_bytes=10_000)

    def count() -> tuple[int, int]:
        read = missed_in_all = 0
        for _, missed in ring.follow():
            read += 1
            missed_in_all += missed
        return read, missed_in_all

    ring.append(frame(0, 0.0))
    with ThreadPoolExecutor(2) as pool:
        follower = ring.follow()
        other = pool.submit(count)
        own = pool.submit(lambda: sum(1 + missed for _, missed in follower))
        for i in range(1, 3000):
            ring.append(frame(i, i / 1000))
        ring.close()
        assert own.result(WAIT_S) == 3000
        read, missed = other.result(WAIT_S)
        assert 1 <= read <= read + missed <= 3000


def test_stop_ends_a_waiting_reader_and_leaves_the_others() -> None:
    ring = FrameRing(seconds=1, max_bytes=1000)
    stopped, other = ring.follow(), ring.follow()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(list, stopped)
        stopped.stop()
        assert reading.result(WAIT_S) == []
    ring.append(frame(0, 0.0))
    assert next(other)[0].stamp.index == 0
    with pytest.raises(StopIteration):
        next(stopped)


def test_a_reader_that_was_too_slow_learns_which_frames_it_missed() -> None:
    ring = FrameRing(2.0, 10**6)
    reader = ring.follow()
    ring.append(frame(0, 0.0))
    assert (next(reader)[1], reader.missed) == (0, ())
    for index in range(1, 7):
        ring.append(frame(index, float(index)))
    taken, missed = next(reader)
    assert (taken.stamp.index, missed) == (4, 3)
    assert [stamp.index for stamp in reader.missed] == [1, 2, 3]
    assert (next(reader)[1], reader.missed) == (0, ())


def test_a_reader_with_other_things_to_do_gets_beats() -> None:
    ring = FrameRing(2.0, 10**6)
    beats = ring.follow().beats(0.001)
    assert next(beats) is None
    ring.append(frame(0, 0.0))
    taken = next(beats)
    assert taken is not None
    assert taken[0].stamp.index == 0
    ring.close(SourceError("the cable is cut"))
    with pytest.raises(SourceError, match="cable is cut"):
        next(beats)
    ended = FrameRing(2.0, 10**6)
    ended.close()
    assert list(ended.follow().beats(0.001)) == []


def noisy(index: int) -> Frame:
    grey = np.random.default_rng(index).integers(90, 160, (64, 64, 1)).astype(np.uint8)
    image = np.repeat(grey, 3, axis=2)
    image.setflags(write=False)
    return Frame(Stamp(index, index / 8), image, received_s=index / 8)


def test_what_all_have_read_is_packed_and_nothing_else() -> None:
    ring = FrameRing(6.0, 2**20)
    quick, slow = ring.follow(), ring.follow()
    frames = [noisy(index) for index in range(8)]
    for each in frames:
        ring.append(each)
    assert [next(quick)[0] for _ in range(8)] == frames
    assert [next(slow)[0] for _ in range(3)] == frames[:3]
    ring.pack_read()
    held = ring.between(0, 9)
    assert [isinstance(each, PackedFrame) for each in held] == [True] * 3 + [False] * 5
    assert [each.stamp for each in held] == [each.stamp for each in frames]
    assert sum(each.nbytes for each in held[:3]) < 3 * frames[0].nbytes
    for packed, given in zip(held, frames, strict=True):
        assert np.abs(unpack(packed).image.astype(int) - given.image).mean() < 4
    late = ring.follow()
    assert [next(slow) for _ in range(5)] == [(each, 0) for each in frames[3:]]
    assert [next(late) for _ in range(5)] == [(each, 0) for each in frames[3:]]
    ring.pack_read()
    assert ring.latest() is frames[7]  # is never packed
    assert sum(isinstance(each, PackedFrame) for each in ring.between(0, 9)) == 7


@pytest.mark.parametrize("as_sent", [True, False])
def test_the_cameras_own_jpeg_is_kept_unless_the_picture_was_turned(as_sent: bool) -> None:
    ring = FrameRing(6.0, 2**20, as_sent=as_sent)
    for index in range(2):
        ring.append(replace(noisy(index), packed=b"as the camera sent it"))
    ring.pack_read()
    packed = ring.between(0, 9)[0]
    assert isinstance(packed, PackedFrame)
    assert (packed.jpeg == b"as the camera sent it") is as_sent


def test_a_reader_that_has_stopped_keeps_nothing_from_being_packed() -> None:
    ring = FrameRing(6.0, 2**20)
    reading, stopped = ring.follow(), ring.follow()
    for index in range(4):
        ring.append(noisy(index))
        next(reading)
    ring.pack_read()
    assert not any(isinstance(each, PackedFrame) for each in ring.between(0, 9))
    stopped.stop()
    ring.pack_read()
    assert sum(isinstance(each, PackedFrame) for each in ring.between(0, 9)) == 3


def test_the_bounds_hold_for_packed_frames_and_the_missed_are_told() -> None:
    ring = FrameRing(0.625, 2**20)
    reader, slow = ring.follow(), ring.follow()
    for index in range(4):
        ring.append(noisy(index))
        next(reader)
    next(slow)
    ring.pack_read()
    for index in range(4, 12):
        ring.append(noisy(index))
    assert [each.stamp.index for each in ring.between(0, 9)] == [6, 7, 8, 9, 10, 11]
    frame, missed = next(slow)
    assert (frame.stamp.index, missed) == (6, 5)
    assert [stamp.index for stamp in slow.missed] == [1, 2, 3, 4, 5]


def test_frames_are_packed_as_they_come_until_the_ring_is_closed() -> None:
    ring = FrameRing(6.0, 2**20)
    reader = ring.follow()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(ring.pack)
        for index in range(20):
            ring.append(noisy(index))
            assert next(reader)[0].stamp.index == index
        ring.close()
        done.result(WAIT_S)
    ring.pack_read()
    assert sum(isinstance(each, PackedFrame) for each in ring.between(0, 9)) == 19


def test_a_reader_knows_whether_it_waits_for_a_frame() -> None:
    ring = FrameRing(10, 10**6)
    reader = ring.follow()
    assert reader.waits_for(0.001)
    ring.append(frame(0, 0.0))
    assert not reader.waits_for(60)
    next(reader)
    assert reader.waits_for(0.001)
    ring.close()
    assert not reader.waits_for(60)
