"""SMIC-HS: X. Li, T. Pfister, X. Huang, G. Zhao, M. Pietikäinen: A spontaneous micro-expression
database: inducement, collection and baseline, FG 2013.

There is no table; the folders are the annotation: `HS/s1/micro/negative/s1_ne_01/image000123.bmp`.
A clip runs from onset to offset. The apex is not annotated.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from model.datasets.clips import Footage
from model.datasets.layout import (
    ExpressionRow,
    Layout,
    LayoutContent,
    Release,
    holds_folder,
    subfolders,
)

_FPS = 100.0


def read(release: Release) -> LayoutContent:
    """See `model.datasets.layout.Reader`."""
    example = "HS/s1/micro/negative/s1_ne_01/image000001.bmp"
    pictures = release.need_folder(example, holds_folder(r"s\d+", "micro"), ("raw/hs", "hs"))
    return LayoutContent(_rows(pictures), (pictures,))


def _rows(pictures: Path) -> Iterator[ExpressionRow]:
    subjects = [each for each in subfolders(pictures) if re.fullmatch(r"s\d+", each.name)]
    micro = [each / "micro" for each in subjects if (each / "micro").is_dir()]
    emotions = [emotion for folder in micro for emotion in subfolders(folder)]
    for clip in (clip for emotion in emotions for clip in subfolders(emotion)):
        numbers = Footage.in_folder(clip, _FPS).numbers
        yield ExpressionRow(
            where=clip.relative_to(pictures).as_posix(),
            subject=clip.parents[2].name,
            name=clip.name,
            onset=numbers[0] if numbers else None,
            apex=None,
            offset=numbers[-1] if numbers else None,
            action_units=None,
            emotion=clip.parent.name,
            folder=clip,
        )


LAYOUT = Layout(
    name="smic",
    title="SMIC-HS",
    fps=_FPS,
    emotions=frozenset(("negative", "positive", "surprise")),
    read=read,
)
