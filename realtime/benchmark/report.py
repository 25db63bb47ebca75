"""What a benchmark leaves behind: a folder with `report.html`, `report.json`, `samples.parquet`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from model.errors import InputError
from realtime.benchmark.page import page
from realtime.benchmark.samples import read_samples, write_samples

FORMAT = "fmanet-live benchmark 1"
REPORT, SAMPLES, PAGE = "report.json", "samples.parquet", "report.html"


def write_report(folder: Path, report: Mapping[str, Any], tables: list[pa.Table]) -> None:
    """The three files; the page's pictures are drawn from the samples as they were written."""
    write_samples(folder / SAMPLES, tables)
    text = json.dumps({"format": FORMAT, **report}, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / REPORT).write_text(text + "\n", encoding="utf-8")
    text = page(report, read_samples(folder / SAMPLES))
    (folder / PAGE).write_text(text, encoding="utf-8")


def read_report(folder: Path) -> dict[str, Any]:
    """The document in `folder`; `InputError` if there is none of this format."""
    path = folder / REPORT
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from None
    found = report.get("format") if isinstance(report, dict) else None
    if found != FORMAT:
        raise InputError(f"{path} has the format {found!r}, this version reads {FORMAT!r}")
    return dict(report)
