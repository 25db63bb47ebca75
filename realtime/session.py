"""What can be done with a recorded session.

python -m realtime.session recover DIR                make a recording whole that was cut off
python -m realtime.session redact DIR --from 61 --to 75.5
python -m realtime.session delete DIR --receipt receipt.json
python -m realtime.session agree DIR C1 C2            how far two coders agree
python -m realtime.session report DIR [--coder C1]    one HTML file
"""

import argparse
import errno
import sys
import time
from pathlib import Path

from model.errors import InputError, exit_code
from realtime.results.summary import check_new
from realtime.review.agreement import agree, report_lines
from realtime.review.coding import reviewed
from realtime.review.report import report
from realtime.sessions.clock_anchors import iso
from realtime.sessions.copies import Forgotten, forget_copies, note_copies
from realtime.sessions.delete import delete
from realtime.sessions.folder import SessionFolder, claim
from realtime.sessions.markers import Marker
from realtime.sessions.reader import open_session
from realtime.sessions.recover import recover
from realtime.sessions.redact import redact_marked
from realtime.stream.clock import monotonic_s


def main() -> None:
    """Do what the command line asks. Raises `InputError` if the disk does not let it."""
    options = _parser().parse_args()
    try:
        _do(options)
    except OSError as error:
        said = f"{error.filename or options.folder}: {error.strerror}"
        if options.command in ("recover", "redact"):
            # Each file was replaced at one stroke, and a marker says what was to be deleted.
            if error.errno == errno.ENOSPC:
                said += "; make room for a copy of the longest part of the video"
            said += (
                f"; the rest is still to do: python -m realtime.session recover {options.folder}"
            )
        raise InputError(said) from None


def _do(options: argparse.Namespace) -> None:
    folder: Path = options.folder
    SessionFolder(folder).read_document()  # that it is a session at all
    let_go = claim(folder)
    try:
        _command(options, folder)
    finally:
        let_go()


def _command(options: argparse.Namespace, folder: Path) -> None:
    if options.command == "recover":
        done = recover(SessionFolder(folder))
        print(
            f"{folder}: {done.frames} frames in the video, {done.lost} lost when it was cut off, "
            f"{done.unlisted} told from the video alone, {done.redactions} redactions finished"
        )
        if done.redactions:
            _tell_copies(forget_copies(SessionFolder(folder)))
    elif options.command == "redact":
        frames = redact_span(folder, options.start, options.end)
        print(f"{folder}: {frames} frames deleted, with what the tables said of them")
        _tell_copies(forget_copies(SessionFolder(folder)))
    elif options.command == "report":
        print(write_report(folder, options.out, options.coder))
    elif options.command == "agree":
        found = agree(open_session(folder), options.first, options.second)
        print("\n".join(report_lines(found)))
    else:
        count, copies = delete(folder, options.receipt)
        print(f"{folder}: {count} files deleted; receipt in {options.receipt}")
        _tell_copies(copies)


def _tell_copies(copies: Forgotten) -> None:
    """Say what became of what was exported, and what is left to do."""
    for path in copies.deleted:
        print(f"{path}: deleted, an export that showed it")
    for path in copies.left:
        print(f"{path}: may still tell of it, and was left: look through it, or delete it")


def write_report(folder: Path, out: Path | None, coder: str | None) -> Path:
    """Write the report of the session in `folder`, as `coder` left it if one is named, to `out`,
    or beside it as `DIR-report.html`; returns where. Raises `InputError` if it exists."""
    session = open_session(folder)
    if coder is not None:
        session = reviewed(session, coder)
    name = f"{folder.resolve().name}{f'-{coder}' if coder else ''}-report.html"
    path = out or folder.resolve().with_name(name)
    check_new(path)
    path.write_text(report(session), "utf-8")
    note_copies(session.folder, [path])
    return path


def redact_span(path: Path, start: float, end: float) -> int:
    """Delete from `start` to `end`, in seconds of the video; returns how many frames went. Raises
    `InputError` if the span is empty or the session is not whole."""
    if not start < end:
        raise InputError(f"--from {start:g} --to {end:g}: the end must come after the start")
    session = open_session(path)
    last_s = max((f.time_s for f in session.frames if f.time_s is not None), default=0.0)
    start_s, end_s = max(0.0, start) + session.zero_s, min(end + session.zero_s, last_s)
    marker = Marker("redact", "", "", start_s, monotonic_s(), iso(time.time()), end_s)
    return redact_marked(session.folder, marker)


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m realtime.session", description=(__doc__ or "").partition("\n")[0]
    )
    commands = p.add_subparsers(dest="command", required=True)
    whole = commands.add_parser("recover", help="make a recording whole that was cut off")
    forget = commands.add_parser("redact", help="delete a span from video and tables")
    away = commands.add_parser("delete", help="delete a session, with a receipt")
    two = commands.add_parser("agree", help="how far two coders agree")
    told = commands.add_parser("report", help="quality, expressions, methods: one HTML file")
    for command in (whole, forget, away, two, told):
        command.add_argument("folder", type=Path, metavar="DIR")
    forget.add_argument("--from", dest="start", type=float, required=True, metavar="S")
    forget.add_argument(
        "--to", dest="end", type=float, required=True, metavar="S", help="inf: to its end"
    )
    two.add_argument("first", metavar="CODER")
    two.add_argument("second", metavar="CODER")
    told.add_argument("--out", type=Path, metavar="HTML", help="default: DIR-report.html")
    told.add_argument("--coder", metavar="CODE", help="the expressions as this coder left them")
    away.add_argument("--receipt", type=Path, required=True, metavar="JSON", help="must not exist")
    return p


if __name__ == "__main__":
    sys.exit(exit_code(main))
