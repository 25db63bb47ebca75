"""CAS(ME)³, part A: J. Li et al., CAS(ME)³: a third generation facial spontaneous micro-expression
database with depth information and high ecological validity, IEEE TPAMI 45(3), 2023.

Tables `cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx` (860 rows): Subject (spNO.1), Filename (a … m),
Onset, Apex, Offset, AU, Objective class, emotion; and, if it lies beside that one,
`cas(me)3_part_A_MaE_label_JpgIndex_v2_emotion.xlsx` for the macro-expressions, whose columns are
called sub, seq, onset, apex, offset, emotion. Pictures `part_A/spNO.1/a/color/175.jpg`, or in the
release of cut clips `Part_A_ME_clip/frame/spNO.1_a_355/355.jpg` (subject, video, onset), which has
no macro-expressions. Depth pictures are not read.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from model.datasets.annotation_repairs import cell_text
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
from model.records import Kind

_SUBJECT = re.compile(r"(?i)spNO\.\d+")


def read(release: Release) -> LayoutContent:
    """See `model.datasets.layout.Reader`."""
    example = "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"
    micro = release.need_file(example, "cas(me)3_part_A_ME*.xlsx")
    long = release.find_folder(holds_folder(_SUBJECT.pattern), ("part_a",))
    if long is None:
        example = "part_A/spNO.1/a/color/175.jpg or Part_A_ME_clip/frame/spNO.1_a_355/355.jpg"
        holds_clips = holds_folder(_SUBJECT.pattern + r"_[^_]+_\d+")
        cut = release.need_folder(example, holds_clips, ("frame", "color"))
        return LayoutContent(_rows(micro, "micro", cut, long=False), (micro, cut))
    rows = list(_rows(micro, "micro", long, long=True))
    sources = [micro, long]
    macro = release.find_file("cas(me)3_part_A_MaE*.xlsx")
    if macro is not None:
        rows.extend(_rows(macro, "macro", long, long=True))
        sources.insert(1, macro)
    recordings = tuple(
        RecordingRow(subject.name, video.name, _colour(video))
        for subject in subfolders(long)
        if _SUBJECT.fullmatch(subject.name)
        for video in subfolders(subject)
    )
    return LayoutContent(rows, tuple(sources), recordings)


def _rows(table: Path, kind: Kind, pictures: Path, *, long: bool) -> Iterator[ExpressionRow]:
    for row in rows_by_header(table, EXPRESSION_COLUMNS, optional=("Action Units", "Emotion")):
        cells = row.cells
        subject, name = cell_text(cells["Subject"]), cell_text(cells["Filename"])
        if long:
            folder = _colour(pictures / subject / name)
        else:
            folder = pictures / f"{subject}_{name}_{cell_text(cells['Onset'])}"
        yield expression_row(row, folder, kind)


def _colour(video: Path) -> Path:
    colour = video / "color"
    return colour if colour.is_dir() or not video.is_dir() else video


LAYOUT = Layout(
    name="casme3",
    title="CAS(ME)³ part A",
    fps=30.0,
    # Releases spell happiness and sadness differently; macro tables may lack the emotion.
    emotions=frozenset(
        ("anger", "disgust", "fear", "happy", "happiness", "others", "sad", "sadness", "surprise")
    )
    | {""},
    read=read,
)
