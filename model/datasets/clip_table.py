"""Anyone's own clips: folders of numbered pictures and one table.

The table is a CSV with the columns `subject`, `clip`, `folder`, `onset`, `apex`, `offset` and
`label`, a line per expression. `folder` is relative to the table, and onset, apex and offset are
numbers in the names of its pictures. Apex or offset may be empty: the apex is then found by motion,
without an offset the clip has its first phase alone. `label` is an emotion or a class of
`model.datasets.class_merges`. Optional: `fps` (30 if it is missing or empty), `action_units`
("4+L12").
"""

from collections.abc import Iterator
from pathlib import Path

from model.datasets.annotation_repairs import Cell
from model.datasets.class_merges import list_words
from model.datasets.clips import Dataset, Problem
from model.datasets.delimited import find_table, read_table
from model.datasets.layout import ExpressionRow, Layout, LayoutContent, Release

COLUMNS = ("subject", "clip", "folder", "onset", "apex", "offset", "label")
USUAL_FPS = 30.0


def name_table(source: Path) -> str:
    """The name of the clips in the table `source`, or in the only .csv of that folder: the table's,
    without its ending."""
    return find_table(source, "clips").stem


def open_clip_table(source: Path) -> Dataset:
    """The clips in the table `source`, or in the only .csv of that folder, as a data set that is
    called after the table. Raises `InputError` if it is no such table."""
    table = find_table(source, "clips")
    layout = Layout(
        name=table.stem,
        title=table.name,
        fps=USUAL_FPS,
        emotions=list_words() | {""},
        read=lambda release: LayoutContent(_rows(release, table), (table,)),
    )
    return layout.open(table.parent)


def _rows(release: Release, table: Path) -> Iterator[ExpressionRow | Problem]:
    for row in read_table(table, COLUMNS).rows:
        cells = {name: cell.strip() for name, cell in row.cells.items()}
        fps = _number(cells.get("fps", ""))
        if fps is None:
            fps = USUAL_FPS
        if isinstance(fps, str) or not 1 <= fps <= 10_000:
            name = f"{cells['subject']}/{cells['clip']}"
            yield Problem(row.where, name, f"fps is {cells['fps']!r}: give frames per second")
            continue
        yield ExpressionRow(
            where=row.where,
            subject=cells["subject"],
            name=cells["clip"],
            onset=_number(cells["onset"]),
            apex=_number(cells["apex"]),
            offset=_number(cells["offset"]),
            action_units=cells.get("action_units", ""),
            emotion=cells["label"],
            folder=release.root / cells["folder"],
            fps=float(fps),
        )


def _number(text: str) -> Cell:
    """The number in a cell; None if it is empty, and the text if it is no number."""
    try:
        return float(text) if text else None
    except ValueError:
        return text
