"""What a benchmark has found so far: rows that are shown and kept as they come, targets, and what
was not run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.errors import error_line
from realtime.stream.clock import monotonic_s

TARGETS = {
    "lk, both phases at 224²": ("p50", 0.3),
    "tvl1, both phases at 224²": ("p50", 3.0),
    "FMANet, FP16, through TensorRT": ("p50", 0.2),
    "crops to name at 224²": ("p99", 1.0),
    "lk on the CPU, both phases at 128²": ("p50", 5.0),
}
"""ms, host memory to host memory; those on a GPU are for an H100."""


@dataclass
class Report:
    """Of one part, run in a process of its own, or of all together."""

    device: str
    calls: int
    size_px: int
    say: Callable[[str, Any], None] | None = None
    """Told of every "line", everything "left out" and every "measured" target at once."""
    until_s: float = float("inf")
    """By `realtime.stream.clock`: what has not begun by then is left out."""
    lines: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    measured: dict[str, float] = field(default_factory=dict)
    """ms, by the names of `TARGETS`."""

    @property
    def cuda(self) -> bool:
        return self.device.startswith("cuda")

    def add(self, kind: str, what: Any) -> None:
        """Keep it and say it."""
        if kind == "line":
            self.lines.append(what)
        elif kind == "left out":
            self.left_out.append(what)
        else:
            self.measured.update([what])
        if self.say is not None:
            self.say(kind, what)

    def section(self, title: str, *header: str) -> None:
        """Begin a table."""
        for line in ("", f"## {title}", "", self.row(*header), "|---" * len(header) + "|"):
            self.add("line", line)

    def row(self, *cells: object) -> str:
        """A line of it."""
        return "| " + " | ".join(map(str, cells)) + " |"

    def attempt(self, what: str, step: Callable[..., str], *args: Any) -> None:
        """The row that `step` makes of this and `args`, or why it failed."""
        if monotonic_s() > self.until_s:
            self.add("left out", f"{what}: time was up (--minutes)")
            return
        try:
            row = step(self, *args)
        except Exception as error:  # libraries and drivers raise whatever they like
            self.add("left out", f"{what}: {error_line(error)}")
        else:
            self.add("line", row)

    def text(self) -> str:
        """All of it as Markdown."""
        ends = ["", "## Targets", "", self.row("what", "target, ms", "measured", "")]
        ends.append("|---" * 4 + "|")
        for what, (rank, limit_ms) in TARGETS.items():
            ms = self.measured.get(what)
            verdict = "not run" if ms is None else "met" if ms <= limit_ms else "missed"
            shown = "" if ms is None else f"{ms:.3f}"
            ends.append(self.row(what, f"{rank} ≤ {limit_ms:g}", shown, verdict))
        ends += ["", "## Not run", "", *(f"- {each}" for each in self.left_out or ["nothing"])]
        return "\n".join([*self.lines, *ends]) + "\n"

    def write(self, path: Path) -> None:
        """As far as it has come."""
        path.write_text(self.text(), encoding="utf-8")
