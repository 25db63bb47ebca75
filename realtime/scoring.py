"""Tables of spotted events against tables of the truth, by the protocol of MEGC.

python -m realtime.scoring clip.events.csv clip.truth.csv
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from model.cli import Parser, program
from model.errors import InputError, exit_code
from realtime.results.run_summary import check_new, versions
from realtime.spotting.metrics import KINDS, read_intervals, record, score, table

FORMAT, VERSION = "fmanet-live spotting", 1


def main() -> None:
    """Score the tables that the command line names."""
    parser = Parser(
        prog=program("realtime.scoring"), description=(__doc__ or "").partition("\n")[0]
    )
    add_tables(parser)
    options = parser.parse_args()
    score_tables(options.tables, options.out)


def add_tables(parser: argparse.ArgumentParser) -> None:
    """The arguments of `score_tables`."""
    parser.add_argument(
        "tables", type=Path, nargs="+", metavar="EVENTS.csv TRUTH.csv", help="in pairs"
    )
    parser.add_argument("--out", type=Path, metavar="JSON", help="must not exist")


def score_tables(tables: Sequence[Path], out: Path | None = None) -> None:
    """Print, and write to `out`, how well tables of events, as `realtime.analyze` writes them, fit
    tables of the truth: events and truth in turn, all of them together as one video."""
    if len(tables) % 2:
        raise InputError(f"{len(tables)} tables: give them in pairs, events and truth in turn")
    if out is not None:
        check_new(out)
    read = [read_intervals(path) for path in tables]
    videos = list(zip(read[::2], read[1::2], strict=True))
    scores = [score(videos, kind) for kind in KINDS]
    print(table(scores))
    if out is not None:
        write_scores(
            out, {"tables": [path.name for path in tables], "scores": [*map(record, scores)]}
        )


def write_scores(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` to `path` as JSON, with format, version, date and software."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": versions(),
        **content,
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(exit_code(main))
