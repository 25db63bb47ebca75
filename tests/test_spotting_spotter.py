from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.face.aligner import FaceAligner
from model.records import Frame, MotionSample, SpotUpdate, Stamp, Window
from model.synthetic import Schedule, SyntheticFace
from realtime.spotting.me_probability import AT_BAR, HIGHEST, LOWEST
from realtime.spotting.motion import REGIONS, Motion
from realtime.spotting.spotter import Spotter, SpotterConfig

FIELD = np.zeros((2, 8, 8), np.float32)
RATES = (25, 30, 60, 120, 200)


@dataclass(frozen=True)
class Pulse:
    onset_s: float
    apex_s: float
    offset_s: float
    size_px: float
    regions: Sequence[str] = ("brow_inner_right", "brow_inner_left")
    direction: tuple[float, float] = (0.0, -1.0)

    def at(self, time_s: float) -> float:
        if not self.onset_s < time_s < self.offset_s:
            return 0.0
        if time_s < self.apex_s:
            part = (time_s - self.onset_s) / (self.apex_s - self.onset_s)
        else:
            part = (self.offset_s - time_s) / (self.offset_s - self.apex_s)
        return self.size_px * (1 - np.cos(np.pi * part)) / 2


def sample(index: int, time_s: float, motion=None, *, flags=(), head=(0, 0, 0, 0), track=0):
    return MotionSample(
        stamp=Stamp(index, time_s),
        displacement=np.zeros((len(REGIONS), 2), np.float32) if motion is None else motion,
        field=FIELD,
        head=np.array(head, np.float32),
        eye_openness=np.full(2, 0.3, np.float32),
        resolution=1.5,
        track=track,
        flags=frozenset(flags),
    )


def series(
    fps: float,
    seconds: float,
    pulses: Sequence[Pulse] = (),
    *,
    noise_px: float = 0.04,
    drift_px_s: float = 0.0,
    blinks: Sequence[tuple[float, float]] = (),
    seed: int = 0,
) -> Iterator[MotionSample]:
    rng = np.random.default_rng(seed)
    for i in range(round(seconds * fps)):
        time_s = i / fps
        motion = rng.normal(0, noise_px, (len(REGIONS), 2)) + drift_px_s * time_s
        for pulse in pulses:
            rows = [REGIONS.index(name) for name in pulse.regions]
            motion[rows] += pulse.at(time_s) * np.array(pulse.direction)
        flags = {"blink"} if any(a <= time_s <= b for a, b in blinks) else set()
        yield sample(i, time_s, motion.astype(np.float32), flags=flags)


LOWER_FACE = [i for i, name in enumerate(REGIONS) if not name.startswith(("brow", "lid"))]


def aside(
    samples: Iterable[MotionSample], shift_px: Callable[[float], float]
) -> Iterator[MotionSample]:
    """The same with the lower face moved sideways by so much at each time."""
    for each in samples:
        motion = each.displacement.copy()
        motion[LOWER_FACE, 0] += np.float32(shift_px(each.stamp.time_s))
        yield replace(each, displacement=motion)


def updates(samples, spotter: Spotter | None = None) -> list[SpotUpdate]:
    spotter = spotter or Spotter()
    found = [u for s in samples for u in spotter.push(s).updates]
    return found + list(spotter.finish())


def closed(samples, spotter: Spotter | None = None) -> list[Window]:
    return [u.window for u in updates(samples, spotter) if u.state == "closed"]


def errors_s(window: Window, pulse: Pulse) -> np.ndarray:
    assert window.offset is not None
    return np.abs(
        [
            window.onset.time_s - pulse.onset_s,
            window.apex.time_s - pulse.apex_s,
            window.offset.time_s - pulse.offset_s,
        ]
    )


@pytest.mark.parametrize("fps", RATES)
def test_the_same_pulse_gives_the_same_window_at_every_rate(fps):
    pulse = Pulse(3.0, 3.15, 3.35, 0.8)
    (window,) = closed(series(fps, 6, [pulse]))
    assert window.kind == "micro"
    assert set(window.regions) == set(pulse.regions)
    assert window.score > 1
    assert errors_s(window, pulse).max() <= max(0.045, 1.1 / fps)


