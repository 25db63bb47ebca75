"""4DME: X. Li et al., 4DME: a spontaneous 4D micro-expression dataset with multimodalities, IEEE
Trans. Affective Computing 14(4), 2023. Its grey video is read, at 60 frames per second.

Table `4DME_Labelling_Micro_release v1.xlsx`: sub_ID, fold_name, Onset, Apex, Offset, AUs, Emotion.
Pictures `gray_micro/<sub_ID>/<fold_name>/12.jpg`. Units marked "(k)" do not count. A clip with two
emotions has no single class and is left out. All this is as public code reads it; no copy was at
hand.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from model.datasets.annotation_repairs import cell_text
from model.datasets.layout import ExpressionRow, Layout, LayoutContent, Release
from model.datasets.spreadsheets import EXPRESSION_COLUMNS, expression_row, rows_by_header

_COLUMNS = {**EXPRESSION_COLUMNS, "Subject": ("sub_ID",), "Filename": ("fold_name",)}
_NOT_COUNTED = re.compile(r"(AU)?\d+\s*\(k\)", re.IGNORECASE)


def read(release: Release) -> LayoutContent:
    """See `model.datasets.layout.Reader`."""
    table = release.need_file("4DME_Labelling_Micro_release v1.xlsx", "4DME*Micro*.xlsx")
    example = "gray_micro/<sub_ID>/<fold_name>/1.jpg"
    pictures = release.need_folder(example, lambda each: each.name.lower() == "gray_micro")
    return LayoutContent(_rows(table, pictures), (table, pictures))


def _rows(table: Path, pictures: Path) -> Iterator[ExpressionRow]:
    for row in rows_by_header(table, _COLUMNS, optional=("Action Units",)):
        subject, name = cell_text(row.cells["Subject"]), cell_text(row.cells["Filename"])
        found = expression_row(row, pictures / subject / name)
        units = _NOT_COUNTED.sub("", cell_text(row.cells["Action Units"]))
        yield replace(found, action_units=units)


LAYOUT = Layout(
    name="4dme",
    title="4DME",
    fps=60.0,
    emotions=frozenset(("positive", "negative", "surprise", "repression", "others")),
    read=read,
)
