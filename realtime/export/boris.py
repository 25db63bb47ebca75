"""Events for BORIS (http://www.boris.unito.it): copy the table, open the observation, and paste the
events from the clipboard.

Five columns, separated by tabs, without a header: time in s of the video, subject, behavior,
modifier, comment. A state has two rows, start and stop. If two states of one behavior overlap, the
second is called `… 2`. The project's ethogram must contain the behaviors.
"""

import csv
from pathlib import Path

from model.files import require_new
from realtime.sessions.export_rows import (
    event_rows,
    find_questions,
    marker_rows,
    name_files,
    split_overlaps,
)
from realtime.sessions.reader import Session


def write_boris(session: Session, folder: Path) -> list[Path]:
    """Write `<code>_<start>_boris.tsv`."""
    path = require_new(folder / f"{name_files(session)}_boris.tsv")
    spans = [
        (
            row["onset_s"],
            row["offset_s"],
            row["label"],
            row["action_units"].replace(" ", "|"),
            f"{row['kind']}-expression",
        )
        for row in event_rows(session)
    ]
    spans += [(q.start_s, q.end_s, q.name, "", "question") for q in find_questions(session)]
    for row in marker_rows(session):
        if not row["kind"].startswith("question"):
            end_s = row["time_s"] if row["until_s"] is None else row["until_s"]
            spans.append((row["time_s"], end_s, row["name"] or row["kind"], "", row["note"]))
    rows: list[tuple[float, list[str]]] = []
    for behavior in dict.fromkeys(span[2] for span in spans):
        for number, lane in enumerate(split_overlaps([s for s in spans if s[2] == behavior]), 1):
            code = behavior if number == 1 else f"{behavior} {number}"
            for start_s, end_s, _, modifiers, comment in lane:
                cells = (session.participant, code, modifiers, comment)
                for time_s in (start_s, end_s) if end_s > start_s else (start_s,):
                    rows.append((time_s, [" ".join(cell.split()) for cell in cells]))
    with path.open("x", newline="", encoding="utf-8") as file:
        table = csv.writer(
            file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None
        )
        table.writerows([f"{time_s:.3f}", *cells] for time_s, cells in sorted(rows))
    return [path]
