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
from typing import get_args

from model.datasets.annotation_repairs import cell_text
from model.datasets.clips import Problem
from model.datasets.layout import (
    ExpressionRow,
    Layout,
    LayoutContent,
    RecordingRow,
    Release,
    holds_folder,
    subfolders,
)
from model.datasets.samm import EMOTIONS, TABLE
from model.datasets.spreadsheets import EXPRESSION_COLUMNS, expression_row, rows_by_header
from model.records import Kind

_VIDEO = re.compile(r"\d{3}_\d+")


def read(release: Release) -> LayoutContent:
    """See `model.datasets.layout.Reader`."""
    example = "SAMM_LongVideos_V3_Release.xlsx"
    table = release.need_file(example, "SAMM_LongVideos*.xlsx")
    example = "SAMM_longvideos/006_1/006_1_0001.jpg"
    pictures = release.need_folder(example, holds_folder(_VIDEO.pattern), ("long",))
    sources = [table, pictures]
    emotions: dict[str, str] = {}
    samm = release.find_file(TABLE)
    if samm is not None:
        sources.insert(1, samm)
        emotions = {
            cell_text(row.cells["Filename"]): cell_text(row.cells["Emotion"])
            for row in rows_by_header(samm, EXPRESSION_COLUMNS)
        }
    recordings = tuple(
        RecordingRow(video.name.split("_")[0], video.name, video)
        for video in subfolders(pictures)
        if _VIDEO.fullmatch(video.name)
    )
    return LayoutContent(_rows(table, pictures, emotions), tuple(sources), recordings)


def _rows(
    table: Path, pictures: Path, emotions: dict[str, str]
) -> Iterator[ExpressionRow | Problem]:
    for row in rows_by_header(table, {**EXPRESSION_COLUMNS, "Type": ()}, optional=("Emotion",)):
        cells = row.cells
        name, kind_text = cell_text(cells["Filename"]), cell_text(cells["Type"]).lower()
        kind = next((each for each in get_args(Kind) if kind_text.startswith(each)), None)
        if kind is None:
            reason = f"the type is {cells['Type']!r}: expected Macro or Micro - 1/2"
            yield Problem(row.where, name, reason)
            continue
        emotion = emotions.get(name) if kind == "micro" else None
        folder = pictures / "_".join(name.split("_")[:2])
        yield replace(expression_row(row, folder, kind), emotion=emotion)


LAYOUT = Layout(
    name="samm_lv",
    title="SAMM Long Videos",
    fps=200.0,
    emotions=EMOTIONS | {""},
    read=read,
    subject_digits=3,
)
