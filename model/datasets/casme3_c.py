"""CAS(ME)³, part C, the mock crime: J. Li et al., IEEE TPAMI 45(3), 2023 (as part A,
`model.datasets.casme3`). Part B has no annotations, so there is nothing to train on or to test.

Table `CAS(ME)3_part_C_ME.xlsx` (166 rows): sub (a number), count (of its micro-expressions), onset,
offset, au, emotion; it has no apex. Pictures `part_C/01/a/color/373.jpg` (a video per subject), or
cut as `ME_C/01/1/color/373.jpg` (subject, count). Table and folders are as public code reads them;
no copy was at hand.
"""

from collections.abc import Iterator
from pathlib import Path

from model.datasets.annotation_repairs import cell_text
from model.datasets.casme3 import LAYOUT as PART_A
from model.datasets.layout import (
    ExpressionRow,
    Layout,
    LayoutContent,
    RecordingRow,
    Release,
    holds_folder,
    subfolders,
)
from model.datasets.spreadsheets import EXPRESSION_COLUMNS, expression_row, rows_by_header

_SUBJECT = r"\d{1,2}"
_COLUMNS = {**EXPRESSION_COLUMNS, "Filename": ("count",)}


def read(release: Release) -> LayoutContent:
    """See `model.datasets.layout.Reader`."""
    table = release.need_file("CAS(ME)3_part_C_ME.xlsx", "CAS(ME)3_part_C_ME*.xlsx")
    long = release.find_folder(holds_folder(_SUBJECT, "[a-z]", "color"), ("part_c",))
    if long is None:
        example = "part_C/01/a/color/373.jpg or ME_C/01/1/color/373.jpg"
        cut = release.need_folder(example, holds_folder(_SUBJECT, r"\d+", "color"), ("me_c",))
        return LayoutContent(_rows(table, cut, long=False), (table, cut))
    recordings = tuple(
        RecordingRow(subject.name, video.name, video / "color")
        for subject in subfolders(long)
        for video in subfolders(subject)
        if (video / "color").is_dir()
    )
    return LayoutContent(_rows(table, long, long=True), (table, long), recordings)


def _rows(table: Path, pictures: Path, *, long: bool) -> Iterator[ExpressionRow]:
    for row in rows_by_header(table, _COLUMNS, optional=("Apex", "Action Units")):
        subject = pictures / cell_text(row.cells["Subject"]).zfill(2)
        clip = subject / cell_text(row.cells["Filename"])
        if long and subject.is_dir():
            clip = next(iter(subfolders(subject)), clip)
        yield expression_row(row, clip / "color")


LAYOUT = Layout(
    name="casme3_c",
    title="CAS(ME)³ part C",
    fps=30.0,
    emotions=PART_A.emotions | {"positive", "negative"},
    read=read,
    subject_digits=2,
)
