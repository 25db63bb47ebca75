"""Measures what each part of FMANet contributes, and compares all systems, on synthetic
expressions.

    python -m model.evaluation.ablation --out runs/ablation

Each network is trained with the same budget (pairs, epochs, recipe) on synthetic pairs, and
measured on pairs of other faces with nuisances that training does not have. All networks on flows
get the same pairs; networks on frames get expressions drawn in the same way. The folder gets
`table.md`. An interrupted run continues with the next network.
docs/evidence/recognition.md explains what a synthetic table shows and what it does not.
"""

from model.errors import demand
from model.parallel import add_jobs

if __name__ == "__main__":
    demand("torch")  # before the imports that need it

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.classifiers import CLASSIFIERS, inputs_of
from model.cli import Parser, exit_code, make_folder, program
from model.errors import InputError
from model.flow import FLOWS
from model.inference.checkpoint import load_network, read_checkpoint
from model.inference.predictions import run_network
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
from model.training.loop import fit
from model.training.recipe import TRAINED_OPTIONS, Recipe
from model.training.training_samples import Opener, Sources


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
    Variant("fmanet, mean over the face", "fmanet", {"places": False}),
    Variant("fmanet, onset–apex alone", "fmanet", {"phases": "onset_apex"}),
    Variant("fmanet, apex–offset alone", "fmanet", {"phases": "apex_offset"}),
    *(Variant(name, name) for name in CLASSIFIERS if name != "fmanet"),
)
REFERENCE = "fmanet"
"""The variant that the others are compared with."""


@dataclass(frozen=True)
class VariantAnswers:
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
    if args.repeats < 1 or args.epochs < 1:
        raise InputError(
            f"--repeats and --epochs have to be 1 or more, got {args.repeats} and {args.epochs}"
        )
    args.device = choose_device(args.device)
    sources = Sources(
        pairs=args.pairs, validation_pairs=args.report_pairs, view="crop", none_share=0.0
    )
    chosen = _choose_variants(args.systems)
    make_folder(args.out)
    answers: dict[str, VariantAnswers] = {}
    # Grouped by inputs, so that only one set of samples is in memory at a time.
    by_inputs = groupby(sorted(chosen, key=_inputs), key=_inputs)
    for _, variants in by_inputs:
        group = list(variants)
        opener = Opener(sources, group[0].classifier, args.flow, args.cache, args.workers)
        training, report = opener.training_pairs(), opener.report_pairs()
        for variant in group:
            usual = Recipe(
                variant.classifier,
                options={**TRAINED_OPTIONS.get(variant.classifier, {}), **variant.options},
                flow=args.flow,
                epochs=args.epochs,
                data=sources.summary(),
            )
            recipes = [replace(usual, seed=Recipe.seed + number) for number in range(args.repeats)]
            found = measure_variant(variant, recipes, training, report, args.out, args.device)
            print(f"{found.name}: UF1 {score_variant(found).uf1.value:.3f}", flush=True)
            answers[variant.name] = found
        del training, report
    reference = answers.get(REFERENCE)
    named = (answers.get(variant.name) for variant in VARIANTS)
    rows = [score_variant(each, reference) for each in named if each is not None]
    (args.out / "table.md").write_text(format_ablation(rows), encoding="utf-8")
    print(f"\n{format_ablation(rows)}\nwritten to {args.out / 'table.md'}")


