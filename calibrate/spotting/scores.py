"""Tables of spotted events against tables of the truth, by the protocol of MEGC."""

from collections.abc import Sequence
from pathlib import Path

from model.errors import InputError
from realtime.results.run_summary import check_new, write_json_report
from realtime.spotting.spotting_scores import (
    KINDS,
    format_scores,
    read_intervals,
    score,
    score_record,
)

FORMAT, VERSION = "fmanet-live spotting", 1


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
    print(format_scores(scores))
    if out is not None:
        content = {"tables": [path.name for path in tables], "scores": [*map(score_record, scores)]}
        write_json_report(out, FORMAT, VERSION, content)
