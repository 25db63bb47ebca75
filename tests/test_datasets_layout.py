"""Each published layout, whole and broken, on made-up copies; and the check's command."""

import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zipfile import ZipFile

import cv2
import layouts
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import WRITERS, Made, usual
from openpyxl import load_workbook

from model.datasets import DATASETS, Clip, Dataset, Footage, open_dataset
from model.datasets.annotation_repairs import REPAIRS, Cell, UnusableError, repair_moments
from model.datasets.class_merges import list_merges, merge
from model.datasets.layout import natural_key, parse_action_units
from model.datasets.megc2019 import PUBLISHED, compare_counts, is_listed
from model.datasets.summary import count_classes, summarise
from model.errors import InputError, SourceError

FPS = {
    "casme2": 200, "samm": 200, "smic": 100, "mmew": 90, "casme_sq": 30, "casme3": 30,
    "casme3_c": 30, "casme": 60, "4dme": 60, "csv": 50,
}  # fmt: skip
NO_APEX = ("smic", "casme3_c")


def made(dataset: str, root: Path, clips: list[Made] | None = None) -> Dataset:
    WRITERS[dataset](root, usual(dataset) if clips is None else clips)
    return open_dataset(dataset, root)


def test_every_data_set_has_a_made_up_copy() -> None:
    assert set(WRITERS) == set(DATASETS)


@pytest.mark.parametrize("name", DATASETS)
def test_a_whole_copy_is_read(name: str, tmp_path: Path) -> None:
    expected = usual(name)
    dataset = made(name, tmp_path)
    assert dataset.problems == ()
    assert [(c.subject, c.name, c.label) for c in dataset] == [
        (m.subject, m.name, m.emotion) for m in expected
    ]
    for clip in dataset:
        assert clip.footage.fps == FPS.get(name, 200)
        assert (clip.onset, clip.offset) == ((1, 12) if name == "smic" else (3, 9))
        assert clip.apex == (None if name in NO_APEX else 6)
        assert clip.repairs == (("apex-missing",) if name in NO_APEX else ())
        assert clip.action_units == (() if name == "smic" else ("AU4", "AU12"))
        assert clip.footage.numbers == tuple(range(1, 13))
    frames = list(dataset.clips[0].frames())
    assert [frame.stamp.index for frame in frames] == list(range(12))
    assert frames[1].stamp.time_s == pytest.approx(1 / FPS.get(name, 200))
    assert frames[0].image.shape == (8, 10, 3)
    assert not frames[0].image.flags.writeable


@pytest.mark.parametrize("name", DATASETS)
def test_merged_classes_are_counted(name: str, tmp_path: Path) -> None:
    dataset = made(name, tmp_path)
    assert count_classes(dataset)["3"] == {"negative": 3, "positive": 3, "surprise": 3}
    for one in list_merges(name):
        assert {one.find_class(clip.label) for clip in dataset} <= {*one.classes, None}


@pytest.mark.parametrize(
    ("name", "other"),
    [(n, o) for n in DATASETS for o in ("empty", "smic", "samm", "casme3") if n != o],
)
def test_another_data_set_is_refused(name: str, other: str, tmp_path: Path) -> None:
    if other != "empty":
        WRITERS[other](tmp_path, usual(other))
    with pytest.raises(InputError, match="expected") as error:
        open_dataset(name, tmp_path)
    assert "\n" not in str(error.value)


def test_a_release_nested_in_folders_of_its_name_is_found(tmp_path: Path) -> None:
    WRITERS["casme2"](tmp_path / "CASME2" / "CASME2", usual("casme2"))
    assert len(open_dataset("casme2", tmp_path)) == 9


def test_the_newest_table_is_read(tmp_path: Path) -> None:
    WRITERS["casme2"](tmp_path, usual("casme2"))
    table = tmp_path / "CASME2-coding-20140508.xlsx"
    (tmp_path / "CASME2-coding-20190701.xlsx").write_bytes(table.read_bytes())
    assert open_dataset("casme2", tmp_path).sources[0].name == "CASME2-coding-20190701.xlsx"


