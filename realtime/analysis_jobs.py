"""The jobs of an offline analysis, their files, and the records of earlier ones.

`<name>.analysis.json` is the record of an input. It lies beside the input's tables and holds the
source's description, the options and the frame counts. It is written after them; before them, it
says that the analysis was interrupted, which holds if it is killed.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

from model.cluster import code_digest
from model.errors import SourceError
from model.face.choice import LARGEST
from model.files import write_whole
from model.inference.checkpoint import checkpoint_digest, checkpoint_path
from model.text import clean_line, parse_json
from realtime.config import LiveConfig
from realtime.results.run_summary import config_record, list_versions
from realtime.results.sentences import Language
from realtime.review.study_sessions import RECORD
from realtime.sources import SourceInfo, SourceStatus, hide_password, split_spec
from realtime.sources.remote_file import is_remote, remote_facts, remote_name
from realtime.spotting.me_probability import AT_BAR

FORMAT = "fmanet-live-analysis"
VERSION = 1
_TABLES = ("events.csv", "events.parquet", "motion.csv", "motion.parquet", "columns.json")
_ENDINGS = (*_TABLES, "summary.html", "annotated.mp4")
"""The files of an input besides its record, each `<name>.<ending>`."""
_NOT_COMPARED = ("source", "device", "engine")
"""Options that do not change results; the source is compared by its files."""
_INTERRUPTED = "it was interrupted"


@dataclass(frozen=True, slots=True)
class AnalysisJob:
    """One input and where its results go."""

    spec: str
    out: Path
    name: str
    """First part of the names of its files."""
    weights: str
    """The `checkpoint_digest` of the weights."""
    pictures: bool = False
    """Show pictures of the face in the summary."""
    video: bool = False
    """Write an annotated video."""
    language: Language = "en"
    """Of the sentences in the table."""
    done: bool = False
    """Whether the results exist, made from the same input with the same options."""
    by_another: bool = False
    """Whether another version of this program made them."""
    again: bool = False
    """Whether results exist that will be replaced once the new ones are complete."""
    problem: str | None = None
    """Why the job cannot be done, in words; None if it can be."""

    @property
    def shown(self) -> str:
        """The spec as it may be printed and written down."""
        return hide_password(self.spec) if "://" in self.spec else self.spec

    @property
    def events(self) -> Path:
        """The table of expressions, as CSV."""
        return self._file("events.csv")

    @property
    def motion(self) -> Path:
        """The table of motion, as CSV."""
        return self._file("motion.csv")

    @property
    def event_tables(self) -> tuple[Path, Path]:
        """The tables of expressions."""
        return self.events, self._file("events.parquet")

    @property
    def motion_tables(self) -> tuple[Path, Path]:
        """The tables of motion."""
        return self.motion, self._file("motion.parquet")

    @property
    def codebook(self) -> Path:
        """What the tables' columns hold."""
        return self._file("columns.json")

    @property
    def summary(self) -> Path:
        """The page that sums the tables up."""
        return self._file("summary.html")

    @property
    def annotated(self) -> Path:
        """The annotated video, which is written only if it is asked for."""
        return self._file("annotated.mp4")

    @property
    def record(self) -> Path:
        """What was analysed, and how."""
        return self.out / (self.name + RECORD)

    @property
    def files(self) -> list[Path]:
        """All of these that exist."""
        paths = [*map(self._file, _ENDINGS), self.record]
        return [path for path in paths if path.exists()]

    @property
    def complete(self) -> bool:
        """Whether all that is asked for is there. Earlier versions wrote motion as one of both, and
        no summary."""
        asked = [self.events, *([self.annotated] if self.video else [])]
        motion = any(path.exists() for path in self.motion_tables)
        return motion and all(path.exists() for path in asked)

    def _file(self, ending: str) -> Path:
        return self.out / f"{self.name}.{ending}"


def plan_jobs(
    inputs: Sequence[str],
    out: Path,
    config: LiveConfig,
    *,
    again: bool = False,
    pictures: bool = False,
    video: bool = False,
    language: Language = "en",
) -> list[AnalysisJob]:
    """Return a job for each of `inputs`, with results in the folder `out`. An input that was
    analysed into `out` before keeps its names; it is analysed again only if it broke off then, or
    with `again`. A different input of the same name gets a number."""
    records = dict(_records(out))
    names = {record["input"]["mark"]: name for name, record in records.items()}
    found = ((ending, path) for ending in _ENDINGS for path in out.glob(f"*.{ending}"))
    taken = {path.name.removesuffix(f".{ending}") for ending, path in found}
    taken = {name.casefold() for name in taken | records.keys()}
    weights = checkpoint_digest(checkpoint_path(config.classifier))
    jobs = []
    for spec in dict.fromkeys(inputs):
        mark, base = mark_input(spec), name_of(spec)
        known = names.get(mark)
        numbered = (f"{base}-{number}" for number in count(2))
        free = (name for name in chain([base], numbered) if name.casefold() not in taken)
        name = known or next(free)
        taken.add(name.casefold())
        job = AnalysisJob(spec, out, name, weights, pictures, video, language)
        jobs.append(job if known is None else _repeat(job, records[known], config, again))
    return jobs


