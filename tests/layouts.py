"""Made-up copies of the published layouts, as small as they can be, for the tests."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from openpyxl import Workbook

from model.records import ImageU8

Picture = Callable[["Made", int], ImageU8]
"""The RGB picture of a clip by its number."""


@dataclass(frozen=True)
class Made:
    """A row of a table and the pictures that belong to it."""

    subject: str
    name: str
    emotion: str
    onset: Any = 3
    apex: Any = 6
    offset: Any = 9
    units: Any = "4+L12"
    kind: str = "micro"
    numbers: tuple[int, ...] = tuple(range(1, 13))


def grey(made: Made, number: int) -> ImageU8:
    """A tiny picture that tells its number."""
    return np.full((8, 10, 3), min(number, 255), np.uint8)


def save(path: Path, image: ImageU8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def book(path: Path, *sheets: Iterable[Sequence[Any]]) -> None:
    workbook = Workbook()
    workbook.remove(workbook.active)
    for number, rows in enumerate(sheets):
        sheet = workbook.create_sheet(f"sheet {number}")
        for row in rows:
            sheet.append(list(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    workbook.save(path)


def pictures(folder: Path, pattern: str, made: Made, picture: Picture) -> None:
    for number in made.numbers:
        save(folder / pattern.format(number), picture(made, number))


def casme2(root: Path, clips: Sequence[Made], picture: Picture = grey, suffix: str = "jpg") -> None:
    head = ["Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None]
    rows = [
        [int(c.subject), c.name, None, c.onset, c.apex, c.offset, None, c.units, c.emotion]
        for c in clips
    ]
    book(
        root / "CASME2-coding-20140508.xlsx", [[*head, "Action Units", "Estimated Emotion"], *rows]
    )
    for c in clips:
        folder = root / "CASME2-RAW" / f"sub{c.subject}" / c.name.strip()
        pictures(folder, f"img{{}}.{suffix}", c, picture)


SAMM_HEAD = [
    "Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame",
    "Duration", "Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes",
]  # fmt: skip


def samm_table(path: Path, clips: Sequence[Made]) -> None:
    rows = [
        [
            c.subject,
            c.name,
            1,
            c.onset,
            c.apex,
            c.offset,
            9,
            "Micro - 1/2",
            c.units,
            c.emotion.title(),
            "I",
            None,
        ]
        for c in clips
    ]
    book(path, [["SAMM"], *[[f"text {i}"] for i in range(11)], [], SAMM_HEAD, *rows])


def samm(root: Path, clips: Sequence[Made], picture: Picture = grey, suffix: str = "jpg") -> None:
    samm_table(root / "SAMM_Micro_FACS_Codes_v2.xlsx", clips)
    for c in clips:
        folder = root / "SAMM" / c.subject / c.name
        pictures(folder, f"{c.subject}_{{:05d}}.{suffix}", c, picture)


def smic(root: Path, clips: Sequence[Made], picture: Picture = grey, suffix: str = "bmp") -> None:
    for c in clips:
        folder = root / "HS" / c.subject / "micro" / c.emotion / c.name
        pictures(folder, f"image{{:06d}}.{suffix}", c, picture)


def mmew(root: Path, clips: Sequence[Made], picture: Picture = grey, suffix: str = "jpg") -> None:
    head = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units"]
    rows = [
        [int(c.subject), c.name, c.onset, c.apex, c.offset, c.units, c.emotion, None] for c in clips
    ]
    book(root / "MMEW_Micro_Exp.xlsx", [[*head, "Estimated Emotion", "remarks"], *rows])
    for c in clips:
        pictures(root / "Micro_Expression" / c.emotion / c.name, f"{{}}.{suffix}", c, picture)


CODES = {"disgust1": "0101", "anger1": "0401", "happy1": "0502"}


def casme_sq(
    root: Path, clips: Sequence[Made], picture: Picture = grey, suffix: str = "jpg"
) -> None:
    subjects = sorted({c.subject for c in clips})
    number = {subject: i for i, subject in enumerate(subjects, start=1)}
    rows = [
        [
            number[c.subject],
            c.name,
            c.onset,
            c.apex,
            c.offset,
            c.units,
            c.emotion,
            f"{c.kind}-expression",
            "disgust",
        ]
        for c in clips
    ]
    book(
        root / "CAS(ME)^2code_final.xlsx",
        rows,
        [[int(s[1:]), s, number[s]] for s in subjects],
        [[int(code), name] for name, code in CODES.items()],
    )
    for c in clips:
        code = CODES[c.name.split("_")[0]]
        folder = root / "rawpic" / c.subject / f"{c.subject[1:]}_{code}teeth"
        pictures(folder, f"img{{:03d}}.{suffix}", c, picture)


def casme3(root: Path, clips: Sequence[Made], picture: Picture = grey, suffix: str = "jpg") -> None:
    micro = [c for c in clips if c.kind == "micro"]
    macro = [c for c in clips if c.kind == "macro"]
    head = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"]
    notes = root / "annotation"
    book(
        notes / "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
        [head]
        + [[c.subject, c.name, c.onset, c.apex, c.offset, c.units, 1, c.emotion] for c in micro],
    )
    if macro:
        book(
            notes / "cas(me)3_part_A_MaE_label_JpgIndex_v2_emotion.xlsx",
            [["sub", "seq", "onset", "apex", "offset", "emotion"]]
            + [[c.subject, c.name, c.onset, c.apex, c.offset, c.emotion] for c in macro],
        )
    for c in clips:
        folder = root / "part_A" / c.subject / c.name
        pictures(folder / "color", f"{{}}.{suffix}", c, picture)
        pictures(folder / "depth", "{}.png", c, grey)


def casme3_clips(root: Path, clips: Sequence[Made], picture: Picture = grey) -> None:
    """The release of cut clips."""
    casme3(root, clips, lambda made, number: grey(made, number))
    for c in clips:
        name = f"{c.subject}_{c.name}_{c.onset}"
        for part in ("frame", "depth"):
            pictures(root / "Part_A_ME_clip" / part / name, "{}.jpg", c, picture)
    (root / "part_A").rename(root / "unused")
    for folder in sorted((root / "unused").rglob("*"), reverse=True):
        folder.unlink() if folder.is_file() else folder.rmdir()
    (root / "unused").rmdir()


LV_HEAD = [
    "Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset", "Duration", "Type",
    "Action Units", "Notes",
]  # fmt: skip


def samm_lv(
    root: Path, clips: Sequence[Made], picture: Picture = grey, suffix: str = "jpg"
) -> None:
    kinds = {"micro": "Micro - 1/2", "macro": "Macro"}
    rows = [
        [int(c.subject), c.name, 1, c.onset, c.apex, c.offset, 9, kinds[c.kind], c.units, None]
        for c in clips
    ]
    book(
        root / "SAMM_LongVideos_V2_Release.xlsx",
        [*[[f"text {i}"] for i in range(9)], LV_HEAD, *rows],
        [["another sheet"]],
    )
    samm_table(root / "SAMM_Micro_FACS_Codes_v2.xlsx", [c for c in clips if c.kind == "micro"])
    for c in clips:
        video = "_".join(c.name.split("_")[:2])
        folder = root / "SAMM_longvideos" / video
        pictures(folder, f"{video}_{{:04d}}.{suffix}", c, picture)


def casme(root: Path, clips: Sequence[Made], picture: Picture = grey, suffix: str = "jpg") -> None:
    head = ["Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None, "AU"]
    rows = [
        [int(c.subject), c.name, None, c.onset, c.apex, None, c.offset, None, c.units, c.emotion]
        for c in clips
    ]
    book(root / "CASME-coded-20190721.xlsx", [[*head, "Emotion"], *rows])
    for c in clips:
        section = "Section A" if c.subject < "10" else "Section B"
        folder = root / "CASME_raw_selected" / section / f"sub{c.subject}" / c.name
        pictures(folder, f"{c.name}-{{:03d}}.{suffix}", c, picture)


def casme3_c(
    root: Path,
    clips: Sequence[Made],
    picture: Picture = grey,
    suffix: str = "jpg",
    cut: bool = False,
) -> None:
    head = ["sub", "count", "PHY", "onset", "offset", "au", "emotion"]
    rows = [[int(c.subject), int(c.name), 1, c.onset, c.offset, c.units, c.emotion] for c in clips]
    book(root / "CAS(ME)3_part_C_ME.xlsx", [head, *rows])
    for c in clips:
        folder = root / ("ME_C" if cut else "part_C") / c.subject / (c.name if cut else "a")
        pictures(folder / "color", f"{{}}.{suffix}", c, picture)


def fourdme(
    root: Path, clips: Sequence[Made], picture: Picture = grey, suffix: str = "jpg"
) -> None:
    head = ["sub_ID", "fold_name", "Onset", "Apex", "Offset", "AUs", "Emotion"]
    rows = [
        [c.subject, c.name, c.onset, c.apex, c.offset, f"{c.units}+AU9 (k)", c.emotion.title()]
        for c in clips
    ]
    book(root / "4DME_Labelling_Micro_release v1.xlsx", [head, *rows])
    for c in clips:
        pictures(root / "gray_micro" / c.subject / c.name, f"{{}}.{suffix}", c, picture)


def clip_table(
    root: Path, clips: Sequence[Made], picture: Picture = grey, suffix: str = "jpg"
) -> None:
    lines = ["subject;clip;folder;onset;apex;offset;label;action_units;fps"]
    for c in clips:
        pictures(root / "pictures" / c.subject / c.name, f"{{}}.{suffix}", c, picture)
        cells = (c.onset, c.apex or "", c.offset, c.emotion, c.units, 50)
        lines.append(
            ";".join(map(str, (c.subject, c.name, f"pictures/{c.subject}/{c.name}", *cells)))
        )
    root.mkdir(parents=True, exist_ok=True)
    (root / "mine.csv").write_text("\n".join(lines))


WRITERS: dict[str, Callable[..., None]] = {
    "casme2": casme2,
    "samm": samm,
    "smic": smic,
    "mmew": mmew,
    "casme_sq": casme_sq,
    "casme3": casme3,
    "casme3_c": casme3_c,
    "samm_lv": samm_lv,
    "casme": casme,
    "4dme": fourdme,
    "csv": clip_table,
}


def usual(dataset: str) -> list[Made]:
    """Nine clips of three subjects, one of each of MEGC's classes for each subject."""
    names = {
        "casme2": (("01", "02", "17"), "EP0{}_01f", ("disgust", "happiness", "surprise")),
        "samm": (("006", "007", "010"), "{s}_1_{}", ("anger", "happiness", "surprise")),
        "smic": (("s1", "s2", "s10"), "{s}_ne_0{}", ("negative", "positive", "surprise")),
        "mmew": (("01", "02", "03"), "S{s}-0{}-001", ("disgust", "happiness", "surprise")),
        "casme_sq": (("s15", "s16", "s19"), "{}_1", ("negative", "positive", "surprise")),
        "casme3": (("spNO.1", "spNO.2", "spNO.10"), "{}", ("anger", "happy", "surprise")),
        "casme3_c": (("01", "02", "10"), "{}", ("anger", "happy", "surprise")),
        "samm_lv": (("006", "007", "010"), "{s}_{}_1", ("anger", "happiness", "surprise")),
        "casme": (("01", "02", "17"), "EP0{}_5", ("repression", "happiness", "surprise")),
        "4dme": (("S01", "S02", "S10"), "001_0{}_1", ("negative", "positive", "surprise")),
        "csv": (("anna", "Ben", "Özge"), "take {}", ("sadness", "positive", "surprise")),
    }
    subjects, pattern, emotions = names[dataset]
    parts: dict[str, Sequence[str]] = {"casme_sq": list(CODES), "casme3": ["a", "b", "m"]}
    made = []
    for s in subjects:
        for i, emotion in enumerate(emotions):
            part = parts.get(dataset, ["1", "2", "3"])[i]
            made.append(Made(s, pattern.format(part, s=s), emotion))
    if dataset == "smic":  # a clip is onset to offset
        made = [replace(m, onset=1, apex=None, offset=12, units=None) for m in made]
    if dataset == "casme3_c":  # all of a subject are in one video
        made = [replace(m, apex=None) for m in made]
    return made