def test_raw_pictures_are_preferred_to_cropped_ones(tmp_path: Path) -> None:
    WRITERS["casme2"](tmp_path, usual("casme2"))
    cropped = tmp_path / "Cropped" / "sub01" / "EP01_01f"
    layouts.save(cropped / "reg_img1.jpg", np.zeros((8, 8, 3), np.uint8))
    assert open_dataset("casme2", tmp_path).sources[1].name == "CASME2-RAW"


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    WRITERS["casme2"](tmp_path, usual("casme2"))
    layouts.book(tmp_path / "CASME2-coding-20140508.xlsx", [["Subject", "Filename"], [1, "EP"]])
    with pytest.raises(InputError, match="'Onset' or 'Onset Frame', 'Apex'"):
        open_dataset("casme2", tmp_path)


def test_an_old_spreadsheet_is_refused_with_the_remedy(tmp_path: Path) -> None:
    WRITERS["mmew"](tmp_path, usual("mmew"))
    (tmp_path / "MMEW_Micro_Exp.xlsx").write_bytes(b"\xd0\xcf\x11\xe0 an .xls by another name")
    with pytest.raises(InputError, match=r"save it as \.xlsx"):
        open_dataset("mmew", tmp_path)


BROKEN = {
    "slash": ({"apex": "/"}, ("apex-missing",)),
    "zero apex": ({"apex": 0}, ("apex-missing",)),
    "minus one": ({"apex": -1}, ("apex-missing",)),
    "empty apex": ({"apex": None}, ("apex-missing",)),
    "apex before onset": ({"apex": 2}, ("apex-misplaced",)),
    "apex after offset": ({"apex": 11}, ("apex-misplaced",)),
    "apex at onset": ({"apex": 3}, ("apex-at-onset",)),
    "apex at offset": ({"apex": 9}, ("offset-at-apex",)),
    "no offset": ({"offset": 0}, ("offset-missing",)),
    "swapped": ({"onset": 9, "offset": 3}, ("onset-offset-swapped",)),
    "text": ({"onset": " 3", "apex": "6.0"}, ("number-from-text",)),
    "fraction": ({"apex": 5.6}, ("number-rounded",)),
    "float": ({"onset": 3.0, "apex": 6.0, "offset": 9.0}, ()),
    "spaces": ({"emotion": " surprise "}, ("whitespace",)),
    "beyond the end": ({"offset": 400}, ("offset-cut",)),
    "a hole": ({"numbers": (1, 2, 3, 4, 6, 8, 9, 10)}, ("frames-missing",)),
    "no apex picture": (
        {"numbers": (1, 2, 3, 4, 5, 8, 9, 10)},
        ("nearest-frame", "frames-missing"),
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_named_rule_repairs(case: str, tmp_path: Path) -> None:
    change, rules = BROKEN[case]
    clips = usual("casme2")
    dataset = made("casme2", tmp_path, [*clips[:-1], replace(clips[-1], **change)])
    assert dataset.problems == ()
    clip = dataset.clips[-1]
    assert clip.repairs == rules
    assert all(rule in summarise(dataset) and REPAIRS[rule] in summarise(dataset) for rule in rules)
    moments = [m for m in (clip.onset, clip.apex, clip.offset) if m is not None]
    assert moments == sorted(moments)
    assert set(moments) <= set(clip.footage.numbers)


def test_every_rule_has_its_case() -> None:
    tried = {rule for _, rules in BROKEN.values() for rule in rules}
    assert tried | {"picture-doubled"} == set(REPAIRS)


LEFT_OUT = {
    "no onset": ({"onset": None}, "no onset"),
    "onset 0": ({"onset": 0}, "no onset"),
    "no order": ({"onset": 12, "apex": 6, "offset": 9}, "no order"),
    "nothing but onset": ({"apex": "/", "offset": 0}, "neither apex nor offset"),
    "words": ({"apex": "about 6"}, "'about 6', not a frame number"),
    "onset far away": ({"numbers": (8, 9, 10, 11, 12), "onset": 1}, "frame 1 is not on disk"),
    "one frame": ({"onset": 6, "offset": 6}, "same frame"),
    "unknown emotion": ({"emotion": "boredom"}, "unknown emotion 'boredom'"),
    "no pictures": ({"numbers": ()}, "no folder"),
    "a date": ({"onset": datetime(2014, 5, 8)}, "'2014-05-08 00:00:00', not a frame number"),
    "too few to search": ({"apex": "/", "numbers": (3, 9)}, "too few"),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_what_no_rule_repairs_is_left_out_and_said(case: str, tmp_path: Path) -> None:
    change, reason = LEFT_OUT[case]
    clips = usual("casme2")
    dataset = made("casme2", tmp_path, [replace(clips[0], **change), *clips[1:]])
    assert len(dataset) == 8
    (problem,) = dataset.problems
    assert reason in problem.reason
    assert problem.where == "CASME2-coding-20140508.xlsx row 2"
    assert problem.clip == "1/EP01_01f"
    assert reason in summarise(dataset)


def test_nobody_is_whom_no_subject_is_named_for(tmp_path: Path) -> None:
    # MMEW's folders do not bear the subject: such clips were all of one nameless subject.
    WRITERS["mmew"](tmp_path, usual("mmew"))
    table = tmp_path / "MMEW_Micro_Exp.xlsx"
    book = load_workbook(table)
    book.worksheets[0]["A3"] = None
    book.save(table)
    dataset = open_dataset("mmew", tmp_path)
    assert {clip.subject for clip in dataset} == {"01", "02", "03"}
    assert [problem.reason for problem in dataset.problems] == ["the subject is empty"]
    book.worksheets[0]["A3"], book.worksheets[0]["B3"] = 1, " "
    book.save(table)
    (problem,) = open_dataset("mmew", tmp_path).problems
    assert problem.reason == "the file name is empty"


def test_a_cell_merged_over_rows_stands_in_each(tmp_path: Path) -> None:
    WRITERS["mmew"](tmp_path, usual("mmew"))
    table = tmp_path / "MMEW_Micro_Exp.xlsx"
    book = load_workbook(table)
    for first in (2, 5, 8):
        book.worksheets[0].merge_cells(f"A{first}:A{first + 2}")
    book.save(table)
    dataset = open_dataset("mmew", tmp_path)
    assert [clip.subject for clip in dataset] == [made.subject for made in usual("mmew")]


def test_a_table_with_broken_insides_is_told(tmp_path: Path) -> None:
    WRITERS["casme2"](tmp_path, usual("casme2"))
    table = tmp_path / "CASME2-coding-20140508.xlsx"
    with ZipFile(table) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    parts["xl/worksheets/sheet1.xml"] = parts["xl/worksheets/sheet1.xml"][:300]
    with ZipFile(table, "w") as new:
        for name, content in parts.items():
            new.writestr(name, content)
    with pytest.raises(InputError, match=r"is not an \.xlsx table"):
        open_dataset("casme2", tmp_path)


def test_a_table_that_is_packed_wrongly_is_told(tmp_path: Path) -> None:
    WRITERS["casme2"](tmp_path, usual("casme2"))
    table = tmp_path / "CASME2-coding-20140508.xlsx"
    content = bytearray(table.read_bytes())
    sheet = content.find(b"xl/worksheets/sheet1.xml") + len("xl/worksheets/sheet1.xml")
    content[sheet : sheet + 40] = bytes(40)
    table.write_bytes(content)
    with pytest.raises(InputError, match=r"is not an \.xlsx table \(error: "):
        open_dataset("casme2", tmp_path)


def test_a_sheet_with_a_value_in_its_last_corner_is_told(tmp_path: Path) -> None:
    WRITERS["mmew"](tmp_path, usual("mmew"))
    table = tmp_path / "MMEW_Micro_Exp.xlsx"
    book = load_workbook(table)
    book.worksheets[0]["XFD1048576"] = "x"
    book.save(table)
    with pytest.raises(InputError, match="1048576 rows and 16384 columns"):
        open_dataset("mmew", tmp_path)


@pytest.mark.parametrize("odd", [10**400, 1e300])
def test_an_offset_far_beyond_the_last_picture_is_cut(odd: float) -> None:
    moments = repair_moments(3, 6, odd, range(1, 13), 200.0)
    assert (moments.offset, moments.repairs) == (12, ("offset-cut",))


def test_a_name_that_no_folder_can_have_leaves_the_clip_out(tmp_path: Path) -> None:
    first, *others = usual("casme2")
    WRITERS["casme2"](tmp_path, [first, *others])
    odd = [replace(first, name="x" * 300), *others]
    head = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame"]
    rows = [[int(c.subject), c.name, c.onset, c.apex, c.offset, c.units, c.emotion] for c in odd]
    layouts.book(
        tmp_path / "CASME2-coding-20140508.xlsx",
        [[*head, "Action Units", "Estimated Emotion"], *rows],
    )
    dataset = open_dataset("casme2", tmp_path)
    assert len(dataset) == 8
    assert "no folder" in dataset.problems[0].reason


def test_digits_that_are_no_numbers_sort_as_letters() -> None:
    assert sorted(["s10", "s²", "s2"], key=natural_key) == ["s2", "s10", "s²"]


def test_the_same_row_twice_is_left_out(tmp_path: Path) -> None:
    clips = usual("samm")
    dataset = made("samm", tmp_path, [*clips, clips[0]])
    assert len(dataset) == 9
    assert "row 15" in dataset.problems[0].reason


def test_two_files_of_one_number(tmp_path: Path) -> None:
    WRITERS["casme2"](tmp_path, usual("casme2"))
    folder = tmp_path / "CASME2-RAW" / "sub01" / "EP01_01f"
    layouts.save(folder / "reg_img1.jpg", np.zeros((8, 8, 3), np.uint8))
    (folder / "Thumbs.db").write_bytes(b"")
    clip = open_dataset("casme2", tmp_path).clips[0]
    assert clip.repairs == ("picture-doubled",)
    assert clip.footage.names[0] == "img1.jpg"


@pytest.mark.parametrize("name", WRITERS)
def test_what_a_mac_leaves_beside_pictures_and_tables_is_ignored_and_said(
    name: str, tmp_path: Path
) -> None:
    before = made(name, tmp_path)
    beside = [path for path in tmp_path.rglob("*") if path.is_file()]
    for path in beside:
        (path.parent / f"._{path.name}").write_bytes(b"\0\5\x16\7" + bytes(40))
    archive = tmp_path / "__MACOSX"
    for path in beside:
        twin = archive / path.relative_to(tmp_path)
        twin.parent.mkdir(parents=True, exist_ok=True)
        twin.write_bytes(b"\0\5\x16\7")
    after = open_dataset(name, tmp_path)
    assert [c.footage.names for c in after] == [c.footage.names for c in before]
    assert after.problems == before.problems


def test_a_picture_that_cannot_be_read(tmp_path: Path) -> None:
    dataset = made("casme2", tmp_path)
    path = dataset.clips[0].footage.paths[4]
    path.write_bytes(b"not a picture")
    with pytest.raises(SourceError, match=path.name):
        list(dataset.clips[0].frames())


def test_missing_pictures_are_a_jump_of_the_stamp(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    for number in (7, 8, 11):
        layouts.save(folder / f"img{number}.png", np.full((4, 4, 3), number, np.uint8))
    frames = list(Footage.in_folder(folder, 50.0).frames())
    assert [(f.stamp.index, f.stamp.time_s) for f in frames] == [(0, 0.0), (1, 0.02), (4, 0.08)]
    assert [int(f.image[0, 0, 0]) for f in frames] == [7, 8, 11]


def test_pictures_are_rgb(tmp_path: Path) -> None:
    layouts.save(tmp_path / "1.png", np.full((4, 4, 3), (200, 100, 10), np.uint8))
    cv2.imwrite(str(tmp_path / "2.png"), np.full((4, 4), 9, np.uint8))
    colour, grey = Footage.in_folder(tmp_path, 25.0).frames()
    assert colour.image[0, 0].tolist() == [200, 100, 10]
    assert grey.image[0, 0].tolist() == [9, 9, 9]


@pytest.mark.parametrize("name", ["casme_sq", "casme3", "samm_lv"])
def test_long_videos_carry_their_windows(name: str, tmp_path: Path) -> None:
    long = tuple(range(1, 241))
    clips = [replace(m, onset=100, apex=105, offset=112, numbers=long) for m in usual(name)]
    later = replace(clips[0], onset=150, apex=0 if name == "casme_sq" else -1, offset=170)
    later = replace(later, kind="macro")
    if name != "casme3":
        later = replace(later, name=later.name[:-1] + "2")
    dataset = made(name, tmp_path, [later, *clips])
    assert dataset.problems == ()
    assert len(dataset.videos) == 9
    video = next(v for v in dataset.videos if len(v.windows) == 2)
    first, second = video.windows
    assert (first.kind, second.kind) == ("micro", "macro")
    fps = FPS.get(name, 200)
    assert first.onset.index == 99
    assert first.apex.time_s == pytest.approx(104 / fps)
    assert first.offset is not None
    assert first.offset.index == 111
    assert second.apex.index == 159
    stamps = [frame.stamp for frame in video.frames()]
    assert len(stamps) == 240
    assert first.onset in stamps
    clip = next(c for c in dataset if c.kind == "micro")
    margin = round(0.5 * fps)
    assert clip.footage.numbers == tuple(range(max(1, 100 - margin), min(240, 112 + margin) + 1))
    assert len(dataset.micro()) == 9
    assert "9 long videos, 10 expressions" in summarise(dataset)


def test_casme_sq_finds_a_folder_by_its_code_alone(tmp_path: Path) -> None:
    WRITERS["casme_sq"](tmp_path, usual("casme_sq"))
    folder = tmp_path / "rawpic" / "s19"
    (folder / "19_0502teeth").rename(folder / "23_0502funnyerrors")
    dataset = open_dataset("casme_sq", tmp_path)
    assert dataset.problems == ()
    assert dataset.clips[-1].footage.folder.name == "23_0502funnyerrors"


def test_casme3_as_cut_clips(tmp_path: Path) -> None:
    layouts.casme3_clips(tmp_path, usual("casme3"))
    dataset = open_dataset("casme3", tmp_path)
    assert len(dataset) == 9
    assert dataset.videos == ()
    assert dataset.clips[0].footage.folder.parent.name == "frame"


def test_casme3_c_as_cut_clips(tmp_path: Path) -> None:
    layouts.casme3_c(tmp_path, usual("casme3_c"), cut=True)
    dataset = open_dataset("casme3_c", tmp_path)
    assert len(dataset) == 9
    assert dataset.problems == dataset.videos == ()


def test_an_old_table_of_casme_is_refused_with_the_remedy(tmp_path: Path) -> None:
    made("casme", tmp_path)
    table = tmp_path / "CASME-coded-20190721.xlsx"
    table.rename(table.with_suffix(".xls")).write_bytes(b"\xd0\xcf\x11\xe0")
    with pytest.raises(InputError, match=r"save it as \.xlsx"):
        open_dataset("casme", tmp_path)


def test_ones_own_clips_from_one_table(tmp_path: Path) -> None:
    """Each line that cannot be used is said with its reason, and stops no other."""
    good = usual("csv")[0]
    WRITERS["csv"](tmp_path, [good])
    table = tmp_path / "mine.csv"
    folder = f"pictures/{good.subject}/{good.name}"
    lines = [
        "subject,clip,folder,onset,apex,offset,label",
        f"anna,no apex,{folder},2,,9,Happy",
        f"anna,no offset,{folder},2,5,,others",
        f"anna,no label,{folder},2,5,9,",
        f"anna,bored,{folder},2,5,9,boredom",
        f"anna,words,{folder},two,5,9,fear",
        "anna,elsewhere,nowhere,2,5,9,fear",
    ]
    table.write_text("\n".join(lines))
    dataset = open_dataset("csv", table)
    assert (dataset.name, dataset.title) == ("mine", "mine.csv")
    assert [(c.name, c.label, c.apex, c.offset) for c in dataset] == [
        ("no apex", "happy", None, 9), ("no offset", "others", 5, None), ("no label", "", 5, 9),
    ]  # fmt: skip
    assert {clip.footage.fps for clip in dataset} == {30}
    assert [(p.where, p.clip) for p in dataset.problems] == [
        (f"{table}, line {n}", f"anna/{clip}")
        for n, clip in enumerate(("bored", "words", "elsewhere"), start=5)
    ]
    assert "unknown emotion 'boredom'" in dataset.problems[0].reason
    table.write_text("\n".join([lines[0] + ",fps", *(f"{line},fast" for line in lines[1:])]))
    assert [p.reason for p in open_dataset("csv", table).problems] == [
        "fps is 'fast': give frames per second"
    ] * 6
    table.write_text("subject,clip\n")
    with pytest.raises(InputError, match="no column 'folder'"):
        open_dataset("csv", table)
    with pytest.raises(InputError, match="cannot read"):
        open_dataset("csv", tmp_path / "none.csv")


def listed(dataset: str, subject: str, name: str, label: str) -> bool:
    return is_listed(
        Clip(dataset, subject, name, 1, 2, 3, label, (), "micro", Footage(Path(), 200, (), ()))
    )


def test_the_list_of_megc_2019() -> None:
    """By the rules; both public copies of the list, held against the published tables, gave exactly
    these clips."""
    assert listed("casme2", "01", "EP02_01f", "happiness")
    assert listed("casme2", "04", "EP13_02f", "disgust")
    assert not listed("casme2", "04", "EP12_01f", "disgust")
    assert not listed("casme2", "05", "EP09_05f", "disgust")
    assert listed("casme2", "26", "EP09_05f", "disgust")
    assert listed("casme2", "01", "EP03_02", "repression")
    for left_out in ("fear", "sadness", "others"):
        assert not listed("casme2", "09", "EP13_02", left_out)
    assert listed("samm", "006", "006_3_4", "sadness")
    assert not listed("samm", "006", "006_3_4", "other")
    assert listed("smic", "s1", "s1_ne_01", "negative")
    assert not listed("mmew", "01", "S01-01-001", "disgust")


def test_what_differs_from_the_published_counts_is_said(tmp_path: Path) -> None:
    counts = PUBLISHED["samm"].classes
    clips = [label for label, count in counts.items() for _ in range(count)]
    pairs = [(f"{n % 28}", label) for n, label in enumerate(clips)]
    assert compare_counts("samm", pairs) == "MEGC 2019's list of samm: 133 clips, as published"
    said = compare_counts("samm", pairs[1:])
    assert "clips 132, published 133; negative 91, published 92" in said
    assert "do not compare" in said
    assert sum(sum(each.classes.values()) for each in PUBLISHED.values()) == 442
    assert sum(each.subjects for each in PUBLISHED.values()) == 68
    said = summarise(made("casme2", tmp_path))
    assert "list of casme2: clips 9, published 145; negative 3, published 88" in said


def test_samm_lv_without_samms_table_has_no_emotions(tmp_path: Path) -> None:
    WRITERS["samm_lv"](tmp_path, usual("samm_lv"))
    (tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx").unlink()
    dataset = open_dataset("samm_lv", tmp_path)
    assert {clip.label for clip in dataset} == {""}
    assert "(none)" in summarise(dataset)


@pytest.mark.parametrize(
    ("coding", "units"),
    [
        ("4+L12", ("AU4", "AU12")),
        ("R12B + 25", ("AU12", "AU25")),
        ("AU1+AU2", ("AU1", "AU2")),
        ("4 or 43?", ("AU4", "AU43")),
        ("", ()),
        ("?", ()),
        ("L14A, U10", ("AU10", "AU14")),
    ],
)
def test_action_units_are_read(coding: str, units: tuple[str, ...]) -> None:
    assert parse_action_units(coding) == units


CELLS = st.one_of(
    st.none(),
    st.integers(-3, 30),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(["/", "", " ", "7", " 7 ", "7.0", "x", "-1", "nan", "1e9"]),
)


@given(CELLS, CELLS, CELLS, st.sets(st.integers(0, 25)).map(sorted), st.sampled_from([30.0, 200.0]))
def test_rules_give_usable_moments_or_a_reason(
    onset: Cell, apex: Cell, offset: Cell, numbers: list[int], fps: float
) -> None:
    try:
        moments = repair_moments(onset, apex, offset, numbers, fps)
    except UnusableError:
        return
    given_moments = [m for m in (moments.onset, moments.apex, moments.offset) if m is not None]
    assert given_moments == sorted(set(given_moments))
    assert len(given_moments) >= 2
    assert set(given_moments) <= set(numbers)
    assert set(moments.repairs) <= set(REPAIRS)
    if moments.apex is None:
        assert moments.repairs
    if (moments.onset, moments.apex, moments.offset) != (onset, apex, offset):
        assert moments.repairs


def test_merges_of_the_field() -> None:
    assert merge(3).find_class("Repression ") == "negative"
    assert merge(3).find_class("happy") == "positive"
    assert merge(3).find_class("others") is None
    assert merge(3).find_class("") is None
    assert merge(4).find_class("other") == "others"
    five = merge(5, "casme2")
    assert len(five.classes) == 5
    assert five.find_class("fear") is None
    assert five.find_class("Disgust") == "disgust"
    assert merge(5, "samm").find_class("Other") == "others"
    assert len(merge(7, "casme3").classes) == 7
    for dataset in DATASETS:
        assert next(one.classes for one in list_merges(dataset)) == merge(3).classes


@pytest.mark.parametrize(("classes", "dataset"), [(5, "smic"), (6, "casme2"), (5, None)])
def test_a_merge_the_field_does_not_have(classes: int, dataset: str | None) -> None:
    with pytest.raises(InputError, match="choose 3, 4"):
        merge(classes, dataset)


def test_an_unknown_emotion_is_not_merged() -> None:
    with pytest.raises(InputError, match="boredom"):
        merge(3).find_class("boredom")


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "model.datasets", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_check_prints(tmp_path: Path) -> None:
    clips = usual("casme2")
    root = tmp_path / "data"
    broken = [replace(clips[0], apex="/"), replace(clips[1], emotion="boredom"), *clips[2:]]
    WRITERS["casme2"](root, broken)
    done = command("check", f"casme2:{root}")
    assert done.returncode == 0, done.stderr
    assert command("check", "casme2", str(root)).stdout == done.stdout  # as READMEs had it
    assert "8 expressions of 3 subjects can be used, 1 of them repaired; 1 left out" in done.stdout
    assert "apex-missing" in done.stdout
    assert "boredom" in done.stdout


def test_the_check_refuses_another_layout_in_one_line(tmp_path: Path) -> None:
    done = command("check", "samm")
    assert (done.returncode, done.stdout) == (2, "")
    assert "does not have the form NAME:PATH" in done.stderr
    done = command("check", f"samm:{tmp_path}")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "SAMM_Micro_FACS_Codes_v2.xlsx" in done.stderr


def test_a_clip_names_itself(tmp_path: Path) -> None:
    clip: Clip = made("casme2", tmp_path).clips[0]
    assert clip.key == "casme2/01/EP01_01f@3"


def test_a_folder_whose_rows_would_not_be_found_is_not_taken_for_the_set(tmp_path: Path) -> None:
    (tmp_path / "HS" / "S1" / "micro" / "negative" / "s1_ne_01").mkdir(parents=True)
    with pytest.raises(InputError):
        open_dataset("smic", tmp_path)