@contextmanager
def begin(
    job: AnalysisJob, mark: str, config: LiveConfig, info: SourceInfo, status: SourceStatus
) -> Iterator[AnalysisJob]:
    """Yield `job` for the work on it. Until there is a record, one says that the analysis was
    interrupted. A job whose process was killed runs again: it finds that record, or a complete one
    of which nobody was told, replaces what is there, and deletes what was not finished. `mark`: see
    `write_record`."""
    for ending in (*_ENDINGS, RECORD[1:]):
        for path in job.out.glob(f"{job.name}.{ending}.*.partial"):
            path.unlink(missing_ok=True)
    record = _read_record(job.record)
    if record is None:
        write_record(job, mark, config, info, status, _INTERRUPTED)
    elif record["input"]["mark"] == mark:
        job = replace(job, again=True)
    try:
        yield job
    finally:
        if job.files == [job.record]:  # it failed before it had any table
            job.record.unlink()


def write_record(
    job: AnalysisJob,
    mark: str,
    config: LiveConfig,
    info: SourceInfo,
    status: SourceStatus,
    failure: str | None,
) -> None:
    """Write the record of `job`. `mark`: of its input when it was opened. `failure` says why the
    analysis broke off; None if it did not."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "input": {"spec": job.shown, "mark": mark},
        "source": info.description,
        "notes": list(info.notes),
        "frames": status.frames,
        "dropped": dict(status.dropped),
        "unusable": dict(status.unusable),
        "message": status.message,
        "failure": failure or "",
        "pictures": job.pictures,
        "options": _options(job, config),
        "program": code_digest(),
        "versions": list_versions(),
    }
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    write_whole(job.record, text.encode(), private=True)


def name_of(spec: str) -> str:
    """Return the name for the tables of an input: the name of its file or folder, without
    characters that a file name cannot hold."""
    kind, rest = _split(spec)
    path = Path(remote_name(rest) if kind in ("remote", "network") else rest)
    name = path.resolve().name if kind in ("folder", "session") else path.stem
    kept = "".join(c if c.isalnum() or c in "._+-" else " " for c in name)
    return "_".join(kept.split()) or kind


def _repeat(
    job: AnalysisJob, record: Mapping[str, Any], config: LiveConfig, again: bool
) -> AnalysisJob:
    """Return `job` for an input that was analysed before, and has this `record`."""
    tables = job.events.exists() and any(path.exists() for path in job.motion_tables)
    if again or record["failure"] or not tables:
        return replace(job, again=True)
    options = _options(job, config)
    # not yet in older records
    usual = {"face": LARGEST, "language": "en", "least_me_probability": AT_BAR}
    before = usual | record["options"]
    changed = [name for name in options if options[name] != before.get(name)]
    if changed:
        problem = (
            f"{job.events} was made with another {' and '.join(changed)}: give --again to replace "
            "it, or another --out to keep both"
        )
        return replace(job, problem=problem)
    shown = record.get("pictures", False) or not job.pictures
    if job.complete and shown:
        by_another = record.get("program", code_digest()) != code_digest()
        return replace(job, done=True, by_another=by_another)
    problem = (
        f"{job.events} was made without --pictures or --video: give --again to replace it, or "
        "another --out to keep both"
    )
    return replace(job, problem=problem)


def _records(out: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the records in `out`, each with the name of its tables."""
    for path in sorted(out.glob(f"*{RECORD}")):
        record = _read_record(path)
        if record is not None:
            yield path.name.removesuffix(RECORD), record


def _read_record(path: Path) -> dict[str, Any] | None:
    """Return the record in `path`; None if it is none. Its tables still occupy the name."""
    try:
        record: dict[str, Any] = parse_json(path.read_text("utf-8"))
        if record["format"] == FORMAT and record["version"] == VERSION:
            record["input"]["mark"], record["failure"], record["options"]
            return record
        return None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _options(job: AnalysisJob, config: LiveConfig) -> dict[str, Any]:
    """Return the options that results depend on, as JSON gives them back."""
    options = config_record(config) | {"language": job.language}
    options["weights"] = job.weights
    options = json.loads(json.dumps(options))
    return {name: value for name, value in options.items() if name not in _NOT_COMPARED}


def _split(spec: str) -> tuple[str, str]:
    if is_remote(spec):
        return "remote", spec
    try:
        return split_spec(spec)
    except SourceError:  # opening the input reports it
        return "input", spec


def mark_input(spec: str) -> str:
    """Return a digest of the names, sizes and times of an input's files, by which it is recognised
    even after a move. The path is not in it: folders often carry people's names. Of a session, what
    was recorded counts; coders' edits and notes of exports do not change it."""
    kind, rest = _split(spec)
    if kind == "remote":
        with suppress(SourceError):  # fetching the input reports it
            facts = [kind, remote_name(spec), *remote_facts(spec)]
            return _digest(facts)
        return _digest([kind, hide_password(spec)])
    path = Path(rest)
    facts = [kind, path.resolve().name if kind in ("file", "folder", "session") else rest]
    with suppress(OSError):  # opening the input reports it
        if path.is_dir():
            with os.scandir(path) as entries:
                files = sorted(entries, key=lambda entry: entry.name)
                if kind == "session":
                    files = [e for e in files if e.name == "frames.csv" or e.name.endswith(".mkv")]
                facts += [f"{e.name} {e.stat().st_size} {e.stat().st_mtime_ns}" for e in files]
        elif path.exists():
            facts.append(f"{path.stat().st_size} {path.stat().st_mtime_ns}")
    return _digest(facts)


def _digest(facts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(map(clean_line, facts)).encode()).hexdigest()
