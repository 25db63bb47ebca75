"""The program's clock."""

import sys
import time

import pytest

from realtime.stream.clock import monotonic_s


def test_it_is_fine_enough_for_frames() -> None:
    clock = time.get_clock_info("perf_counter")
    assert clock.monotonic
    assert not clock.adjustable
    assert clock.resolution < 1e-4


@pytest.mark.skipif(sys.platform == "win32", reason="time.monotonic goes in steps there")
def test_it_is_the_clock_that_drivers_use() -> None:
    before_s = time.monotonic()  # noqa: TID251
    at_s = monotonic_s()
    after_s = time.monotonic()  # noqa: TID251
    assert before_s <= at_s <= after_s
