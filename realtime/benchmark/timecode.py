"""A number as a picture that a camera can read off a screen: which refresh was that?

    ▣ ▪▫▪▪▫▫▪▫ ▣     four markers (ArUco, S. Garrido-Jurado et al., Pattern Recognition 47, 2014),
      ▫▪▫▫▪▪▫▪       between them two rows of eight bits, each with its opposite beneath it
      ▪▪▫▫▫▫▪▪
    ▣ ▫▫▪▪▪▪▫▫ ▣

The bits are a Gray code: from one number to the next a single one changes. A picture exposed while
the screen changed holds a mixture of two neighbours, and is read as one of the two, never as
something else. The opposites make a bit the difference of two cells: no threshold, no exposure to
know.
"""

from typing import Any

import cv2
import numpy as np

from model.records import ArrayF64, ImageU8

BITS = 16
PERIOD = 2**BITS
"""Numbers count up to here and begin anew: 18 minutes at 60 Hz."""

SIZE = (960, 540)
"""(width, height) of the layout; it may be shown at any size."""
MARKER = 162
"""Side of a marker, in the layout's units."""
MARKERS = ((40, 30), (760, 30), (760, 350), (40, 350))
"""Left upper corners of markers 0 to 3, clockwise."""
CELLS = (240, 30, 480, 480)
"""x, y, width, height of the field of cells."""
COLUMNS, ROWS = 8, 4
_DICTIONARY = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
_MARKER_CELLS = 6  # of its side: 4 bits and a black rim
_DOUBTFUL = 0.25
"""Share of the strongest contrast below which a bit is doubtful."""
_LEAST_CONTRAST = 20.0  # grey levels


def marker_rows(number: int) -> list[str]:
    """Marker `number` as rows of cells, "1" white, "0" black, its rim included."""
    picture = cv2.aruco.generateImageMarker(_DICTIONARY, number, _MARKER_CELLS)
    return ["".join("1" if cell else "0" for cell in row) for row in picture.tolist()]


def layout() -> dict[str, Any]:
    """All that the page has to know to draw a number, as plain values."""
    markers = [{"at": at, "side": MARKER, "rows": marker_rows(n)} for n, at in enumerate(MARKERS)]
    place = {"size": SIZE, "cells": CELLS, "columns": COLUMNS, "markers": markers}
    return {"bits": BITS, "period": PERIOD, **place}


def cells(number: int) -> list[bool]:
    """The cells of `number`, row by row, True white."""
    gray = (number % PERIOD) ^ ((number % PERIOD) >> 1)
    bits = [bool(gray >> bit & 1) for bit in range(BITS)]
    upper, lower = bits[:COLUMNS], bits[COLUMNS:]
    return [*upper, *(not b for b in upper), *lower, *(not b for b in lower)]


class Reader:
    """Reads numbers off pictures. One thread."""

    def __init__(self) -> None:
        self._detector = cv2.aruco.ArucoDetector(_DICTIONARY)

    def read(self, image: ImageU8) -> int | None:
        """The number that `image`, (H, W, 3) uint8 RGB, shows; None where none can be read for
        sure: markers out of sight, too dark, blurred, or more than two numbers in one."""
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        corners, ids, _ = self._detector.detectMarkers(grey)
        if ids is None or not set(range(4)) <= set(ids.ravel().tolist()):
            return None
        found = dict(zip(ids.ravel().tolist(), corners, strict=True))
        seen = np.concatenate([found[marker].reshape(4, 2) for marker in range(4)])
        far = MARKER - 1
        square = np.array([(0, 0), (far, 0), (far, far), (0, far)], np.float32)
        drawn = np.concatenate([square + corner for corner in MARKERS]).astype(np.float32)
        to_layout, _ = cv2.findHomography(seen, drawn, cv2.RANSAC, 6.0)
        if to_layout is None:
            return None
        return _decoded(_levels(cv2.warpPerspective(grey, to_layout, SIZE)))


def _levels(layout: object) -> ArrayF64:
    """Mean grey of the middle of each cell, (ROWS, COLUMNS)."""
    x, y, wide, tall = CELLS
    field = np.asarray(layout, np.float64)[y : y + tall, x : x + wide]
    whole = field.reshape(ROWS, tall // ROWS, COLUMNS, wide // COLUMNS)
    rim_y, rim_x = tall // ROWS // 4, wide // COLUMNS // 4
    middle: ArrayF64 = whole[:, rim_y:-rim_y, :, rim_x:-rim_x].mean(axis=(1, 3))
    return middle


def _decoded(levels: ArrayF64) -> int | None:
    contrast = (levels[0::2] - levels[1::2]).ravel()
    strongest = float(np.abs(contrast).max())
    doubtful = np.flatnonzero(np.abs(contrast) < _DOUBTFUL * strongest)
    if strongest < _LEAST_CONTRAST or len(doubtful) > 1:
        return None
    bits = (contrast > 0).tolist()
    number = _number(bits)
    for place in doubtful.tolist():
        bits[place] = not bits[place]
        if (number - _number(bits)) % PERIOD not in (1, PERIOD - 1):
            return None  # no mixture of neighbours: a bit that cannot be seen
    return number


def _number(bits: list[bool]) -> int:
    gray = sum(1 << place for place, bit in enumerate(bits) if bit)
    number = 0
    while gray:
        number ^= gray
        gray >>= 1
    return number
