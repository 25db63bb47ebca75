"""SMIC-HS: X. Li, T. Pfister, X. Huang, G. Zhao, M. Pietikäinen: A spontaneous micro-expression
database: inducement, collection and baseline, FG 2013.

There is no table; the folders are the annotation: `HS/s1/micro/negative/s1_ne_01/image000123.bmp`.
A clip runs from onset to offset. The apex is not annotated.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from model.datasets.clips import Footage
from model.datasets.layout import ExpressionRow, Layout, LayoutContent, need_folder, subfolders

_TITLE = "SMIC-HS"
_FPS = 100.0


def read(root: Path) -> LayoutContent:
    """See `model.datasets.layout.Reader`."""
    example = "HS/s1/micro/negative/s1_ne_01/image000001.bmp"
    pictures = need_folder(root, _TITLE, example, _holds_subjects, ("raw/hs", "hs"))
    return LayoutContent(tuple(_rows(pictures)), (pictures,))


def _holds_subjects(folder: Path) -> bool:
    return any(_subjects(folder))


def _subjects(folder: Path) -> Iterator[Path]:
    for subject in subfolders(folder):
        if re.fullmatch(r"s\d+", subject.name) and (subject / "micro").is_dir():
            yield subject


def _rows(pictures: Path) -> Iterator[ExpressionRow]:
    for subject in _subjects(pictures):
        for emotion in subfolders(subject / "micro"):
            for clip in subfolders(emotion):
                numbers = Footage.of(clip, _FPS).numbers
                yield ExpressionRow(
                    where=clip.relative_to(pictures).as_posix(),
                    subject=subject.name,
                    name=clip.name,
                    onset=numbers[0] if numbers else None,
                    apex=None,
                    offset=numbers[-1] if numbers else None,
                    action_units=None,
                    emotion=emotion.name,
                    folder=clip,
                )


LAYOUT = Layout(
    name="smic",
    title=_TITLE,
    fps=_FPS,
    emotions=frozenset(("negative", "positive", "surprise")),
    read=read,
)