def measure_variant(
    variant: Variant,
    recipes: Sequence[Recipe],
    training: SampleSet,
    report: SampleSet,
    out: Path,
    device: str = "cpu",
) -> VariantAnswers:
    """Train a network by each of the `recipes` (seeds of one variant) and run each on `report`.
    Networks that an earlier run left in `out` are reused. Raises `InputError` if they were trained
    by another recipe."""
    report = report.take(np.flatnonzero(report.labels != NO_EXPRESSION))
    stem = re.sub("[^a-z0-9]+", "-", variant.name.lower())
    both, first, precisions, parameters = [], [], [], 0
    for recipe in recipes:
        path = out / f"{stem}-{recipe.seed}.safetensors"
        if not path.exists():
            fit(recipe, training, None, path, device=device)
        elif read_checkpoint(path)[0].recipe != asdict(recipe):
            raise InputError(f"{path} is of a run with other options: give another --out")
        known = run_network(path, report, device=device)
        alone = run_network(path, report, first_phase_only=True, device=device)
        both.append(known.logits.argmax(axis=1))
        first.append(alone.logits.argmax(axis=1))
        precisions.append(mean_average_precision(report.action_units, known.action_units))
        parameters = sum(each.numel() for each in load_network(path)[1].parameters())
    return VariantAnswers(
        name=variant.name,
        parameters=parameters,
        classes=len(report.classes),
        truth=np.tile(report.labels, len(recipes)),
        both=np.concatenate(both),
        first=np.concatenate(first),
        subjects=report.subjects * len(recipes),
        action_unit_map=float(np.mean(precisions)),
    )


def score_variant(answers: VariantAnswers, reference: VariantAnswers | None = None) -> AblationRow:
    """The row of a variant, compared with `reference`. Intervals are over faces, each drawn with
    all networks' answers. Raises `InputError` if the two were run on different expressions."""
    truth, subjects, classes = answers.truth, answers.subjects, answers.classes
    above = None
    if reference is not None and reference.name != answers.name:
        if reference.subjects != subjects or not np.array_equal(reference.truth, truth):
            raise InputError(f"{answers.name} and {reference.name} saw different expressions")
        above = bootstrap_difference(truth, answers.both, reference.both, subjects, classes, uf1)
    return AblationRow(
        name=answers.name,
        parameters=answers.parameters,
        uf1=bootstrap(truth, answers.both, subjects, classes, uf1),
        above_reference=above,
        uf1_first_phase=bootstrap(truth, answers.first, subjects, classes, uf1),
        action_unit_map=answers.action_unit_map,
    )


def format_ablation(rows: Sequence[AblationRow]) -> str:
    """The rows as a Markdown table."""
    lines = [
        ["system", "parameters", "UF1", f"UF1 above `{REFERENCE}`", "UF1, first phase alone",
         "AU mAP"],
        ["---", *["---:"] * 5],
    ]  # fmt: skip
    for row in rows:
        scores = [_cell(row.uf1), _cell(row.above_reference, "+"), _cell(row.uf1_first_phase)]
        lines.append([row.name, f"{row.parameters:,}", *scores, f"{row.action_unit_map:.3f}"])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _cell(interval: ConfidenceInterval | None, sign: str = "") -> str:
    if interval is None:
        return "–"
    value, low, high = (
        f"{each:{sign}.3f}" for each in (interval.value, interval.low, interval.high)
    )
    return f"{value} ({low} to {high})"


def _inputs(variant: Variant) -> str:
    return inputs_of(variant.classifier)


def _choose_variants(names: str | None) -> list[Variant]:
    known = {variant.name: variant for variant in VARIANTS}
    if names is None:
        return list(VARIANTS)
    unknown = [name for name in names.split(";") if name not in known]
    if unknown:
        raise InputError(f"unknown system {unknown[0]!r}: choose from {'; '.join(known)}")
    return [known[name] for name in names.split(";")]


def _arguments() -> argparse.Namespace:
    parser = Parser(
        prog=program("model.evaluation.ablation"),
        description="Train and measure FMANet without each of its parts, and all other systems.",
    )
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--systems", help="only these, with semicolons (default: all)")
    parser.add_argument("--pairs", type=int, default=6000, help="to train on")
    parser.add_argument("--report-pairs", type=int, default=3000, help="to measure on")
    parser.add_argument("--epochs", type=int, default=8, help="of each network")
    parser.add_argument("--repeats", type=int, default=1, help="networks per system")
    parser.add_argument("--flow", choices=FLOWS, default=Recipe.flow, help="of both phases")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    add_jobs(parser, 3, "draw pairs")
    parser.add_argument("--cache", type=Path, default=Path("runs"), help="where pairs are kept")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
