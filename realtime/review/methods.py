"""The methods paragraph of a report, for a paper: what was done, and with what."""

from collections import Counter
from pathlib import Path

from model.records import MICRO_S
from realtime.review.coding import coded_expressions
from realtime.review.quality import Quality
from realtime.review.template import fill_template
from realtime.sessions.reader import Session


def methods(session: Session, quality: Quality) -> str:
    """Return the paragraph. It claims no more than the session's files say."""
    edits = coded_expressions(session, session.coder) if session.coder else ()
    text = fill_template(
        "methods.txt",
        document=session.document,
        quality=quality,
        network=Path(session.document["weights"]["classifier"]).stem,
        coder=session.coder,
        verdicts=Counter(
            "added" if edit.number < 0 else edit.verdict
            for edit in edits
            if edit.number >= 0 or edit.verdict == "accepted"
        ),
        micro_s=MICRO_S,
    )
    return " ".join(text.split())
