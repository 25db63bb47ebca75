"""Micro-expressions written into footage that is there already."""

import csv
from pathlib import Path

import numpy as np
import pytest
from fakes import write_clip

from model.errors import InputError
from model.face.aligned_crop import crop_transform, warp_crop
from model.flow import load_flow
from model.records import Frame
from model.synthesize import main
from model.synthetic import Schedule, SyntheticFace
from model.synthetic.footage import ExpressionOverlay, FaceTrack, follow_face, read_frames

FPS = 25
TIMES_MS = range(0, 4000, 1000 // FPS)
RESTS = Schedule(micro_per_min=0, macro_per_min=0, blinks_per_min=0, speech_per_min=0)
STRONG = Schedule(micro_per_min=40, macro_per_min=0, speech_per_min=0, amplitude_px=(1.5, 2.0))


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of a face at rest that sways."""
    face = SyntheticFace(seed=8, fps=FPS, size=(320, 240), schedule=RESTS)
    path = tmp_path_factory.mktemp("quiet") / "quiet.mkv"
    images = [face.image(k) for k in range(4 * FPS)]
    return write_clip(path, images, TIMES_MS, codec="ffv1", pix_fmt="bgr0")


@pytest.fixture(scope="module")
def frames(quiet: Path) -> list[Frame]:
    return list(read_frames(quiet))


@pytest.fixture(scope="module")
def followed(frames: list[Frame]) -> FaceTrack:
    return follow_face(frames)


def test_frames_have_the_times_of_the_file(frames: list[Frame]) -> None:
    assert [f.stamp.index for f in frames] == list(range(4 * FPS))
    assert [f.stamp.time_s for f in frames] == pytest.approx(
        [k / FPS for k in range(4 * FPS)], abs=0.001
    )


def test_landmarks_are_smooth_and_the_face_is_one_stretch(followed: FaceTrack) -> None:
    assert len(followed.spans) == 1
    steps = np.linalg.norm(np.diff(followed.landmarks_px, axis=0), axis=2)
    assert float(np.median(steps)) < 0.3


def test_pixels_change_in_the_face_and_during_expressions_only(
    followed: FaceTrack, frames: list[Frame]
) -> None:
    written = ExpressionOverlay(followed, seed=1, schedule=STRONG)
    truth = written.truth()
    assert truth
    for frame in frames:
        image = written.image(frame)
        moves = any(row.onset_s < frame.stamp.time_s < row.offset_s for row in truth)
        if not moves:
            np.testing.assert_array_equal(image, frame.image)
        np.testing.assert_array_equal(image[:20], frame.image[:20])
        np.testing.assert_array_equal(image[:, :40], frame.image[:, :40])


def test_the_flow_finds_what_was_written(followed: FaceTrack, frames: list[Frame]) -> None:
    written = ExpressionOverlay(followed, seed=1, schedule=STRONG)
    flow = load_flow("lk")
    found = []
    for row in written.truth():
        apex = min(frames, key=lambda f: abs(f.stamp.time_s - row.apex_s))
        crop = crop_transform(followed.landmarks_px[apex.stamp.index])
        before, after = (warp_crop(i, crop) for i in (apex.image, written.image(apex)))
        u, v = flow(before[None], after[None])[0]
        found.append(np.hypot(u, v).max() / row.amplitude_px)
    assert 0.5 < np.median(found) < 1.3


def test_equal_seeds_write_the_same(followed: FaceTrack, frames: list[Frame]) -> None:
    one, other = (ExpressionOverlay(followed, seed=3, schedule=STRONG) for _ in range(2))
    assert one.truth() == other.truth()
    assert one.truth() != ExpressionOverlay(followed, seed=4, schedule=STRONG).truth()
    apex = min(frames, key=lambda f: abs(f.stamp.time_s - one.truth()[0].apex_s))
    np.testing.assert_array_equal(one.image(apex), other.image(apex))


def test_expressions_keep_away_from_the_ends_and_each_other(followed: FaceTrack) -> None:
    for seed in range(30):
        rows = ExpressionOverlay(followed, seed=seed, schedule=STRONG).truth()
        times = [t for row in rows for t in (row.onset_s, row.offset_s)]
        assert times == sorted(times)
        assert not times or (times[0] >= 0.7 and times[-1] <= followed.spans[-1][1] - 0.29)


def test_without_a_face_there_is_nothing_to_write_onto(frames: list[Frame]) -> None:
    blank = [Frame(f.stamp, np.zeros_like(f.image), 0.0) for f in frames[:3]]
    with pytest.raises(InputError, match="no face"):
        follow_face(blank)


def test_the_command_writes_video_and_truth(quiet: Path, tmp_path: Path) -> None:
    clip, table = tmp_path / "over.mkv", tmp_path / "over.csv"
    options = ["--over", str(quiet), "--seed", "1", "--rate", "40"]
    main([*options, "--out", str(clip), "--truth", str(table)])
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["kind"] for row in rows} == {"micro"}
    before, after = list(read_frames(quiet)), list(read_frames(clip))
    assert [f.stamp.time_s for f in after] == pytest.approx(
        [f.stamp.time_s for f in before], abs=0.0015
    )
    changed = {
        b.stamp.index
        for b, a in zip(before, after, strict=True)
        if not np.array_equal(a.image, b.image)
    }
    inside = {
        f.stamp.index
        for f in before
        if any(float(r["onset_s"]) < f.stamp.time_s < float(r["offset_s"]) for r in rows)
    }
    assert changed
    assert changed <= inside


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--fps", "60"], "--fps does not go with --over"), (["--rate", "0"], "rate")],
)
def test_what_does_not_go_with_footage_is_refused(
    quiet: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    clip = tmp_path / "over.mkv"
    with pytest.raises(InputError, match=said):
        main(["--over", str(quiet), "--out", str(clip), *options])
    assert not clip.exists()


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(InputError, match="cannot be read as a video"):
        main(["--over", str(text), "--out", str(tmp_path / "over.mkv")])
    with pytest.raises(InputError, match="cannot be read"):
        main(["--over", str(tmp_path / "none.mp4"), "--out", str(tmp_path / "over.mkv")])


def test_a_face_seen_too_briefly_is_refused(frames: list[Frame], tmp_path: Path) -> None:
    brief = tmp_path / "brief.mkv"
    write_clip(brief, [f.image for f in frames[:20]], TIMES_MS[:20])
    with pytest.raises(InputError, match="too short"):
        main(["--over", str(brief), "--out", str(tmp_path / "over.mkv")])


def test_odd_sizes_are_refused_where_the_codec_needs_even_ones(
    frames: list[Frame], tmp_path: Path
) -> None:
    odd = tmp_path / "odd.mkv"
    write_clip(odd, [f.image[:, :319] for f in frames], TIMES_MS, codec="ffv1", pix_fmt="bgr0")
    with pytest.raises(InputError, match="even width"):
        main(["--over", str(odd), "--rate", "40", "--out", str(tmp_path / "over.mp4")])