def test_a_window_says_how_far_each_region_moved():
    pulse = Pulse(3.0, 3.15, 3.35, 0.8, direction=(0.3, -1.0))
    (window,) = closed(series(60, 6, [pulse], noise_px=0.02))
    assert tuple(window.motion_px) == REGIONS
    for name, motion in window.motion_px.items():
        expected = (0.24, -0.8) if name in pulse.regions else (0, 0)
        assert motion == pytest.approx(expected, abs=0.1)


def test_a_face_just_seen_has_to_move_further():
    def found(onset_s: float, size_px: float) -> int:
        return len(closed(series(30, 4, [Pulse(onset_s, onset_s + 0.15, onset_s + 0.35, size_px)])))

    assert (found(1.0, 0.3), found(0.2, 0.3)) == (1, 0)
    assert found(0.2, 0.6) == 1


def asking(least_me_probability: float) -> Spotter:
    return Spotter(SpotterConfig(least_me_probability=least_me_probability))


def test_a_stronger_expression_is_more_probably_one() -> None:
    sizes = (0.25, 0.4, 0.8)
    weak, middle, strong = (
        closed(series(30, 6, [Pulse(3.0, 3.15, 3.35, size)]), asking(LOWEST))[0].me_probability
        for size in sizes
    )
    assert 0 < weak < middle < strong < 1


def test_who_asks_for_less_probability_gets_more_and_for_more_fewer() -> None:
    sizes = (0.12, 0.14, 0.16, 0.18, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7)
    pulses = [Pulse(3 * i, 3 * i + 0.15, 3 * i + 0.35, px) for i, px in enumerate(sizes, 1)]
    samples = list(series(30, 34, pulses))
    few, usual, many = (closed(samples, asking(least)) for least in (HIGHEST, AT_BAR, LOWEST))
    assert usual == closed(samples)
    assert few == [w for w in usual if w.me_probability >= HIGHEST]
    assert 0 < len(few) < len(usual) < len(many)
    apexes_s = [w.apex.time_s for w in many]
    assert all(min(abs(w.apex.time_s - t) for t in apexes_s) < 0.05 for w in usual)
    assert all(w.me_probability >= LOWEST - 1e-9 for w in many)


def test_what_is_asked_for_may_change_in_between() -> None:
    pulses = [Pulse(3.0, 3.15, 3.35, 0.5), Pulse(6.0, 6.15, 6.35, 0.5)]
    spotter = asking(HIGHEST)
    found = []
    for s in series(30, 9, pulses):
        if s.stamp.time_s == 5.0:
            spotter.ask_for(LOWEST)
        found += [u.window for u in spotter.push(s).updates if u.state == "closed"]
    (window,) = found
    assert abs(window.apex.time_s - 6.15) < 0.05


def test_a_macro_expression_has_no_probability_of_being_a_micro_expression() -> None:
    (window,) = closed(series(30, 8, [Pulse(3.0, 3.6, 4.4, 2.5)]))
    assert (window.kind, window.me_probability) == ("macro", None)


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("length_s", [0.12, 0.25, 0.45])
def test_micro_expressions_of_every_length(fps, length_s):
    pulse = Pulse(3.0, 3.0 + 0.45 * length_s, 3.0 + length_s, 1.0)
    (window,) = closed(series(fps, 6, [pulse]))
    assert window.kind == "micro"
    assert errors_s(window, pulse).max() <= 0.05


@pytest.mark.parametrize("fps", RATES)
def test_a_candidate_is_named_at_its_apex_then_closed(fps):
    pulse = Pulse(3.0, 3.2, 3.4, 1.0)
    spotter = Spotter()
    life = []
    for s in series(fps, 6, [pulse]):
        life += [(u, s.stamp.time_s) for u in spotter.push(s).updates]
    (early, early_s), (final, final_s) = life
    assert (early.state, final.state) == ("apex", "closed")
    assert early.candidate == final.candidate
    assert early.window.offset is None
    assert pulse.apex_s < early_s < pulse.offset_s
    assert final_s <= pulse.offset_s + 0.15


def test_noise_alone_gives_nothing():
    for fps in RATES:
        assert closed(series(fps, 20, noise_px=0.05)) == []


