"""What the motion table says of the spotter."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from model.records import Frame, SpotSignal, SpotUpdate, Stamp, Step, Window
from realtime.results.event_tables import MOTION_COLUMNS, format_row, make_motion_row, motion_tables
from realtime.spotting.motion import REGIONS
from realtime.ui.messages import make_frame_message

WINDOW = Window(Stamp(3, 0.1), Stamp(5, 0.2), Stamp(9, 0.3), 1.4, "micro", ("chin", "lip_upper"))
UPDATES = (
    SpotUpdate(4, "rejected", WINDOW, "a blink"),
    SpotUpdate(5, "closed", WINDOW, "chin, lip_upper: 1.4 × the noise threshold"),
)


def lost(updates: tuple[SpotUpdate, ...]) -> Step:
    """A step on which the face is gone."""
    signal = SpotSignal(
        np.zeros(len(REGIONS), np.float32), np.full(len(REGIONS), np.inf, np.float32), updates
    )
    frame = Frame(Stamp(12, 0.4), np.zeros((48, 64, 3), np.uint8), 0.0)
    return Step(frame, None, None, signal, (), {})


def test_every_decision_is_told_with_its_reason() -> None:
    cells = dict(
        zip(MOTION_COLUMNS, format_row(make_motion_row(lost(UPDATES))).split(","), strict=True)
    )
    assert cells["spotter"] == (
        "rejected 4 micro 0.100–0.300: a blink; "
        "closed 5 micro 0.100–0.300: chin + lip_upper: 1.4 × the noise threshold"
    )
    assert not any("," in cell for cell in cells.values())
    assert cells["track"] == ""


def test_a_frame_without_a_face_may_say_nothing(tmp_path: Path) -> None:
    table, text = (tmp_path / f"motion.{suffix}" for suffix in ("parquet", "csv"))
    with motion_tables([table, text]) as add:
        add(lost(()))
        add(lost(UPDATES[:1]))
    said = pq.read_table(table).column("spotter").to_pylist()
    assert said == [None, "rejected 4 micro 0.100–0.300: a blink"]
    assert text.read_text("utf-8").splitlines()[1].endswith(",")


def test_the_page_gets_what_was_rejected() -> None:
    class At:
        stamp = Stamp(12, 0.4)
        signal = lost(UPDATES).signal

    message = make_frame_message(1, lost(UPDATES), None, [At()], {"jpeg": b""}, 0.0)  # type: ignore[list-item]
    assert b'[[0.1,0.2,0.3,"micro","a blink"]]' in message
