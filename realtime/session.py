"""Recover, redact or delete a recorded session.

python -m realtime.session recover DIR                repair a recording that was cut off
python -m realtime.session redact DIR --from 61 --to 75.5
python -m realtime.session delete DIR --receipt receipt.json

`agree` and `report` work here too: they are passed on to `python -m realtime.review`.
"""

import argparse
import errno
import sys
from pathlib import Path

from model.cli import Parser, exit_code, program
from model.errors import InputError
from realtime.sessions.delete import delete
from realtime.sessions.exported_copies import ForgottenCopies, forget_copies
from realtime.sessions.folder import SessionFolder, hold
from realtime.sessions.recover import recover
from realtime.sessions.redact import redact_span


def main() -> None:
    """Run the command line. Raises `InputError` if the disk does not allow it."""
    if sys.argv[1:2] in (["agree"], ["report"]):
        from realtime.review.__main__ import main as review  # slow: it imports what draws reports

        review()
        return
    options = _parser().parse_args()
    folder: Path = options.folder
    try:
        with hold(folder) as session:
            _command(options, session)
    except OSError as error:
        problem = f"{error.filename or folder}: {error.strerror}"
        if options.command in ("recover", "redact"):
            # Each file is replaced atomically, and a marker says what to delete.
            if error.errno == errno.ENOSPC:
                problem += "; make room for a copy of the longest part of the video"
            problem += f"; then finish with fmanet session recover {folder}"
        raise InputError(problem) from None


def _command(options: argparse.Namespace, session: SessionFolder) -> None:
    folder = session.path
    if options.command == "recover":
        done = recover(session)
        print(f"{folder}: {done.frames} frames in the video, {done.lost} lost when it was cut off")
        if done.unlisted:
            print(f"{done.unlisted} frames were missing in {session.frames.name}: they are added")
        if done.redactions:
            print(f"{done.redactions} redactions were interrupted: they are finished")
            _list_copies(forget_copies(session))
    elif options.command == "redact":
        frames = redact_span(folder, options.start, options.end)
        print(f"{folder}: {frames} frames deleted, with their rows in the tables")
        _list_copies(forget_copies(session))
    else:
        count, copies = delete(folder, options.receipt)
        print(f"{folder}: {count} files deleted; receipt in {options.receipt}")
        _list_copies(copies)


def _list_copies(copies: ForgottenCopies) -> None:
    """Print what happened to the exports, and what is left to do."""
    for path in copies.deleted:
        print(f"{path}: deleted, because it showed what was deleted")
    for path in copies.left:
        print(f"{path}: not deleted, and may hold what was deleted: check it, or delete it")


def _parser() -> argparse.ArgumentParser:
    p = Parser(
        prog=program("realtime.session"),
        description=(__doc__ or "").partition("\n")[0],
        epilog="Also: agree (how far two coders agree) and report (the report of a session).",
    )
    commands = p.add_subparsers(dest="command", required=True)
    repair = commands.add_parser("recover", help="repair a recording that was cut off")
    redact = commands.add_parser("redact", help="delete a span from video and tables")
    remove = commands.add_parser("delete", help="delete a session, and write a receipt")
    for command in (repair, redact, remove):
        command.add_argument("folder", type=Path, metavar="DIR", help="the session")
    for name, dest, what in (
        ("--from", "start", "start of the span, s of the video"),
        ("--to", "end", "its end; inf: that of the session"),
    ):
        redact.add_argument(name, dest=dest, type=float, required=True, metavar="S", help=what)
    remove.add_argument("--receipt", type=Path, required=True, metavar="JSON", help="new file")
    return p


if __name__ == "__main__":
    sys.exit(exit_code(main))
