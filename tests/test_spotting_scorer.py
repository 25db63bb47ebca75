"""The spotter's learned judge: what it is told, what it answers, how it is made."""

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from calibrate.spotting.footage import AnnotatedFootage, vary_footage
from calibrate.spotting.lessons import ORIGINS, Lesson, Origin, split_lessons
from calibrate.spotting.motion import Motions
from calibrate.spotting.training import OPENS_AT, Trained, save, train
from model.datasets import Video
from model.errors import CheckpointError, InputError
from model.records import ArrayF32, MotionSample, SpotUpdate, Stamp, Window
from realtime.config import LiveConfig
from realtime.spotting.metrics import Expression
from realtime.spotting.motion import REGIONS
from realtime.spotting.pulse_features import COURSES, MOMENTS, SCALARS, TRAITS
from realtime.spotting.scorer import FORMAT, LearnedScorer, load_scorer
from realtime.spotting.spotter import Spotter, SpotterConfig

BROWS = [i for i, name in enumerate(REGIONS) if name.startswith("brow")]


class Asked:
    """Accepts all or nothing, and keeps what it was asked."""

    opens_at = OPENS_AT

    def __init__(self, *, accept: bool) -> None:
        self.accepts = 0.5
        self._answer = 1.0 if accept else 0.0
        self.traits: list[ArrayF32] = []

    def likeness(self, window: Window, traits: ArrayF32) -> float:
        self.traits.append(traits)
        return self._answer


def brows(
    fps: float, seconds: float, pulses: list[tuple[float, float]], *, noise_px: float, seed: int = 0
) -> Motions:
    """Brows that rise for 0.3 s by (start s, px)."""
    times_s = np.arange(0, seconds, 1 / fps)
    n = len(times_s)
    motion = np.random.default_rng(seed).normal(0, noise_px, (n, len(REGIONS), 2))
    for start_s, size_px in pulses:
        part = np.clip((times_s - start_s) / 0.3, 0, 1)
        motion[:, BROWS, 1] -= (size_px * (1 - np.cos(2 * np.pi * part)) / 2)[:, None]
    counts = np.zeros(n, np.int64)
    eyes = np.full((n, 2), 0.3, np.float32)
    head = np.zeros((n, 4), np.float32)
    return Motions(np.arange(n), times_s, counts, motion.astype(np.float32), head, eyes, counts)


def updates(motions: Motions, spotter: Spotter) -> list[SpotUpdate]:
    found = []
    for sample in motions.samples():
        assert isinstance(sample, MotionSample)
        found += spotter.push(sample).updates
    return found + list(spotter.finish())


# --- what it is told


def test_the_same_pulse_is_told_alike_at_every_rate() -> None:
    told = []
    for fps in (30, 60, 200):
        asked = Asked(accept=True)
        updates(brows(fps, 5, [(3.0, 1.0)], noise_px=0.0), Spotter(scorer=asked))
        (traits,) = asked.traits
        assert traits.shape == (TRAITS,)
        assert np.isfinite(traits).all()
        told.append(traits)
    courses = [traits[: len(COURSES) * MOMENTS] for traits in told]
    assert np.abs(courses[0] - courses[2]).max() < 0.15
    assert np.abs(courses[1] - courses[2]).max() < 0.1
    scalar = {name: told[2][len(COURSES) * MOMENTS + k] for k, name in enumerate(SCALARS)}
    assert scalar["lower_half"] == 0
    assert scalar["lasts_s"] == pytest.approx(0.3, abs=0.04)
    assert scalar["height_px"] == pytest.approx(0, abs=0.1)  # the logarithm of 1 px
    assert scalar["period_s"] == pytest.approx(1 / 200, rel=0.01)


def test_the_future_does_not_change_what_is_told() -> None:
    motions = brows(60, 8, [(3.0, 1.0), (4.0, 1.5)], noise_px=0.02)
    whole, cut = Asked(accept=True), Asked(accept=True)
    updates(motions, Spotter(scorer=whole))
    early = Motions(*(getattr(motions, f)[:225] for f in Motions.__dataclass_fields__))
    spotter = Spotter(scorer=cut)
    for sample in early.samples():
        assert isinstance(sample, MotionSample)
        spotter.push(sample)
    assert cut.traits
    np.testing.assert_array_equal(whole.traits[0], cut.traits[0])


# --- what follows from its answer


def test_what_no_rule_would_see_is_asked_about() -> None:
    weak = brows(60, 5, [(3.0, 0.2)], noise_px=0.01)
    assert updates(weak, Spotter()) == []
    (update,) = updates(weak, Spotter(scorer=Asked(accept=True)))
    assert (update.state, update.window.kind) == ("closed", "micro")
    assert update.window.score < 1
    assert "likeness 1.00" in update.reason


