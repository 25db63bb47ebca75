"""A reliability plot as SVG: how often a classifier is right, over how sure it is."""

import numpy as np
from numpy.typing import NDArray

from model.metrics.recognition import reliability
from model.records import ArrayF64

BINS = 10
_SIDE, _LEFT, _TOP, _COUNTS = 300, 56, 34, 46  # px


def reliability_svg(before: ArrayF64, after: ArrayF64, truth: NDArray[np.int64]) -> str:
    """Both calibrations of the same N clips side by side: probabilities (N, C) before and after,
    true class numbers (N,). Bars: share named right in each tenth of confidence; the line is where
    they should end; below, how many clips."""
    width, height = 2 * (_LEFT + _SIDE) + 24, _TOP + _SIDE + _COUNTS + 44
    panels = [
        _panel(0, "as trained", before, truth),
        _panel(_LEFT + _SIDE, "with temperature", after, truth),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" font-family="system-ui, sans-serif" '
            'font-size="12" fill="#334155">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            *panels,
            "</svg>\n",
        ]
    )


def _panel(x: int, title: str, probabilities: ArrayF64, truth: NDArray[np.int64]) -> str:
    bins = reliability(probabilities, truth, BINS)
    most = max(each.clips for each in bins)
    bar = _SIDE / BINS
    parts = [
        f'<g transform="translate({x + _LEFT} {_TOP})">',
        f'<text x="0" y="-14" font-weight="600">{title}</text>',
        f'<rect width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#cbd5e1"/>',
    ]
    for k, each in enumerate(bins):
        if each.clips:
            right = _SIDE * each.accuracy
            parts.append(
                f'<rect x="{k * bar + 1:.1f}" y="{_SIDE - right:.1f}" width="{bar - 2:.1f}" '
                f'height="{right:.1f}" fill="#0d9488"><title>{each.accuracy:.2f} right at a mean '
                f"confidence of {each.confidence:.2f}, {each.clips} clips</title></rect>"
            )
            at, sure = k * bar + bar / 2, _SIDE * (1 - each.confidence)
            parts.append(f'<circle cx="{at:.1f}" cy="{sure:.1f}" r="3" fill="#b45309"/>')
        tall = (_COUNTS - 12) * each.clips / most
        parts.append(
            f'<rect x="{k * bar + 1:.1f}" y="{_SIDE + 8:.1f}" width="{bar - 2:.1f}" '
            f'height="{tall:.1f}" fill="#cbd5e1"/>'
        )
    parts.append(f'<path d="M0 {_SIDE}L{_SIDE} 0" stroke="#64748b" stroke-dasharray="4 4"/>')
    for k in range(0, 11, 5):
        at = _SIDE * k / 10
        parts.append(f'<text x="-8" y="{_SIDE - at + 4}" text-anchor="end">{k / 10:g}</text>')
        parts.append(
            f'<text x="{at}" y="{_SIDE + _COUNTS + 10}" text-anchor="middle">{k / 10:g}</text>'
        )
    parts.append(
        f'<text x="{_SIDE / 2}" y="{_SIDE + _COUNTS + 30}" text-anchor="middle">confidence</text>'
    )
    parts.append(
        f'<text transform="translate(-38 {_SIDE / 2}) rotate(-90)" text-anchor="middle">named right'
        "</text>"
    )
    return "\n".join([*parts, "</g>"])
