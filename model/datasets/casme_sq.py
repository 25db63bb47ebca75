"""CAS(ME)²: F. Qu et al., CAS(ME)²: a database for spontaneous macro-expression and
micro-expression spotting and recognition, IEEE Trans. Affective Computing 9(4), 2018.

Table `CAS(ME)^2code_final.xlsx`, without a header: subject number, video ("anger1_1": the first
expression of the video "anger1"), onset, apex, offset (0: missing), action units, emotion, type,
self-report. Its second sheet leads from the subject's number (third column) to the folder's name
(second column, "s15"), its third from the video's name (second column) to its code (first, "0401").
Pictures `rawpic/s15/15_0101disgustingteeth/img001.jpg`. Folders are found by the code alone: one of
them does not begin with its subject's number (19's 23_0502funnyerrors).
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from model.datasets.annotation_repairs import Cell, cell_text
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
from model.datasets.spreadsheets import read_sheets
from model.records import Kind

_FOLDER = re.compile(r"\d+_(\d{4})")


def read(release: Release) -> LayoutContent:
    """See `model.datasets.layout.Reader`."""
    patterns = ("CAS(ME)*code_final*.xlsx", "*code_final*.xlsx")
    table = release.need_file("CAS(ME)^2code_final.xlsx", *patterns)
    holds = holds_folder(r"s\d+", _FOLDER.pattern + ".*")
    pictures = release.need_folder(
        "rawpic/s15/15_0101disgustingteeth/img001.jpg", holds, ("rawpic",)
    )
    sheets = read_sheets(table)
    if len(sheets) < 3:
        raise release.refusal(f"three sheets in {table.name}, there are {len(sheets)}")
    folders = {cell_text(r[2]): cell_text(r[1]) for r in sheets[1] if len(r) > 2}
    codes = {cell_text(r[1]): cell_text(r[0]).zfill(4) for r in sheets[2] if len(r) > 1}
    if not any(re.fullmatch(r"s\d+", name) for name in folders.values()):
        raise release.refusal(f"(number, s15, 1) in the rows of the 2nd sheet of {table}")
    if not any(code.isdigit() for code in codes.values()):
        raise release.refusal(f"(0101, name of a video) in the 3rd sheet of {table}")
    recordings = tuple(
        RecordingRow(subject.name, video.name, video)
        for subject in subfolders(pictures)
        for video in subfolders(subject)
        if _FOLDER.match(video.name)
    )
    rows = _rows(table.name, sheets[0], pictures, folders, codes)
    return LayoutContent(rows, (table, pictures), recordings)


def _rows(
    table: str,
    sheet: Sequence[tuple[Cell, ...]],
    pictures: Path,
    folders: dict[str, str],
    codes: dict[str, str],
) -> Iterator[ExpressionRow | Problem]:
    for number, raw in enumerate(sheet, start=1):
        cells = (*raw, *[None] * 9)[:9]
        if all(cell in (None, "") for cell in cells):
            continue
        where = f"{table} row {number}"
        subject, name, kind = (cell_text(cells[column]) for column in (0, 1, 7))
        if subject not in folders:
            yield Problem(where, f"{subject}/{name}", f"no subject {subject!r} in the 2nd sheet")
            continue
        video = name.split("_")[0]
        if video not in codes:
            yield Problem(where, f"{subject}/{name}", f"no video {video!r} in the 3rd sheet")
            continue
        kinds: dict[str, Kind] = {"micro-expression": "micro", "macro-expression": "macro"}
        if kind.lower() not in kinds:
            reason = f"the type is {kind!r}: expected {' or '.join(kinds)}"
            yield Problem(where, f"{subject}/{name}", reason)
            continue
        yield ExpressionRow(
            where=where,
            subject=folders[subject],
            name=cells[1],
            onset=cells[2],
            apex=cells[3],
            offset=cells[4],
            action_units=cells[5],
            emotion=cells[6],
            folder=_video_folder(pictures / folders[subject], codes[video]),
            kind=kinds[kind.lower()],
        )


def _video_folder(subject: Path, code: str) -> Path:
    """The folder with `code`; if there is none, a path that shows what was expected."""
    if subject.is_dir():
        for video in subfolders(subject):
            match = _FOLDER.match(video.name)
            if match is not None and match[1] == code:
                return video
    return subject / f"{subject.name[1:]}_{code}…"


LAYOUT = Layout(
    name="casme_sq",
    title="CAS(ME)²",
    fps=30.0,
    emotions=frozenset(("positive", "negative", "surprise", "others")),
    read=read,
)