def test_a_refusal_is_told_of_what_was_seen_alone() -> None:
    pulses = [(3.0, 0.2), (5.0, 1.0)]
    said = updates(brows(60, 8, pulses, noise_px=0.01), Spotter(scorer=Asked(accept=False)))
    (refused,) = [u for u in said if u.state == "rejected"]
    assert refused.window.onset.time_s == pytest.approx(5.0, abs=0.05)
    assert "likeness 0.00" in refused.reason
    assert not [u for u in said if u.state == "closed"]


def test_a_lost_face_asks_about_what_has_just_ended() -> None:
    motions = brows(60, 5, [(3.0, 1.0)], noise_px=0.01)
    for accept, state in ((True, "closed"), (False, "rejected")):
        asked = Asked(accept=accept)
        spotter, said = Spotter(scorer=asked), []
        for sample in motions.samples():
            assert isinstance(sample, MotionSample)
            said += spotter.push(sample).updates
            if spotter._ended:
                said += spotter.lost(
                    Stamp(sample.stamp.index + 1, sample.stamp.time_s + 0.01)
                ).updates
                break
        assert len(asked.traits) == 1
        assert said[-1].state == state


# --- the network


def network(seed: int = 0) -> dict[str, ArrayF32]:
    rng = np.random.default_rng(seed)
    tensors = {"mean": rng.normal(size=TRAITS), "std": rng.uniform(0.5, 2, TRAITS)}
    for k, (a, b) in enumerate(((TRAITS, 8), (8, 4), (4, 1))):
        tensors |= {f"w{k}": rng.normal(size=(a, b)), f"b{k}": rng.normal(size=b)}
    return {name: value.astype(np.float32) for name, value in tensors.items()}


def test_the_network_answers_as_torch_does() -> None:
    import torch
    from torch.nn.functional import silu

    tensors = network()
    scorer = LearnedScorer(tensors, 0.5, 0.5)
    window = Window(Stamp(0, 0.0), Stamp(1, 0.1), Stamp(2, 0.2), 1.0, "micro", ())
    for seed in range(5):
        traits = np.random.default_rng(seed).normal(0, 3, TRAITS).astype(np.float32)
        x = torch.from_numpy((traits - tensors["mean"]) / tensors["std"]).clamp(-5, 5)
        for k in range(3):
            x = x @ torch.from_numpy(tensors[f"w{k}"]) + torch.from_numpy(tensors[f"b{k}"])
            x = silu(x) if k < 2 else torch.sigmoid(x)
        assert scorer.likeness(window, traits) == pytest.approx(float(x), abs=1e-5)


def test_a_file_that_cannot_be_used_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    recipe = json.dumps({"opens_at": 0.5, "accepts": 0.7})
    save_file(network(), path, {"format": FORMAT, "recipe": recipe})
    scorer = load_scorer(str(path))
    assert scorer is not None
    assert (scorer.opens_at, scorer.accepts) == (0.5, 0.7)
    assert load_scorer("rules") is None
    wrong = {**network(), "w1": np.zeros((3, 3), np.float32)}
    for tensors, said in (
        (network(), {"format": "another", "recipe": recipe}),
        (network(), {"format": FORMAT, "recipe": "{}"}),
        (wrong, {"format": FORMAT, "recipe": recipe}),
        ({"mean": network()["mean"]}, {"format": FORMAT, "recipe": recipe}),
    ):
        save_file(tensors, path, said)
        with pytest.raises(CheckpointError, match=r"--spotter .*mine\.safetensors cannot be used"):
            load_scorer(str(path))
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="choose rules, or make one"):
        Spotter(SpotterConfig(scorer=str(path)))
    with pytest.raises(InputError, match="--spotter best: choose"):
        LiveConfig(spotter="best")


# --- how it is made


@cache
def lesson(seed: int) -> Lesson:
    """Expressions of brows between jerks of half their length, which the rules take for some."""
    pulses = [(3.0 + 1.5 * k, 0.5) for k in range(5)]
    motions = brows(30, 12, pulses, noise_px=0.03, seed=seed)
    motion = motions.displacement
    for k in range(5):
        i = round((3.75 + 1.5 * k) * 30)
        motion[i : i + 3, BROWS, 0] += 0.6
    truth = [Expression(s, s + 0.15, s + 0.3, "micro", "", px) for s, px in pulses]
    return Lesson(motions, truth, (SpotterConfig(),), f"face {seed}", "recorded")


@pytest.fixture(scope="module")
def taught() -> tuple[Trained, int]:
    """What came of ten lessons, and in how many steps."""
    ticks: list[int] = []
    return train([lesson(seed) for seed in range(10)], lambda: ticks.append(1)), len(ticks)


