"""Synthetic stills and pairs: what is drawn moves as it should, and looks like its class."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from model.face.mesh_points import EYES, MIRRORED, TAUGHT_POINTS
from model.flow import load_flow
from model.inference.samples import join_samples
from model.labels import ACTION_UNITS, NO_EXPRESSION
from model.records import ArrayF32
from model.synthetic import stored_samples
from model.synthetic.action_units import load_catalogue
from model.synthetic.exchanged_maps import Exchange, exchange_maps
from model.synthetic.flow_pairs import NEUTRAL, Pair, synthetic_course, synthetic_pair
from model.synthetic.sample_variation import Nuisance, World, choose_nuisance
from model.synthetic.still_faces import (
    CameraModel,
    CameraRanges,
    FaceBox,
    FaceRanges,
    Still,
    inverse_displacement,
    smooth_noise,
)
from model.synthetic.stored_samples import open_pairs

PLAIN_FACE = FaceRanges(
    shape_px=(0, 0),
    stretch=(0, 0),
    rest={},
    texture_levels=(3, 3),
    softness_px=(0.1, 0.1),
    contrast=(1, 1),
    yaw=(0, 0),
    pitch=(0, 0),
    crop_shift_px=0,
    crop_turn_rad=0,
    crop_scale_log=0,
)
PLAIN_CAMERA = CameraRanges(
    blur_px=(0, 0), shrinking=(1, 1), gamma=(1, 1), gradient=(0, 0), flicker=0,
    noise_levels=(0.5, 0.5), jpeg=0, h264=0, frames=(3, 3),
)  # fmt: skip
PLAIN = Nuisance(
    face=PLAIN_FACE,
    camera=PLAIN_CAMERA,
    amplitude_px=(1.5, 1.5),
    direction_rad=0,
    gain_log=0,
    extent_log=0,
    landmark_px=0,
    onset_share=(0, 0),
    apex_share=(1, 1),
    offset_share=(0, 0),
    drift=0,
    shift_px=0,
    turn_rad=0,
    scale_log=0,
    nod_px=0,
    blink=0,
    companion=0,
    class_companion=0,
    wobble=0,
)
"""One face, one light, nothing but the expression moves."""


@pytest.fixture(scope="module")
def still() -> Still:
    return Still(np.random.default_rng(0), PLAIN_FACE)


def pair(number: int, nuisance: Nuisance | None = None, label: str | None = None) -> Pair:
    return synthetic_pair((0, number), load_flow("lk"), nuisance, label)


def mean_maps(label: str, count: int = 6) -> ArrayF32:
    """(2, 128, 128): what the onset → apex flow of a class has in common."""
    return np.mean([pair(k, PLAIN, label).flows.onset_apex for k in range(count)], axis=0)


def at(flow: ArrayF32, x: int, y: int) -> ArrayF32:
    """Mean flow (2,) of a place of 12 × 12 px."""
    return flow[:, y - 6 : y + 6, x - 6 : x + 6].mean(axis=(1, 2))


def test_surprise_lifts_the_brows() -> None:
    flow = mean_maps("surprise")
    assert at(flow, 36, 30)[1] < -0.3
    assert at(flow, 92, 30)[1] < -0.3


def test_negative_draws_the_brows_down_and_in() -> None:
    flow = mean_maps("negative", 12)
    assert at(flow, 40, 30)[1] > 0.15
    assert at(flow, 40, 30)[0] > 0 > at(flow, 88, 30)[0]


def test_positive_pulls_the_lip_corners_out_and_up() -> None:
    flow = mean_maps("positive")
    right, left = at(flow, 36, 98), at(flow, 92, 98)
    assert right[0] < -0.2
    assert left[0] > 0.2
    assert max(right[1], left[1]) < -0.1


@pytest.mark.parametrize("scan_share", [0, 1])
def test_classes_move_alike_by_the_catalogue_and_as_scanned(scan_share: int) -> None:
    plain = replace(PLAIN, scan_share=scan_share)
    surprise, positive = (
        np.mean([pair(k, plain, label).flows.onset_apex for k in range(6)], axis=0)
        for label in ("surprise", "positive")
    )
    assert at(surprise, 36, 30)[1] < -0.3
    assert at(positive, 36, 98)[0] < -0.2 < 0.2 < at(positive, 92, 98)[0]


def test_what_often_acts_beside_a_class_does_so_in_its_pairs() -> None:
    beside = replace(PLAIN, class_companion=1, class_companion_share=(0.5, 0.5))
    for label, companions in load_catalogue().companions.items():
        alone, along = (
            [pair(k, nuisance, label).truth.strengths for k in range(6)]
            for nuisance in (PLAIN, beside)
        )
        more = [many.keys() - few.keys() for few, many in zip(alone, along, strict=True)]
        assert set().union(*more) <= set(companions)
        assert sum(len(units) == 1 for units in more) >= 2  # fewer than 6: expressions have some


def test_the_second_phase_is_the_first_backwards() -> None:
    flows = pair(1, PLAIN).flows
    assert flows.apex_offset is not None
    there, back = flows.onset_apex.ravel(), flows.apex_offset.ravel()
    assert np.corrcoef(there, back)[0, 1] < -0.8


def test_a_pair_is_a_function_of_its_number() -> None:
    first, again, other = pair(3), pair(3), pair(4)
    np.testing.assert_array_equal(first.flows.onset_apex, again.flows.onset_apex)
    assert first.truth == again.truth
    assert not np.array_equal(first.flows.onset_apex, other.flows.onset_apex)


def test_the_truth_fits_what_was_asked_for() -> None:
    nuisance = Nuisance()
    for number in range(6):
        made = pair(number, nuisance)
        assert made.truth.action_units <= set(ACTION_UNITS)
        low, high = nuisance.amplitude_px
        assert low <= made.truth.amplitude_px <= high
        assert np.isfinite(made.flows.onset_apex).all()
    # One of the units that lead a surprise is there.
    assert pair(0, PLAIN, "surprise").truth.action_units & {"AU1", "AU2", "AU5"}


def test_a_face_without_expression_may_move_but_names_no_amplitude() -> None:
    made = [pair(number, PLAIN, NEUTRAL).truth for number in range(24)]
    assert {truth.amplitude_px for truth in made} == {0.0}
    assert any(truth.action_units for truth in made), "speech moves units"
    assert any(not truth.action_units for truth in made)


@pytest.mark.parametrize("world", get_args(World))
def test_exchanged_maps_may_lack_the_second_phase(world: str) -> None:
    nuisance = choose_nuisance("maps", world)  # type: ignore[arg-type]
    assert nuisance.exchange is not None
    quick = replace(nuisance, exchange=replace(nuisance.exchange, methods={"farneback": 1.0}))
    made = [pair(number, quick).flows for number in range(8)]
    assert {flows.onset_apex.shape[-1] for flows in made} <= set(nuisance.exchange.sizes_px)
    assert {flows.apex_offset is None for flows in made} == {True, False}


@pytest.mark.parametrize("method", ["tvl1", "tvl1-fine", "lk", "farneback", "dis"])
def test_every_way_to_exchange_a_map_finds_the_motion(still: Still, method: str) -> None:
    zero = np.zeros((2, 128, 128), np.float32)
    push = zero.copy()
    push[0] = 1.5
    first, second = (still.draw(d).clip(0, 255).astype(np.uint8) for d in (zero, push))
    style = Exchange({method: 1.0}, sizes_px=(28,), centre_share=0, stretch_share=0, scale_log=0)
    (flow,) = exchange_maps(np.random.default_rng(0), style, first, second)
    assert flow.shape == (2, 28, 28)
    assert np.median(flow[0]) > 0.5  # TV-L1 stands on a map of half the size
    assert abs(np.median(flow[1])) < 0.2
    pressed = replace(style, stretch_share=1.0)
    (stretched,) = exchange_maps(np.random.default_rng(0), pressed, first, second)
    assert (stretched.min(), stretched.max()) == (0, 1)


def test_a_course_leads_from_onset_to_offset() -> None:
    frames, _ = synthetic_course((0, 1), PLAIN, "positive")
    assert frames.apex_offset is not None
    assert frames.onset_apex.shape == (5, 128, 128)

    def away(frame: ArrayF32) -> float:
        return float(np.abs(frame - frames.onset_apex[0]).mean())

    rising = [away(frame) for frame in frames.onset_apex]
    assert rising == sorted(rising)
    assert away(frames.apex_offset[-1]) < 0.5 * rising[-1]


def test_a_course_says_where_its_landmarks_lie() -> None:
    frames, truth = synthetic_course((0, 1), PLAIN, "surprise")
    assert truth.landmarks is not None
    assert truth.landmarks.shape == (2, 5, len(TAUGHT_POINTS), 2)
    points_px = (truth.landmarks + 1) * 64
    corners = points_px[0, 0, [TAUGHT_POINTS.index(133), TAUGHT_POINTS.index(362)]]
    np.testing.assert_allclose(corners, [[48.5, 48.5], [80.5, 48.5]], atol=0.5)
    moved = points_px[0, -1] - points_px[0, 0]
    assert np.abs(moved).max() > 0.8
    # The flow of the frames finds what the landmarks say.
    onset, apex = (frames.onset_apex[k][None].astype(np.uint8) for k in (0, -1))
    flow = load_flow("lk")(onset, apex)[0]
    column, row = np.clip(points_px[0, 0].astype(int), 0, 127).T
    assert np.corrcoef(flow[:, row, column].T.ravel(), moved.ravel())[0, 1] > 0.9
    np.testing.assert_allclose(points_px[1, -1], points_px[0, 0], atol=0.1)


def test_points_that_a_network_is_taught_have_their_mirror_image(still: Still) -> None:
    points_px = still.landmarks_px[list(TAUGHT_POINTS)]
    assert len(set(TAUGHT_POINTS)) == len(TAUGHT_POINTS)
    mirrored = points_px[list(MIRRORED)] * np.array([-1, 1]) + np.array([127, 0])
    np.testing.assert_allclose(mirrored, points_px, atol=6)  # no face is quite symmetric
    np.testing.assert_array_less(points_px[EYES[0], 0], points_px[EYES[1], 0])


def test_a_still_that_does_not_move_stays(still: Still) -> None:
    rest = still.draw(np.zeros((2, 128, 128), np.float32))
    assert rest.shape == (128, 128)
    assert still.landmarks_px.shape == (468, 2)
    # The inner eye corners lie where the crop's geometry puts them.
    corners = still.landmarks_px[[133, 362]]
    assert corners[0] == pytest.approx([48, 48], abs=0.5)
    assert corners[1] == pytest.approx([80, 48], abs=0.5)


@pytest.mark.parametrize("seed", range(3))
def test_a_box_cuts_the_face_out_by_its_eyes_and_mouth(seed: int) -> None:
    box = FaceBox(eyes=(0.25, 0.25), eyes_to_mouth=(0.5, 0.5), aspect=(0.8, 0.8))
    points = Still(np.random.default_rng(seed), replace(PLAIN_FACE, boxes=(box,))).landmarks_px
    assert points[[33, 133, 362, 263], 1].mean() == pytest.approx(0.25 * 128, abs=0.1)
    assert points[[61, 291], 1].mean() == pytest.approx(0.75 * 128, abs=0.1)
    plain = Still(np.random.default_rng(seed), PLAIN_FACE).landmarks_px
    wider, taller = np.ptp(points, axis=0) / np.ptp(plain, axis=0)
    assert wider / taller == pytest.approx(1 / 0.8, rel=1e-3)


def test_a_still_moves_by_what_it_is_told(still: Still) -> None:
    rest = still.draw(np.zeros((2, 128, 128), np.float32))
    displacement = np.full((2, 128, 128), 3, np.float32)
    moved = still.draw(displacement)
    inner = slice(16, 112)
    np.testing.assert_allclose(moved[inner, inner], rest[13:109, 13:109], atol=3)


def test_faces_differ() -> None:
    looks = FaceRanges()
    zero = np.zeros((2, 128, 128), np.float32)
    one, other = (Still(np.random.default_rng(seed), looks).draw(zero) for seed in (1, 2))
    assert np.abs(one - other).mean() > 8


def test_displacements_are_inverted() -> None:
    rng = np.random.default_rng(0)
    displacement = 2 * np.stack([smooth_noise(rng, 32), smooth_noise(rng, 32)])
    back = inverse_displacement(displacement)
    y, x = np.mgrid[24:104:7, 24:104:7]
    at_x = (x + back[0, y, x]).round().astype(int)
    at_y = (y + back[1, y, x]).round().astype(int)
    # Where a point came from, it is moved by what brings it here; rounding costs the rest.
    np.testing.assert_allclose(displacement[:, at_y, at_x], -back[:, y, x], atol=0.4)


@pytest.mark.parametrize(("jpeg", "h264"), [(0, 0), (1, 0), (0, 1)])
def test_a_camera_takes_frames(still: Still, jpeg: int, h264: int) -> None:
    optics = replace(CameraRanges(), frames=(2, 2), jpeg=jpeg, h264=h264)
    camera = CameraModel(np.random.default_rng(0), optics)
    (frames,) = camera.capture([still.draw(np.zeros((2, 128, 128), np.float32))])
    assert [frame.shape for frame in frames] == [(128, 128)] * 2
    assert all(frame.dtype == np.uint8 for frame in frames)
    if not h264:  # a video skips what has hardly changed
        assert not np.array_equal(*frames)


def test_a_set_on_disk_holds_its_samples(tmp_path: Path) -> None:
    drawn = open_pairs(3, seed=0, flow="lk", cache=tmp_path, workers=1, chunk=2)
    assert drawn.phases.shape == (3, 2, 2, 64, 64)
    files = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.npz")}
    assert len(files) == 2
    again = open_pairs(2, seed=0, flow="lk", cache=tmp_path, workers=1, chunk=2)
    np.testing.assert_array_equal(again.phases, drawn.phases[:2])
    assert files == {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.npz")}
    expected = pair(1).flows.onset_apex
    halved = expected.reshape(2, 64, 2, 64, 2).mean(axis=(2, 4))
    assert np.abs(drawn.phases[1, 0] - halved).mean() < 0.1 * np.abs(halved).mean()
    assert drawn.clips[1] == "synthetic/0-000001"


def test_a_long_drawing_is_announced_and_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stored_samples, "MANY", 3)
    together = open_pairs(3, seed=0, flow="lk", cache=tmp_path / "a", workers=2, chunk=2)
    assert capsys.readouterr().err.startswith("drawing 4 samples, about 1 min in ")
    alone = open_pairs(3, seed=0, flow="lk", cache=tmp_path / "b", workers=1, chunk=3)
    assert "in 1 process; they are kept in" in capsys.readouterr().err
    np.testing.assert_array_equal(together.phases, alone.phases)
    open_pairs(3, seed=0, flow="lk", cache=tmp_path / "b", workers=1, chunk=3)
    assert capsys.readouterr().err == ""


def test_a_share_of_a_set_shows_no_expression(tmp_path: Path) -> None:
    drawn = open_pairs(8, seed=3, flow="lk", cache=tmp_path, workers=1, chunk=8, none_share=0.5)
    none = drawn.labels == NO_EXPRESSION
    assert 0 < none.sum() < 8
    assert (drawn.amplitude_px[none] == 0).all()


@pytest.mark.parametrize(("inputs", "shape"), [("frames", (5,)), ("long_flows", (4, 2))])
def test_sets_hold_what_a_network_looks_at(
    tmp_path: Path, inputs: str, shape: tuple[int, ...]
) -> None:
    drawn = open_pairs(
        2, seed=0, flow="lk", cache=tmp_path, workers=1, chunk=2, view="mixed",
        inputs=inputs,  # type: ignore[arg-type]
    )  # fmt: skip
    assert drawn.phases.shape == (2, 2, *shape, 64, 64)
    assert drawn.both_phases.all()
    assert (drawn.landmarks is not None) == (inputs == "frames")
    if drawn.landmarks is not None:
        unknown = replace(drawn, landmarks=None)
        joined = join_samples([unknown, drawn]).take([0, 3]).landmarks
        assert joined is not None
        assert np.isnan(joined[0]).all()
        np.testing.assert_array_equal(joined[1], drawn.landmarks[1])
        assert join_samples([unknown, unknown]).landmarks is None
