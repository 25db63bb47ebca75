"""The report of a study: one HTML file about all of its sessions."""

from collections.abc import Mapping, Sequence
from typing import Any

from realtime.review.session_report import TEMPLATES
from realtime.review.study_rates import FEWEST_PEOPLE, measure_study_rates
from realtime.review.study_sessions import StudySession


def make_study_report(
    sessions: Sequence[StudySession], left_out: Sequence[Mapping[str, Any]]
) -> str:
    """Return the HTML of the report of `sessions`. `left_out`: rows of `SESSION_COLUMNS` of those
    that could not be read, each with why. It has no pictures and no sound."""
    return TEMPLATES.get_template("study_report.html").render(
        sessions=[session.facts for session in sessions],
        left_out=left_out,
        people=len({session.participant for session in sessions}),
        minutes=sum(session.facts["observed"] for session in sessions) / 60,
        expressions=sum(len(session.rows) for session in sessions),
        rates=measure_study_rates(sessions),
        fewest=FEWEST_PEOPLE,
    )
