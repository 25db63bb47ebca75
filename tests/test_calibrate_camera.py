"""What a camera check measures, on pictures and times whose truth is known."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibrate.camera.check import CameraCheck, CameraReport
from calibrate.camera.picture import (
    PictureMeasure,
    PictureQuality,
    alias_hz,
    blockiness,
    temporal_noise,
)
from calibrate.camera.timing import FrameTiming, Timing
from calibrate.camera.verdict import FaceQuality, Finding, judge
from calibrate.wording import camera_text
from model.errors import InputError
from model.records import Frame, Stamp, Window
from model.synthetic import Schedule, SyntheticFace
from model.synthetic.animated_face import FaceNuisance
from realtime.perception.spotting_steps import Perception
from realtime.sources import SourceInfo
from realtime.spotting.spotting_scores import Expression, iou

INFO = SourceInfo(
    spec="0",
    kind="camera",
    description="a camera",
    live=True,
    clock="driver",
    width=320,
    height=240,
    fps_asked=30.0,
    fps_nominal=30.0,
    lossless=True,
)
BLANK = np.zeros((4, 4, 3), np.uint8)


def clocked(times_s: list[float], indices: list[int] | None = None, repeated: int = 0) -> Timing:
    clockwork = FrameTiming(tells_delay=True)
    for k, time_s in enumerate(times_s):
        index = k if indices is None else indices[k]
        frame = Frame(Stamp(index, time_s), BLANK, time_s + 0.02)
        clockwork.push(frame, repeated=k > 0 and k <= repeated)
    return clockwork.timing()


def test_an_even_camera_has_its_rate_and_three_intervals_for_an_expression() -> None:
    timing = clocked([k / 30 for k in range(90)])
    assert timing.fps == pytest.approx(30)
    assert timing.interval_max_ms == pytest.approx(1000 / 30)
    assert (timing.missing, timing.gaps, timing.repeated) == (0, 0, 0)
    assert timing.least_s == pytest.approx(0.1)
    assert timing.delay_p50_ms == pytest.approx(20)


def test_gaps_losses_and_repeats_are_told_apart() -> None:
    times = [k / 30 for k in range(90) if k != 40]
    lost = clocked(times, [k for k in range(90) if k != 40])
    assert (lost.missing, lost.gaps) == (1, 1)
    assert clocked(times).missing == 0
    doubled = clocked([k / 60 for k in range(121)], repeated=60)
    assert doubled.pictures_per_s == pytest.approx(30)
    assert doubled.least_s == pytest.approx(0.1)


@given(st.integers(5, 200), st.floats(0, 0.4))
def test_jitter_never_shortens_what_is_resolved(fps: int, jitter: float) -> None:
    rng = np.random.default_rng(fps)
    times = (np.arange(60) + jitter * rng.uniform(-1, 1, 60)) / fps
    assert clocked(times.tolist()).least_s >= clocked([k / fps for k in range(60)]).least_s - 1e-9


@pytest.mark.parametrize("noise", [0.7, 1.5, 4.0, 8.0])
def test_noise_is_measured_whatever_moves(noise: float) -> None:
    face = SyntheticFace(seed=1300, fps=30, size=(320, 240), nuisance=FaceNuisance(noise=noise))
    still = SyntheticFace(seed=1300, fps=30, size=(320, 240), nuisance=FaceNuisance(0, 0))
    clean = cv2.cvtColor(still.image(0), cv2.COLOR_RGB2GRAY).astype(float)
    grey = [cv2.cvtColor(face.image(k), cv2.COLOR_RGB2GRAY) for k in range(4)]
    true = float(np.std((grey[0] - clean)[:60, :60]))  # a corner in which nothing moves
    measured = np.median([temporal_noise(a, b)[0] for a, b in pairwise(grey)])
    assert measured == pytest.approx(true, rel=0.2)


def test_a_codec_that_leaves_out_small_changes_shows() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(20, 230, (240, 320)).astype(np.uint8)
    later = picture.copy()
    later[:, :160] += 3
    assert temporal_noise(picture, later) == (0.0, 1.0) or temporal_noise(picture, later)[1] > 0.4


@pytest.mark.parametrize(("quality", "low", "high"), [(None, 0.9, 1.1), (10, 1.25, 9)])
def test_blocks_show_where_a_picture_was_compressed(
    quality: int | None, low: float, high: float
) -> None:
    image = SyntheticFace(seed=1300, fps=30, size=(640, 480)).image(0)
    if quality is not None:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    assert low < blockiness(np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)) < high


@given(st.floats(5, 300))
def test_an_alias_lies_within_half_the_rate(fps: float) -> None:
    assert 0 <= alias_hz(100, fps) <= fps / 2
    assert alias_hz(fps, fps) == pytest.approx(0, abs=1e-9)


def quality_of(
    light: Callable[[float, np.ndarray], np.ndarray], fps: float = 30.0, seconds: float = 8.0
) -> PictureQuality:
    """Of a swaying face under a light that depends on time and, as with a rolling shutter, row."""
    base = SyntheticFace(seed=1301, fps=fps, size=(160, 120))
    pictures = PictureMeasure()
    rows = np.linspace(0, 1, 120)
    for k in range(round(seconds * fps)):
        time_s = k / fps
        image = base.image(k) * light(time_s, rows)[:, None, None]
        shown = np.clip(image, 0, 255).astype(np.uint8)
        pictures.push(Frame(Stamp(k, time_s), shown, 0.0))
    return pictures.quality()


def test_flicker_is_found_at_its_alias_even_as_bands() -> None:
    def hum(time_s: float, rows: np.ndarray) -> np.ndarray:
        # A shutter that rolls for 30 ms: three bands, whose mean over the picture hardly changes.
        shown: np.ndarray = 1 + 0.03 * np.sin(2 * np.pi * 100 * (time_s + 0.03 * rows))
        return shown

    fifty, sixty = quality_of(hum).flicker
    assert fifty.alias_hz == pytest.approx(10, abs=0.05)
    assert fifty.amplitude == pytest.approx(0.03 / 2**0.5 * 2**0.5, rel=0.4)
    assert not sixty.visible


def test_steady_light_has_no_flicker_and_an_exposure_that_hunts_wanders() -> None:
    steady = quality_of(lambda _, rows: np.ones_like(rows), fps=29.0)
    assert [flicker.amplitude for flicker in steady.flicker] == [0, 0]
    assert steady.drift < 0.02
    hunting = quality_of(lambda t, rows: np.full_like(rows, 0.8 + 0.1 * np.sin(t)))
    assert hunting.drift == pytest.approx(0.2 / 0.85, rel=0.3)


def test_a_picture_that_is_shown_twice_is_noticed() -> None:
    face = SyntheticFace(seed=1302, fps=30, size=(160, 120))
    pictures = PictureMeasure()
    repeated = [pictures.push(Frame(Stamp(k, k / 60), face.image(k // 2), 0.0)) for k in range(10)]
    assert repeated == [False, True] * 5
    with pytest.raises(ValueError, match="two different"):
        PictureMeasure().quality()


GOOD = (
    clocked([k / 30 for k in range(240)]),
    PictureQuality(1.5, 0.0, 1.02, (), 0.01, 120.0),
    FaceQuality(1.0, 50.0, 0.64, 130.0, 45.0, 0.0, 2.0, 0.26, 0.24),
)


def verdict(
    timing: Timing = GOOD[0],
    picture: PictureQuality = GOOD[1],
    face: FaceQuality | None = GOOD[2],
    behind: int = 0,
    info: SourceInfo = INFO,
) -> tuple[str, str, tuple[Finding, ...]]:
    least_px = None if face is None else face.threshold_px / 0.5
    return judge(info, timing, picture, face, least_px, behind)


def test_a_good_camera_is_green_and_says_what_it_resolves() -> None:
    assert verdict() == (
        "green",
        "good enough: shows micro-expressions from 100 ms and 0.55 px",
        (),
    )


@pytest.mark.parametrize(
    ("found", "light", "words"),
    [
        (verdict(timing=clocked([k / 6 for k in range(60)])), "red", "6 pictures/s are too few"),
        (verdict(timing=clocked([k / 12 for k in range(99)])), "amber", "miss the shortest"),
        (verdict(timing=clocked([k / 20 for k in range(99)])), "amber", "promises 30 fps and giv"),
        (verdict(face=None), "red", "a face in 0 % of the frames"),
        (verdict(face=replace(GOOD[2], share=0.4)), "red", "a face in 40 %"),
        (verdict(face=replace(GOOD[2], share=0.8)), "amber", "only 80 %"),
        (verdict(face=replace(GOOD[2], threshold_px=1.2, noise_px=1.1)), "red", "above 2.4 px"),
        (verdict(face=replace(GOOD[2], threshold_px=0.7, noise_px=0.6)), "amber", "below 1.4 px"),
        (verdict(face=replace(GOOD[2], threshold_px=1.2)), "amber", "the face is restless"),
        (verdict(face=replace(GOOD[2], crop_px_per_image_px=1.5)), "amber", "small face"),
        (verdict(face=replace(GOOD[2], level=30.0)), "amber", "too dark"),
        (verdict(face=replace(GOOD[2], level=230.0)), "amber", "too bright"),
        (verdict(face=replace(GOOD[2], contrast=9.0)), "amber", "little contrast"),
        (verdict(face=replace(GOOD[2], clipped=0.3)), "amber", "black or white"),
        (verdict(face=replace(GOOD[2], head_px_s=30.0)), "amber", "head moves"),
        (verdict(picture=replace(GOOD[1], noise=9.0)), "amber", "noise of 9.0"),
        (verdict(picture=replace(GOOD[1], drift=0.3)), "amber", "wanders by 30 %"),
        (verdict(picture=replace(GOOD[1], blockiness=1.6)), "amber", "strong compression"),
        (verdict(behind=30), "amber", "too slow for 30 frames"),
    ],
)
def test_each_fault_has_its_light_and_a_remedy(
    found: tuple[str, str, tuple[Finding, ...]], light: str, words: str
) -> None:
    assert found[0] == light
    assert any(words in finding.what and finding.remedy for finding in found[2])
    assert ("can't show" in found[1]) == (light == "red")


SECONDS = 40
"""Of footage with expressions: in noise, few of them are resolved."""


@cache
def checked(
    fps: int, size: tuple[int, int], noise: float
) -> tuple[CameraReport, list[Window], SyntheticFace]:
    """A check's report of footage with expressions, what was spotted in it, and its truth."""
    schedule = Schedule(
        micro_per_min=28,
        macro_per_min=0,
        blinks_per_min=4,
        speech_per_min=0,
        amplitude_px=(0.3, 1.6),
        micro_s=(0.1, 0.5),
        blink_over_micro=0,
    )
    face = SyntheticFace(
        seed=1300 + fps, fps=fps, size=size, schedule=schedule, nuisance=FaceNuisance(noise=noise)
    )
    check = CameraCheck(replace(INFO, fps_nominal=float(fps), clock="file"))
    perception = Perception()
    found: list[Window] = []
    for k in range(SECONDS * fps):
        step = perception.step(Frame(Stamp(k, k / fps), face.image(k), 0.0))
        check.push(step)
        if step.signal is not None:
            found += [u.window for u in step.signal.updates if u.state == "closed"]
    return check.report(), found, face


