"""The time code as the page draws it, without a browser."""

import numpy as np

from model.records import ImageU8
from realtime.benchmark.timecode import (
    CELLS,
    COLUMNS,
    MARKER,
    MARKERS,
    ROWS,
    SIZE,
    cells,
    marker_rows,
)


def draw(number: int) -> ImageU8:
    """The layout with `number` in it, (H, W) uint8, black on white."""
    picture = np.full(SIZE[::-1], 255, np.uint8)
    for marker, (x, y) in enumerate(MARKERS):
        rows = np.array([[int(cell) for cell in row] for row in marker_rows(marker)], np.uint8)
        side = MARKER // len(rows)
        picture[y : y + MARKER, x : x + MARKER] = np.kron(255 * rows, np.ones((side, side)))
    x, y, wide, tall = CELLS
    field = 255 * np.reshape(cells(number), (ROWS, COLUMNS)).astype(np.uint8)
    step = np.ones((tall // ROWS, wide // COLUMNS))
    picture[y : y + tall, x : x + wide] = np.kron(field, step)
    return picture
