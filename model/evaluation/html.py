"""Writes reports as one HTML file that works offline: the page, its tables, its SVG pictures."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from model.metrics.recognition import Bin

SIDE = 260
"""Side of a square picture, px."""
BAR, ROW = 220, 22
"""Length of a full bar and height of a row, px."""

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    undefined=StrictUndefined,
)


def render(template: str, **values: object) -> str:
    """The template of this name, beside this module, filled with `values`."""
    return _TEMPLATES.get_template(template).render(values)


def document(title: str, body: str, style: str = "") -> str:
    """A whole HTML document that may neither load anything nor run scripts.

    `title` is plain text, `body` markup. `style` holds further rules, which may use the colours
    `--ink`, `--quiet`, `--line`, `--back`, `--fill` and `--mark`, defined for light and dark.
    """
    return render("document.html.j2", title=title, body=body, style=style)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of plain texts; the first column is left-aligned, the others right-aligned."""

    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "\n".join(row(cells, "td") for cells in rows)
    return f"<table><thead>{row(head, 'th')}</thead><tbody>\n{body}\n</tbody></table>"


def svg(width: float, height: float, parts: Sequence[str], what: str) -> str:
    """A picture of `width` × `height` px made of SVG elements; `what` says what it shows."""
    return (
        f'<svg role="img" aria-label="{escape(what)}" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">{"".join(parts)}</svg>'
    )


def text(x: float, y: float, words: str, anchor: str = "start", kind: str = "") -> str:
    """Words in a picture, with their baseline at (x, y) px; `kind` is a class of the style
    sheet."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} class="{kind}">{escape(words)}</text>'


def width(names: Sequence[str]) -> float:
    """Width of a column of `names` beside a picture, px."""
    return 12 + 7 * max((len(name) for name in names), default=0)


def bars(values: Sequence[tuple[str, float]], full: float = 1.0, form: str = ".3f") -> str:
    """A bar chart of named values from 0 to `full`; `form` formats the values. NaN means
    unknown."""
    left = width([name for name, _ in values])
    parts = []
    for n, (name, value) in enumerate(values):
        y, known = n * ROW + 3, value == value
        size = f'y="{y}" height="{ROW - 6}"'
        filled = BAR * value / full if known else 0.0
        parts.append(text(left - 8, y + 12, name, "end"))
        parts.append(f'<rect x="{left}" {size} width="{BAR}" class="line"/>')
        parts.append(f'<rect x="{left}" {size} width="{filled:.1f}" class="fill"/>')
        shown = f"{value:{form}}" if known else "–"
        parts.append(text(left + BAR + 8, y + 12, shown, "start", "quiet"))
    return svg(left + BAR + 50, max(1, len(values)) * ROW, parts, "bars")


def draw_reliability(bins: Sequence[Bin]) -> str:
    """A plot of a classifier's accuracy over its confidence."""
    left, bar = 34, SIDE / len(bins)
    parts = [f'<rect x="{left}" y="0" width="{SIDE}" height="{SIDE}" class="line"/>']
    for k, each in enumerate(bins):
        if each.clips:
            tall, middle = SIDE * each.accuracy, left + (k + 0.5) * bar
            parts.append(
                f'<rect x="{left + k * bar + 1:.1f}" y="{SIDE - tall:.1f}" '
                f'width="{bar - 2:.1f}" height="{tall:.1f}" class="fill"><title>'
                f"{each.accuracy:.2f} right at a mean confidence of {each.confidence:.2f}, "
                f"{each.clips} clips</title></rect>"
                f'<circle cx="{middle:.1f}" cy="{SIDE * (1 - each.confidence):.1f}" '
                'r="3" class="mark"/>'
            )
    parts.append(f'<path d="M{left} {SIDE}L{left + SIDE} 0" class="even"/>')
    for tenth in (0, 5, 10):
        at = SIDE * tenth / 10
        parts.append(text(left - 6, SIDE - at + 4, f"{tenth / 10:g}", "end", "quiet"))
        parts.append(text(left + at, SIDE + 16, f"{tenth / 10:g}", "middle", "quiet"))
    words = "confidence (dots: its mean, where the bars should end)"
    parts.append(text(left, SIDE + 34, words, "start", "quiet"))
    return svg(left + SIDE, SIDE + 38, parts, "reliability")