@pytest.mark.parametrize(("fps", "size", "noise"), [(12, (320, 240), 1.5), (30, (200, 150), 5.0)])
def test_what_the_verdict_says_is_resolved_is_found(
    fps: int, size: tuple[int, int], noise: float
) -> None:
    report, found, face = checked(fps, size, noise)
    assert report.least_px is not None
    assert report.light != "red"
    spotted = [
        Expression(w.onset.time_s, w.apex.time_s, w.offset.time_s, "micro")
        for w in found
        if w.offset
    ]
    resolved = [
        Expression(row.onset_s, row.apex_s, row.offset_s, "micro")
        for row in face.truth(SECONDS - 1)
        if row.kind == "micro"
        and row.amplitude_px >= report.least_px
        and row.offset_s - row.onset_s >= report.least_s
    ]
    hits = sum(any(iou(s, r) >= 0.5 for s in spotted) for r in resolved)
    assert len(resolved) >= 4
    assert hits >= 0.75 * len(resolved)


def test_noise_and_a_small_face_raise_what_is_resolved_and_a_low_rate_lengthens_it() -> None:
    slow, _, _ = checked(12, (320, 240), 1.5)
    noisy, _, _ = checked(30, (200, 150), 5.0)
    assert slow.least_s == pytest.approx(0.25)
    assert noisy.least_s == pytest.approx(0.1)
    assert slow.least_px is not None
    assert noisy.least_px is not None
    assert noisy.least_px > slow.least_px
    assert json.loads(json.dumps(noisy.plain()))["face"]["share"] == 1.0
    text = camera_text(noisy)
    assert text.startswith("AMBER: usable: shows micro-expressions from")
    assert "come nearer" in text
    assert "100 Hz at its alias of 10.0 Hz" in text


