"""SAMM: A. K. Davison et al., SAMM: a spontaneous micro-facial movement dataset, IEEE Trans.
Affective Computing 9(1), 2018.

Table `SAMM_Micro_FACS_Codes_v2.xlsx` (159 rows under 12–13 rows of text): Subject ("006"),
Filename (006_1_2), Inducement Code, Onset Frame, Apex Frame, Offset Frame, Duration, Micro, Action
Units, Estimated Emotion, Objective Classes, Notes. Pictures `SAMM/006/006_1_2/006_05562.jpg`,
grey, with four or five digits.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from model.datasets.annotation_repairs import cell_text
from model.datasets.layout import (
    ExpressionRow,
    Layout,
    LayoutContent,
    need_file,
    need_folder,
    subfolders,
)
from model.datasets.spreadsheets import COLUMNS, expression_row, rows_by_header

EMOTIONS = frozenset(
    ("anger", "contempt", "disgust", "fear", "happiness", "other", "sadness", "surprise")
)
TABLE = "SAMM*Micro_FACS_Codes*.xlsx"
"""Pattern of the table's name; releases add a date or version."""

_TITLE = "SAMM"


def read(root: Path) -> LayoutContent:
    """See `model.datasets.layout.Reader`."""
    table = need_file(root, _TITLE, "SAMM_Micro_FACS_Codes_v2.xlsx", TABLE)
    example = "pictures SAMM/006/006_1_2/006_05562.jpg"
    pictures = need_folder(root, _TITLE, example, _holds_subjects)
    return LayoutContent(tuple(_rows(table, pictures)), (table, pictures))


def _holds_subjects(folder: Path) -> bool:
    return any(
        re.fullmatch(r"\d{3}", subject.name)
        and any(clip.name.startswith(subject.name + "_") for clip in subfolders(subject))
        for subject in subfolders(folder)
    )


def _rows(table: Path, pictures: Path) -> Iterator[ExpressionRow]:
    for row in rows_by_header(table, COLUMNS):
        subject, name = cell_text(row.cells["Subject"]), cell_text(row.cells["Filename"])
        yield expression_row(row, pictures / subject.zfill(3) / name)


LAYOUT = Layout(
    name="samm", title=_TITLE, fps=200.0, emotions=EMOTIONS, read=read, subject_digits=3
)
