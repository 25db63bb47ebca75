"""What a folder of tables holds: which inputs were analysed already, and how.

Beside the tables of an input lies `<name>.analysis.json`, written last: what was analysed, as it
described itself, with which options, and what became of its frames.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

from model.errors import SourceError
from model.inference.checkpoint import checkpoint_digest, checkpoint_path
from model.text import clean_line, parse_json
from realtime.config import LiveConfig
from realtime.results.run_summary import config_record, versions
from realtime.sources import SourceInfo, SourceStatus, split_spec

FORMAT = "fmanet-live-analysis"
VERSION = 1
_SUFFIX = ".analysis.json"
_NOT_COMPARED = ("source", "device", "engine")
"""Options that results do not depend on; the source is compared by its files."""


@dataclass(frozen=True, slots=True)
class Job:
    """One input and where its results go."""

    spec: str
    events: Path
    motion: Path
    record: Path
    done: bool = False
    """The results are there, made of the same input with the same options."""
    again: bool = False
    """The results are there and are to be replaced, once the new ones are whole."""
    problem: str = ""
    """In words, why it cannot be done; empty if nothing speaks against it."""


def plan_jobs(
    inputs: Sequence[str], out: Path, motion: str, config: LiveConfig, *, again: bool
) -> list[Job]:
    """A job for each of `inputs`, their results in the folder `out`, the motion in a file of the
    suffix `motion`. Of an input that was analysed there before the results keep their name and are
    made again only if it broke off then, or with `again`; another one of that name gets a number.
    """
    kept = dict(_records(out))
    names = {record["input"]["mark"]: name for name, record in kept.items()}
    taken = {path.name.partition(".events.")[0] for path in out.glob("*.events.csv")}
    taken |= {path.name.partition(".motion.")[0] for path in out.glob(f"*.motion.{motion}")}
    taken = {name.casefold() for name in taken | kept.keys()}
    jobs = []
    for spec in dict.fromkeys(inputs):
        mark, base = _mark(spec), name_of(spec)
        known = names.get(mark)
        numbered = (f"{base}-{number}" for number in count(2))
        free = (name for name in chain([base], numbered) if name.casefold() not in taken)
        name = known or next(free)
        taken.add(name.casefold())
        job = Job(
            spec,
            out / f"{name}.events.csv",
            out / f"{name}.motion.{motion}",
            out / (name + _SUFFIX),
        )
        jobs.append(job if known is None else _before(job, kept[known], config, again))
    return jobs


def write_record(
    job: Job, config: LiveConfig, info: SourceInfo, status: SourceStatus, failure: str
) -> None:
    """Say beside the tables of `job` what was analysed; `failure`: why it broke off, if it did."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "input": {"spec": info.spec, "mark": _mark(job.spec)},
        "source": info.description,
        "notes": list(info.notes),
        "frames": status.frames,
        "dropped": dict(status.dropped),
        "unusable": dict(status.unusable),
        "message": status.message,
        "failure": failure,
        "options": _options(config),
        "versions": versions(),
    }
    partial = job.record.with_name(job.record.name + ".partial")
    partial.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
    partial.replace(job.record)


def name_of(spec: str) -> str:
    """What the tables of an input are called: its file's or folder's name, without what a file
    name cannot hold."""
    try:
        kind, rest = split_spec(spec)
    except SourceError:  # told when its turn comes
        kind, rest = "input", spec
    path = Path(rest)
    folder = path.resolve().name
    name = {"file": path.stem, "folder": folder, "session": folder}.get(kind, path.stem)
    kept = "".join(c if c.isalnum() or c in "._+-" else " " for c in name)
    return "_".join(kept.split()) or kind


def _before(job: Job, record: Mapping[str, Any], config: LiveConfig, again: bool) -> Job:
    """`job`, whose input was analysed before, as `record` says."""
    there = job.events.exists() and job.motion.exists()
    if again or not there or record["failure"]:
        return replace(job, again=True)
    options = _options(config)
    changed = [name for name in options if options[name] != record["options"].get(name)]
    if changed:
        problem = (
            f"{job.events} was made with another {' and '.join(changed)}: --again replaces it, "
            "another --out keeps both"
        )
        return replace(job, problem=problem)
    return replace(job, done=True)


def _records(out: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records in `out` by the names of their tables."""
    for path in sorted(out.glob(f"*{_SUFFIX}")):
        try:
            record = parse_json(path.read_text("utf-8"))
            if record["format"] == FORMAT and record["version"] == VERSION:
                record["input"]["mark"], record["failure"], record["options"]
                yield path.name.removesuffix(_SUFFIX), record
        except (OSError, ValueError, LookupError, TypeError):
            continue  # none of ours: its name stays taken by its tables


def _options(config: LiveConfig) -> dict[str, Any]:
    known = {k: v for k, v in config_record(config).items() if k not in _NOT_COMPARED}
    as_read: dict[str, Any] = json.loads(
        json.dumps(known | {"weights": checkpoint_digest(checkpoint_path(config.classifier))})
    )
    return as_read


def _mark(spec: str) -> str:
    """What tells one input from another: names, sizes and times of its files, so that it is known
    again after it was moved; no path, as folders are often called by names."""
    try:
        kind, rest = split_spec(spec)
    except SourceError:
        kind, rest = "input", spec
    path = Path(rest)
    said = [kind, path.resolve().name if kind in ("file", "folder", "session") else rest]
    try:
        if path.is_dir():
            with os.scandir(path) as entries:
                files = sorted(entries, key=lambda entry: entry.name)
                said += [f"{e.name} {e.stat().st_size} {e.stat().st_mtime_ns}" for e in files]
        elif path.exists():
            said.append(f"{path.stat().st_size} {path.stat().st_mtime_ns}")
    except OSError:
        pass  # told when its turn comes
    return hashlib.sha256("\n".join(map(clean_line, said)).encode()).hexdigest()
