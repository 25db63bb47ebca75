import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InputError
from realtime.spotting.spotting_scores import (
    Expression,
    error_ms,
    format_scores,
    iou,
    match,
    read_intervals,
    score,
    score_record,
)


def interval(onset: float, offset: float, kind: str = "micro", label: str = "") -> Expression:
    return Expression(onset, (onset + offset) / 2, offset, kind, label)


def test_iou_of_known_pairs():
    assert iou(interval(0, 2), interval(1, 3)) == pytest.approx(1 / 3)
    assert iou(interval(0, 1), interval(0, 1)) == 1.0
    assert iou(interval(0, 1), interval(2, 3)) == 0.0
    assert iou(interval(1, 1), interval(1, 1)) == 0.0


def test_one_annotation_is_hit_once():
    truth = [interval(0.0, 0.4)]
    assert match([interval(0.0, 0.2), interval(0.2, 0.4), interval(0.0, 0.4)], truth) == ((2, 0),)


def test_just_half_is_a_hit():
    assert match([interval(0.0, 0.25)], [interval(0.0, 0.5)]) == ((0, 0),)
    assert match([interval(0.0, 0.24)], [interval(0.0, 0.5)]) == ()


def test_kinds_are_scored_apart_and_blinks_not_at_all():
    truth = [interval(0, 0.4), interval(2, 4, "macro"), interval(5, 5.3, "blink")]
    predicted = [interval(0, 0.4), interval(2, 4), interval(5, 5.3)]
    micro = score([(predicted, truth)], "micro")
    macro = score([(predicted, truth)], "macro")
    assert (micro.annotated, micro.predicted, micro.hits) == (1, 3, 1)
    assert (macro.annotated, macro.predicted, macro.hits) == (1, 0, 0)
    assert (macro.precision, macro.recall, macro.f1) == (0.0, 0.0, 0.0)


def test_videos_are_pooled_before_the_ratios():
    good = ([interval(0, 1)], [interval(0, 1)])
    noisy = ([interval(i, i + 0.4) for i in range(3)], [])
    pooled = score([good, noisy], "micro")
    assert pooled.precision == pytest.approx(0.25)
    assert pooled.recall == 1.0
    assert pooled.f1 == pytest.approx(0.4)


def test_an_unclear_answer_is_not_right():
    truth = [interval(0, 1, label="positive")]
    result = score([([interval(0, 1, label="unclear")], truth)], "micro")
    assert (result.hits, result.named, result.named_right) == (1, 1, 0)


def test_labels_count_on_hits_only():
    truth = [interval(0, 1, label="positive"), interval(2, 3, label="negative"), interval(4, 5)]
    predicted = [
        interval(0, 1, label="positive"),
        interval(2, 3, label="surprise"),
        interval(4, 5, label="positive"),
        interval(8, 9, label="positive"),
    ]
    result = score([(predicted, truth)], "micro")
    assert (result.named, result.named_right) == (2, 1)
    assert result.label_accuracy == 0.5
    assert math.isnan(score([], "micro").label_accuracy)


def test_errors_are_predicted_minus_annotated():
    predicted, truth = Expression(0.1, 0.3, 0.5, "micro"), Expression(0, 0.2, 0.6, "micro")
    result = score([([predicted], [truth])], "micro")
    assert result.onset_errors_s == pytest.approx((0.1,))
    assert result.apex_errors_s == pytest.approx((0.1,))
    assert result.offset_errors_s == pytest.approx((-0.1,))
    assert "100 (100)" in format_scores([result])


def test_spot_then_recognise_is_the_product_of_both_f1():
    truth = [interval(k, k + 0.4, label=label) for k, label in enumerate("aabb")]
    said = [interval(k, k + 0.4, label=label) for k, label in enumerate(["a", "b", "b", "unclear"])]
    false = [interval(k, k + 0.4, label="a") for k in (10, 12)]
    result = score([(said + false, truth)], "micro")
    assert result.f1 == pytest.approx(0.8)
    assert result.analysis_f1 == pytest.approx((2 / 3 + 1 / 2) / 2)  # a: 2/(1+2), b: 2/(2+2)
    assert result.strs == pytest.approx(0.8 * result.analysis_f1)


