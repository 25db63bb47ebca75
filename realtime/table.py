"""Join the tables of many sessions: one data set of expressions, one table of sessions, a report.

    fmanet table sessions/ results/ --out study.parquet

writes `study.parquet/<participant>/<session>.parquet` (a row per expression, the same columns
everywhere), `study-sessions.csv` (a row per session, also for those left out, with why) and
`study-report.html` (rates by question and class, with intervals over participants).
"""

import argparse
import csv
import io
import os
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from model.cli import Parser, exit_code, program
from model.errors import InputError
from model.files import require_new, write_whole
from model.parallel import Workers, add_jobs, check_workers, map_jobs
from model.text import count_noun
from realtime.export.csv_parquet import ExportRows, format_cell, write_parquet_table
from realtime.review.coding import check_coder
from realtime.review.study_report import make_study_report
from realtime.review.study_sessions import (
    SESSION_COLUMNS,
    StudySession,
    find_sessions,
    read_study_session,
)
from realtime.sessions.exported_copies import note_copies
from realtime.sessions.folder import SessionFolder

LeftOut = dict[str, Any]
"""A row of `SESSION_COLUMNS` that says why a session is in no table."""


def main() -> None:
    """Run the command line."""
    options = _parser().parse_args()
    out: Path = options.out
    check_workers(options.workers)
    if options.coder is not None:
        check_coder(options.coder)
    if out.suffix != ".parquet":
        raise InputError(f"--out {out}: the name of the data set must end with .parquet")
    table = out.with_name(f"{out.stem}-sessions.csv")
    report = out.with_name(f"{out.stem}-report.html")
    for path in (out, table, report):
        require_new(path)
    sessions, left_out = _read(find_sessions(options.folders), options.coder, options.workers)
    if not sessions:
        raise InputError(f"all {len(left_out)} sessions are left out: {left_out[0]['left_out']}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _write_data_set(out, sessions)
        listed = io.StringIO()
        rows = csv.DictWriter(listed, list(SESSION_COLUMNS), lineterminator="\n")
        rows.writeheader()
        for facts in (*(session.facts for session in sessions), *left_out):
            rows.writerow({name: format_cell(facts.get(name)) for name in SESSION_COLUMNS})
        write_whole(table, listed.getvalue().encode(), private=True)
        write_whole(report, make_study_report(sessions, left_out).encode(), private=True)
        for facts in (*(session.facts for session in sessions), *left_out):
            if "session" in facts:  # else it could not be read
                _note(facts, [table, report], shared=True)
    except OSError as error:
        raise InputError(f"--out {out} cannot be written: {error.strerror}") from None
    for row in left_out:
        named = "" if row["path"] in row["left_out"] else f"{row['path']}: "
        print(f"left out: {named}{row['left_out']}", file=sys.stderr)
    expressions = sum(len(session.rows) for session in sessions)
    read, found = count_noun(len(sessions), "session"), count_noun(expressions, "expression")
    print(f"{read} with {found} in {out}, {table} and {report}")


def _read(
    paths: Sequence[Path], coder: str | None, workers: Workers
) -> tuple[list[StudySession], list[LeftOut]]:
    """Read all sessions, in order of their path; those that cannot be read come with why."""
    sessions: dict[tuple[str, str], StudySession] = {}
    left_out: list[LeftOut] = []
    read = partial(_read_one, coder=coder)
    found = tqdm(map_jobs(read, paths, workers), "read", len(paths), unit="session", disable=None)
    for path, session in zip(paths, found, strict=True):
        if isinstance(session, str):
            left_out.append({"path": str(path), "left_out": session})
            continue
        known = sessions.setdefault((session.participant, session.name), session)
        if known is not session:
            why = f"it is the same session as {known.facts['path']}"
            if not path.is_dir():  # an analysis, whose input's name is all that is known
                why = f"{known.facts['path']} has this name: analyse both into one folder"
            left_out.append({**session.facts, "left_out": why})
    return list(sessions.values()), left_out


def _read_one(path: Path, coder: str | None) -> StudySession | str:
    try:
        return read_study_session(path, coder)
    except InputError as error:
        return str(error)
    except OSError as error:
        return f"{error.filename or path}: {error.strerror}"


def _write_data_set(out: Path, sessions: Sequence[StudySession]) -> None:
    """Write the data set, whole or not at all, and note in each session which file holds it."""
    columns = dict.fromkeys(column for session in sessions for column in session.columns)
    names = ["session", *columns]
    partial_ = out.with_name(out.name + ".partial")
    shutil.rmtree(partial_, ignore_errors=True)
    partial_.mkdir(mode=0o700)
    files: list[Path] = []
    try:
        for session in sessions:
            file = Path(session.participant) / f"{session.name}.parquet"
            (partial_ / file.parent).mkdir(mode=0o700, exist_ok=True)
            rows: ExportRows = [{"session": session.name, **row} for row in session.rows]
            write_parquet_table(partial_ / file, names, rows)
            (partial_ / file).chmod(0o600)
            files.append(file)
        partial_.rename(out)
    finally:
        shutil.rmtree(partial_, ignore_errors=True)
    for session, file in zip(sessions, files, strict=True):
        _note(session.facts, [out / file])


def _note(facts: dict[str, Any], files: list[Path], *, shared: bool = False) -> None:
    path = Path(facts["path"])
    if path.is_dir():  # else it is an analysis
        note_copies(SessionFolder(path), files, shared=shared)


def _parser() -> argparse.ArgumentParser:
    p = Parser(prog=program("realtime.table"), description=(__doc__ or "").partition("\n")[0])
    p.add_argument(
        "folders", nargs="+", type=Path, metavar="DIR", help="holds sessions or analyses"
    )
    p.add_argument(
        "--out", type=Path, required=True, metavar="NAME.parquet", help="the data set to write"
    )
    p.add_argument("--coder", metavar="CODE", help="only what this coder reviewed, as edited")
    add_jobs(p, os.cpu_count() or 1, "read sessions")
    return p


if __name__ == "__main__":
    sys.exit(exit_code(main))