def test_a_face_that_never_rests_is_told_from_a_noisy_camera() -> None:
    schedule = Schedule(
        micro_per_min=0, macro_per_min=14, speech_per_min=0, blinks_per_min=0, macro_s=(0.8, 1.6)
    )
    face = SyntheticFace(seed=11, fps=30, size=(200, 150), schedule=schedule)
    spans = [(round(30 * row.onset_s), round(30 * row.offset_s)) for row in face.truth(40)]
    grimaces = [index for start, end in spans for index in range(start, end)]  # no rest between
    check, perception = CameraCheck(INFO), Perception()
    for k, index in enumerate(grimaces[:210]):
        check.push(perception.step(Frame(Stamp(k, k / 30), face.image(index), 0.0)))
    restless = check.report()
    assert "the face is restless" in restless.findings[0].what
    assert not any("noise" in finding.what for finding in restless.findings)
    noisy, _, _ = checked(30, (200, 150), 5.0)
    assert noisy.face is not None
    assert not noisy.face.is_restless


def test_too_little_and_a_still_are_told() -> None:
    check = CameraCheck(INFO)
    with pytest.raises(InputError, match="too few to judge"):
        check.report()
    perception = Perception()
    blank = np.zeros((120, 160, 3), np.uint8)
    for k in range(50):
        check.push(perception.step(Frame(Stamp(k, k / 10), blank, 0.0)))
    assert check.hint == "no face: look into the camera"
    with pytest.raises(InputError, match="one and the same picture"):
        check.report()
