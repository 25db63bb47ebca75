"""Export a session for other tools.

python -m realtime.export sessions/P07 --to elan
python -m realtime.export sessions/P07 --to csv --coder C1
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from model.cli import ListAction, Parser, exit_code, program
from model.face.network_files import add_face_networks
from realtime.export import EXPORTS, export
from realtime.results.sentences import add_language
from realtime.review.coding import apply_edits
from realtime.sessions.reader import open_session


def main() -> None:
    """Run the command line."""
    options = _parser().parse_args()
    folder: Path = options.folder
    session = open_session(folder)
    if options.coder is not None:
        session = apply_edits(session, options.coder)
    session = replace(session, language=options.language)
    for path in export(session, options.to, options.out):
        print(path)


def _parser() -> argparse.ArgumentParser:
    p = Parser(prog=program("realtime.export"), description=(__doc__ or "").partition("\n")[0])
    p.add_argument("folder", type=Path, metavar="DIR", help="the session")
    p.add_argument(
        "--to",
        action=ListAction,
        required=True,
        choices=tuple(EXPORTS),
        metavar="NAMES",
        help=f"with commas: {', '.join(EXPORTS)}; elan includes the sound, if there is any",
    )
    p.add_argument("--coder", metavar="CODE", help="apply the edits of this coder")
    add_language(p)
    add_face_networks(p)
    p.add_argument("--out", type=Path, metavar="DIR", help="folder to write (default: DIR-export)")
    return p


if __name__ == "__main__":
    sys.exit(exit_code(main))
