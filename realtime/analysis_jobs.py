"""What a folder of tables holds: which inputs were analysed already, and how.

`<name>.analysis.json` lies beside the tables of an input and is written last. It holds the source's
description, the options and the frame counts.
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
    """The results exist, made from the same input with the same options."""
    again: bool = False
    """The results exist and will be replaced once the new ones are complete."""
    problem: str = ""
    """Why the job cannot be done, in words; empty if it can."""


def plan_jobs(
    inputs: Sequence[str], out: Path, motion: str, config: LiveConfig, *, again: bool
) -> list[Job]:
    """Return a job for each of `inputs`, with results in the folder `out` and motion in a file with
    the suffix `motion`. An input analysed there before keeps its names; it is redone only if it
    broke off then, or with `again`. A different input of the same name gets a number."""
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
    """Write beside the tables of `job` what was analysed; `failure` says why it broke off, if
    so."""
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
    """Return the name for the tables of an input: its file's or folder's name, without characters
    that a file name cannot hold."""
    try:
        kind, rest = split_spec(spec)
    except SourceError:  # reported when this input is opened
        kind, rest = "input", spec
    path = Path(rest)
    folder = path.resolve().name
    name = {"file": path.stem, "folder": folder, "session": folder}.get(kind, path.stem)
    kept = "".join(c if c.isalnum() or c in "._+-" else " " for c in name)
    return "_".join(kept.split()) or kind


def _before(job: Job, record: Mapping[str, Any], config: LiveConfig, again: bool) -> Job:
    """Return `job` for an input that was analysed before, as `record` says."""
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
    """Yield the records in `out`, each with the name of its tables."""
    for path in sorted(out.glob(f"*{_SUFFIX}")):
        try:
            record = parse_json(path.read_text("utf-8"))
            if record["format"] == FORMAT and record["version"] == VERSION:
                record["input"]["mark"], record["failure"], record["options"]
                yield path.name.removesuffix(_SUFFIX), record
        except (OSError, ValueError, LookupError, TypeError):
            continue  # not ours: its tables still occupy the name


def _options(config: LiveConfig) -> dict[str, Any]:
    known = {k: v for k, v in config_record(config).items() if k not in _NOT_COMPARED}
    as_read: dict[str, Any] = json.loads(
        json.dumps(known | {"weights": checkpoint_digest(checkpoint_path(config.classifier))})
    )
    return as_read


def _mark(spec: str) -> str:
    """Return a digest that identifies an input by the names, sizes and times of its files, so that
    it is recognised after a move. It leaves out the path, because folders often carry people's
    names."""
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
        pass  # reported when this input is opened
    return hashlib.sha256("\n".join(map(clean_line, said)).encode()).hexdigest()
