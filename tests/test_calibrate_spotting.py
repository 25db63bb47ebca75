"""The measure of the spotter: footage, its motion, figures, commands."""

import csv
import json
import random
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from fakes import write_clip

from calibrate.__main__ import main
from calibrate.spotting.claims import quiet_windows
from calibrate.spotting.footage import (
    NO_MICRO,
    USUAL,
    DrawnFootage,
    OverlaidFootage,
    RecordedFootage,
    conditions,
    face_conditions,
    interval_of,
)
from calibrate.spotting.motion import MotionCache, Motions, measure_motions, spot
from calibrate.spotting.names import class_of
from calibrate.spotting.outcomes import (
    UNSEEN,
    FigureRow,
    Outcome,
    describe_names,
    format_figure_rows,
    measure_resting,
    recall_interval,
    run_spotter,
)
from calibrate.spotting.page import format_spotting
from calibrate.spotting.reliability import Reliability, format_reliability
from model.errors import InputError
from model.labels import CLASSES
from model.records import Frame, Stamp
from model.synthetic import Schedule
from model.synthetic.portrait import read_photograph
from realtime.perception.spotting_steps import Perception
from realtime.spotting.me_probability import AT_BAR, STEEPNESS, me_probability
from realtime.spotting.motion import REGIONS
from realtime.spotting.spotter import SpotterConfig
from realtime.spotting.spotting_scores import Expression

STRONG = Schedule(
    micro_per_min=20,
    macro_per_min=0,
    blinks_per_min=0,
    speech_per_min=0,
    amplitude_px=(1.5, 2.0),
    first_micro_s=(2.0, 2.2),
)
BROWS = [i for i, name in enumerate(REGIONS) if name.startswith("brow")]


@pytest.fixture(scope="module")
def drawn() -> DrawnFootage:
    return DrawnFootage(seed=5, seconds=4.0, fps=25, schedule=STRONG)


@pytest.fixture(scope="module")
def motions(drawn: DrawnFootage) -> Motions:
    return measure_motions(drawn)


def made(
    seconds: float, pulses: Sequence[tuple[float, float]], *, noise_px: float, seed: int = 0
) -> tuple[Motions, list[Expression]]:
    """Motion of brows that rise by (s, px), and the truth of it, at 30 fps."""
    times_s = np.arange(0, seconds, 1 / 30)
    n = len(times_s)
    motion = np.random.default_rng(seed).normal(0, noise_px, (n, len(REGIONS), 2))
    truth = []
    for start_s, size_px in pulses:
        part = np.clip((times_s - start_s) / 0.3, 0, 1)
        motion[:, BROWS, 1] -= (size_px * (1 - np.cos(2 * np.pi * part)) / 2)[:, None]
        truth.append(Expression(start_s, start_s + 0.15, start_s + 0.3, "micro", "", size_px))
    blank = np.zeros((n, 4), np.float32)
    counts = np.zeros(n, np.int64)
    eyes = np.full((n, 2), 0.3, np.float32)
    numbers = np.arange(n)
    size = np.ones(n, np.float32)
    made = Motions(numbers, times_s, counts, motion.astype(np.float32), blank, eyes, size, counts)
    return made, truth


# --- footage


def test_the_test_bed_varies_one_thing_at_a_time() -> None:
    usual, *others = conditions()
    assert (usual.group, usual.footage.schedule.micro_per_min) == (USUAL, 12)
    names = [(c.group, c.value) for c in (usual, *others)]
    assert len(set(names)) == len(names)
    for condition in others:
        changed = [
            each.name
            for each in fields(condition.footage)
            if getattr(condition.footage, each.name) != getattr(usual.footage, each.name)
        ]
        assert len(changed) == 1 or condition.group in (NO_MICRO, "camera")
        quiet = condition.footage.schedule.micro_per_min == 0
        assert quiet == (condition.group == NO_MICRO)
    wanted = {"amplitude", "rate", "noise", "compression", "head motion", "speech", "blinks"}
    wanted |= {"movements", "in front", "camera"}
    assert wanted <= {c.group for c in others}


