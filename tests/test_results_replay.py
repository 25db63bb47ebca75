"""Replay: a known motion of a real face is found, magnified by the factor, and nothing else is."""

import io
import math
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from landmarks import find_landmarks
from PIL import Image, ImageSequence
from skimage.data import astronaut

from model.errors import InputError
from model.face.aligned_crop import crop_transform
from model.records import Frame, ImageU8, Stamp, Window
from realtime.results.flow_colour import colour_flow, draw_wheel, find_full_scale_px
from realtime.results.replay import MAX_FRAMES, REPLAY_PX, Replay, magnify, open_replay
from realtime.results.replay_film import encode_gif

FPS = 30
MOUTH_CORNER = 61  # FaceMesh, the person's right
WINDOW = Window(Stamp(5, 5 / FPS), Stamp(9, 9 / FPS), Stamp(13, 13 / FPS), 2.0)


@pytest.fixture(scope="module")
def clip() -> list[Frame]:
    """A portrait whose right mouth corner goes up by 1.5 px and back, the apex at frame 9."""
    portrait = astronaut()[:300, 80:380]
    landmarks = find_landmarks(portrait)
    assert landmarks is not None
    y, x = np.mgrid[: portrait.shape[0], : portrait.shape[1]].astype(np.float32)
    corner = landmarks[MOUTH_CORNER]
    near = np.exp(-((x - corner[0]) ** 2 + (y - corner[1]) ** 2) / (2 * 8**2))
    frames = []
    for index in range(18):
        lift = 1.5 * math.exp(-(((index - 9) / 2.5) ** 2))
        image = cv2.remap(portrait, x, y + lift * near, cv2.INTER_CUBIC)
        frames.append(Frame(Stamp(index, index / FPS), np.asarray(image, np.uint8), 0.0))
    return frames


@pytest.fixture(scope="module")
def replay(clip: list[Frame]) -> Replay:
    return open_replay(clip, WINDOW)


