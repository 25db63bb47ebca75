"""CASME II: W.-J. Yan et al., CASME II: an improved spontaneous micro-expression database and the
baseline evaluation, PLoS ONE 9(1), 2014.

Table `CASME2-coding-20140508.xlsx` (255 rows; the paper counts 247): Subject (a number), Filename,
OnsetFrame, ApexFrame ("/" in about 21 rows), OffsetFrame, Action Units, Estimated Emotion.
Pictures `CASME2-RAW/sub01/EP02_01f/img46.jpg`, counted from 1 without leading zeros; the cropped
set names them `reg_img46.jpg`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from model.datasets.annotation_repairs import text
from model.datasets.layout import (
    ExpressionRow,
    Found,
    Layout,
    find_file,
    find_folder,
    not_here,
    subfolders,
)
from model.datasets.spreadsheets import COLUMNS, expression_row, rows_by_header

_TITLE = "CASME II"


def read(root: Path) -> Found:
    """See `model.datasets.layout.Reader`."""
    table = find_file(root, "CASME2-coding*.xlsx", "CASME2*.xlsx")
    if table is None:
        raise not_here(root, _TITLE, "the table CASME2-coding-20140508.xlsx in it")
    pictures = find_folder(root, _holds_subjects, prefer=("raw", "cropped"))
    if pictures is None:
        raise not_here(root, _TITLE, "pictures CASME2-RAW/sub01/EP02_01f/img46.jpg in it")
    return Found(tuple(_rows(table, pictures)), (table, pictures))


def _holds_subjects(folder: Path) -> bool:
    return any(re.fullmatch(r"sub\d+", sub.name) for sub in subfolders(folder))


def _rows(table: Path, pictures: Path) -> Iterator[ExpressionRow]:
    for row in rows_by_header(table, COLUMNS):
        subject, name = text(row.cells["Subject"], []), text(row.cells["Filename"], [])
        yield expression_row(row, pictures / f"sub{subject.zfill(2)}" / name)


LAYOUT = Layout(
    name="casme2",
    title=_TITLE,
    fps=200.0,
    emotions=frozenset(
        ("happiness", "surprise", "disgust", "repression", "others", "sadness", "fear")
    ),
    read=read,
    subject_digits=2,
)