def test_equal_names_are_equal_footage(drawn: DrawnFootage) -> None:
    assert drawn.name == replace(drawn).name
    changed = [replace(drawn, seed=6), replace(drawn, crf=30), replace(drawn, seconds=5.0)]
    assert len({each.name for each in (drawn, drawn.at_rest(), *changed)}) == 5


def test_a_resting_face_shows_blinks_alone() -> None:
    rest = DrawnFootage(seed=5, seconds=60, schedule=Schedule()).at_rest()
    assert {row.kind for row in rest.truth()} == {"blink"}


@pytest.mark.parametrize("how", [{"crf": 30}, {"bit_rate": 500_000}, {"jpeg": 50}])
def test_compressed_footage_keeps_its_frames(drawn: DrawnFootage, how: dict[str, int]) -> None:
    plain = replace(drawn, seconds=0.4)
    frames, worse = list(plain.frames()), list(replace(plain, **how).frames())
    assert [frame.stamp for frame in worse] == [frame.stamp for frame in frames]
    apart = np.abs(worse[-1].image.astype(int) - frames[-1].image).mean()
    assert 0.3 < apart < 6


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "collins.png"
    path.parent.mkdir()
    assert cv2.imwrite(str(path), read_photograph()[..., ::-1])
    return path


def test_photographs_are_people_apart(photograph: Path) -> None:
    other = photograph.with_name("other.png")
    other.write_bytes(photograph.read_bytes())
    condition = face_conditions()[-1]
    one, two = (condition.draw_photograph(each, "scan", 3, 6.0) for each in (photograph, other))
    assert one.name != two.name
    assert one.seed % 100_000 == two.seed % 100_000 == 3
    assert one.truth() != two.truth()
    assert {row.amplitude_px for row in one.truth() if row.kind == "micro"} == {2.0}
    assert one.name != replace(one, motion="catalogue").name


# --- motion


def test_the_spotter_says_of_stored_motion_what_it_says_live(
    drawn: DrawnFootage, motions: Motions
) -> None:
    live, perception = [], Perception()
    for frame in drawn.frames():
        signal = perception.step(frame).signal
        live += [] if signal is None else [(u, frame.stamp.time_s) for u in signal.updates]
    stored = [(d.update, d.known_s) for d in spot(motions, SpotterConfig())]
    assert live
    assert stored[: len(live)] == live


def test_frames_without_a_face_are_kept_as_such() -> None:
    class Gone:
        name = "gone"

        def frames(self):
            for k, frame in enumerate(DrawnFootage(seed=5, seconds=1.0, fps=10).frames()):
                yield Frame(frame.stamp, np.zeros_like(frame.image), 0.0) if k == 4 else frame

        def truth(self):
            return ()

    motions = measure_motions(Gone())
    assert (motions.track < 0).tolist() == [k == 4 for k in range(10)]
    samples = list(motions.samples())
    assert samples[4] == Stamp(4, 0.4)
    assert sum(isinstance(sample, Stamp) for sample in samples) == 1


def test_motion_is_measured_once(drawn: DrawnFootage, motions: Motions, tmp_path: Path) -> None:
    short = replace(drawn, seconds=0.2)
    cache = MotionCache(tmp_path / "new")
    cache.fill([short], 1)
    (file,) = (tmp_path / "new").iterdir()
    written_ns = file.stat().st_mtime_ns
    cache.fill([short], 1)
    kept = MotionCache(tmp_path / "new").get(short)
    assert file.stat().st_mtime_ns == written_ns
    np.testing.assert_array_equal(kept.displacement, motions.displacement[: len(kept.time_s)])


