"""How far two coders agree, how sure that is, and what it means."""

import math
import sys
from dataclasses import replace

import pytest
from test_review_coding import as_found, moments, session

import realtime.session as session_command
from model.cli import exit_code
from model.errors import InputError
from realtime.review.agreement import agree, describe_agreement
from realtime.review.coding import (
    add_edit,
)
from realtime.review.kappa import cohen_kappa, measure_kappa, name_kappa
from realtime.sessions.markers import Marker
from realtime.sessions.reader import Session

__all__ = ["session"]


def test_agreement_is_counted(
    session: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number, (onset, apex, offset) = session.confirmed[0].number, as_found(session)
    later = session.frames[apex.index + 1].stamp
    for coder, moment, label in (("C1", apex, "positive"), ("C2", later, "negative")):
        span = (onset, moment, offset)
        add_edit(session, coder, number, verdict="accepted", moments=span, label=label)
    alone = moments(session, 2, 4, 6)
    add_edit(session, "C2", None, verdict="accepted", moments=alone, label="positive")
    found = agree(session, "C1", "C2")
    assert (found.matched, found.alone, found.verdicts.pairs) == (1, (0, 1), 1)
    assert found.f1 == pytest.approx(2 / 3)
    assert found.iou == 1
    assert found.moment_ms == pytest.approx((0, 40, 0))
    assert math.isnan(found.labels.value)  # of one common expression
    assert math.isnan(found.verdicts.value)
    assert 0 < found.frames.value < 1
    same = agree(session, "C1", "C1")
    assert (same.f1, same.frames.value) == (1, 1)
    with pytest.raises(InputError, match="its coders: C1, C2"):
        agree(session, "C1", "C3")
    monkeypatch.setattr(sys, "argv", ["session", "agree", str(session.folder.path), "C1", "C2"])
    assert exit_code(session_command.main) == 0
    out = capsys.readouterr().out
    assert "Coded: C1 blind, not done yet; C2 blind, not done yet\n" in out
    assert "Expressions in common: 1 (IoU ≥ 0.5); only C1 0, only C2 1\n" in out
    assert "κ of labels: too few: 1, at least 5 are needed\n" in out
    assert "Action units: too few: none that both coders coded\n" in out


def test_kappa_is_that_of_the_textbooks() -> None:
    # 2 by 2: 20 both yes, 15 both no, 5 and 10 apart: p_o 0.7, p_e 0.5.
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert cohen_kappa(pairs) == pytest.approx(0.4)
    assert cohen_kappa([(1, 1), (2, 2)] * 3) == 1
    assert cohen_kappa([(1, 2), (2, 1)] * 3) == -1
    assert math.isnan(cohen_kappa([]))
    assert math.isnan(cohen_kappa([(1, 1)] * 9))
    assert math.isnan(cohen_kappa([(1, 1), (2, 2)] * 2))  # too few


def test_an_interval_covers_what_drawing_again_gives() -> None:
    # 2 by 2 as above: kappa 0.4, its standard error 0.128 by Cohen's formula.
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    alike = [number % 5 for number in range(50)]  # each question holds a fifth of each sort
    found = measure_kappa(pairs, alike)
    assert found.value == pytest.approx(0.4)
    low, high = found.over_events
    assert low == pytest.approx(0.4 - 1.96 * 0.128, abs=0.05)
    assert high == pytest.approx(0.4 + 1.96 * 0.128, abs=0.05)
    assert found.over_questions == pytest.approx((0.4, 0.4))
    assert measure_kappa(pairs, alike) == found  # the draws are the same each time
    apart = [number // 10 for number in range(50)]  # all of a question are alike
    low_by_question, _ = measure_kappa(pairs, apart).over_questions
    assert low_by_question < low
    few = measure_kappa(pairs, [0] * 25 + [1] * 25)
    assert few.over_events == found.over_events
    assert math.isnan(few.over_questions[0])
    assert math.isnan(measure_kappa(pairs, alike, over_events=False).over_events[0])
    assert str(few).startswith("0.40, fair; 95 % ")
    assert str(few).endswith("over events, too few questions that differ: slight to substantial")
    assert str(measure_kappa([(1, 1), (2, 2)] * 9, [0] * 18)) == (
        "1.00, almost perfect; no interval: all agree"
    )
    assert str(measure_kappa([(1, 1)] * 9, [0] * 9)).startswith("unknown")
    assert str(measure_kappa([(1, 1), (1, 2)] * 9, [0] * 18)) == (
        "0.00, whatever the other does: one coder uses one category only"
    )
    assert str(measure_kappa([(1, 2)] * 4, [0] * 4)).startswith("too few: 4, at least 5")


def test_an_interval_is_unknown_if_many_draws_have_no_kappa() -> None:
    # All of the second category lie in one of ten questions, which a third of the draws leave out.
    pairs = [("macro", "macro")] * 45 + [("micro", "micro")] * 4 + [("micro", "macro")]
    found = measure_kappa(pairs, [number // 5 for number in range(50)])
    assert not math.isnan(found.over_events[0])
    assert math.isnan(found.over_questions[0])
    assert "over events, too few questions that differ: " in str(found)


def test_kappa_is_named_as_by_landis_and_koch() -> None:
    values = (-1, -0.01, 0, 0.2, 0.21, 0.4, 0.41, 0.6, 0.61, 0.8, 0.81, 1)
    words = ("poor", "slight", "fair", "moderate", "substantial", "almost perfect")
    assert [name_kappa(value) for value in values] == [word for word in words for _ in range(2)]


def test_agreement_on_action_units_is_that_of_facs(session: Session) -> None:
    coded = {
        "C1": [["AU4"], ["AU12L"], ["AU1", "AU2"], [], ["AU4"], None],
        "C2": [["AU4", "AU7"], ["AU12R"], ["AU1", "AU2"], [], ["AU12"], ["AU4"]],
    }
    for coder, units in coded.items():
        for number, named in enumerate(units):
            span = moments(session, *(10 * number + n for n in (1, 3, 6)))
            label = "anger" if coder == "C1" else "fear" if number else "happiness"
            add_edit(
                session,
                coder,
                None,
                verdict="accepted",
                moments=span,
                label=label,
                action_units=named,
            )
    found = agree(session, "C1", "C2")
    assert found.matched == 6
    # Of the five that both coded, 5 units and 6; in common AU4, AU12, AU1, AU2.
    assert (found.units.expressions, found.units.shared, found.units.same_side) == (5, 4, 3)
    assert found.units.index == pytest.approx(2 * 4 / (5 + 6))
    assert list(found.units.by_unit) == ["AU1", "AU2", "AU4", "AU7", "AU12"]
    # AU4: both in 1, first alone in 1, neither in 3: p_o 0.8, p_e 0.56.
    assert found.units.by_unit["AU4"].value == pytest.approx((0.8 - 0.56) / (1 - 0.56))
    # By name none is the same; by class five of six are negative for both.
    assert found.labels.value <= 0
    assert found.classes.pairs == 6
    rows = dict(describe_agreement(found))
    assert rows["Action units"].startswith("index 0.73 in 5 expressions")
    assert "3 on the same side" in rows["Action units"]
    assert rows["κ of AU4"].startswith("0.55, moderate")
    assert "Landis and Koch" in rows["What κ means"]


def test_what_lies_in_one_question_is_drawn_together(session: Session) -> None:
    zero_s = session.zero_s
    asked = [
        Marker(kind, f"q{n}", "", zero_s - 0.02 + 0.8 * n + at_s, 0.0, "")
        for n in range(4)
        for kind, at_s in (("question_start", 0.0), ("question_end", 0.52))
    ]
    session = replace(session, markers=tuple(asked))
    for coder, length in (("C1", 4), ("C2", 5)):
        for place in (2, 22, 42, 62):
            span = moments(session, place, place + 2, place + length)
            add_edit(session, coder, None, verdict="accepted", moments=span, label="fear")
    found = agree(session, "C1", "C2")
    pairs, numbers = [], []
    for place, frame in enumerate(session.frames):
        shown = [any(p <= place <= p + length for p in (2, 22, 42, 62)) for length in (4, 5)]
        pairs.append((shown[0], shown[1]))
        number, since_s = divmod(frame.stamp.time_s - zero_s + 0.02, 0.8)
        numbers.append(min(2 * int(number) + (since_s >= 0.52), 7))  # no fifth question
    expected = measure_kappa(pairs, numbers, over_events=False)
    assert found.frames.value == pytest.approx(expected.value)
    assert found.frames.over_questions == pytest.approx(expected.over_questions)
    assert math.isnan(found.labels.value)  # four are too few