def test_more_noise_raises_the_threshold():
    quiet, loud = Spotter(), Spotter()
    for s in series(30, 12, noise_px=0.02):
        low = quiet.push(s).threshold
    for s in series(30, 12, noise_px=0.3):
        high = loud.push(s).threshold
    assert (high > 1.5 * low).all()


def test_a_slow_drift_gives_nothing():
    assert closed(series(30, 20, drift_px_s=0.2)) == []
    assert closed(series(200, 20, drift_px_s=-0.2)) == []


@pytest.mark.parametrize("fps", RATES)
def test_a_long_pulse_is_a_macro_expression(fps):
    pulse = Pulse(8.0, 8.7, 9.6, 3.0, ("mouth_corner_right", "mouth_corner_left"))
    (window,) = closed(series(fps, 13, [pulse]))
    assert window.kind == "macro"
    assert errors_s(window, pulse).max() <= 0.2


def test_what_is_held_is_no_expression():
    held = Pulse(3.0, 3.2, 30.0, 1.0)
    assert [w for w in closed(series(30, 8, [held])) if w.kind == "micro"] == []


def test_a_pulse_after_a_held_motion_is_found():
    held = Pulse(3.0, 3.2, 60.0, 1.5, ("brow_middle_left",))
    pulse = Pulse(5.0, 5.15, 5.3, 0.8)
    (window,) = [w for w in closed(series(60, 8, [held, pulse])) if w.kind == "micro"]
    assert errors_s(window, pulse).max() <= 0.05


def test_both_halves_of_the_face_make_one_window():
    upper = Pulse(3.0, 3.15, 3.35, 1.0, ("brow_inner_right",))
    lower = Pulse(3.02, 3.17, 3.38, 0.7, ("mouth_corner_left",))
    found = updates(series(60, 6, [upper, lower]))
    (window,) = [u.window for u in found if u.state == "closed"]
    assert set(window.regions) == {"brow_inner_right", "mouth_corner_left"}
    assert len([u for u in found if u.state == "apex"]) == 1


def test_halves_apart_in_time_make_two_windows():
    upper = Pulse(3.0, 3.15, 3.3, 1.0, ("brow_inner_right",))
    lower = Pulse(3.6, 3.75, 3.9, 1.0, ("mouth_corner_left",))
    assert len(closed(series(60, 6, [upper, lower]))) == 2


@pytest.mark.parametrize("fps", RATES)
def test_a_blink_is_not_reported(fps):
    lids = Pulse(3.0, 3.1, 3.4, 2.0, ("lid_lower_right", "lid_lower_left"), (0.0, 1.0))
    brows = Pulse(3.0, 3.1, 3.4, 0.3)
    found = updates(series(fps, 6, [lids, brows], blinks=[(3.05, 3.25)]))
    assert [u for u in found if u.state == "closed"] == []
    assert any("blink" in u.reason for u in found)


def test_a_strong_brow_during_a_blink_is_reported():
    lids = Pulse(3.0, 3.1, 3.4, 2.0, ("lid_lower_right", "lid_lower_left"), (0.0, 1.0))
    brows = Pulse(3.0, 3.2, 3.4, 1.5)
    (window,) = closed(series(60, 6, [lids, brows], blinks=[(3.05, 3.25)]))
    assert window.regions[0].startswith("brow")


def test_a_blink_does_not_silence_the_mouth():
    lids = Pulse(3.0, 3.1, 3.4, 2.0, ("lid_lower_right", "lid_lower_left"), (0.0, 1.0))
    mouth = Pulse(3.05, 3.2, 3.4, 1.0, ("mouth_corner_left",))
    (window,) = closed(series(60, 6, [lids, mouth], blinks=[(3.05, 3.25)]))
    assert window.regions == ("mouth_corner_left",)


@pytest.mark.parametrize("fps", RATES)
def test_speech_is_not_reported(fps):
    """Syllables one after the other, four to five a second, of uneven strength."""
    mouth = ("lip_lower", "chin", "mouth_corner_left")
    starts = 3.0 + 0.22 * np.arange(10)
    sizes = (0.9, 0.6, 1.0, 0.7, 0.9, 0.5, 1.0, 0.8, 0.6, 0.9)
    words = [
        Pulse(on, on + 0.1, on + 0.22, px, mouth) for on, px in zip(starts, sizes, strict=True)
    ]
    assert [w for w in closed(series(fps, 8, words)) if w.kind == "micro"] == []


