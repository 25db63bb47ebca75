"""CASME: W.-J. Yan et al., CASME database: a dataset of spontaneous micro-expressions collected
from neutralized faces, FG 2013.

Table `CASME-coded-20190721.xls` (193 rows; save it as .xlsx): Subject (a number), Filename,
OnsetF, ApexF1 (the apex phase's first frame), ApexF2 (its last), OffsetF, Onset and Total (ms), AU,
Emotion. Pictures `Section A/sub01/EP01_5/EP01_5-113.jpg`, at 60 frames per second, in the sections
A and B; the cropped set names them `reg_EP01_5-113.jpg`, without sections. Table and names are as
public code reads them; no copy was at hand.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from model.datasets.annotation_repairs import cell_text
from model.datasets.layout import (
    ExpressionRow,
    Layout,
    LayoutContent,
    Release,
    holds_folder,
    subfolders,
)
from model.datasets.spreadsheets import EXPRESSION_COLUMNS, expression_row, rows_by_header

_COLUMNS = {
    **EXPRESSION_COLUMNS, "Onset": ("OnsetF",), "Apex": ("ApexF1",), "Offset": ("OffsetF",)
}  # fmt: skip


def read(release: Release) -> LayoutContent:
    """See `model.datasets.layout.Reader`."""
    patterns = ("CASME-cod*.xlsx", "casme.xlsx", "CASME-cod*.xls")
    table = release.need_file("CASME-coded-20190721.xlsx", *patterns)
    holds = holds_folder(r"sub\d+", r"EP\d+_.*")
    first = release.need_folder("Section A/sub01/EP01_5/EP01_5-113.jpg", holds, ("raw", "section"))
    beside = [each for each in subfolders(first.parent) if each != first and holds(each)]
    sections = [first, *(each for each in beside if each.name.lower().startswith("section"))]
    return LayoutContent(_rows(table, sections), (table, *sections))


def _rows(table: Path, sections: Sequence[Path]) -> Iterator[ExpressionRow]:
    for row in rows_by_header(table, _COLUMNS, optional=("Action Units",)):
        subject, name = cell_text(row.cells["Subject"]), cell_text(row.cells["Filename"])
        folders = [section / f"sub{subject.zfill(2)}" / name for section in sections]
        yield expression_row(row, next((each for each in folders if each.is_dir()), folders[0]))


LAYOUT = Layout(
    name="casme",
    title="CASME",
    fps=60.0,
    emotions=frozenset(
        ("contempt", "disgust", "fear", "happiness", "repression", "sadness", "surprise", "tense")
    ),
    read=read,
    subject_digits=2,
)
