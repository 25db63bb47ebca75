"""What every flow promises, and what Lucas–Kanade promises beside it."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import InputError
from model.flow import FLOWS, Flow, load_flow
from model.flow.lk import LucasKanade
from model.flow.phase_flows import phase_flows
from model.records import ArrayF32, ImageU8

QUICK = {"lk": {}, "tvl1": {"scales": 3, "warps": 3}}


@pytest.fixture(params=FLOWS)
def flow(request: pytest.FixtureRequest) -> Flow:
    return load_flow(request.param, **QUICK.get(request.param, {}))


def texture(size: int | tuple[int, int], seed: int = 0) -> ArrayF32:
    """A picture with detail at several scales, grey levels within 20 to 235."""
    height, width = (size, size) if isinstance(size, int) else size
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width), np.float32)
    for sigma in (1.5, 4.0, 10.0):
        noise = cv2.GaussianBlur(rng.normal(size=(height, width)), (0, 0), sigma)
        picture += (noise / noise.std()).astype(np.float32)
    return np.clip(128 + 30 * picture, 20, 235)


def moved(picture: ArrayF32, displacement: Callable[[ArrayF32, ArrayF32], ArrayF32]) -> ArrayF32:
    """`picture` sampled at x − d(x): for a smooth small d, content at x goes to x + d(x)."""
    height, width = picture.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    fine = cv2.resize(picture, (width * 8, height * 8), interpolation=cv2.INTER_CUBIC)
    u, v = displacement(x, y)
    # Eight times finer: remap rounds coordinates to 1/32 px.
    at_x, at_y = (x - u + 0.5) * 8 - 0.5, (y - v + 0.5) * 8 - 0.5
    return cv2.remap(fine, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def shift(u: float, v: float) -> Callable[[ArrayF32, ArrayF32], ArrayF32]:
    return lambda x, y: np.stack([np.full_like(x, u), np.full_like(x, v)])


def bump(peak_px: float, sigma_px: float) -> Callable[[ArrayF32, ArrayF32], ArrayF32]:
    def displacement(x: ArrayF32, y: ArrayF32) -> ArrayF32:
        height, width = x.shape
        away = (x - width / 2) ** 2 + (y - height / 2) ** 2
        size = peak_px * np.exp(-away / (2 * sigma_px**2))
        return np.stack([0.6 * size, -0.8 * size])

    return displacement


def test_every_flow_says_how_to_build_it_again(flow: Flow) -> None:
    again = load_flow(flow.name, **flow.parameters)
    assert (again.name, dict(again.parameters)) == (flow.name, dict(flow.parameters))
    assert all(isinstance(value, float) for value in flow.parameters.values())


@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 33, 47), (2, 28, 28), (1, 8, 9)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_flow_of_a_batch_has_its_shape(
    flow: Flow, shape: tuple[int, int, int], dtype: type
) -> None:
    first = np.stack([texture(shape[1:], seed) for seed in range(shape[0])]).astype(dtype)
    result = flow(first, first[::-1].copy())
    assert result.shape == (shape[0], 2, *shape[1:])
    assert result.dtype == np.float32
    assert np.isfinite(result).all()


def test_identical_pictures_do_not_move(flow: Flow) -> None:
    picture = texture(64)[None]
    assert np.abs(flow(picture, picture)).max() < 1e-3


@pytest.mark.parametrize("motion", [(0.3, 0.0), (0.0, -0.7), (1.3, 0.9)])
def test_a_subpixel_shift_is_found(flow: Flow, motion: tuple[float, float]) -> None:
    picture = texture(96)
    (found,) = flow(picture[None], moved(picture, shift(*motion))[None])
    inner = found[:, 12:-12, 12:-12]
    error = np.hypot(inner[0] - motion[0], inner[1] - motion[1]).mean()
    assert error < 0.15 * np.hypot(*motion)


@pytest.mark.parametrize("peak_px", [0.5, 1.5])
def test_a_smooth_bump_is_found(flow: Flow, peak_px: float) -> None:
    picture = texture(128)
    displacement = bump(peak_px, 14.0)
    (found,) = flow(picture[None], moved(picture, displacement)[None])
    y, x = np.mgrid[:128, :128].astype(np.float32)
    true = displacement(x, y)
    error = np.hypot(*(found - true)).mean() / np.hypot(*true).mean()
    assert error < 0.35
    slope = (found * true).sum() / (true * true).sum()
    assert 0.75 < slope < 1.15


def test_a_batch_equals_its_members(flow: Flow) -> None:
    first = np.stack([texture(40, seed) for seed in range(3)])
    second = np.stack([moved(picture, shift(0.4, -0.2)) for picture in first])
    together = flow(first, second)
    alone = np.concatenate([flow(first[i : i + 1], second[i : i + 1]) for i in range(3)])
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize(("before", "after"), [(0, 0), (255, 255), (0, 255), (128, 131)])
def test_flat_pictures_do_not_move(flow: Flow, before: int, after: int) -> None:
    first, second = (np.full((1, 48, 48), level, np.uint8) for level in (before, after))
    assert np.abs(flow(first, second)).max() < 1e-3


@given(seed=st.integers(0, 2**31), dark=st.floats(0, 1))
@settings(max_examples=15, deadline=None)
def test_lucas_kanade_stays_finite_on_wild_pictures(seed: int, dark: float) -> None:
    rng = np.random.default_rng(seed)
    first, second = (rng.random((1, 24, 31)) > dark for _ in range(2))
    levels = np.uint8(255)
    result = LucasKanade()(first * levels, second * levels)
    assert np.isfinite(result).all()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.zeros((32, 32), np.uint8), np.zeros((32, 32), np.uint8)),
        (np.zeros((1, 32, 32), np.uint8), np.zeros((2, 32, 32), np.uint8)),
        (np.zeros((1, 32, 32), np.float64), np.zeros((1, 32, 32), np.float64)),
        (np.zeros((1, 4, 4), np.uint8), np.zeros((1, 4, 4), np.uint8)),
        (np.full((1, 32, 32), np.nan, np.float32), np.zeros((1, 32, 32), np.float32)),
    ],
)
def test_unusable_pictures_are_refused(flow: Flow, first: ArrayF32, second: ArrayF32) -> None:
    with pytest.raises(InputError):
        flow(first, second)


def test_unknown_flows_and_parameters_are_refused() -> None:
    with pytest.raises(InputError, match="choose one of lk, dis, tvl1"):
        load_flow("farneback")
    with pytest.raises(InputError, match="sigma_px"):
        load_flow("lk", window=3)
    with pytest.raises(InputError, match="ridge"):
        load_flow("lk", ridge=0)
    with pytest.raises(InputError, match="tau"):
        load_flow("tvl1", tau=-1)


def test_lucas_kanade_against_a_reference_is_the_same_flow() -> None:
    picture = texture(80)
    other = moved(picture, bump(1.0, 9.0)).astype(np.uint8)
    reference = picture.astype(np.uint8)
    flow = LucasKanade()
    to = flow.against(reference)
    for _ in range(2):  # the second call finds nothing changed
        np.testing.assert_array_equal(to(other), flow(reference[None], other[None])[0])


def test_lucas_kanade_ignores_a_change_of_exposure() -> None:
    picture = texture(96)
    brighter = (picture * np.float32(1.01) + 1)[None]
    assert np.hypot(*LucasKanade()(picture[None], brighter)[0]).mean() < 0.02


def test_lucas_kanade_follows_motion_wider_than_its_window() -> None:
    picture = cv2.GaussianBlur(texture(128), (0, 0), 1.5)
    (found,) = LucasKanade()(picture[None], moved(picture, shift(4.0, -3.0))[None])
    inner = found[:, 24:-24, 24:-24]
    assert np.hypot(inner[0] - 4, inner[1] + 3).mean() < 0.5


def as_crops(picture: ArrayF32, count: int = 3, noise: float = 3.0) -> list[ImageU8]:
    rng = np.random.default_rng(1)
    return [
        np.clip(picture + rng.normal(0, noise, picture.shape), 0, 255).astype(np.uint8)
        for _ in range(count)
    ]


def test_both_phases_are_there_and_back() -> None:
    onset = texture(128)
    apex = moved(onset, bump(1.5, 9.0))
    flows = phase_flows(LucasKanade(), as_crops(onset), as_crops(apex), as_crops(onset))
    assert flows.apex_offset is not None
    centre = (slice(None), slice(58, 70), slice(58, 70))
    assert flows.onset_apex[centre].mean(axis=(1, 2)) == pytest.approx([0.9, -1.2], abs=0.35)
    assert flows.apex_offset[centre].mean(axis=(1, 2)) == pytest.approx([-0.9, 1.2], abs=0.35)


def test_without_an_offset_there_is_one_phase() -> None:
    crops = as_crops(texture(64))
    assert phase_flows(LucasKanade(), crops, crops).apex_offset is None


def test_more_frames_mean_less_noise() -> None:
    picture = texture(128)
    single, averaged = (
        np.hypot(*phase_flows(LucasKanade(), many[:count], many[6 : 6 + count]).onset_apex).mean()
        for many in [as_crops(picture, 12, 6.0)]
        for count in (1, 6)
    )
    assert averaged < 0.7 * single
