"""What each part of FMANet brings, and how the systems compare, on synthetic expressions.

    python -m model.evaluation.ablation --out runs/ablation

Each network is trained with the same budget (pairs, epochs, recipe) on synthetic pairs, and
measured on pairs of other faces with nuisances that training does not have. All networks on flows
get the same pairs; networks on frames get expressions drawn in the same way. The folder gets
`table.md` and `table.json`. An interrupted run continues with the next network.
docs/evidence/recognition.md explains what a synthetic table shows and what it does not.
"""

from model.errors import demand

if __name__ == "__main__":
    demand("torch")  # before the imports that need it

import argparse
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.classifiers import CLASSIFIERS, Inputs
from model.cli import Parser, make_folder, program
from model.errors import InputError, exit_code
from model.flow import FLOWS
from model.inference.checkpoint import load_network
from model.inference.predictions import answers
from model.inference.samples import SampleSet
from model.labels import NO_EXPRESSION
from model.machine import choose_device, use_threads
from model.metrics.recognition import (
    ConfidenceInterval,
    bootstrap,
    bootstrap_difference,
    mean_average_precision,
    uf1,
)
from model.text import parse_json
from model.training.data import Opener, Sources, inputs_of
from model.training.loop import fit, samples_digest
from model.training.recipe import Recipe


@dataclass(frozen=True)
class Variant:
    """A row of the table."""

    name: str
    classifier: str
    options: Mapping[str, Any] = field(default_factory=dict)


VARIANTS = (
    Variant("fmanet", "fmanet"),
    Variant("fmanet without modulation", "fmanet", {"modulation": False}),
    Variant("fmanet without fusion", "fmanet", {"fusion": False}),
    Variant("fmanet without attention", "fmanet", {"attention": False}),
    Variant("fmanet, onset–apex alone", "fmanet", {"phases": "onset_apex"}),
    Variant("fmanet, apex–offset alone", "fmanet", {"phases": "apex_offset"}),
    *(Variant(name, name) for name in CLASSIFIERS if name != "fmanet"),
)
REFERENCE = "fmanet"
"""The variant that the others are compared with."""


@dataclass(frozen=True)
class Answered:
    """The answers of a variant's networks to the report's expressions, one network after the other:
    N is the number of expressions times the number of networks."""

    name: str
    parameters: int
    classes: int
    truth: NDArray[np.int64]
    """(N,) true class numbers; the next two fields are predicted ones."""
    both: NDArray[np.int64]
    first: NDArray[np.int64]
    """When the second phase is not known yet."""
    subjects: tuple[str, ...]
    action_unit_map: float
    """Mean over the networks."""


@dataclass(frozen=True)
class AblationRow:
    """The figures of a variant."""

    name: str
    parameters: int
    uf1: ConfidenceInterval
    """With both phases. This and the next two have a 95 % interval over synthetic faces."""
    above_reference: ConfidenceInterval | None
    """How far `uf1` is above that of `REFERENCE` on the same faces; None for the reference itself,
    and if the reference was not measured."""
    uf1_first_phase: ConfidenceInterval
    """When the second phase is not known yet."""
    action_unit_map: float


def main() -> None:
    """Command line."""
    args = _arguments()
    use_threads(args.threads)
    if args.seeds < 1 or args.epochs < 1:
        raise InputError(
            f"--seeds and --epochs have to be 1 or more, got {args.seeds} and {args.epochs}"
        )
    args.device = choose_device(args.device)
    sources = Sources(
        pairs=args.pairs, validation_pairs=args.report_pairs, view="crop", none_share=0.0
    )
    chosen = _chosen(args.systems)
    make_folder(args.out)
    answered: dict[str, Answered] = {}
    opened: tuple[Inputs, SampleSet, SampleSet] | None = None
    # Sorted by inputs, so that only one set of samples is in memory at a time.
    for variant in sorted(chosen, key=lambda each: inputs_of(each.classifier)):
        opener = Opener(sources, variant.classifier, args.flow, args.cache, args.workers)
        if opened is None or opened[0] != opener.inputs:
            opened = None
            opened = (opener.inputs, opener.training_pairs(), opener.report_pairs())
        recipes = [
            Recipe(
                variant.classifier,
                options=variant.options,
                flow=args.flow,
                seed=Recipe.seed + number,
                epochs=args.epochs,
                data=sources.said(),
            )
            for number in range(args.seeds)
        ]
        found = measure(variant, recipes, opened[1], opened[2], args.out, args.device)
        print(f"{found.name}: UF1 {score_variant(found).uf1.value:.3f}", flush=True)
        answered[variant.name] = found
    reference = answered.get(REFERENCE)
    named = (answered.get(variant.name) for variant in VARIANTS)
    rows = [score_variant(each, reference) for each in named if each is not None]
    (args.out / "table.md").write_text(table(rows), encoding="utf-8")
    said = {
        "command": f"python -m model.evaluation.ablation --pairs {args.pairs} --report-pairs "
        f"{args.report_pairs} --epochs {args.epochs} --seeds {args.seeds} --flow {args.flow}",
        "rows": [asdict(row) for row in rows],
    }
    (args.out / "table.json").write_text(json.dumps(said, indent=1), encoding="utf-8")
    print(f"\n{table(rows)}\nwritten to {args.out / 'table.md'}")


