"""A table that BORIS's users know (http://www.boris.unito.it): the columns of its own export of
aggregated events, one row per expression, question and marker, tab-separated."""

import csv
from pathlib import Path

from realtime.export.rows import event_rows, frame_rate, marker_rows, new_file, questions, stem
from realtime.session.reader import Session

COLUMNS = (
    "Observation id",
    "Observation date",
    "Description",
    "Media file",
    "Total length",
    "FPS",
    "Subject",
    "Behavior",
    "Behavioral category",
    "Modifiers",
    "Behavior type",
    "Start (s)",
    "Stop (s)",
    "Duration (s)",
    "Comment start",
    "Comment stop",
)


def write_boris(session: Session, folder: Path) -> list[Path]:
    """`<code>_<start>_boris.tsv`."""
    path = new_file(folder / f"{stem(session)}_boris.tsv")
    fps = frame_rate(session)
    media = ";".join(session.folder.video(part).name for part in session.folder.parts())
    date = session.document["started_utc"][:19].replace("T", " ")
    head = [stem(session), date, "", media, f"{session.seconds:.3f}", f"{fps:.3f}"]
    rows = [
        (
            row["onset_s"],
            row["offset_s"],
            row["label"],
            f"{row['kind']}-expression",
            row["action_units"].replace(" ", "|"),
            "",
        )
        for row in event_rows(session)
    ]
    rows += [(q.start_s, q.end_s, q.name, "question", "", "") for q in questions(session)]
    for row in marker_rows(session):
        if not row["kind"].startswith("question"):
            end_s = row["time_s"] if row["until_s"] is None else row["until_s"]
            name = row["name"] or row["kind"]
            rows.append((row["time_s"], end_s, name, "marker", "", row["note"]))
    with path.open("x", newline="", encoding="utf-8") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(COLUMNS)
        for start_s, end_s, name, category, modifiers, note in sorted(rows):
            kind = "STATE" if end_s > start_s else "POINT"
            times = [f"{start_s:.3f}", f"{end_s:.3f}", f"{end_s - start_s:.3f}"]
            subject = session.participant
            table.writerow([*head, subject, name, category, modifiers, kind, *times, note, ""])
    return [path]
