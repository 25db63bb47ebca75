"""SAMM: A. K. Davison et al., SAMM: a spontaneous micro-facial movement dataset, IEEE Trans.
Affective Computing 9(1), 2018.

Table `SAMM_Micro_FACS_Codes_v2.xlsx` (159 rows under 12–13 rows of text): Subject ("006"),
Filename (006_1_2), Inducement Code, Onset Frame, Apex Frame, Offset Frame, Duration, Micro, Action
Units, Estimated Emotion, Objective Classes, Notes. Pictures `SAMM/006/006_1_2/006_05562.jpg`,
grey, with four or five digits.
"""

from collections.abc import Iterator
from pathlib import Path

from model.datasets.annotation_repairs import cell_text
from model.datasets.layout import ExpressionRow, Layout, LayoutContent, Release, holds_folder
from model.datasets.spreadsheets import EXPRESSION_COLUMNS, expression_row, rows_by_header

EMOTIONS = frozenset(
    ("anger", "contempt", "disgust", "fear", "happiness", "other", "sadness", "surprise")
)
TABLE = "SAMM*Micro_FACS_Codes*.xlsx"
"""Pattern of the table's name; releases add a date or version."""


def read(release: Release) -> LayoutContent:
    """See `model.datasets.layout.Reader`."""
    table = release.need_file("SAMM_Micro_FACS_Codes_v2.xlsx", TABLE)
    holds = holds_folder(r"\d{3}", r"\d{3}_.*")
    pictures = release.need_folder("SAMM/006/006_1_2/006_05562.jpg", holds)
    return LayoutContent(_rows(table, pictures), (table, pictures))


def _rows(table: Path, pictures: Path) -> Iterator[ExpressionRow]:
    for row in rows_by_header(table, EXPRESSION_COLUMNS):
        subject, name = cell_text(row.cells["Subject"]), cell_text(row.cells["Filename"])
        yield expression_row(row, pictures / subject.zfill(3) / name)


LAYOUT = Layout(
    name="samm", title="SAMM", fps=200.0, emotions=EMOTIONS, read=read, subject_digits=3
)