def test_damaged_motion_is_told(drawn: DrawnFootage, tmp_path: Path) -> None:
    cache, short = MotionCache(tmp_path), replace(drawn, seconds=0.1)
    cache.get(short)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:400])
    with pytest.raises(InputError, match="is damaged"):
        cache.get(short)


def test_flags_survive_storing(motions: Motions) -> None:
    first = next(motions.samples())
    assert not isinstance(first, Stamp)
    assert first.flags == {"start"}


# --- figures


def test_an_expression_is_found_and_timed(drawn: DrawnFootage, motions: Motions) -> None:
    row = FigureRow(USUAL, "short", (run_spotter(motions, drawn.truth(), SpotterConfig()),))
    micro = row.score("micro")
    assert (micro.hits, micro.annotated, micro.predicted) == (1, 1, 1)
    assert row.minutes == pytest.approx(4 / 60)
    assert row.apex_error_frames() <= 2
    (delay_ms,) = row.delays_ms()
    assert -100 < delay_ms < 200
    assert row.recall_by_amplitude() == [(1.5, 2.5, 1, 1)]
    assert not row.miss_reasons()


def test_intervals_are_wilson_s_and_exact() -> None:
    low, high = recall_interval(12, 12) or (0, 0)
    assert (round(low, 2), high) == (0.76, 1)
    assert recall_interval(0, 0) is None
    quiet = FigureRow("", "", (Outcome({}, (), (), 60.0, 1 / 30),))
    assert quiet.false_interval() == pytest.approx((0, 3.69), abs=0.01)
    assert "0.00 (0.00–3.69)" in format_figure_rows([quiet])
    assert quiet.plain()["recall_95"] is None


def test_what_is_missed_has_a_reason() -> None:
    motions, truth = made(8, [(4.0, 0.0)], noise_px=0.02)
    unseen = FigureRow("", "", (run_spotter(motions, truth, SpotterConfig()),))
    assert unseen.miss_reasons() == {UNSEEN: 1}
    said = Outcome({}, ((truth[0], "a blink"),), tuple(truth), 8.0, 1 / 30)
    assert FigureRow("", "", (said,)).miss_reasons() == {"a blink": 1}
    macro = replace(truth[0], kind="macro")
    taken = Outcome({macro: 5.0}, (), tuple(truth), 8.0, 1 / 30)
    assert FigureRow("", "", (taken,)).miss_reasons() == {"taken for a macro-expression": 1}


def test_false_alarms_are_counted_by_the_minute() -> None:
    motions, _ = made(30, [(4.0, 1.0), (8.0, 1.0)], noise_px=0.02)
    row = FigureRow(NO_MICRO, "", (run_spotter(motions, [], SpotterConfig()),))
    assert row.false_per_min("micro") == pytest.approx(4)
    assert row.plain()["decision_median_ms"] is None


def test_a_baseline_follows_the_noise_of_rest() -> None:
    quiet, loud = (made(20, [], noise_px=px)[0] for px in (0.02, 0.06))
    low, high = (measure_resting(motions).floor_px["chin"] for motions in (quiet, loud))
    assert high == pytest.approx(3 * low, rel=0.3)
    with pytest.raises(InputError, match="too short"):
        measure_resting(made(2, [], noise_px=0.02)[0])


def test_the_page_loads_nothing_and_tells_all(drawn: DrawnFootage, motions: Motions) -> None:
    rows = [
        FigureRow(USUAL, "30 fps", (run_spotter(motions, drawn.truth(), SpotterConfig()),)),
        FigureRow("noise", "8 <grey> levels", (run_spotter(motions, [], SpotterConfig()),)),
    ]
    html = format_spotting(rows, "Seeds 5 & 6.")
    assert "8 &lt;grey&gt; levels" in html
    assert "Seeds 5 &amp; 6." in html
    assert "http" not in html.replace("http-equiv", "")
    assert html.count("<table>") == 2
    assert "noise" in format_figure_rows(rows)