def test_what_was_missed_and_what_was_false_is_kept():
    truth, said = [interval(0, 1), interval(2, 3)], [interval(0, 1), interval(5, 6)]
    result = score([(said, truth)], "micro")
    assert (result.false, result.missed) == ((said[1],), (truth[1],))
    assert result.pairs == ((said[0], truth[0]),)


def test_a_record_is_plain_and_says_what_is_not_known():
    figures = score_record(score([([interval(0.1, 1.1)], [interval(0, 1)])], "micro"))
    assert figures["onset_error_median_ms"] == pytest.approx(100)
    assert figures["f1"] == 1.0
    assert figures["strs"] is None
    assert all(value is None or value == value for value in figures.values())
    assert all(math.isnan(value) for value in error_ms([]))


intervals = st.lists(
    st.tuples(st.floats(0, 20), st.floats(0.01, 3)).map(lambda t: interval(t[0], t[0] + t[1])),
    max_size=8,
)


@given(intervals, intervals)
def test_matches_are_one_to_one_and_overlap(predicted, truth):
    pairs = match(predicted, truth)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    assert all(iou(predicted[i], truth[j]) >= 0.5 for i, j in pairs)


@given(intervals)
def test_truth_matches_itself_perfectly(truth):
    result = score([(truth, truth)], "micro")
    assert result.hits == len(truth)
    assert result.f1 == (1.0 if truth else 0.0)


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_tables_of_events_and_of_truth_are_read(tmp_path):
    events = write(
        tmp_path / "events.csv",
        "onset_s,apex_s,offset_s,kind,label,probabilities",
        '1.0,1.2,1.4,micro,positive,"{""positive"": 1.0}"',
    )
    # By their words: an amplitude that is not known, NaN, is not equal to itself.
    assert repr(read_intervals(events)) == repr((Expression(1.0, 1.2, 1.4, "micro", "positive"),))


def test_amplitudes_are_read_where_they_are_known(tmp_path):
    header = "onset_s,apex_s,offset_s,kind,amplitude_px"
    truth = write(tmp_path / "truth.csv", header, "1,1.2,1.4,micro,0.7", "3,3.2,3.4,micro,")
    known, unknown = read_intervals(truth)
    assert known.amplitude_px == 0.7
    assert math.isnan(unknown.amplitude_px)


def test_a_table_that_a_spreadsheet_program_saved_counts_all_it_holds(tmp_path):
    table = tmp_path / "truth.csv"
    lines = "onset_s;apex_s;offset_s;kind\r\n1;1.2;1.4;Micro \r\n3;3.4;4;MACRO\r\n"
    table.write_text(lines, encoding="utf-8-sig", newline="")
    assert [row.kind for row in read_intervals(table)] == ["micro", "macro"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["onset_s,apex_s,kind", "1,2,micro"], "no column 'offset_s'"),
        (["onset_s,apex_s,offset_s,kind", "1,x,2,micro"], "line 2: apex_s is 'x'"),
        (["onset_s,apex_s,offset_s,kind", "1,,2,micro"], "line 2: apex_s is ''"),
        (["onset_s,apex_s,offset_s,kind", "1,nan,2,micro"], "apex_s is 'nan'"),
        (["onset_s,apex_s,offset_s,kind", "3,2,1,micro"], "must not run back"),
        (["onset_s,apex_s,offset_s,kind", "1,2,3,"], "line 2: kind is empty"),
    ],
)
def test_a_bad_table_is_refused_with_its_place(tmp_path, lines, message):
    with pytest.raises(InputError, match=message):
        read_intervals(write(tmp_path / "bad.csv", *lines))


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        read_intervals(tmp_path / "none.csv")
