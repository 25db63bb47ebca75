"""The report: tables, targets, and what was not run."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from model.errors import describe_error
from model.files import write_whole
from realtime.stream.clock import monotonic_s

FORMAT = "fmanet-live gpu 1"
MARKDOWN, DOCUMENT = "gpu.md", "gpu.json"
GPU_TARGETS = {
    "lk, both phases at 224²": ("p50", 0.3),
    "tvl1, both phases at 224²": ("p50", 3.0),
    "FMANet, FP16, through TensorRT": ("p50", 0.2),
    "crops to name at 224²": ("p99", 1.0),
    "lk on the CPU, both phases at 128²": ("p50", 5.0),
}
"""ms, host memory to host memory; those on a GPU are for an H100."""
WRONG = "WRONG"
"""Start of a verdict if the numbers differ from the CPU's."""


@dataclass(frozen=True)
class Section:
    """A table, and the notes below it."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self) -> Iterator[str]:
        """The lines of the table in Markdown."""
        yield from ("", f"## {self.title}", "", row(self.columns), "|---" * len(self.columns) + "|")
        yield from map(row, self.rows)
        for note in self.notes:
            yield from ("", note)


@dataclass
class Report:
    """The results of one part, or of all parts together."""

    device: str
    calls: int
    size_px: int
    say: Callable[[str, Any, str], None] | None = None
    """Gets everything that `add` gets, and its text for the terminal."""
    until_s: float = float("inf")
    """Time of `realtime.stream.clock`; steps that have not begun by then are skipped."""
    facts: dict[str, str] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    measured: dict[str, tuple[float, str]] = field(default_factory=dict)
    """By name in `GPU_TARGETS`: ms, and the least possible in words."""

    @property
    def cuda(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def wrong(self) -> bool:
        """Whether any verdict is `WRONG`."""
        cells = (cell for each in self.sections for cells in each.rows for cell in cells)
        return any(isinstance(cell, str) and cell.startswith(WRONG) for cell in cells)

    def add(self, kind: str, what: Any) -> None:
        """Keep `what`, and pass it to `say` with its text. `kind` is "section" (title, columns),
        "row" (its cells) or "note" of the last section, "left out", or "measured" (target,
        (ms, least))."""
        text = ""
        match kind:
            case "section":
                self.sections.append(Section(*what))
                text = "\n".join(self.sections[-1].text())
            case "row":
                self.sections[-1].rows.append(what)
                text = row(what)
            case "note":
                self.sections[-1].notes.append(what)
                text = f"\n{what}"
            case "left out":
                self.left_out.append(what)
                text = f"not run: {what}"
            case "measured":
                self.measured.update([what])
            case _:
                raise ValueError(f"a report has no {kind}")
        if self.say is not None:
            self.say(kind, what, text)

    def section(self, title: str, *columns: str) -> None:
        """Begin a table."""
        self.add("section", (title, columns))

    def row(self, *cells: object) -> None:
        """Add a row to the table: numbers, text, or None for an empty cell."""
        self.add("row", cells)

    def note(self, text: str) -> None:
        """Add a note below the table."""
        self.add("note", text)

    def attempt(self, what: str, step: Callable[..., None], *args: Any) -> None:
        """Let `step` add its rows. If it fails, `what` is listed as left out, with the reason."""
        if monotonic_s() > self.until_s:
            self.add("left out", f"{what}: time was up (--seconds)")
            return
        try:
            step(self, *args)
        except Exception as error:  # libraries and drivers raise anything
            self.add("left out", f"{what}: {describe_error(error)}")

    def targets(self) -> list[tuple[Any, ...]]:
        """Rows of the table of targets: what, target, ms measured, least possible, verdict."""
        found: list[tuple[Any, ...]] = []
        for what, (rank, limit_ms) in GPU_TARGETS.items():
            ms, least = self.measured.get(what, (None, ""))
            verdict = "not run" if ms is None else "met" if ms <= limit_ms else "missed"
            found.append((what, f"{rank} ≤ {limit_ms:g}", ms, least, verdict))
        return found

    def target_section(self) -> Section:
        """The targets as a table."""
        return Section("Targets, ms", ("what", "target", "measured", "floor", ""), self.targets())

    def text(self) -> str:
        """The report as Markdown."""
        lines = ["# What runs on this GPU", ""]
        lines += [f"- {name}: {fact}" for name, fact in self.facts.items()]
        for each in (*self.sections, self.target_section()):
            lines += each.text()
        lines += ["", "## Not run", "", *(f"- {each}" for each in self.left_out or ["nothing"])]
        return "\n".join(lines) + "\n"

    def document(self) -> dict[str, Any]:
        """The report as plain values."""
        names = ("what", "target", "ms", "floor", "verdict")
        return {
            "format": FORMAT,
            **self.facts,
            "device": self.device,
            "calls": self.calls,
            "sections": [asdict(each) for each in self.sections],
            "targets": [dict(zip(names, target, strict=True)) for target in self.targets()],
            "not_run": self.left_out,
        }

    def write(self, folder: Path) -> None:
        """Write the report so far. Files are replaced whole."""
        document = json.dumps(self.document(), indent=1, ensure_ascii=False, default=str)
        for name, text in ((MARKDOWN, self.text()), (DOCUMENT, document + "\n")):
            write_whole(folder / name, text.encode())


def row(cells: Sequence[object]) -> str:
    """`cells` as a line of a Markdown table."""
    return "| " + " | ".join(map(_cell_text, cells)) + " |"


def _cell_text(cell: object) -> str:
    if cell is None:
        return ""
    if not isinstance(cell, float):
        return str(cell).replace("|", "/")
    return f"{cell:.3f}" if cell == 0 or abs(cell) >= 0.01 else f"{cell:.1e}"
