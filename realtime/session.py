"""What can be done with a recorded session.

python -m realtime.session recover DIR                make a recording whole that was cut off
python -m realtime.session redact DIR --from 61 --to 75.5
python -m realtime.session delete DIR --receipt receipt.json

`agree` and `report`, of `python -m realtime.review`, are taken here too.
"""

import argparse
import errno
import sys
from pathlib import Path

from model.cli import Parser, program
from model.errors import InputError, exit_code
from realtime.sessions.delete import delete
from realtime.sessions.exported_copies import Forgotten, forget_copies
from realtime.sessions.folder import SessionFolder, hold
from realtime.sessions.recover import recover
from realtime.sessions.redact import redact_span


def main() -> None:
    """Do what the command line asks. Raises `InputError` if the disk does not let it."""
    if sys.argv[1:2] in (["agree"], ["report"]):
        from realtime.review.__main__ import main as review  # imports what draws a report

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
            # Each file was replaced at one stroke, and a marker says what was to be deleted.
            if error.errno == errno.ENOSPC:
                problem += "; make room for a copy of the longest part of the video"
            problem += f"; the rest is still to do: python -m realtime.session recover {folder}"
        raise InputError(problem) from None


def _command(options: argparse.Namespace, session: SessionFolder) -> None:
    folder = session.path
    if options.command == "recover":
        done = recover(session)
        print(
            f"{folder}: {done.frames} frames in the video, {done.lost} lost when it was cut off, "
            f"{done.unlisted} told from the video alone, {done.redactions} redactions finished"
        )
        if done.redactions:
            _list_copies(forget_copies(session))
    elif options.command == "redact":
        frames = redact_span(folder, options.start, options.end)
        print(f"{folder}: {frames} frames deleted, with what the tables said of them")
        _list_copies(forget_copies(session))
    else:
        count, copies = delete(folder, options.receipt)
        print(f"{folder}: {count} files deleted; receipt in {options.receipt}")
        _list_copies(copies)


def _list_copies(copies: Forgotten) -> None:
    """Print what became of what was exported, and what is left to do."""
    for path in copies.deleted:
        print(f"{path}: deleted, an export that showed it")
    for path in copies.left:
        print(f"{path}: may still tell of it, and was left: look through it, or delete it")


def _parser() -> argparse.ArgumentParser:
    p = Parser(
        prog=program("realtime.session"),
        description=(__doc__ or "").partition("\n")[0],
        epilog="agree, report: how far two coders agree, and the report of a session",
    )
    commands = p.add_subparsers(dest="command", required=True)
    whole = commands.add_parser("recover", help="make a recording whole that was cut off")
    span = commands.add_parser("redact", help="delete a span from video and tables")
    away = commands.add_parser("delete", help="delete a session, with a receipt")
    for command in (whole, span, away):
        command.add_argument("folder", type=Path, metavar="DIR")
    span.add_argument("--from", dest="start", type=float, required=True, metavar="S")
    span.add_argument(
        "--to", dest="end", type=float, required=True, metavar="S", help="inf: to its end"
    )
    away.add_argument("--receipt", type=Path, required=True, metavar="JSON", help="must not exist")
    return p


if __name__ == "__main__":
    sys.exit(exit_code(main))
