"""MMEW: X. Ben et al., Video-based facial micro-expression analysis: a survey of datasets, features
and algorithms, IEEE TPAMI 44(9), 2022.

Table `MMEW_Micro_Exp.xlsx` (300 rows): Subject, Filename (S01-01-001), OnsetFrame (1), ApexFrame,
OffsetFrame, Action Units, Estimated Emotion, remarks. Pictures
`Micro_Expression/<emotion>/<Filename>/1.jpg`; copies with one more folder in between work too.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from model.datasets.annotation_repairs import cell_text
from model.datasets.layout import ExpressionRow, Layout, LayoutContent, Release, subfolders
from model.datasets.spreadsheets import EXPRESSION_COLUMNS, expression_row, rows_by_header


def read(release: Release) -> LayoutContent:
    """See `model.datasets.layout.Reader`."""
    table = release.need_file("MMEW_Micro_Exp.xlsx", "MMEW_Micro_Exp*.xlsx")
    example = "Micro_Expression/<emotion>/S01-01-001/1.jpg"
    pictures = release.need_folder(example, lambda each: each.name.lower() == "micro_expression")
    return LayoutContent(_rows(table, pictures), (table, pictures))


def _rows(table: Path, pictures: Path) -> Iterator[ExpressionRow]:
    folders = {folder.name: folder for folder in _clip_folders(pictures, depth=3)}
    for row in rows_by_header(table, EXPRESSION_COLUMNS, optional=("Action Units",)):
        name = cell_text(row.cells["Filename"])
        emotion = cell_text(row.cells["Emotion"]).lower()
        yield expression_row(row, folders.get(name, pictures / emotion / name))


def _clip_folders(folder: Path, depth: int) -> Iterator[Path]:
    for sub in subfolders(folder):
        if re.fullmatch(r"S\d+-\d+-\d+", sub.name):
            yield sub
        elif depth > 1:
            yield from _clip_folders(sub, depth - 1)


LAYOUT = Layout(
    name="mmew",
    title="MMEW",
    fps=90.0,
    emotions=frozenset(("happiness", "surprise", "disgust", "others", "fear", "sadness", "anger")),
    read=read,
    subject_digits=2,
)
