"""Footage written to files."""

import csv
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from model.cli import exit_code
from model.errors import InputError
from model.synthesize import TRUTH_COLUMNS, main
from model.synthetic import SyntheticFace
from model.synthetic.portrait import read_photograph

SMALL = ["--size", "160x120", "--seed", "7"]


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def test_lossless_footage_is_the_face_frame_by_frame(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    main(["--out", str(clip), "--seconds", "1", "--fps", "12.5", *SMALL])
    face = SyntheticFace(seed=7, fps=12.5, size=(160, 120))
    frames = decoded(clip)
    assert len(frames) == 12
    for index, frame in enumerate(frames):
        assert frame.time == pytest.approx(index / 12.5, abs=0.001)
        np.testing.assert_array_equal(frame.to_ndarray(format="rgb24"), face.image(index))


def test_h264_footage_plays_at_its_rate(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    main(["--out", str(clip), "--seconds", "0.5", "--fps", "60", *SMALL])
    frames = decoded(clip)
    assert [frame.time for frame in frames] == pytest.approx([k / 60 for k in range(30)], abs=0.001)


def test_truth_goes_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip, table = tmp_path / "clip.mkv", tmp_path / "truth.csv"
    main(["--out", str(clip), "--truth", str(table), "--seconds", "8", "--fps", "2", *SMALL])
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == TRUTH_COLUMNS
    assert ",".join(TRUTH_COLUMNS) == "onset_s,apex_s,offset_s,kind,label,action_units,amplitude_px"
    truth = SyntheticFace(seed=7, fps=2, size=(160, 120)).truth(8)
    assert [row["kind"] for row in rows] == [row.kind for row in truth]
    assert float(rows[0]["onset_s"]) == pytest.approx(truth[0].onset_s, abs=1e-6)
    assert {row["label"] for row in rows if row["kind"] == "blink"} == {""}
    kinds = [row.kind for row in truth]
    assert [kinds.count(kind) for kind in ("micro", "macro", "blink")] == [1, 1, 2]
    said = "1 micro-expression, 1 macro-expression, 2 blinks"
    assert capsys.readouterr().out == f"{clip}: {said}\n"


def test_options_reach_the_face(tmp_path: Path) -> None:
    table = tmp_path / "truth.csv"
    options = ["--seconds", "60", "--fps", "0.1", "--rate", "20", "--amplitude", "0.3", "0.4"]
    main(["--out", str(tmp_path / "a.mkv"), "--truth", str(table), "--no-speech", *options, *SMALL])
    with table.open(encoding="utf-8") as file:
        micro = [row for row in csv.DictReader(file) if row["kind"] == "micro"]
    assert len(micro) >= 17
    assert all(0.3 <= float(row["amplitude_px"]) <= 0.4 for row in micro)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--fps", "0"], "fps 0"),
        (["--seconds", "0"], "not even one frame"),
        (["--seconds", "nan"], "not even one frame"),
        (["--amplitude", "2", "1"], "low end first"),
        (["--noise", "-1"], "noise -1"),
        (["--rate", "500"], "lower a rate"),
        (["--seed", "-4"], "seed -4"),
        (["--size", "20x20"], "160x120"),
        (["--size", "161x121"], "even width"),
    ],
)
def test_bad_values_are_refused(tmp_path: Path, options: list[str], said: str) -> None:
    clip = tmp_path / "clip.mp4"
    with pytest.raises(InputError, match=said):
        main(["--out", str(clip), "--seconds", "1", *SMALL, *options])
    assert not clip.exists()


@pytest.mark.parametrize("taken", ["--out", "--truth"])
def test_nothing_is_overwritten(tmp_path: Path, taken: str) -> None:
    files = {"--out": tmp_path / "clip.mkv", "--truth": tmp_path / "truth.csv"}
    files[taken].write_text("mine")
    arguments = [str(part) for pair in files.items() for part in pair]
    with pytest.raises(InputError, match="exists already"):
        main([*arguments, "--seconds", "1"])
    assert files[taken].read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "said"),
    [("clip.avi", r"\.mkv"), ("missing/clip.mkv", "folder")],
)
def test_unusable_names_are_refused(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        main(["--out", str(tmp_path / name), "--seconds", "1"])


def test_truth_and_video_need_two_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two names"):
        main(["--out", str(tmp_path / "a.mkv"), "--truth", str(tmp_path / "a.mkv")])


def test_photographs_become_footage_and_one_bad_one_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photographs = tmp_path / "in"
    photographs.mkdir()
    assert cv2.imwrite(str(photographs / "collins.png"), read_photograph()[..., ::-1])
    (photographs / "bad.jpg").write_text("no picture", encoding="utf-8")
    out = tmp_path / "out"
    options = ["--faces", str(photographs), "--out", str(out), "--seconds", "5", "--fps", "3"]
    main([*options, *SMALL])
    said = capsys.readouterr()
    assert "collins.mkv: 1 micro-expression" in said.out
    assert "bad.jpg cannot be read" in said.err
    assert sorted(path.name for path in out.iterdir()) == ["collins.mkv", "collins.truth.csv"]
    frames = decoded(out / "collins.mkv")
    assert len(frames) == 15
    assert (frames[0].width, frames[0].height) == (160, 120)
    with pytest.raises(InputError, match="exists already"):
        main([*options, *SMALL])


def test_photographs_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        assert cv2.imwrite(str(tmp_path / folder / "a.png"), read_photograph()[..., ::-1])
    faces = [str(tmp_path / folder) for folder in ("one", "two")]
    out = tmp_path / "out"
    main(["--faces", *faces, "--out", str(out), "--seconds", "1", "--fps", "3", *SMALL])
    made = sorted(path.name for path in out.iterdir() if path.suffix == ".mkv")
    assert made == ["one-a.png.mkv", "two-a.png.mkv"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--truth", "t.csv"], "--truth does not go with --faces"),
        (["--over", "v.mp4"], "give one of them"),
        (["--size", "20x20"], "160x120"),
    ],
)
def test_what_does_not_go_with_photographs_is_refused(
    options: list[str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said):
        main(["--faces", str(tmp_path), "--out", str(tmp_path / "out"), *options])


def test_errors_end_with_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(lambda: main(["--out", str(tmp_path / "a.mkv"), "--fps", "-3"])) == 2
    assert "fps -3" in capsys.readouterr().err


def test_a_size_that_is_none_is_refused_by_the_parser(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--out", str(tmp_path / "a.mkv"), "--size", "wide"])
