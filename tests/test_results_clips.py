"""Clips come back as they were, and old ones make room."""

import weakref
from collections.abc import Iterable
from threading import Event

import numpy as np

from model.records import Event as MicroExpression
from model.records import Frame, ImageU8, Stamp, Window
from realtime.results.clip_packing import ClipPacker
from realtime.results.clips import Clips
from realtime.stream.ring import FrameRing


def picture(level: int) -> ImageU8:
    ramp = np.linspace(level, level + 40, 64).astype(np.uint8)
    return np.broadcast_to(ramp[None, :, None], (48, 64, 3)).copy()


def clip(number: int, frames: int = 4) -> tuple[Frame, ...]:
    return tuple(Frame(Stamp(i, i / 30), picture(number + i), 100.0 + i) for i in range(frames))


def test_a_clip_comes_back_with_its_stamps_and_nearly_its_pictures() -> None:
    clips = Clips()
    clips.keep(3, clip(3))
    back = clips.frames(3)
    assert [f.stamp for f in back] == [f.stamp for f in clip(3)]
    assert [f.received_s for f in back] == [f.received_s for f in clip(3)]
    for kept, given in zip(back, clip(3), strict=True):
        assert kept.image.shape == given.image.shape
        assert np.abs(kept.image.astype(int) - given.image).max() <= 4
        assert not kept.image.flags.writeable


def test_red_stays_red() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    clips = Clips()
    clips.keep(0, (Frame(Stamp(0, 0.0), red, 0.0),))
    assert clips.frames(0)[0].image[8, 8].argmax() == 0


def test_the_oldest_make_room_by_number_and_by_bytes() -> None:
    clips = Clips(max_clips=2)
    for number in range(3):
        clips.keep(number, clip(number))
    assert [bool(clips.frames(n)) for n in range(3)] == [False, True, True]

    tight = Clips(max_bytes=1)
    tight.keep(0, clip(0))
    assert tight.frames(0), "the only clip stays, however large"
    tight.keep(1, clip(1))
    assert not tight.frames(0)
    assert tight.frames(1)


def test_a_clip_kept_again_replaces_the_earlier_one() -> None:
    clips = Clips()
    clips.keep(1, clip(1, frames=2))
    clips.keep(1, clip(1, frames=5))
    assert len(clips.frames(1)) == 5


def test_what_is_forgotten_is_not_kept_before_or_after() -> None:
    clips = Clips()
    for number in (1, 2):
        clips.keep(number, clip(number))
    clips.forget((2,), 2 / 30, 9.0)
    assert [f.stamp.index for f in clips.frames(1)] == [0, 1]
    assert clips.frames(2) == ()
    clips.keep(2, clip(2))  # it was being packed
    clips.keep(3, clip(3))
    assert clips.frames(2) == ()
    assert [f.stamp.index for f in clips.frames(3)] == [0, 1]


class Slow(Clips):
    """Packs when the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = Event()

    def keep(self, number: int, frames: Iterable[Frame]) -> None:
        assert self.go_on.wait(60)
        super().keep(number, frames)


def test_what_waits_to_be_packed_takes_no_memory_beside_the_ring() -> None:
    ring, clips = FrameRing(1.0, 2**20), Slow()
    packing = ClipPacker(ring, clips)
    frames = list(clip(1, frames=20))
    pictures = [weakref.ref(frame.image) for frame in frames]
    for frame in frames:
        ring.append(frame)
    del frame
    frames.clear()
    packing.take((found(0), found(1), found(2)), 9.0)
    assert all(picture() is not None for picture in pictures)
    for index in range(100, 110):
        ring.append(Frame(Stamp(index, index / 30), picture(7), 0.0))
    assert not any(picture() is not None for picture in pictures), "let go, waiting or not"
    clips.go_on.set()
    packing.finish((), 60)
    assert packing.stop(60) == []
    assert clips.frames(0) == ()


def found(number: int) -> MicroExpression:
    stamps = [Stamp(n, n / 30) for n in (8, 10, 12)]
    return MicroExpression(number, "confirmed", Window(*stamps, 1.0), None, "", stamps[2])
