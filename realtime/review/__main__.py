"""Report a recorded session, or compare two of its coders.

python -m realtime.review agree DIR C1 C2            how far two coders agree
python -m realtime.review report DIR [--coder C1]    one HTML file
"""

import argparse
import sys
from pathlib import Path

from model.cli import Parser, exit_code, program
from model.errors import InputError
from realtime.results.sentences import add_language
from realtime.review.agreement import agree, describe_agreement
from realtime.review.session_report import write_session_report
from realtime.sessions.folder import hold
from realtime.sessions.reader import open_session


def main() -> None:
    """Run the command line. Raises `InputError` if the disk does not allow it."""
    options = _parser().parse_args()
    folder: Path = options.folder
    try:
        with hold(folder):
            if options.command == "report":
                print(write_session_report(folder, options.out, options.coder, options.language))
            else:
                found = agree(open_session(folder), options.first, options.second)
                print("\n".join(f"{name}: {words}" for name, words in describe_agreement(found)))
    except OSError as error:
        raise InputError(f"{error.filename or folder}: {error.strerror}") from None


def _parser() -> argparse.ArgumentParser:
    p = Parser(prog=program("realtime.review"), description=(__doc__ or "").partition("\n")[0])
    commands = p.add_subparsers(dest="command", required=True)
    agreement = commands.add_parser("agree", help="how far two coders agree")
    report = commands.add_parser("report", help="quality, expressions, methods: one HTML file")
    for command in (agreement, report):
        command.add_argument("folder", type=Path, metavar="DIR", help="the session")
    agreement.add_argument("first", metavar="CODER", help="code of one coder")
    agreement.add_argument("second", metavar="CODER", help="code of the other")
    report.add_argument(
        "--out", type=Path, metavar="HTML", help="report to write (default: DIR-report.html)"
    )
    report.add_argument("--coder", metavar="CODE", help="apply the edits of this coder")
    add_language(report)
    return p


if __name__ == "__main__":
    sys.exit(exit_code(main))