def test_a_scorer_learns_what_the_labels_say(taught: tuple[Trained, int], tmp_path: Path) -> None:
    trained, steps = taught
    rules, learned = (row.score("micro") for row in trained.rows)
    assert steps == 10 + 1 + 5
    assert learned.f1 > rules.f1
    assert learned.f1 > 0.9
    path = tmp_path / "made.safetensors"
    save(path, trained, ["a", "b"])
    scorer = load_scorer(str(path))
    assert scorer is not None
    assert scorer.accepts == trained.accepts


def test_there_is_nothing_to_learn_without_expressions() -> None:
    motions = brows(30, 5, [], noise_px=0.03)
    still = [Lesson(motions, (), (SpotterConfig(),), f"face {k}", "recorded") for k in range(10)]
    with pytest.raises(InputError, match="too few expressions"):
        train(still)
    with pytest.raises(InputError, match="5 pieces of footage are too few"):
        train(still[:5])
    with pytest.raises(InputError, match=r"too few faces \(recorded 4\)"):
        train(still[:4] * 3)


@given(
    st.lists(
        st.tuples(st.sampled_from(ORIGINS), st.integers(0, 9)), min_size=5, max_size=60
    ).filter(lambda faces: max(Counter(origin for origin, _ in set(faces)).values()) > 4)
)
def test_no_face_stands_in_two_parts(faces: list[tuple[Origin, int]]) -> None:
    """And each origin is in all three, or only trained on, which is said."""
    motions = brows(30, 0.2, [], noise_px=0.0)
    taken = [Lesson(motions, (), (), f"{origin} {face}", origin) for origin, face in faces]
    parts = split_lessons(taken)
    train, choose, report = parts.train, parts.choose, parts.report
    assert sorted(map(id, train + choose + report)) == sorted(map(id, taken))
    named = parts.faces()
    assert all(named.values())
    assert sum(map(len, named.values())) == len(set(faces))
    for origin, count in Counter(origin for origin, _ in set(faces)).items():
        assert (origin in parts.whole) == (count < 5)
        for left in (choose, report):
            found = {each.face for each in left if each.origin == origin}
            assert len(found) == (0 if count < 5 else pytest.approx(count / 5, abs=1))


def test_each_origin_of_footage_is_reported_on_its_own() -> None:
    drawn = [replace(lesson(seed), origin="synthetic") for seed in range(5, 10)]
    both = train([lesson(seed) for seed in range(5)] + drawn)
    assert [(row.group, row.value.partition(",")[0]) for row in both.rows] == [
        (f"{origin}, faces left out: 1", judge)
        for origin in ORIGINS
        for judge in ("rules", "learned")
    ]
    assert both.whole == {}
    few = train([lesson(seed) for seed in range(4)] + drawn + [replace(drawn[0], face="more")])
    assert {row.group for row in few.rows} == {"synthetic, faces left out: 1"}
    assert few.whole == {"recorded": 4}


def test_all_recordings_of_a_subject_are_one_face() -> None:
    one = AnnotatedFootage(Video("samm_lv", "006", "006_1", Path("006_1"), 200.0, (), ()))
    same = replace(one, video=replace(one.video, name="006_2", folder=Path("006_2")))
    others = [replace(one, video=replace(one.video, subject="007"))]
    others.append(replace(one, video=replace(one.video, dataset="casme3")))
    assert one.face == same.face
    assert len({each.face for each in (one, *others)}) == 3


def test_what_is_reported_on_has_chosen_nothing(taught: tuple[Trained, int]) -> None:
    """Another face to report on changes the report, and neither the network nor its limit."""
    taken = [lesson(seed) for seed in range(10)]
    report = [
        k for k, each in enumerate(taken) if each.face in split_lessons(taken).faces()["report"]
    ]
    other = list(taken)
    for k in report:
        motions = brows(30, 12, [(3.0, 1.0)], noise_px=0.03, seed=k)
        truth = [Expression(3.0, 3.15, 3.3, "micro", "", 1.0)]
        other[k] = replace(taken[k], motions=motions, truth=truth)
    one, two = taught[0], train(other)
    assert one.accepts == two.accepts
    for name, values in one.tensors.items():
        np.testing.assert_array_equal(values, two.tensors[name])
    assert [row.score("micro").annotated for row in one.rows] == [5 * len(report)] * 2
    assert [row.score("micro").annotated for row in two.rows] == [len(report)] * 2


def test_footage_to_learn_from_is_its_seeds_alone() -> None:
    pieces = [vary_footage(seed) for seed in range(120)]
    assert [piece.name for piece in pieces] == [vary_footage(seed).name for seed in range(120)]
    assert {piece.fps for piece in pieces} == {25, 30, 60, 120, 200}
    assert any(piece.schedule.micro_per_min == 0 for piece in pieces)
    assert all(piece.schedule.amplitude_px[1] <= 2 for piece in pieces)
