"""Pictures of a load in SVG: how latencies spread, and what came when."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from model.evaluation.html import svg, text
from model.records import ArrayF64

WIDE, TALL = 440, 170
_LEFT, _BELOW, _RIGHT = 52, 24, 12
_BINS = 60
_COLUMNS = 440


class _Axis:
    """Values to px along one side, linear or logarithmic."""

    def __init__(self, low: float, high: float, px: float, *, log: bool = False) -> None:
        self._log = log
        self._px = px
        self.low = low
        self.high = high if high > low else low * 2 or 1.0

    def at(self, value: float) -> float:
        low, high = self.low, self.high
        value = min(max(value, low), high)
        if self._log:
            return self._px * math.log(value / low) / math.log(high / low)
        return self._px * (value - low) / (high - low)

    def ticks(self) -> list[float]:
        if self._log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            few = (1, 2, 5) if last - first < 3 else (1,)
            marks = [m * 10.0**e for e in range(first, last + 1) for m in few]
        else:
            step = _round_step((self.high - self.low) / 4)
            count = int((self.high - self.low) / step) + 1
            marks = [math.ceil(self.low / step) * step + n * step for n in range(count)]
        return [m for m in marks if self.low <= m <= self.high * (1 + 1e-9)]


def histogram(latencies_ms: ArrayF64, deadline_ms: float) -> str:
    """How many results came when; the time is on a log axis, late ones in the mark's colour."""
    finite = latencies_ms[np.isfinite(latencies_ms)]
    if not len(finite):
        return ""
    x = _time_axis(finite)
    edges = np.geomspace(x.low, x.high, _BINS + 1)
    counts, _ = np.histogram(np.clip(finite, x.low, x.high), edges)
    y = _Axis(0, float(counts.max()), TALL)
    parts = _frame(x, y, "ms", "frames")
    for low, high, count in zip(edges, edges[1:], counts.tolist(), strict=False):
        left, right, tall = x.at(low), x.at(high), y.at(count)
        kind = "mark" if low >= deadline_ms else "fill"
        if count:
            parts.append(_rect(left, TALL - tall, right - left, tall, kind))
    return _picture([*parts, _limit(x, deadline_ms)], "histogram of latencies")


def exceedance(latencies_ms: ArrayF64, deadline_ms: float) -> str:
    """The share of frames that are later than a time, both on log axes: the tail as a line. A
    frame that was never analysed is later than any time."""
    ordered = np.sort(latencies_ms[np.isfinite(latencies_ms)])
    n = len(latencies_ms)
    if not len(ordered):
        return ""
    x = _time_axis(ordered)
    y = _Axis(min(0.1, 1 / n), 1.0, TALL, log=True)
    later = 1 - np.arange(1, len(ordered) + 1) / n
    points = _thin([(x.at(ms), TALL - y.at(p)) for ms, p in zip(ordered, later, strict=True)])
    parts = [*_frame(x, y, "ms", "share later"), _line(points, "curve"), _limit(x, deadline_ms)]
    return _picture(parts, "share of frames that are later than a time")


def timeline(due_s: ArrayF64, latencies_ms: ArrayF64, deadline_ms: float) -> str:
    """The latest result of each moment, on a log axis; misses in the mark's colour, frames that
    were never analysed at the upper rim."""
    finite = latencies_ms[np.isfinite(latencies_ms)]
    if not len(finite):
        return ""
    x = _Axis(float(due_s[0]), float(due_s[-1]), WIDE)
    y = _Axis(max(0.5, float(finite.min())), _above(float(finite.max())), TALL, log=True)
    columns = np.minimum(((due_s - x.low) / (x.high - x.low) * _COLUMNS).astype(int), _COLUMNS - 1)
    parts = _frame(x, y, "s", "ms")
    for at in range(_COLUMNS):
        here = latencies_ms[columns == at]
        if len(here):
            worst = float(here.max())
            tall = TALL if math.isinf(worst) else max(1.0, y.at(worst))
            kind = "mark" if worst > deadline_ms else "fill"
            parts.append(_rect(at * WIDE / _COLUMNS, TALL - tall, WIDE / _COLUMNS, tall, kind))
    if y.low < deadline_ms < y.high:
        level = TALL - y.at(deadline_ms)
        parts.append(f'<path d="M0 {level:.1f}H{WIDE}" class="even"/>')
    return _picture(parts, "latency over time")


def curves(at_s: Sequence[float], series: Mapping[str, Sequence[float]], unit: str) -> str:
    """Values over time, a line each, told apart by their strokes."""
    values = [value for each in series.values() for value in each]
    if len(at_s) < 2 or not values:
        return ""
    x = _Axis(at_s[0], at_s[-1], WIDE)
    y = _Axis(0, max(*values, 1e-9) * 1.05, TALL)
    parts = _frame(x, y, "s", unit)
    for number, (name, each) in enumerate(series.items()):
        points = [(x.at(s), TALL - y.at(v)) for s, v in zip(at_s, each, strict=True)]
        parts.append(_line(_thin(points), f"curve c{number}"))
        parts.append(text(WIDE - 4, 14 + 15 * number, name, "end", f"c{number}"))
    return _picture(parts, f"{', '.join(series)} over time")


def _time_axis(finite: ArrayF64) -> _Axis:
    return _Axis(max(0.1, float(finite.min())) * 0.95, _above(float(finite.max())), WIDE, log=True)


def _above(ms: float) -> float:
    return max(ms, 0.2) * 1.05


def _round_step(step: float) -> float:
    size = 10.0 ** math.floor(math.log10(step))
    return next((m * size for m in (1, 2, 5) if m * size >= step), 10 * size)


def _frame(x: _Axis, y: _Axis, x_unit: str, y_unit: str) -> list[str]:
    parts = [f'<rect x="0" y="0" width="{WIDE}" height="{TALL}" class="line"/>']
    for mark in x.ticks():
        parts.append(text(x.at(mark), TALL + 16, f"{mark:g}", "middle", "quiet"))
    for mark in y.ticks():
        parts.append(text(-6, TALL - y.at(mark) + 4, f"{mark:g}", "end", "quiet"))
    parts.append(text(WIDE, TALL - 5, x_unit, "end", "quiet"))
    parts.append(text(4, 14, y_unit, "start", "quiet"))
    return parts


def _limit(x: _Axis, ms: float) -> str:
    if not x.low < ms < x.high:
        return ""
    return f'<path d="M{x.at(ms):.1f} 0V{TALL}" class="even"><title>deadline</title></path>'


def _rect(x: float, y: float, wide: float, tall: float, kind: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}" class="{kind}"/>'


def _line(points: Sequence[tuple[float, float]], kind: str) -> str:
    return f'<path d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in points)}" class="{kind}"/>'


def _thin(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Without points that fall on the pixel of the one before."""
    kept = points[:1]
    for x, y in points[1:-1]:
        if abs(x - kept[-1][0]) >= 0.7 or abs(y - kept[-1][1]) >= 0.7:
            kept.append((x, y))
    return kept + points[len(points) - 1 :]


def _picture(parts: Sequence[str], what: str) -> str:
    inner = f'<g transform="translate({_LEFT} 4)">{"".join(parts)}</g>'
    return svg(WIDE + _LEFT + _RIGHT, TALL + _BELOW, [inner], what)
