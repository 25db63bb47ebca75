"""The ledger: an append-only table of what happened to every frame.

Each frame has a line that says whether it is in the video (`recorded`) or why it is not
(`dropped`). Later the analysis adds another: `analysed`, `late` or `unanalysed`. Frames that never
came have a line with their number (`missing`), and so do frames that were deleted on request
(`redacted`). The line of a recorded frame is written before its picture.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from model.records import Stamp
from realtime.results.value_checks import FURTHEST_MS, as_seconds, as_whole

LEDGER_HEADER = "index,time_s,received_s,clock,part,pts_ms,fate,cause,count"

Fate = Literal["recorded", "dropped", "missing", "redacted", "analysed", "late", "unanalysed"]
FATES: tuple[Fate, ...] = get_args(Fate)
"""First those of the capture, then those of the analysis."""

LATE_S = 0.5
"""An analysis that ends more than this after its frame arrived is `late`: by then even the longest
micro-expression is over."""

FROM_VIDEO = "ledger line lost; told from the video"
LOST_AT_CUT = "lost when the recording was cut off"
PIPELINE_BEHIND = "pipeline behind"
RECORDER_BEHIND = "recorder behind"
RECORDER_FIRST = "recorder first"
REDACTED = "redacted on request"

_CAUSE_WORDS = {
    PIPELINE_BEHIND: "analysis too slow",
    RECORDER_FIRST: "analysis waited for the recording",
    RECORDER_BEHIND: "recording too slow",
    REDACTED: "deleted on request",
}


def describe_cause(cause: str) -> str:
    """Return what people read of a cause, as the ledger or a run has it."""
    return _CAUSE_WORDS.get(cause, cause)


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """A line of the ledger."""

    index: int
    """Index of the frame; of the first one if `count` is above 1."""
    fate: Fate
    time_s: float | None = None
    """Exact capture time on the source's clock; None if unknown."""
    received_s: float | None = None
    """When it reached this program, on the system's monotonic clock."""
    clock: str = ""
    """Where `time_s` comes from: `realtime.sources.Clock`."""
    part: int | None = None
    """Part of the video: 1 is `video.mkv`, 2 `video-2.mkv`."""
    pts_ms: int | None = None
    """Presentation time in that part, in ms since the session's first frame."""
    cause: str = ""
    count: int = 1
    """Number of frames, from `index` on, that the line describes."""
    analysis: Literal["analysed", "late", "unanalysed", ""] = ""
    """The frame's analysis, from a later line, see `frame_table`; empty: there is no such line."""

    @property
    def stamp(self) -> Stamp:
        """Index and exact time. Raises `ValueError` if the time is unknown."""
        if self.time_s is None:
            raise ValueError(f"frame {self.index} is {self.fate}: no time is known")
        return Stamp(self.index, self.time_s)

    def text(self) -> str:
        """Return the line as it is written; floats are exact."""
        cells = (self.index, self.time_s, self.received_s, self.clock, self.part, self.pts_ms)
        known = ["" if cell is None else str(cell) for cell in cells]
        return ",".join([*known, self.fate, self.cause.replace(",", ";"), str(self.count)])


def parse_line(text: str) -> LedgerLine | None:
    """Return the line in `text`, written by `LedgerLine.text`; None for the header or a damaged
    line."""
    cells = text.split(",")
    if len(cells) != 9 or cells[6] not in FATES:
        return None
    index, time_s, received_s, clock, part, pts_ms, fate, cause, count = cells
    try:
        line = LedgerLine(
            index=as_whole(int(index)),
            fate=fate,  # type: ignore[arg-type]  # checked above
            time_s=as_seconds(float(time_s)) if time_s else None,
            received_s=as_seconds(float(received_s)) if received_s else None,
            clock=clock,
            part=as_whole(int(part)) if part else None,
            pts_ms=as_whole(int(pts_ms)) if pts_ms else None,
            cause=cause,
            count=as_whole(int(count)),
        )
        unplaced = line.time_s is None or line.part is None or line.pts_ms is None
        if line.fate == "recorded" and unplaced:
            return None
        if line.index < 0 or line.count < 1 or (line.part or 1) < 1:
            return None
        return None if abs(line.pts_ms or 0) > FURTHEST_MS else line
    except (ValueError, TypeError):
        return None