def test_probabilities_that_hold_give_their_own_constants_back() -> None:
    rng = np.random.default_rng(1)
    margins = np.exp(rng.normal(0.3, 0.6, 4000))
    probability = np.array([me_probability(margin) for margin in margins])
    found = Reliability(probability, rng.random(len(margins)) < probability)
    at_bar, steepness = found.fit() or (0, 0)
    assert at_bar == pytest.approx(AT_BAR, abs=0.03)
    assert steepness == pytest.approx(STEEPNESS, rel=0.1)
    assert found.expected_error < 0.03
    assert sum(row[2] for row in found.rows()) == 4000


def test_probabilities_that_promise_too_much_are_told() -> None:
    never = Reliability(np.array([0.9, 0.9, 0.7]), np.zeros(3, bool))
    assert never.expected_error == pytest.approx(2.5 / 3)
    assert never.fit() is None
    assert "expected calibration error 0.833 over 3 MEs" in format_reliability(never)
    assert format_reliability(Reliability(np.zeros(0), np.zeros(0, bool))) == ""


def test_a_hit_is_true_and_a_false_alarm_is_not() -> None:
    truth = [Expression(2.0, 2.1, 2.3, "micro"), Expression(5.0, 5.1, 5.3, "micro")]
    hit, other = Expression(2.0, 2.1, 2.3, "micro"), Expression(7.0, 7.1, 7.2, "micro")
    macro = Expression(5.0, 6.0, 6.5, "macro")
    found = {hit: 2.4, other: 7.3, macro: 6.6}
    outcome = Outcome(found, (), tuple(truth), 8.0, 1 / 30, probability={hit: 0.9, other: 0.6})
    claims = Reliability.of([outcome, outcome])
    assert claims.probability.tolist() == [0.9, 0.6] * 2
    assert claims.true.tolist() == [True, False] * 2


# --- commands


def run(*arguments: object) -> int:
    return main(["spotting", *map(str, arguments)])


def test_annotated_emotions_are_scored_in_the_classifier_s_words() -> None:
    assert [class_of(word, CLASSES) for word in ("disgust", "Sad", "positive")] == [
        "negative", "negative", "positive",
    ]  # fmt: skip
    assert class_of("disgust", ("disgust", "others")) == "disgust"
    assert class_of("others", CLASSES) == class_of("bored", CLASSES) == class_of("", CLASSES) == ""


def test_tables_are_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, said = tmp_path / "truth.csv", tmp_path / "said.csv"
    head = "onset_s,apex_s,offset_s,kind,label\n"
    truth.write_text(head + "1,1.1,1.3,micro,positive\n5,5.2,5.4,micro,negative\n")
    said.write_text(head + "1,1.1,1.3,micro,positive\n9,9.2,9.4,micro,negative\n")
    out = tmp_path / "score.json"
    assert run("score", said, truth, said, truth, "--out", out) == 0
    assert "0.50" in capsys.readouterr().out
    micro = json.loads(out.read_text())["scores"][0]
    assert (micro["kind"], micro["hits"], micro["annotated"], micro["f1"]) == ("micro", 2, 4, 0.5)
    assert micro["strs"] == 0.5
    assert run("score", said, truth, "--out", out) == 2
    assert run("score", said) == 2


def test_evaluate_writes_figures_and_a_page(tmp_path: Path) -> None:
    out = tmp_path / "report"
    options = ["--seeds", 5, "--seconds", 6, "--only", USUAL, "--baseline", "default"]
    options += ["--cache", tmp_path / "cache"]
    assert run("evaluate", *options, "--out", out) == 0
    document = json.loads((out / "spotting.json").read_text())
    assert document["about"] == "Seeds 5; baseline: default."
    (row,) = document["rows"]
    assert (row["group"], row["minutes"]) == (USUAL, pytest.approx(6 / 60))
    assert row["micro"]["annotated"] >= 1
    assert "<svg" in (out / "spotting.html").read_text()
    claimed = [row["claimed"] for row in document["reliability"]["rows"]]
    assert sum(claimed) == row["micro"]["predicted"] >= 1
    assert run("evaluate", *options, "--out", out) == 2
    assert run("evaluate", *options, "--least-me-probability", 2) == 2


