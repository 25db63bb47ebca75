"""Numbers on a screen, as a camera sees them."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timecodes import draw

from model.records import ImageU8
from realtime.benchmark.timecode import PERIOD, SIZE, Reader, cells, marker_rows

numbers = st.integers(0, PERIOD - 1)


def filmed(layout: ImageU8, seed: int, *, noise: float = 6.0, turn: float = 0.1) -> ImageU8:
    """The layout on a screen that a camera of 640×480 looks at from somewhere: (H, W, 3) RGB."""
    rng = np.random.default_rng(seed)
    width, height = SIZE
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    centre, scale = np.array([320, 240]), rng.uniform(0.45, 0.6)
    angle = rng.uniform(-turn, turn)
    c, s = np.cos(angle) * scale, np.sin(angle) * scale
    placed = (corners - (width / 2, height / 2)) @ np.array([[c, s], [-s, c]]) + centre
    placed = (placed + rng.uniform(-14, 14, (4, 2))).astype(np.float32)
    seen = cv2.warpPerspective(
        layout, cv2.getPerspectiveTransform(corners, placed), (640, 480), borderValue=60
    )
    seen = cv2.GaussianBlur(seen, (0, 0), 1.2) * 0.6 + 30 + rng.normal(0, noise, seen.shape)
    return np.repeat(np.clip(seen, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@settings(max_examples=20)
@given(numbers, st.integers(0, 10_000))
def test_a_number_is_read_from_wherever_it_is_seen(number: int, seed: int) -> None:
    assert Reader().read(filmed(draw(number), seed)) == number


@settings(max_examples=20)
@given(numbers, st.floats(0, 1), st.integers(0, 10_000))
def test_of_two_neighbours_in_one_exposure_one_is_read(
    number: int, share: float, seed: int
) -> None:
    both = (1 - share) * draw(number) + share * draw(number + 1)
    read = Reader().read(filmed(both.astype(np.uint8), seed))
    assert read in (number, (number + 1) % PERIOD)


@given(numbers)
def test_one_cell_and_its_opposite_change_at_a_time(number: int) -> None:
    changed = sum(a != b for a, b in zip(cells(number), cells(number + 1), strict=True))
    assert changed == 2


def test_what_cannot_be_read_for_sure_is_not_read() -> None:
    reader = Reader()
    assert reader.read(np.full((480, 640, 3), 128, np.uint8)) is None
    # Three numbers that lie far apart, in one exposure.
    mixed = sum(draw(n).astype(np.float64) / 2 for n in (0b1010101010101010, 0b0101010101010101))
    assert reader.read(filmed(np.asarray(mixed, np.uint8), 1)) is None
    covered = draw(77)
    covered[:200, :220] = 255
    assert reader.read(filmed(covered, 1)) is None


@pytest.mark.parametrize("marker", range(4))
def test_markers_have_a_black_rim(marker: int) -> None:
    rows = marker_rows(marker)
    assert rows[0] == rows[-1] == "0" * 6
    assert {row[0] + row[-1] for row in rows} == {"00"}
