import numpy as np
import pytest

from model.records import MotionSample, Stamp
from realtime.spotting.expression_patterns import expression_patterns, region_places
from realtime.spotting.motion import LOWER, REGIONS
from realtime.spotting.region_pulse import Pulse
from realtime.spotting.rejection_rules import (
    BLINK_FACTOR,
    HEAD_RISE_PER_PX,
    Disturbances,
    is_closing_lid,
    is_crop_slip,
    moves_alone,
    spoke_before,
    talked_before,
)
from realtime.spotting.smoothing import History

BROW, LID, CHIN = (REGIONS.index(name) for name in ("brow_inner_right", "lid_lower_left", "chin"))


def pushed(*, flags=None, speed_px_s=0.0, fps=30, seconds=4.0) -> Disturbances:
    """Disturbances after some seconds, with `flags` (time → names) and a steadily moving head."""
    nuisances = Disturbances(keep_s=3.0)
    for i in range(round(seconds * fps)):
        at = {name for time_s, name in (flags or {}).items() if abs(i / fps - time_s) < 0.5 / fps}
        nuisances.push(
            MotionSample(
                stamp=Stamp(i, i / fps),
                displacement=np.zeros((len(REGIONS), 2), np.float32),
                field=np.zeros((2, 8, 8), np.float32),
                head=np.array([speed_px_s / fps, 0, 0, 0], np.float32),
                eye_openness=np.full(2, 0.3, np.float32),
                resolution=1.5,
                track=0,
                flags=frozenset(at),
            )
        )
    return nuisances


def test_a_calm_face_raises_nothing():
    nuisances = pushed()
    assert (nuisances.factor(0.0, 4.0) == 1).all()
    assert nuisances.name(0.0, 4.0) is None


def test_a_blink_silences_lids_and_raises_all_else():
    nuisances = pushed(flags={2.0: "blink"})
    factor = nuisances.factor(1.9, 2.2)
    assert np.isinf(factor[LID])
    assert factor[CHIN] == factor[BROW] == BLINK_FACTOR
    assert nuisances.name(1.9, 2.2) == "a blink"
    assert (nuisances.factor(2.5, 3.0) == 1).all()


def test_a_jump_of_the_light_silences_all():
    nuisances = pushed(flags={2.0: "light"})
    assert np.isinf(nuisances.factor(1.9, 2.2)).all()
    assert nuisances.name(1.9, 2.2) == "the light jumped"


@pytest.mark.parametrize("fps", [25, 60, 200])
def test_head_motion_raises_all_by_its_way_not_by_its_frames(fps):
    factor = pushed(speed_px_s=10, fps=fps).factor(3.0, 3.5)
    np.testing.assert_allclose(factor, 1 + HEAD_RISE_PER_PX * 3.0, atol=0.05)
    assert pushed(speed_px_s=60, fps=fps).name(3.0, 3.5) == "the head moved"


def test_only_the_last_seconds_are_kept():
    nuisances = pushed(flags={0.5: "blink"})
    assert nuisances.name(0.4, 0.6) is None
    nuisances.clear()
    assert nuisances.name(0.0, 4.0) is None


LIPS = [i for i, name in enumerate(REGIONS) if name.startswith(("lip", "mouth", "chin"))]


@pytest.mark.parametrize(
    ("moving", "hertz", "speaks"),
    [
        (LIPS, 4.0, True),
        (LIPS, 0.2, False),  # a drift
        (range(len(REGIONS)), 1.0, False),  # a head that sways
        ([], 1.0, False),
    ],
)
def test_a_mouth_speaks_when_it_moves_by_itself(moving, hertz, speaks):
    motion = np.zeros((60, len(REGIONS), 2))
    motion[:, list(moving), 1] = 0.8 * np.sin(2 * np.pi * hertz * np.arange(60) / 30)[:, None]
    history = remember(motion, 30)
    assert spoke_before(smile(1.6), np.full(len(LOWER), 0.3), history) is speaks
    assert talked_before(smile(1.6), history) is speaks


@pytest.mark.parametrize("fps", [9, 25, 60, 200])  # at 9 two frames are further apart than a step
def test_between_two_words_someone_talks_who_seems_to_rest(fps):
    time_s = np.arange(round(3 * fps)) / fps
    words = np.where(time_s < 1.8, 2 * np.sin(2 * np.pi * 4 * time_s), 0.0)
    before = np.exp(-0.5 * ((time_s - 1.2) / 0.08) ** 2)  # an expression, a second ago
    for course, talks in ((words, True), (2 * before, False), (0 * time_s, False)):
        motion = np.random.default_rng(1).normal(0, 0.1, (len(time_s), len(REGIONS), 2))
        motion[:, LIPS, 1] += course[:, None]
        history = remember(motion, fps)
        assert talked_before(smile(2.6), history) is talks
        assert not spoke_before(smile(2.6), np.full(len(LOWER), 0.6), history)
        assert not talked_before(smile(0.4), history)  # too early to tell


def remember(motion, fps):
    """A history of the regions' motion, (n, R, 2) px."""
    history = History(2 * len(REGIONS), 6.0, 0.02)
    for k, each in enumerate(motion):
        history.push(Stamp(k, k / fps), each.ravel())
    return history


def smile(onset_s):
    return Pulse(
        state="ended",
        onset_s=onset_s,
        apex_s=onset_s + 0.2,
        offset_s=onset_s + 0.35,
        fall=1.0,
        depth=1.0,
        variation_ratio=1.0,
        motion=np.full((len(LOWER), 2), 0.5),
    )


@pytest.mark.parametrize("blinked", [False, True])
@pytest.mark.parametrize("turn", [0.03, -0.05])
@pytest.mark.parametrize("growth", [0.0, 0.02])
def test_a_crop_that_turns_or_grows_has_slipped(blinked, turn, growth):
    x, y = (region_places() - region_places().mean(axis=0))[:, :2].T
    motion = np.stack([growth * x - turn * y + 0.3, growth * y + turn * x], axis=1)
    assert is_crop_slip(motion, blinked=blinked)
    motion[LID] += (0.0, 2.5)  # a lid that closes in the same blink
    assert is_crop_slip(motion, blinked=True)


@pytest.mark.parametrize("region", range(len(REGIONS)))
def test_skin_moves_with_what_is_around_it(region):
    motion = np.zeros((len(REGIONS), 2))
    motion[region] = 4.0, 0.5  # hair, an iris, the wall behind
    assert moves_alone(motion)
    places = region_places()[:, :2]
    near = np.exp(-0.5 * np.square(places - places[region]).sum(axis=1) / 30**2)
    assert not moves_alone(4 * near[:, None] * (0.0, 1.0))


def test_no_expression_is_a_slipped_crop_or_a_closing_lid_or_no_skin():
    motions = expression_patterns().reshape(-1, len(REGIONS), 2)
    sizes = np.linalg.norm(motions, axis=2).max(axis=1)
    assert not any(map(moves_alone, 2 * motions / sizes[:, None, None]))
    slipped = [is_crop_slip(motion, blinked=False) for motion in motions]
    closing = [is_closing_lid(motion) for motion in motions]
    assert not any(slipped)
    assert not any(closing)
