import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.spotting.blinks import FACE_TAIL_S, LEAD_S, Blinks


def blinked(*spans_s: tuple[float, float], until_s: float = 4.0, keep_s: float = 6.0) -> Blinks:
    """Blinks at 100 Hz, with the eyes closed from … to …"""
    blinks = Blinks(keep_s)
    for k in range(round(100 * until_s)):
        blinks.push(k / 100, any(from_s <= k / 100 <= to_s for from_s, to_s in spans_s))
    return blinks


def test_without_a_blink_there_is_nothing() -> None:
    blinks = blinked()
    assert not blinks.moved_in(0, 4)
    assert not blinks.fills(0, 4)
    assert blinks.share_at(2) == 0
    assert blinks.start_before(2) == 2


def test_the_face_moves_a_little_longer_than_the_eyes_are_closed() -> None:
    blinks = blinked((1.0, 1.2))
    assert blinks.share_at(1.1) == 1
    assert blinks.share_at(1.0 - LEAD_S / 2) == pytest.approx(0.5)
    assert blinks.share_at(1.2 + FACE_TAIL_S / 2) == pytest.approx(0.5)
    assert blinks.share_at(1.5) == 0
    for moment_s in (1.0, 1.1, 1.3):
        assert blinks.start_before(moment_s) == pytest.approx(1.0 - LEAD_S)
    assert blinks.moved_in(1.25, 1.9)
    assert not blinks.moved_in(1.4, 1.9)


def test_two_blinks_in_a_row_begin_with_the_first() -> None:
    blinks = blinked((1.0, 1.2), (1.4, 1.5))
    assert blinks.start_before(1.5) == pytest.approx(1.0 - LEAD_S)


def test_what_takes_as_long_as_the_blink_is_the_blink() -> None:
    blinks = blinked((1.0, 1.3))
    assert blinks.fills(0.95, 1.3)
    assert not blinks.fills(1.1, 1.6)  # begins in it, ends after it
    assert not blinks.fills(0.9, 1.8)


def test_only_the_last_seconds_are_kept() -> None:
    assert not blinked((0.5, 0.7), keep_s=3.0).moved_in(0, 4)


@given(st.lists(st.booleans(), max_size=60), st.floats(0, 3))
def test_a_share_is_a_share_and_a_blink_starts_before_its_moment(
    closed: list[bool], moment_s: float
) -> None:
    blinks = Blinks(3.0)
    for k, each in enumerate(closed):
        blinks.push(k / 30, each)
    assert 0 <= blinks.share_at(moment_s) <= 1
    assert blinks.start_before(moment_s) <= moment_s
