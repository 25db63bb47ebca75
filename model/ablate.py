"""What each part of FMANet brings, and how the systems compare, on synthetic expressions.

    python -m model.ablate --out runs/ablation

Each network is trained with the same budget (pairs, epochs, recipe) on synthetic pairs and measured
on pairs of other faces with nuisances that training does not have. Networks on flows see the same
pairs; those on frames see expressions drawn alike. `table.md` and `table.json` in the folder hold
the table; a run that was interrupted goes on with the next network. What a synthetic table shows,
and what it does not, is in docs/recognition.md.
"""

import argparse
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from model.answers import answers
from model.checkpoint import load_network
from model.classifiers import CLASSIFIERS, Inputs
from model.errors import InputError, exit_code
from model.figures import VISIBLE_PX
from model.flow import FLOWS
from model.machine import choose_device, use_threads
from model.metrics import Interval, bootstrap, mean_average_precision, uf1
from model.samples import NO_EXPRESSION, SampleSet
from model.training.data import Opener, Sources, inputs_of
from model.training.fit import fit, samples_digest
from model.training.recipe import Recipe


@dataclass(frozen=True)
class Variant:
    """A line of the table."""

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


@dataclass(frozen=True)
class Row:
    """What was measured of a variant."""

    name: str
    parameters: int
    uf1: Interval
    """Of both phases; this and the next two with a 95 % interval over synthetic faces."""
    uf1_visible: Interval
    """The same from `VISIBLE_PX` on."""
    uf1_first_phase: Interval
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
    rows = []
    opened: tuple[Inputs, SampleSet, SampleSet] | None = None
    # Sorted by inputs, so that one set of samples is in memory at a time.
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
        row = measure(variant, recipes, opened[1], opened[2], args.out, args.device)
        print(line(row), flush=True)
        rows.append(row)
    order = [variant.name for variant in VARIANTS]
    rows.sort(key=lambda row: order.index(row.name))
    (args.out / "table.md").write_text(table(rows), encoding="utf-8")
    said = {
        "command": f"python -m model.ablate --pairs {args.pairs} --report-pairs "
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
) -> Row:
    """Train a network by each of the `recipes` (seeds of one variant) and measure all of them
    together on `report`. What `out` holds of an earlier run is not done again."""
    named = np.flatnonzero(report.labels != NO_EXPRESSION)
    report = report.take(named)
    both, first, precision = [], [], []
    parameters = 0
    for recipe in recipes:
        path = out / f"{re.sub('[^a-z0-9]+', '-', variant.name.lower())}-{recipe.seed}.safetensors"
        said = _answers(path, recipe, training, report, device)
        parameters = said["parameters"]
        both.append(said["both"])
        first.append(said["first"])
        precision.append(said["action_unit_map"])
    visible = report.amplitude_px >= VISIBLE_PX

    def scored(answers: list[list[int]], within: np.ndarray[Any, Any]) -> Interval:
        # All seeds' answers together: an interval over faces, each with all its answers.
        subjects = [subject for subject, kept in zip(report.subjects, within, strict=True) if kept]
        return bootstrap(
            np.tile(report.labels[within], len(answers)),
            np.concatenate([np.array(each)[within] for each in answers]),
            subjects * len(answers),
            len(report.classes),
            uf1,
        )

    everything = np.ones(len(report), np.bool_)
    return Row(
        name=variant.name,
        parameters=parameters,
        uf1=scored(both, everything),
        uf1_visible=scored(both, visible),
        uf1_first_phase=scored(first, everything),
        action_unit_map=float(np.mean(precision)),
    )


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    head = [
        "system", "parameters", "UF1", f"UF1 from {VISIBLE_PX} px", "UF1, first phase alone",
        "AU mAP",
    ]  # fmt: skip
    lines = [" | ".join(head), " | ".join(["---", *["---:"] * (len(head) - 1)])]
    return "".join(f"| {each} |\n" for each in [*lines, *map(line, rows)])


def line(row: Row) -> str:
    """Its cells, without the outer bars."""

    def cell(interval: Interval) -> str:
        return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"

    return " | ".join(
        [
            row.name,
            f"{row.parameters:,}",
            cell(row.uf1),
            cell(row.uf1_visible),
            cell(row.uf1_first_phase),
            f"{row.action_unit_map:.3f}",
        ]
    )


def _answers(
    path: Path, recipe: Recipe, training: SampleSet, report: SampleSet, device: str
) -> dict[str, Any]:
    """Class numbers that a network names with both phases and with the first alone; from beside
    `path` if they are there."""
    digest = hashlib.sha256(repr(asdict(recipe)).encode())
    digest.update(samples_digest(training) + samples_digest(report))
    key, kept = digest.hexdigest(), path.with_suffix(".json")
    if kept.exists():
        said: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        if said["key"] != key:
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
    parser = argparse.ArgumentParser(
        prog="python -m model.ablate",
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
