"""The timeline of a report, as SVG."""

import math
from html import escape

from realtime.review.motion_lanes import LANES, MotionLanes
from realtime.review.sound import LANE_DB, Sound
from realtime.sessions.export_rows import event_rows, marker_rows, questions
from realtime.sessions.reader import Session

WIDTH, LANE, TOP, LEFT = 1000, 34, 46, 56
BINS = 700
FULL = 2.5
"""Times the threshold at the top of a lane."""
GAP_S = 0.5
"""A longer stretch without a value breaks a line."""
COLOURS = {"negative": "#e0654f", "positive": "#2ea886", "surprise": "#4f86e8"}
OTHER = "#64748b"


def timeline(session: Session, motion: MotionLanes, sound: Sound | None) -> str:
    """Return the timeline of the whole session: motion over its threshold by lane, loudness,
    expressions in the colour of their class, questions above, markers, and in grey what is missing
    of the video and, in the last lane, of the sound."""
    seconds = max(session.seconds, 1e-6)
    lanes = len(LANES) + (sound is not None)
    height = TOP + LANE * lanes + 20

    def x(time_s: float) -> float:
        return LEFT + time_s / seconds * (WIDTH - LEFT)

    parts = [
        _gap(x(a - session.zero_s), x(b - session.zero_s), 0, len(LANES))
        for a, b, _ in session.gaps()
    ]
    parts += [_question(x(q.start_s), x(q.end_s), q.name) for q in questions(session)]
    for row in event_rows(session):
        colour = COLOURS.get(row["label"], OTHER)
        wide = max(1.5, x(row["offset_s"]) - x(row["onset_s"]))
        parts.append(
            f'<rect x="{x(row["onset_s"]):.1f}" y="{TOP - 12}" width="{wide:.1f}" '
            f'height="{LANE * lanes + 12}" fill="{colour}" opacity="0.35"><title>'
            f"{escape(row['label'])}, {row['onset_s']:.2f} s</title></rect>"
        )
    over = motion.binned(session.zero_s, session.zero_s + seconds, BINS)
    parts += [_lane(number, lane, seconds / BINS) for number, lane in enumerate(over)]
    if sound is not None:
        parts += [_gap(x(a), x(b), len(LANES), 1) for a, b, _ in sound.missing()]
        parts.append(_loudness(len(LANES), sound.loudness(0, seconds, BINS)))
    for row in marker_rows(session):
        if not row["kind"].startswith("question"):
            words = escape(row["note"] or row["name"] or row["kind"])
            parts.append(
                f'<line x1="{x(row["time_s"]):.1f}" x2="{x(row["time_s"]):.1f}" y1="18" '
                f'y2="{height - 20}" class="mark"><title>{words}</title></line>'
            )
    every = next((s for s in (1, 5, 10, 30, 60, 300, 600, 1800) if seconds / s <= 14), 3600)
    for tick in range(0, int(seconds) + 1, every):
        anchor = "end" if x(tick) > WIDTH - 20 else "middle"
        parts.append(
            f'<text x="{x(tick):.1f}" y="{height - 5}" text-anchor="{anchor}">'
            f"{tick // 60}:{tick % 60:02d}</text>"
        )
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Timeline of the session">'
        f"{''.join(parts)}</svg>"
    )


def _lane(number: int, values: list[float | None], bin_s: float) -> str:
    base = TOP + LANE * (number + 1)
    tall = LANE - 8
    step = (WIDTH - LEFT) / len(values)
    path, last = "", -math.inf
    for i, value in enumerate(values):
        if value is not None:
            to = "M" if (i - last) * bin_s > max(GAP_S, 1.5 * bin_s) else "L"
            path += f"{to}{LEFT + (i + 0.5) * step:.1f},{base - min(value, FULL) / FULL * tall:.1f}"
            last = i
    threshold = base - tall / FULL
    return (
        f'<text x="0" y="{base - 3}">{LANES[number]}</text>'
        f'<line x1="{LEFT}" x2="{WIDTH}" y1="{base}" y2="{base}" class="base"/>'
        f'<line x1="{LEFT}" x2="{WIDTH}" y1="{threshold:.1f}" y2="{threshold:.1f}" class="over"/>'
        f'<path d="{path}" class="motion"/>'
    )


def _question(start: float, end: float, name: str) -> str:
    return (
        f'<rect x="{start:.1f}" y="0" width="{max(1, end - start):.1f}" height="16" class="asked"/>'
        f'<text x="{start + 3:.1f}" y="12">{escape(name)}</text>'
    )


def _loudness(number: int, levels: list[float | None]) -> str:
    base = TOP + LANE * (number + 1)
    tall = LANE - 8
    step = (WIDTH - LEFT) / len(levels)
    bars = ""
    for i, level in enumerate(levels):
        if level is not None:
            up = max(0.5, (1 - level / LANE_DB) * tall)
            bars += f"M{LEFT + i * step:.1f},{base}v{-up:.1f}h{step:.2f}V{base}z"
    return (
        f'<text x="0" y="{base - 3}">Sound</text>'
        f'<line x1="{LEFT}" x2="{WIDTH}" y1="{base}" y2="{base}" class="base"/>'
        f'<path d="{bars}" class="loud"/>'
    )


def _gap(start: float, end: float, lane: int, lanes: int) -> str:
    return (
        f'<rect x="{start:.1f}" y="{TOP + LANE * lane}" width="{max(1, end - start):.1f}" '
        f'height="{LANE * lanes}" class="gap"/>'
    )