def test_photographs_are_evaluated_by_amplitude_and_by_person(
    photograph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = photograph.with_name("a.jpg")
    bad.write_text("no picture", encoding="utf-8")
    options = ["--faces", photograph.parent, "--seeds", 3, "--seconds", 2]
    options += ["--baseline", "default", "--cache", tmp_path / "cache"]
    assert run("evaluate", *options, "--out", tmp_path / "report") == 0
    said = capsys.readouterr()
    assert "left out" in said.err
    assert "a.jpg cannot be read" in said.err
    rows = json.loads((tmp_path / "report" / "spotting.json").read_text())["rows"]
    values = [(row["group"], row["value"]) for row in rows]
    by_amplitude = [("faces", value) for value in ("no ME", "0.7 px", "1.2 px", "2 px")]
    assert values == [*by_amplitude, ("person", "collins"), ("person", "all 1")]
    assert rows[0]["micro"]["annotated"] == 0
    assert rows[-1]["minutes"] == pytest.approx(4 * 2 / 60)
    assert "collins" in (tmp_path / "report" / "spotting.html").read_text()
    assert run("evaluate", "--faces", bad, "--cache", tmp_path / "cache") == 2
    assert "none of the photographs" in capsys.readouterr().err


def test_photographs_of_one_name_are_people_apart(photograph: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / photograph.name
    other.parent.mkdir()
    other.write_bytes(photograph.read_bytes())
    out, cache = tmp_path / "report", tmp_path / "cache"
    options = ["--faces", photograph, other, "--only", USUAL, "--seeds", 3, "--seconds", 1]
    options += ["--baseline", "default", "--cache", cache, "--out", out]
    assert run("evaluate", *options) == 0
    rows = json.loads((out / "spotting.json").read_text())["rows"]
    people = [row["value"] for row in rows if row["group"] == "person"]
    assert people == ["in-collins.png", "other-collins.png", "all 2"]


def test_a_recording_full_of_claims_gives_fewer_other_stretches() -> None:
    motions, truth = made(10, [(5.0, 1.0)], noise_px=0.02)
    claims = [d.update.window for d in spot(motions, SpotterConfig()) if d.update.state == "closed"]
    assert len(claims) == len(truth) == 1
    few = list(quiet_windows(motions, claims * 20, random.Random(0)))
    assert 1 <= len(few) < 20


def test_the_calibration_error_counts_the_names_of_hits() -> None:
    right, wrong = (Expression(t, t + 0.1, t + 0.3, "micro", "positive") for t in (1.0, 2.0))
    false = Expression(5.0, 5.1, 5.3, "micro", "surprise")
    truth = [right, replace(wrong, label="negative")]
    known = {each: each.offset_s for each in (right, wrong, false)}
    outcome = Outcome.of(known, (), truth, np.arange(100.0), confidence=dict.fromkeys(known, 0.9))
    row = FigureRow("named", "30 fps", (outcome,))
    assert sorted(row.name_confidences()) == [(0.9, False), (0.9, True)]
    assert row.name_calibration_error() == pytest.approx(0.4)
    assert "1 of 2 hits named right" in describe_names(row)
    assert "calibration error 0.400" in describe_names(row)


def test_recordings_are_evaluated_with_names(
    expression_clip: Path, untrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text(
        "onset_s,apex_s,offset_s,kind,label\n2.1,2.25,2.45,micro,Happiness\n", encoding="utf-8"
    )
    given = ["--footage", expression_clip, truth, "--cache", tmp_path / "cache"]
    assert run("evaluate", *given, "--classifier", untrained, "--out", tmp_path / "report") == 0
    assert "of 1 hits named right, STRS" in capsys.readouterr().out
    document = json.loads((tmp_path / "report" / "spotting.json").read_text())
    assert document["about"] == "Baseline: default."
    assert run("evaluate", *given, "--only", USUAL) == 2
    assert "of the test bed alone" in capsys.readouterr().err
    plain, named = document["rows"]
    assert "of 1 hits named right, STRS" in (tmp_path / "report" / "spotting.html").read_text()
    assert plain["micro"]["predicted"] == named["micro"]["predicted"] == 1
    assert plain["micro"]["named"] == 0
    assert named["micro"]["named"] == 1
    assert plain["name_calibration_error"] is None
    assert 0 <= named["name_calibration_error"] <= 1


def test_claims_become_films_among_others_and_a_table_to_fill_in(
    expression_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "films"
    options = ["--cache", tmp_path / "cache", "--out", out]
    assert run("claims", expression_clip, *options) == 0
    assert "1 claimed micro-expression, 1 film without one." in capsys.readouterr().out
    assert all(path.stat().st_mode & 0o077 == 0 for path in out.iterdir())
    with (out / "films.csv").open(encoding="utf-8") as file:
        films = list(csv.DictReader(file))
    (claimed,) = (film for film in films if film["claimed"] == "yes")
    assert float(claimed["onset_s"]) == pytest.approx(2.1, abs=0.4)
    for film in films:
        with av.open(str(out / f"{film['film']}.mp4")) as container:
            lasts_s = sum(1 for _ in container.decode(video=0)) / 30
        away_s = float(film["offset_s"]) - float(film["onset_s"])
        assert 8 * away_s < lasts_s <= 8 * (away_s + 1.2)
    assert len(films) == 2
    assert films[0]["offset_s"] < films[1]["onset_s"] or films[1]["offset_s"] < films[0]["onset_s"]
    answers = (out / "answers.csv").read_text(encoding="utf-8").splitlines()
    assert answers == ["film,judge,face_moved", *(f"{film['film']},," for film in films)]
    assert run("claims", expression_clip, *options) == 2


def test_recordings_without_a_claim_have_nothing_to_judge(
    drawn: DrawnFootage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [frame.image for frame in replace(drawn, seconds=1.0).frames()]
    still_clip = write_clip(tmp_path / "still.mp4", images, [40 * k for k in range(len(images))])
    options = ["--cache", tmp_path / "cache", "--out", tmp_path / "films"]
    assert run("claims", still_clip, *options) == 2
    assert "nothing to judge" in capsys.readouterr().err


def test_expressions_over_a_recording_are_named_by_amplitude(expression_clip: Path) -> None:
    over = OverlaidFootage(expression_clip, seed=1, amplitude_px=1.0)
    assert over.name != replace(over, amplitude_px=0.5).name
    assert all(row.amplitude_px == 1.0 for row in over.truth())
    assert replace(over, amplitude_px=0.0).truth() == ()


def test_what_cannot_be_evaluated_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    assert run("evaluate", "--seeds", -1) == 2
    assert "--seeds" in capsys.readouterr().err
    assert run("evaluate", "--data", "nowhere:x") == 2
    capsys.readouterr()
    assert run("evaluate", "--only", USUAL, "--jobs", 0, "--cache", tmp_path) == 2
    assert "--jobs 0: choose 1 or more" in capsys.readouterr().err
    assert run("evaluate", "--baseline", tmp_path / "none.json", "--only", USUAL) == 2
    with pytest.raises(InputError, match="no recording"):
        next(RecordedFootage("demo", tmp_path / "x.csv").frames())


def test_windows_become_intervals(drawn: DrawnFootage, motions: Motions) -> None:
    for decision in spot(motions, SpotterConfig()):
        interval = interval_of(decision.update.window)
        assert interval.onset_s < interval.apex_s <= interval.offset_s
