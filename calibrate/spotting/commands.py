"""Can the spotter be trusted? Scores of event tables, and the test bed.

    python -m calibrate spotting score clip.events.csv clip.truth.csv
    python -m calibrate spotting evaluate --seeds 1400,1401 --out report/
    python -m calibrate spotting evaluate --over interview.mp4 --seeds 1400 --out over/
    python -m calibrate spotting evaluate --faces portraits/ --seeds 1400 --out faces/
    python -m calibrate spotting claims interview.mp4 --out films/

`score` compares tables. `evaluate` runs the spotter over footage with known truth (synthetic faces,
photographs brought to life, expressions written over real ones, annotated recordings). `claims`
writes films of what is found in recordings, for people to judge.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from tqdm import tqdm

from calibrate.spotting.claims import write_claims
from calibrate.spotting.footage import (
    FRAME_SIZE,
    USUAL,
    AnnotatedFootage,
    DrawnFootage,
    OverlaidFootage,
    RecordedFootage,
    TestFootage,
    conditions,
    face_conditions,
    overlay_video,
)
from calibrate.spotting.motion import MotionCache
from calibrate.spotting.names import name_events
from calibrate.spotting.outcomes import (
    FigureRow,
    Outcome,
    describe_names,
    format_figure_rows,
    measure_resting,
    run_spotter,
)
from calibrate.spotting.page import format_spotting
from calibrate.spotting.reliability import Reliability, format_reliability
from calibrate.spotting.scores import FORMAT, VERSION, score_tables
from model.cli import ListAction, Parser, exit_code, program
from model.datasets import open_dataset
from model.datasets.flows import split_data_spec
from model.errors import InputError
from model.face.network_files import add_face_networks
from model.files import distinct_names
from model.machine import machine
from model.parallel import Workers, add_jobs
from model.synthetic.photographs import list_photographs, open_photographs
from model.synthetic.scanned_face import SkinMotion
from model.text import count_noun
from realtime.command_options import add_least_probability
from realtime.perception.pipeline import PipelineConfig
from realtime.results.run_summary import check_new, write_json_report
from realtime.spotting.baseline_file import Baseline, load_baseline
from realtime.spotting.me_probability import check_least_probability
from realtime.spotting.spotter import SpotterConfig
from realtime.spotting.spotting_scores import KINDS

_MEASURED, _DEFAULT = "measured", "default"
_CACHE = Path("runs") / "motion"


def main(arguments: Sequence[str]) -> None:
    """`calibrate spotting`: run the command named by the first argument."""
    parser = Parser(
        prog=program("calibrate spotting"), description="Whether the spotter can be trusted."
    )
    commands = parser.add_subparsers(required=True, metavar="score|evaluate|claims")
    _add_score(commands)
    _add_evaluate(commands)
    _add_claims(commands)
    options = vars(parser.parse_args(arguments))
    options.pop("run")(**options)


def evaluate(
    seeds: Sequence[int],
    seconds: float,
    only: Sequence[str],
    faces: Sequence[Path],
    videos: Sequence[Path],
    motion: SkinMotion | None,
    given: Sequence[tuple[str, str]],
    data: Sequence[str],
    baseline: str,
    least_me_probability: float,
    classifier: str | None,
    cache: Path,
    workers: Workers,
    out: Path | None,
) -> None:
    """Run the spotter over footage with known truth, print the tables, and write spotting.json and
    spotting.html to `out`."""
    check_least_probability(least_me_probability)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name in ("spotting.json", "spotting.html"):
            check_new(out / name)
    groups = _footage(seeds, seconds, only, faces, videos, motion, given, data)
    chosen = None if baseline in (_MEASURED, _DEFAULT) else load_baseline(Path(baseline))
    motions = MotionCache(cache)
    footage = [each for _, _, pieces in groups for each in pieces]
    if baseline == _MEASURED:
        footage += [each.at_rest() for each in footage if isinstance(each, DrawnFootage)]

    def chosen_for(each: TestFootage) -> Baseline | None:
        if baseline == _MEASURED and isinstance(each, DrawnFootage):
            return measure_resting(motions.get(each.at_rest()))
        return chosen

    def config_for(each: TestFootage) -> SpotterConfig:
        known = chosen_for(each) or Baseline.default()
        return SpotterConfig(baseline=known, least_me_probability=least_me_probability)

    motions.fill(footage, workers)
    rows = []
    by_person: dict[Path, list[Outcome]] = {}
    for group, value, pieces in tqdm(groups, desc="spotting", disable=None):
        outcomes = [
            run_spotter(motions.get(each), each.truth(), config_for(each)) for each in pieces
        ]
        rows.append(FigureRow(group, value, tuple(outcomes)))
        for each, outcome in zip(pieces, outcomes, strict=True):
            if isinstance(each, DrawnFootage) and each.photograph is not None:
                by_person.setdefault(each.photograph, []).append(outcome)
    reliability = Reliability.of(outcome for row in rows for outcome in row.outcomes)
    names = distinct_names(by_person)
    rows += [FigureRow("person", names[who], tuple(found)) for who, found in by_person.items()]
    if by_person:
        every = tuple(outcome for found in by_person.values() for outcome in found)
        rows.append(FigureRow("person", f"all {len(by_person)}", every))
    if classifier is not None:
        chosen_rows = only or faces or videos or given or data
        named = groups if chosen_rows else [each for each in groups if each[0] == USUAL]
        rows += _named_rows(named, config_for, classifier)
    print(format_figure_rows(rows))
    for row in rows:
        if describe_names(row):
            print(f"{row.group}, {describe_names(row)}")
    if words := format_reliability(reliability):
        print(words)
    if out is not None:
        about = _about(footage, baseline)
        write_json_report(
            out / "spotting.json",
            FORMAT,
            VERSION,
            {
                "about": about,
                "machine": machine(),
                "least_me_probability": least_me_probability,
                "rows": [row.plain() for row in rows],
                "reliability": reliability.plain(),
            },
        )
        (out / "spotting.html").write_text(format_spotting(rows, about), encoding="utf-8")
        print(f"{out / 'spotting.html'} shows it with plots")


def film_claims(recordings: Sequence[str], seed: int, cache: Path, out: Path) -> None:
    """Write films of what the spotter claims in `recordings`, and of stretches in which it claims
    nothing, into `out`."""
    claimed, others = write_claims(recordings, out, MotionCache(cache), seed)
    print(
        f"{out}: {count_noun(claimed, 'claimed micro-expression')}, "
        f"{count_noun(others, 'film')} without one. Each judge fills in a copy of answers.csv, "
        "and does not open films.csv before"
    )


def _footage(
    seeds: Sequence[int],
    seconds: float,
    only: Sequence[str],
    faces: Sequence[Path],
    videos: Sequence[Path],
    motion: SkinMotion | None,
    given: Sequence[tuple[str, str]],
    data: Sequence[str],
) -> list[tuple[str, str, Sequence[TestFootage]]]:
    """(group, value, pieces) of the test bed, or of other footage if it is given."""
    if min(seeds) < 0 or not 1 <= seconds < math.inf:
        raise InputError(f"--seeds {seeds}, --seconds {seconds:g}: seeds from 0, 1 s or more")
    groups: list[tuple[str, str, Sequence[TestFootage]]] = []
    chosen = [c for c in conditions() if c.group in only] if only else []
    photographs = (
        [path for path, _ in open_photographs(list_photographs(faces), FRAME_SIZE)] if faces else []
    )
    if photographs:
        for c in chosen or face_conditions():
            drawn = [
                c.draw_photograph(photograph, motion or "scan", seed, seconds)
                for photograph in photographs
                for seed in seeds
            ]
            groups.append((c.group, c.value, drawn))
    for video, name in distinct_names(videos).items():
        for px, written in overlay_video(video, tuple(seeds), motion or "scan").items():
            groups.append((name, f"{px:g} px" if px else "as it is", written))
    recordings = [RecordedFootage(spec, Path(table)) for spec, table in given]
    groups += [("given", each.title, [each]) for each in recordings]
    groups += [("data set", each.title, [each]) for each in _open_annotated(data)]
    if only and not photographs and groups:
        raise InputError(f"--only {' '.join(only)}: these are groups of the test bed alone")
    if groups:
        return groups
    usual = motion or "catalogue"
    return [
        (c.group, c.value, [replace(c.draw(seed, seconds), motion=usual) for seed in seeds])
        for c in chosen or conditions()
    ]


def _open_annotated(data: Sequence[str]) -> list[AnnotatedFootage]:
    """The long recordings of data sets."""
    found = []
    for spec in data:
        name, root = split_data_spec(spec)
        dataset = open_dataset(name, root)
        if not dataset.videos:
            raise InputError(f"{spec}: {dataset.title} has no long recordings to spot in")
        if dataset.problems:
            print(
                f"{spec}: {len(dataset.problems)} annotated expressions cannot be used, so finding "
                f"them counts as false; the first: {dataset.problems[0].reason}"
            )
        found += [AnnotatedFootage(video) for video in dataset.videos]
    return found


def _about(footage: Sequence[TestFootage], baseline: str) -> str:
    """A description of footage and spotter for the report. A recording has no seed, and no rest to
    measure on."""
    drawn = [each for each in footage if isinstance(each, DrawnFootage)]
    written = [each for each in footage if isinstance(each, OverlaidFootage) and each.amplitude_px]
    seeds = {each.seed for each in drawn} | {each.seed for each in written}
    used = _DEFAULT if baseline == _MEASURED and not drawn else baseline
    parts = [f"seeds {', '.join(map(str, sorted(seeds)))}"] if seeds else []
    text = "; ".join([*parts, f"baseline: {used}"])
    return f"{text[0].upper()}{text[1:]}."


def _named_rows(
    groups: Sequence[tuple[str, str, Sequence[TestFootage]]],
    config: Callable[[TestFootage], SpotterConfig],
    classifier: str,
) -> list[FigureRow]:
    """Figures with names, of the footage that has a truth; of several rows also of all together."""
    rows = []
    for _, value, pieces in groups:
        if any(true.kind in KINDS for each in pieces for true in each.truth()):
            outcomes = [
                name_events(each, PipelineConfig(classifier=classifier, spotter=config(each)))
                for each in tqdm(pieces, desc=f"naming, {value}", disable=None)
            ]
            rows.append(FigureRow(f"named by {classifier}", value, tuple(outcomes)))
    if len(rows) > 1:
        every = tuple(outcome for row in rows for outcome in row.outcomes)
        rows.append(FigureRow(f"named by {classifier}", f"all {len(rows)}", every))
    return rows


def _add_score(commands: Any) -> None:
    parser = commands.add_parser("score", help="tables of events against tables of the truth")
    parser.add_argument(
        "tables", type=Path, nargs="+", metavar="EVENTS.csv TRUTH.csv", help="in pairs"
    )
    parser.add_argument("--out", type=Path, metavar="JSON", help="must not exist")
    parser.set_defaults(run=score_tables)


def _add_evaluate(commands: Any) -> None:
    groups = tuple(dict.fromkeys(c.group for c in conditions()))
    parser = commands.add_parser(
        "evaluate",
        help="the spotter on footage whose truth is known",
    )
    add = parser.add_argument
    add(
        "--seeds",
        action=ListAction,
        convert=int,
        default=[0, 1],
        help="as 1,2: 0–999 to choose, others to report",
    )
    add("--seconds", type=float, default=120.0, help="of synthetic footage, for each seed")
    add(
        "--only",
        action=ListAction,
        choices=groups,
        default=[],
        metavar="GROUPS",
        help=f"with commas: {', '.join(groups)}",
    )
    add(
        "--faces",
        type=Path,
        nargs="+",
        default=[],
        metavar="PHOTO",
        help="photographs, or folders of them, to bring to life; with --only in these groups",
    )
    add(
        "--over",
        dest="videos",
        type=Path,
        nargs="+",
        default=[],
        metavar="VIDEO",
        help="write micro-expressions over these, once for each seed",
    )
    add(
        "--motion",
        choices=get_args(SkinMotion),
        help="how skin moves: scan (as a scanned face; the default with --faces and --over) or "
        "catalogue (Gaussians around muscles; the default otherwise)",
    )
    add(
        "--baseline",
        default=_MEASURED,
        help=f"{_MEASURED}: on 20 s of rest of each synthetic face, {_DEFAULT} for recordings; "
        f"{_DEFAULT}; or a file",
    )
    add_least_probability(parser)
    add("--classifier", help="also name what is found (of the whole test bed: the usual footage)")
    add("--out", type=Path, metavar="FOLDER", help="for spotting.json and spotting.html")
    _add_footage(parser)
    parser.set_defaults(run=evaluate)


def _add_claims(commands: Any) -> None:
    parser = commands.add_parser(
        "claims",
        help="films of what is found in recordings, for people to judge",
    )
    add = parser.add_argument
    add("recordings", nargs="+", metavar="RECORDING", help="video files or folders of images")
    add("--seed", type=int, default=0, help="of the stretches without a claim, and the order")
    add("--out", type=Path, required=True, metavar="FOLDER", help="must not exist or be empty")
    add("--cache", type=Path, default=_CACHE, help="motion that was computed")
    add_face_networks(parser)
    parser.set_defaults(run=film_claims)


def _add_footage(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--footage",
        dest="given",
        nargs=2,
        action="append",
        default=[],
        metavar=("VIDEO", "TRUTH.csv"),
        help="a labelled recording; may be repeated",
    )
    add_face_networks(parser)
    add(
        "--data",
        action=ListAction,
        default=[],
        metavar="NAME:PATH",
        help="data sets of long recordings, with commas",
    )
    add("--cache", type=Path, default=_CACHE, help="motion that was computed")
    add_jobs(parser, 1, "measure motion")


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(sys.argv[1:])))