def test_a_brow_during_speech_is_reported():
    words = [
        Pulse(on, on + 0.1, on + 0.22, 0.9, ("lip_lower", "chin"))
        for on in 3.0 + 0.22 * np.arange(10)
    ]
    brow = Pulse(4.0, 4.15, 4.35, 1.0)
    (window,) = [w for w in closed(series(60, 8, [*words, brow])) if w.kind == "micro"]
    assert set(window.regions) == set(brow.regions)


def test_a_wide_open_mouth_is_no_micro_expression():
    found = updates(series(60, 6, [Pulse(3.0, 3.15, 3.35, 2.0, ("lip_lower", "chin"))]))
    assert [u for u in found if u.state == "closed"] == []
    assert any(u.reason == "probably speech" for u in found)


LIDS = ("lid_lower_right", "lid_lower_left")


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("offset_s", [8.4, 9.6])
def test_a_glance_is_no_expression_short_or_long(fps, offset_s):
    aside = Pulse(8.0, 8.2, offset_s, 2.0, LIDS, (1.0, 0.2))
    found = updates(series(fps, 13, [aside]))
    assert [u for u in found if u.state == "closed"] == []
    assert any(u.reason == "a glance" for u in found)


def test_lids_that_tighten_are_no_glance():
    (window,) = closed(series(60, 6, [Pulse(3.0, 3.15, 3.35, 1.0, LIDS)]))
    assert set(window.regions) == set(LIDS)


@pytest.mark.parametrize("fps", RATES)
def test_what_a_mouth_does_while_it_speaks_is_no_macro_expression(fps):
    corners = ("mouth_corner_right", "mouth_corner_left")
    words = [Pulse(on, on + 0.1, on + 0.25, 1.5, corners) for on in 7.0 + 0.25 * np.arange(4)]
    drawn_out = Pulse(8.05, 8.2, 8.8, 1.8, corners)
    found = updates(series(fps, 13, [*words, drawn_out]))
    assert [u for u in found if u.state == "closed"] == []
    refused = [u for u in found if u.state == "rejected" and u.window.kind == "macro"]
    assert refused
    assert all("speech" in u.reason for u in refused)


def test_a_smile_at_rest_is_a_macro_expression_however_it_began():
    smile = Pulse(8.0, 8.9, 9.6, 3.0, ("mouth_corner_right", "mouth_corner_left"))
    earlier = Pulse(5.5, 5.7, 5.9, 1.0)
    assert [w.kind for w in closed(series(60, 13, [earlier, smile]))] == ["micro", "macro"]


def test_a_syllable_after_a_pause_is_heard_as_speech():
    """Thresholds that speech has raised do not hide what was said before."""
    words = [
        Pulse(on, on + 0.1, on + 0.22, 0.9, ("mouth_corner_left",))
        for on in 3.0 + 0.22 * np.arange(8)
    ]
    last = Pulse(5.15, 5.3, 5.5, 1.3, ("mouth_corner_left",))
    assert closed(series(60, 8, [*words, last])) == []


@pytest.mark.parametrize("fps", RATES)
def test_what_a_face_is_first_seen_in_is_no_expression(fps):
    """A laugh that fades as the footage begins looks like something short."""
    half_seen = updates(series(fps, 4, [Pulse(-0.1, 0.15, 0.45, 2.5)]))
    assert "began before the face was seen" in [u.reason for u in half_seen]
    assert {u.state for u in half_seen} == {"rejected"}  # nor was one announced at its apex
    (window,) = closed(series(fps, 4, [Pulse(0.1, 0.3, 0.5, 1.2)]))
    assert window.kind == "micro"


@pytest.mark.parametrize("fps", [25, 60, 200])
def test_a_face_that_begins_to_talk_at_once_says_a_word(fps):
    """Nobody knows yet whether it talks, so its first expression waits for what follows."""
    mouth = ("mouth_corner_left", "mouth_corner_right")
    first = Pulse(0.6, 0.75, 0.95, 1.1, mouth)
    words = [Pulse(on, on + 0.1, on + 0.22, 1.6, mouth) for on in 1.05 + 0.22 * np.arange(8)]
    assert [w for w in closed(series(fps, 4, [first, *words])) if w.kind == "micro"] == []
    (window,) = closed(series(fps, 4, [first]))
    assert set(window.regions) == set(mouth)
    assert errors_s(window, first).max() < 0.06
    assert closed(series(fps, 1.2, [first])) == [window]  # footage may end before it has waited