def measure(
    variant: Variant,
    recipes: Sequence[Recipe],
    training: SampleSet,
    report: SampleSet,
    out: Path,
    device: str = "cpu",
) -> Answered:
    """Train a network by each of the `recipes` (seeds of one variant) and run each on `report`.
    Results of an earlier run in `out` are reused."""
    report = report.take(np.flatnonzero(report.labels != NO_EXPRESSION))
    stem = re.sub("[^a-z0-9]+", "-", variant.name.lower())
    said = [
        _answers(out / f"{stem}-{recipe.seed}.safetensors", recipe, training, report, device)
        for recipe in recipes
    ]
    return Answered(
        name=variant.name,
        parameters=said[-1]["parameters"],
        classes=len(report.classes),
        truth=np.tile(report.labels, len(said)),
        both=np.concatenate([each["both"] for each in said]),
        first=np.concatenate([each["first"] for each in said]),
        subjects=report.subjects * len(said),
        action_unit_map=float(np.mean([each["action_unit_map"] for each in said])),
    )


def score_variant(answered: Answered, reference: Answered | None = None) -> AblationRow:
    """The row of a variant, compared with `reference`. Intervals are over faces, each drawn with
    all networks' answers. Raises `InputError` if the two were run on different expressions."""
    truth, subjects, classes = answered.truth, answered.subjects, answered.classes
    above = None
    if reference is not None and reference.name != answered.name:
        if reference.subjects != subjects or not np.array_equal(reference.truth, truth):
            raise InputError(f"{answered.name} and {reference.name} saw different expressions")
        above = bootstrap_difference(truth, answered.both, reference.both, subjects, classes, uf1)
    return AblationRow(
        name=answered.name,
        parameters=answered.parameters,
        uf1=bootstrap(truth, answered.both, subjects, classes, uf1),
        above_reference=above,
        uf1_first_phase=bootstrap(truth, answered.first, subjects, classes, uf1),
        action_unit_map=answered.action_unit_map,
    )


def table(rows: Sequence[AblationRow]) -> str:
    """The rows as a Markdown table."""
    head = [
        "system", "parameters", "UF1", f"UF1 above `{REFERENCE}`", "UF1, first phase alone",
        "AU mAP",
    ]  # fmt: skip
    lines = [" | ".join(head), " | ".join(["---", *["---:"] * (len(head) - 1)])]
    return "".join(f"| {each} |\n" for each in [*lines, *map(line, rows)])


def line(row: AblationRow) -> str:
    """The cells of `row`, without the outer bars."""

    def cell(interval: ConfidenceInterval | None, sign: str = "") -> str:
        if interval is None:
            return "–"
        value, low, high = (
            f"{each:{sign}.3f}" for each in (interval.value, interval.low, interval.high)
        )
        return f"{value} ({low} to {high})"

    return " | ".join(
        [
            row.name,
            f"{row.parameters:,}",
            cell(row.uf1),
            cell(row.above_reference, "+"),
            cell(row.uf1_first_phase),
            f"{row.action_unit_map:.3f}",
        ]
    )


def _answers(
    path: Path, recipe: Recipe, training: SampleSet, report: SampleSet, device: str
) -> dict[str, Any]:
    """Class numbers that a network predicts with both phases and with the first alone. They are
    read from beside `path` if they are there."""
    digest = hashlib.sha256(repr(asdict(recipe)).encode())
    digest.update(samples_digest(training) + samples_digest(report))
    key, kept = digest.hexdigest(), path.with_suffix(".json")
    if kept.exists():
        try:
            said: dict[str, Any] = dict(parse_json(kept.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            raise InputError(f"{kept} is damaged: delete it, and it is trained anew") from None
        if said.get("key") != key:
            raise InputError(f"{kept} is of a run with other options: give another --out")
        return said
    fit(recipe, training, None, path, device=device)
    both = answers(path, report, device=device)
    first = answers(path, report, first_phase_only=True, device=device)
    _, network = load_network(path)
    said = {
        "key": key,
        "parameters": sum(each.numel() for each in network.parameters()),
        "both": both.logits.argmax(axis=1).tolist(),
        "first": first.logits.argmax(axis=1).tolist(),
        "action_unit_map": mean_average_precision(report.action_units, both.action_units),
    }
    partial = kept.with_suffix(".partial")
    partial.write_text(json.dumps(said), encoding="utf-8")
    partial.replace(kept)
    return said


def _chosen(names: str | None) -> list[Variant]:
    known = {variant.name: variant for variant in VARIANTS}
    if names is None:
        return list(VARIANTS)
    strange = [name for name in names.split(";") if name not in known]
    if strange:
        raise InputError(f"unknown system {strange[0]!r}: choose of {'; '.join(known)}")
    return [known[name] for name in names.split(";")]


def _arguments() -> argparse.Namespace:
    parser = Parser(
        prog=program("model.evaluation.ablation"),
        description="Train and measure FMANet without each of its parts, and all other systems.",
    )
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--systems", help="only these, with semicolons (default: all)")
    parser.add_argument("--pairs", type=int, default=6000, help="to train on (%(default)s)")
    parser.add_argument(
        "--report-pairs", type=int, default=3000, help="to measure on (%(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=8, help="(%(default)s)")
    parser.add_argument("--seeds", type=int, default=1, help="networks per system (%(default)s)")
    parser.add_argument("--flow", choices=FLOWS, default=Recipe.flow, help="(%(default)s)")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU (%(default)s)")
    parser.add_argument("--workers", type=int, default=3, help="processes that draw pairs")
    parser.add_argument("--cache", type=Path, default=Path("runs"), help="where pairs are kept")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
