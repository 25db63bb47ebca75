"""SAMM Long Videos: C. H. Yap, C. Kendrick, M. H. Yap: SAMM Long Videos: a spontaneous facial
micro- and macro-expressions dataset, FG 2020.

Table `SAMM_LongVideos_V*_Release.xlsx` (text above the header): Subject, Filename (006_1_2),
Inducement Code, Onset, Apex (−1: none), Offset, Duration, Type ("Macro", "Micro - 1/2"), Action
Units, Notes. Pictures `SAMM_longvideos/006_1/006_1_0001.jpg`, with four or five digits. It has no
emotions. Its micro-expressions are SAMM's, so their emotions are read from SAMM's table by file
name if that table lies beside it.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from model.datasets.annotation_repairs import cell_text
from model.datasets.clips import Problem
from model.datasets.layout import (
    ExpressionRow,
    Layout,
    LayoutContent,
    RecordingRow,
    find_file,
    holds_folder,
    need_file,
    need_folder,
    subfolders,
)
from model.datasets.samm import EMOTIONS, TABLE
from model.datasets.spreadsheets import COLUMNS, expression_row, rows_by_header
from model.records import Kind

_TITLE = "SAMM Long Videos"
_VIDEO = re.compile(r"\d{3}_\d+")


def read(root: Path) -> LayoutContent:
    """See `model.datasets.layout.Reader`."""
    example = "SAMM_LongVideos_V3_Release.xlsx"
    table = need_file(root, _TITLE, example, "SAMM_LongVideos*.xlsx")
    example = "pictures SAMM_longvideos/006_1/006_1_0001.jpg"
    pictures = need_folder(root, _TITLE, example, holds_folder(_VIDEO.pattern), ("long",))
    sources = [table, pictures]
    emotions: dict[str, str] = {}
    samm = find_file(root, TABLE)
    if samm is not None:
        sources.insert(1, samm)
        emotions = {
            cell_text(row.cells["Filename"]): cell_text(row.cells["Emotion"])
            for row in rows_by_header(samm, COLUMNS)
        }
    recordings = tuple(
        RecordingRow(video.name.split("_")[0], video.name, video)
        for video in subfolders(pictures)
        if _VIDEO.fullmatch(video.name)
    )
    return LayoutContent(tuple(_rows(table, pictures, emotions)), tuple(sources), recordings)


def _rows(
    table: Path, pictures: Path, emotions: dict[str, str]
) -> Iterator[ExpressionRow | Problem]:
    for row in rows_by_header(table, {**COLUMNS, "Type": ()}, optional=("Emotion",)):
        cells = row.cells
        name, kind_text = cell_text(cells["Filename"]), cell_text(cells["Type"]).lower()
        kind: Kind
        if kind_text.startswith("micro"):
            kind = "micro"
        elif kind_text.startswith("macro"):
            kind = "macro"
        else:
            reason = f"the type is {cells['Type']!r}: expected Macro or Micro - 1/2"
            yield Problem(row.where, name, reason)
            continue
        emotion = emotions.get(name) if kind == "micro" else None
        folder = pictures / "_".join(name.split("_")[:2])
        yield replace(expression_row(row, folder, kind), emotion=emotion)


LAYOUT = Layout(
    name="samm_lv",
    title=_TITLE,
    fps=200.0,
    emotions=EMOTIONS | {""},
    read=read,
    subject_digits=3,
)