@pytest.mark.parametrize("fps", RATES)
def test_what_the_end_cuts_off_before_it_has_rested_is_not_listed(fps):
    """It may be a word: a face that talks on has not come to rest."""
    samples = list(series(fps, 4, [Pulse(2.5, 2.7, 2.9, 1.5)]))
    spotter = Spotter()
    states = [[u.state for u in spotter.push(each).updates] for each in samples]
    decided = next(i for i, found in enumerate(states) if "closed" in found)
    cut = updates(samples[:decided])
    assert (cut[-1].state, cut[-1].reason) == ("rejected", "the footage ended")
    assert "closed" not in [u.state for u in cut]


def test_a_slip_of_the_crop_is_not_reported():
    found = updates(series(60, 6, [Pulse(3.0, 3.15, 3.35, 1.0, REGIONS)]))
    assert [u for u in found if u.state == "closed"] == []
    assert any("as one" in u.reason for u in found)


def test_a_moving_head_raises_thresholds_but_hides_nothing_if_it_leaves_nothing():
    pulse = Pulse(3.0, 3.15, 3.35, 0.5)
    still = list(series(60, 6, [pulse]))
    moving = [
        sample(s.stamp.index, s.stamp.time_s, s.displacement, head=(1.5, 0, 0, 0)) for s in still
    ]
    assert len(closed(still)) == len(closed(moving)) == 1
    thresholds = []
    for motions in (still, moving):
        spotter = Spotter()
        signals = [spotter.push(each) for each in motions]
        thresholds.append(signals[-1].threshold)
    assert (thresholds[1] > thresholds[0]).all()


def test_five_frames_a_second_are_followed_though_no_micro_expression_shows():
    assert closed(series(5, 20, [Pulse(8.0, 8.7, 9.6, 3.0, ("mouth_corner_left",))]))


@pytest.mark.parametrize("size_px", [0.8, 1.2, 2.0])
@pytest.mark.parametrize("speed_px_s", [0.6, 1.0])
def test_a_head_that_turns_on_does_not_continue_an_expression(size_px, speed_px_s):
    corners = ("mouth_corner_left", "mouth_corner_right")
    pulse = Pulse(5.0, 5.14, 5.3, size_px, corners)
    turning = aside(series(30, 9, [pulse]), lambda t: speed_px_s * np.clip(t - 4.9, 0, 1))
    micro = [w for w in closed(turning) if w.kind == "micro"]
    assert [abs(w.apex.time_s - 5.14) < 0.05 for w in micro] == [True]


@pytest.mark.parametrize("size_px", [1.5, 2.0])
@pytest.mark.parametrize("onset_s", [5.0, 5.3, 5.6, 5.9])
def test_what_leads_up_to_an_expression_does_not_hide_it(size_px, onset_s):
    """Just before it, its bend points the other way."""
    smile = ("mouth_corner_left", "cheek_left", "lip_upper")
    for length_s in (0.14, 0.18, 0.25):
        apex_s = onset_s + 0.4 * length_s
        pulse = Pulse(onset_s, apex_s, onset_s + length_s, size_px, smile, (0.3, -1.0))
        swaying = aside(series(30, 9, [pulse]), lambda t: np.sin(2 * np.pi * 0.4 * t))
        assert any(abs(w.apex.time_s - apex_s) < 0.06 for w in closed(swaying))


@pytest.mark.parametrize("fades_px", [0.8, 2.5])
def test_a_movement_on_top_of_a_larger_one_is_part_of_it(fades_px) -> None:
    """A smile fades by `fades_px` while a brow goes up and down."""
    pulse = Pulse(5.0, 5.15, 5.35, 1.0)
    fading = aside(series(30, 9, [pulse]), lambda t: fades_px * np.clip((t - 4.97) / 0.4, 0, 1))
    at = [u for u in updates(fading) if abs(u.window.apex.time_s - 5.15) < 0.05]
    ends = {(u.state, u.reason) for u in at if u.state in ("closed", "rejected")}
    if fades_px < 1.5:
        assert any(state == "closed" for state, _ in ends)
    else:
        assert ("rejected", "part of a larger movement") in ends
        assert not any(state == "closed" for state, _ in ends)