def test_every_frame_of_the_clip_is_replayed(replay: Replay, clip: list[Frame]) -> None:
    np.testing.assert_allclose(replay.times_s, [frame.stamp.time_s for frame in clip])
    assert replay.pictures.shape == (18, REPLAY_PX, REPLAY_PX, 3)
    assert replay.motion.shape == (18, 2, REPLAY_PX // 2, REPLAY_PX // 2)


def test_the_motion_is_found_where_and_when_it_was(replay: Replay, clip: list[Frame]) -> None:
    up = -replay.motion[:, 1]
    index, row, column = np.unravel_index(np.argmax(up), up.shape)
    assert abs(int(index) - 9) <= 1
    landmarks = find_landmarks(clip[0].image)
    assert landmarks is not None
    corner = crop_transform(landmarks) @ (*landmarks[MOUTH_CORNER], 1)
    assert np.hypot(column - corner[0], row - corner[1]) < 10
    assert 0.8 < up.max() < 2.5


def test_only_the_face_moves_and_nothing_at_the_edge_of_the_picture(replay: Replay) -> None:
    lengths = np.hypot(replay.motion[:, 0], replay.motion[:, 1])
    edge = np.concatenate([lengths[:, 0], lengths[:, -1], lengths[..., 0], lengths[..., -1]], 1)
    assert edge.max() < 0.02


def test_magnified_by_one_the_onset_is_as_it_was(replay: Replay) -> None:
    assert mean_difference(magnify(replay, 1)[5], replay.pictures[5]) < 1.0


def test_the_change_grows_with_the_factor(replay: Replay) -> None:
    onset = replay.pictures[5]
    changes = [mean_difference(magnify(replay, factor)[9], onset) for factor in (1, 4, 12)]
    assert changes[0] < 0.6 * changes[1] < 0.6 * changes[2]


def test_a_gif_has_the_pictures_as_long_as_they_lasted(replay: Replay) -> None:
    with Image.open(io.BytesIO(encode_gif(replay, 5))) as gif:
        frames = [(f.info["duration"], np.asarray(f.convert("RGB"))) for f in _each(gif)]
    assert gif.info["loop"] == 0
    # Equal pictures are one in the file.
    assert sum(ms for ms, _ in frames) == pytest.approx(8000 * len(replay.times_s) / 30, rel=0.05)
    assert frames[0][1].shape == (REPLAY_PX, 2 * REPLAY_PX, 3)
    assert mean_difference(frames[0][1][:, :REPLAY_PX], replay.pictures[0]) < 6
    assert mean_difference(frames[0][1][:, REPLAY_PX:], magnify(replay, 5)[0]) < 6


def _each(gif: Image.Image) -> Iterator[Image.Image]:
    yield from (frame.copy() for frame in ImageSequence.Iterator(gif))


def test_a_known_shift_is_magnified_exactly() -> None:
    # A ramp shows where its pixels went: the picture shifted by 0.5 crop px is brighter by 1 px
    # of the ramp, and magnified eight times by 8.
    columns = np.tile(np.arange(REPLAY_PX), (REPLAY_PX, 1))
    onset = np.repeat(columns[..., None], 3, axis=2).astype(np.uint8)
    flow = np.zeros((2, 2, REPLAY_PX // 2, REPLAY_PX // 2), np.float32)
    flow[1, 0] = -0.5
    pictures: ImageU8 = np.stack([onset, np.clip(onset.astype(int) + 1, 0, 255).astype(np.uint8)])
    replay = Replay(np.array([0.0, 0.1]), pictures, flow, flow)
    magnified = magnify(replay, 8)
    middle = slice(REPLAY_PX // 4, 3 * REPLAY_PX // 4)
    np.testing.assert_array_equal(magnified[0][:, middle], onset[:, middle])
    gained = magnified[1][middle, middle].astype(int) - onset[middle, middle]
    np.testing.assert_allclose(gained, 8, atol=1)


def test_a_long_clip_is_thinned(clip: list[Frame]) -> None:
    many = [Frame(Stamp(i, i / 1000), clip[0].image, 0.0) for i in range(MAX_FRAMES + 10)]
    shown = open_replay(many, Window(Stamp(0, 0.0), Stamp(5, 0.005), None, 1.0))
    assert len(shown.times_s) == (MAX_FRAMES + 10) // 2


def test_a_thinned_clip_keeps_its_onset(clip: list[Frame]) -> None:
    many = [Frame(Stamp(i, i / 1000), clip[0].image, 0.0) for i in range(MAX_FRAMES + 10)]
    shown = open_replay(many, Window(Stamp(7, 0.007), Stamp(12, 0.012), None, 1.0))
    assert 0.007 in shown.times_s


def test_another_moment_is_never_taken_for_the_onset(clip: list[Frame]) -> None:
    """What the ring had let go, or was forgotten: what comes after it may be of someone else."""
    with pytest.raises(InputError, match="onset of this expression is no longer kept"):
        open_replay(clip[8:], WINDOW)
    blank = np.full_like(clip[0].image, 128)
    nobody = [
        Frame(frame.stamp, blank if 4 <= frame.stamp.index <= 6 else frame.image, 0.0)
        for frame in clip
    ]
    with pytest.raises(InputError, match="no face is found at the onset"):
        open_replay(nobody, WINDOW)


@pytest.mark.parametrize("factor", [0.0, 0.99, 20.01, float("nan")])
def test_a_factor_out_of_range_is_refused(replay: Replay, factor: float) -> None:
    with pytest.raises(InputError, match="magnification"):
        magnify(replay, factor)


@pytest.mark.parametrize(("frames", "words"), [(0, "no longer kept"), (9, "no face")])
def test_a_clip_without_a_face_is_refused_in_words(frames: int, words: str) -> None:
    blank = np.full((120, 160, 3), 128, np.uint8)
    clip = [Frame(Stamp(i, i / FPS), blank, 0.0) for i in range(frames)]
    with pytest.raises(InputError, match=words):
        open_replay(clip, WINDOW)


def test_flow_has_the_colour_of_its_direction_and_stillness_none() -> None:
    flow = np.zeros((2, 4, 4), np.float32)
    flow[0, :2] = 1.0  # to the right: red
    under = np.full((4, 4), 200, np.uint8)
    picture = colour_flow(flow, 1.0, under)
    red, green, blue = picture[0, 0].astype(int)
    assert red > green + 100
    assert red > blue + 100
    assert np.ptp(picture[3, 3]) == 0


def test_both_phases_share_a_scale_that_noise_does_not_fill() -> None:
    strong = np.full((2, 8, 8), 3.0, np.float32)
    weak = np.full((2, 8, 8), 0.01, np.float32)
    assert find_full_scale_px(strong, weak) == pytest.approx(3 * np.sqrt(2))
    assert find_full_scale_px(weak) == pytest.approx(0.3)


def test_the_wheel_is_a_disc() -> None:
    alpha = draw_wheel(64)[..., 3]
    assert alpha[0, 0] == 0
    assert alpha[32, 32] == 255
    assert alpha.mean() == pytest.approx(255 * np.pi / 4, rel=0.02)


def mean_difference(first: ImageU8, second: ImageU8) -> float:
    return float(np.abs(first.astype(int) - second).mean())
