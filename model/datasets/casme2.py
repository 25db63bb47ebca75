"""CASME II: W.-J. Yan et al., CASME II: an improved spontaneous micro-expression database and the
baseline evaluation, PLoS ONE 9(1), 2014.

Table `CASME2-coding-20140508.xlsx` (255 rows; the paper counts 247): Subject (a number), Filename,
OnsetFrame, ApexFrame ("/" in about 21 rows), OffsetFrame, Action Units, Estimated Emotion.
Pictures `CASME2-RAW/sub01/EP02_01f/img46.jpg`, counted from 1 without leading zeros; the cropped
set names them `reg_img46.jpg`.
"""

from collections.abc import Iterator
from pathlib import Path

from model.datasets.annotation_repairs import cell_text
from model.datasets.layout import ExpressionRow, Layout, LayoutContent, Release, holds_folder
from model.datasets.spreadsheets import EXPRESSION_COLUMNS, expression_row, rows_by_header


def read(release: Release) -> LayoutContent:
    """See `model.datasets.layout.Reader`."""
    example = "CASME2-coding-20140508.xlsx"
    table = release.need_file(example, "CASME2-coding*.xlsx", "CASME2*.xlsx")
    example = "CASME2-RAW/sub01/EP02_01f/img46.jpg"
    pictures = release.need_folder(example, holds_folder(r"sub\d+"), ("raw", "cropped"))
    return LayoutContent(_rows(table, pictures), (table, pictures))


def _rows(table: Path, pictures: Path) -> Iterator[ExpressionRow]:
    for row in rows_by_header(table, EXPRESSION_COLUMNS):
        subject, name = cell_text(row.cells["Subject"]), cell_text(row.cells["Filename"])
        yield expression_row(row, pictures / f"sub{subject.zfill(2)}" / name)


LAYOUT = Layout(
    name="casme2",
    title="CASME II",
    fps=200.0,
    emotions=frozenset(
        ("happiness", "surprise", "disgust", "repression", "others", "sadness", "fear")
    ),
    read=read,
    subject_digits=2,
)