@pytest.mark.parametrize("lids", [("lid_lower_right",), ("lid_lower_right", "lid_lower_left")])
def test_a_blink_that_nothing_else_shows_is_one_and_a_tightened_lid_is_none(lids) -> None:
    down, up = (
        closed(series(30, 6, [Pulse(3.0, 3.12, 3.3, 0.9, lids, (0.2, v))])) for v in (1.0, -1.0)
    )
    assert not down
    assert len(up) == 1
    brows = Pulse(3.0, 3.12, 3.3, 0.9)
    assert len(closed(series(30, 6, [Pulse(3.0, 3.12, 3.3, 0.9, lids, (0.2, 1.0)), brows]))) == 1


def test_a_small_face_has_to_move_further() -> None:
    def margin(resolution: float) -> float:
        samples = series(30, 6, [Pulse(3.0, 3.15, 3.35, 1.0)])
        (window,) = closed(replace(each, resolution=resolution) for each in samples)
        return window.score

    assert margin(3.0) == margin(1.0) == pytest.approx(0.64**-1.5 * margin(0.64))
    too_small = series(30, 6, [Pulse(3.0, 3.15, 3.35, 1.0)])
    assert not closed(replace(each, resolution=0.2) for each in too_small)


def test_an_exposure_jump_is_not_reported():
    pulse = Pulse(3.0, 3.15, 3.35, 1.0)
    samples = [
        sample(s.stamp.index, s.stamp.time_s, s.displacement, flags={"light"})
        if abs(s.stamp.time_s - 3.1) < 0.02
        else s
        for s in series(60, 6, [pulse])
    ]
    found = updates(samples)
    assert [u for u in found if u.state == "closed"] == []
    assert any("light" in u.reason for u in found)


def test_a_lost_face_rejects_what_is_open():
    pulse = Pulse(3.0, 3.2, 3.4, 1.0)
    spotter = Spotter()
    for s in series(60, 3.15, [pulse]):
        spotter.push(s)
    signal = spotter.lose_face(Stamp(189, 3.15))
    assert [u.state for u in signal.updates] == ["rejected"]
    assert "lost" in signal.updates[0].reason
    assert np.isinf(signal.threshold).all()
    assert spotter.finish() == ()


def test_another_track_starts_afresh():
    spotter = Spotter()
    for s in series(60, 3.15, [Pulse(3.0, 3.2, 3.4, 1.0)]):
        spotter.push(s)
    far = np.full((len(REGIONS), 2), 5, np.float32)
    signal = spotter.push(sample(190, 3.17, far, track=1))
    assert [(u.state, u.reason) for u in signal.updates] == [("rejected", "another face")]
    assert (signal.strength == 0).all()


def test_a_gap_in_the_stamps_rejects_what_is_open_and_goes_on():
    first, second = Pulse(3.0, 3.2, 3.4, 1.0), Pulse(6.0, 6.15, 6.3, 1.0)
    samples = [s for s in series(60, 9, [first, second]) if not 3.2 < s.stamp.time_s < 3.6]
    found = updates(samples)
    assert ["no frame for" in u.reason for u in found if u.state == "rejected"] == [True]
    (window,) = [u.window for u in found if u.state == "closed"]
    assert errors_s(window, second).max() <= 0.05


def test_a_few_dropped_frames_do_not_matter():
    pulse = Pulse(3.0, 3.15, 3.35, 1.0)
    samples = [s for s in series(60, 6, [pulse]) if s.stamp.index % 4 or s.stamp.time_s < 1]
    (window,) = closed(samples)
    assert errors_s(window, pulse).max() <= 0.05


def test_stamps_must_increase():
    spotter = Spotter()
    spotter.push(sample(3, 1.0))
    with pytest.raises(ValueError, match="does not follow"):
        spotter.push(sample(4, 1.0))
    with pytest.raises(ValueError, match="does not follow"):
        spotter.push(sample(3, 1.1))


