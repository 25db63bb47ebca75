"""The matched filter: expressions in noise that goes together, and what it must not find."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.records import ArrayF64, Stamp
from realtime.spotting.blinks import Blinks
from realtime.spotting.expression_patterns import expression_patterns, usual_noise
from realtime.spotting.matched_filter import OPEN_SD, MatchedFilter, MatchedPulses
from realtime.spotting.motion import REGIONS
from realtime.spotting.region_pulse import Pulse
from realtime.spotting.smoothing import History

FPS = 30
KNOWN_S = 6.0
"""By then the filter knows the noise."""
SIZE = 2 * len(REGIONS)
BROWS = np.array([name.startswith("brow") for name in REGIONS]).repeat(2)


def nodding(seconds: float, seed: int) -> ArrayF64:
    """Noise as a nodding head leaves it, (N, 2 R) px: all brows up and down together by 0.3 px,
    and each region by 0.03 px on its own."""
    rng = np.random.default_rng(seed)
    n = round(seconds * FPS)
    up_down = np.tile([0.0, 1.0], len(REGIONS)) * BROWS
    return 0.3 * rng.standard_normal((n, 1)) * up_down + 0.03 * rng.standard_normal((n, SIZE))


def hill(seconds: float, apex_s: float, length_s: float = 0.4) -> ArrayF64:
    """A course (N, 1) that rises to 1 at `apex_s` and returns."""
    times = np.arange(round(seconds * FPS)) / FPS
    part = np.clip(1 - 2 * np.abs(times - apex_s) / length_s, 0, 1)
    return (part**2 * (3 - 2 * part))[:, None]


def pulses(values: ArrayF64) -> list[Pulse]:
    """The pulses that end after `KNOWN_S`."""
    follower, history = MatchedPulses(expression_patterns(), Blinks(3.0)), History(SIZE, 6.0, 0.02)
    found = []
    for k, value in enumerate(values):
        history.push(Stamp(k, k / FPS), value)
        pulse = follower.push(history)
        if pulse is not None and pulse.state == "ended" and pulse.apex_s > KNOWN_S:
            found.append(pulse)
    return found


def smile() -> ArrayF64:
    """A pattern of the mouth that leaves the brows alone."""
    patterns = expression_patterns()
    return patterns[np.argmin(np.abs(patterns[:, BROWS]).sum(axis=1))]


def test_noise_that_goes_together_hides_no_expression_elsewhere() -> None:
    values = nodding(12, seed=1) + 0.35 * hill(12, 10.0) * smile()
    (pulse,) = pulses(values)
    assert abs(pulse.apex_s - 10.0) < 0.05
    assert 9.7 < pulse.onset_s < pulse.apex_s < pulse.offset_s < 10.35
    strongest = REGIONS[int(np.argmax(np.hypot(*pulse.motion.T)))]
    assert not strongest.startswith("brow")


def test_noise_alone_and_slow_drift_are_no_expressions() -> None:
    assert pulses(nodding(20, seed=2)) == []
    drift = np.linspace(0, 3, 20 * FPS)[:, None] * smile()
    assert pulses(nodding(20, seed=3) + drift) == []


def test_before_and_after_an_expression_nothing_else_is_found() -> None:
    values = nodding(12, seed=4) + 2.0 * hill(12, 10.0) * smile()
    (pulse,) = pulses(values)
    assert abs(pulse.apex_s - 10.0) < 0.05


def test_a_step_is_no_expression() -> None:
    times = np.arange(12 * FPS)[:, None] / FPS
    values = nodding(12, seed=5) + np.clip((times - 10) / 0.2, 0, 1) * smile()
    assert [p for p in pulses(values) if p.depth >= 0.5] == []


def test_what_is_skipped_is_not_taken_for_noise() -> None:
    strengths = []
    for skipped in (False, True):
        matched, history = (
            MatchedFilter(expression_patterns(), Blinks(3.0)),
            History(SIZE, 6.0, 0.02),
        )
        values = nodding(20, seed=6) + sum(hill(20, s) for s in np.arange(3.0, 20.0)) * smile()
        found = []
        for k, value in enumerate(values):
            time_s = k / FPS
            if skipped and abs(time_s - round(time_s)) < 0.25:
                matched.skip(time_s - 0.02, time_s + 0.02)
            history.push(Stamp(k, time_s), value)
            match = matched.push(history)
            found.append(0.0 if match is None else match.strength)
        strengths.append(max(found[-3 * FPS :]))
    assert strengths[1] > 1.2 * strengths[0]


def test_a_calm_face_that_starts_to_nod_becomes_noise() -> None:
    matched, history = MatchedFilter(expression_patterns(), Blinks(3.0)), History(SIZE, 6.0, 0.02)
    calm = 0.03 * np.random.default_rng(7).standard_normal((10 * FPS, SIZE))
    found = []
    for k, value in enumerate(np.concatenate([calm, nodding(25, seed=7)])):
        history.push(Stamp(k, k / FPS), value)
        match = matched.push(history)
        found.append(0.0 if match is None else match.strength)
    assert np.mean(found[11 * FPS : 13 * FPS]) > 1.5 * np.mean(found[-5 * FPS :])


def strength_near(pattern: ArrayF64, apex_s: float, closed_s: tuple[float, float]) -> float:
    """The greatest strength around a hill of 1 px, with the eyes closed from … to …"""
    blinks = Blinks(3.0)
    matched, history = MatchedFilter(expression_patterns(), blinks), History(SIZE, 6.0, 0.02)
    values = 0.03 * np.random.default_rng(8).standard_normal((12 * FPS, SIZE))
    found = []
    for k, value in enumerate(values + hill(12, apex_s) * pattern):
        history.push(Stamp(k, k / FPS), value)
        blinks.push(k / FPS, closed_s[0] < k / FPS < closed_s[1])
        match = matched.push(history)
        found.append(0.0 if match is None else match.strength)
    return max(found[9 * FPS :])


def test_a_blink_moves_the_brows_but_hides_no_smile() -> None:
    brows = np.tile([0.0, -1.0], len(REGIONS)) * BROWS
    raised = strength_near(brows, 10.0, (0, 0))
    blinked = strength_near(brows, 10.0, (9.9, 10.1))
    smiled = strength_near(smile(), 10.0, (9.9, 10.1))
    assert blinked < 0.5 * raised
    assert smiled > max(blinked, OPEN_SD)


def test_brows_that_rise_as_the_eyes_open_are_measured_against_the_face_before() -> None:
    brows = np.tile([0.0, -1.0], len(REGIONS)) * BROWS
    opened = strength_near(brows, 10.0, (9.65, 9.85))
    assert opened > 2 * strength_near(brows, 10.0, (9.9, 10.1))
    assert opened > 2 * OPEN_SD


def test_the_usual_noise_is_a_covariance_in_which_neighbours_move_together() -> None:
    noise = usual_noise()
    assert np.linalg.eigvalsh(noise).min() > 0
    assert abs(np.trace(noise) / SIZE - 1) < 1e-9
    corner, lip, brow = (
        2 * REGIONS.index(n) for n in ("mouth_corner_left", "lip_lower", "brow_outer_right")
    )
    assert noise[corner, lip] > noise[corner, brow]


@given(st.lists(st.floats(-50, 50, allow_nan=False), min_size=SIZE, max_size=SIZE))
def test_any_jump_leaves_the_filter_finite(jump: list[float]) -> None:
    matched, history = MatchedFilter(expression_patterns(), Blinks(3.0)), History(SIZE, 6.0, 0.02)
    for k in range(60):
        history.push(Stamp(k, k / FPS), np.array(jump) * (k % 7 == 3))
        match = matched.push(history)
        assert match is None or np.isfinite(match.strength)


def test_the_patterns_are_of_every_region_and_both_sides() -> None:
    patterns = expression_patterns()
    size = np.hypot(patterns[:, 0::2], patterns[:, 1::2])
    np.testing.assert_allclose(size.max(axis=1), 1.0)
    assert (size.max(axis=0) > 0.3).all()