@st.composite
def motions(draw):
    """Any finite series with irregular stamps, pulses, flags, track changes."""
    steps = draw(st.lists(st.floats(0.004, 0.3), min_size=1, max_size=120))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.sampled_from([0.0, 0.3, 2.0, 1e6]))
    walk = draw(st.booleans())
    values = rng.normal(0, size, (len(steps), len(REGIONS), 2))
    if walk:
        values = np.cumsum(values, axis=0) / 3
    flags = [frozenset({"blink"} if rng.random() < 0.1 else ()) for _ in steps]
    tracks = np.cumsum(rng.random(len(steps)) < 0.03)
    times = np.cumsum(steps)
    return [
        sample(i, float(t), v.astype(np.float32), flags=f, track=int(k))
        for i, (t, v, f, k) in enumerate(zip(times, values, flags, tracks, strict=True))
    ]


@settings(deadline=None, max_examples=60)
@given(motions(), st.sampled_from([LOWEST, AT_BAR, HIGHEST]))
def test_windows_are_always_in_order_and_in_the_past(samples, least_me_probability):
    config = SpotterConfig(least_me_probability=least_me_probability)
    spotter = Spotter(config)
    pushed: set[Stamp] = set()
    states: dict[int, list[str]] = {}

    def check(update: SpotUpdate) -> None:
        window = update.window
        states.setdefault(update.candidate, []).append(update.state)
        end = window.offset or window.apex
        assert {window.onset, window.apex, end} <= pushed
        assert window.onset.time_s <= window.apex.time_s <= end.time_s
        assert np.isfinite(window.score)
        if update.state == "closed":
            assert window.offset is not None
            assert window.onset.time_s < window.apex.time_s < window.offset.time_s
            duration_s = window.offset.time_s - window.onset.time_s
            assert (
                duration_s <= (config.longest_s if window.kind == "macro" else config.micro_s) + 1
            )
            if window.kind == "micro":
                assert least_me_probability - 1e-9 <= window.me_probability < 1
            assert window.score >= 1 or least_me_probability < AT_BAR
            assert window.regions

    for s in samples:
        pushed.add(s.stamp)
        for update in spotter.push(s).updates:
            check(update)
    for update in spotter.finish():
        check(update)
    for life in states.values():
        assert life in (["apex", "closed"], ["apex", "rejected"], ["closed"], ["rejected"])


@settings(deadline=None, max_examples=15)
@given(motions())
def test_the_same_samples_give_the_same_updates(samples):
    assert updates(samples) == updates(samples)


def test_a_synthetic_face_shows_its_micro_expressions_and_nothing_else():
    """Face, motion and spotter on rendered footage: a second of it holds one expression."""
    footage = SyntheticFace(
        seed=3,
        fps=30,
        schedule=Schedule(
            macro_per_min=0, speech_per_min=0, blinks_per_min=12, amplitude_px=(1.2, 1.6)
        ),
    )
    seconds = 6.0
    aligner, motion, spotter = FaceAligner(), Motion(), Spotter()
    windows = []
    for i in range(round(30 * seconds)):
        face = aligner.align(Frame(Stamp(i, i / 30), footage.image(i), 0.0))
        assert face is not None
        found = spotter.push(motion.push(face)).updates
        windows += [u.window for u in found if u.state == "closed"]
    truth = [e for e in footage.truth(seconds - 0.3) if e.kind == "micro"]
    assert truth
    assert len(windows) == len(truth)
    for window, expression in zip(windows, truth, strict=True):
        assert window.kind == "micro"
        assert window.offset is not None
        assert abs(window.onset.time_s - expression.onset_s) < 0.07
        assert abs(window.apex.time_s - expression.apex_s) < 0.07
        assert abs(window.offset.time_s - expression.offset_s) < 0.07


def test_a_movement_as_large_as_a_macro_expression_is_told_while_it_lasts() -> None:
    smile = Pulse(3.0, 3.5, 5.0, 3.0, ("mouth_corner_right", "mouth_corner_left"))
    spotter = Spotter()
    large = {s.stamp.time_s: spotter.push(s).large for s in series(25, 7, [smile])}
    assert large[2.8] == frozenset()
    assert large[3.6] == {"mouth_corner_right", "mouth_corner_left"}
    assert large[6.0] == frozenset()
