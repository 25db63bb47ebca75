"""Measures networks on samples that they were not trained on.

    python -m model.evaluate                            # each shipped network, its report set
    python -m model.evaluate fmanet my.safetensors --speed
    python -m model.evaluate --view crop                # as they come in live, no exchanged maps
    python -m model.evaluate fmanet --data casme2:PATH,samm:PATH --out runs/eval
    python -m model.evaluate fmanet --data casme2:PATH --protocol loso --out runs/loso

Protocols:

- holdout: all clips of the named data sets, as one set. Networks trained on one of them are
  refused. Synthetic pairs are the report set of the checkpoint's own recipe, with faces and
  nuisances that training does not have. The figures are compared with those in the checkpoint, and
  the exit code is 1 if they differ.
- cross: for each named data set, training continues from the checkpoint on that set, and the
  network is tested on each of the others.
- loso: for each subject, training continues from the checkpoint on all other subjects, and the
  network is tested on this subject (`model.training.loso`).

The answer is always the likeliest class; the share that would be refused is reported too. --out
gets evaluation.json and evaluation.html, a page that works offline.
"""

from model.errors import demand

if __name__ == "__main__":
    demand("torch")  # before the imports that need it

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from model.classifiers import CLASSIFIERS
from model.cli import Parser, make_folder, program
from model.datasets.delimited import read_table
from model.errors import InputError, exit_code
from model.evaluation.report import page
from model.evaluation.result import Evaluation, evaluate_answers, table
from model.evaluation.speed import forward_speed
from model.face.network_files import add_face_networks
from model.inference.checkpoint import Checkpoint, checkpoint_path, load_network, read_checkpoint
from model.inference.predictions import Answers, answers
from model.inference.samples import SampleSet
from model.inference.shipped_weights import shipped_names
from model.machine import choose_device, machine, use_threads
from model.metrics.checkpoint_scores import measure_checkpoint
from model.synthetic.nuisance import VIEWS, View
from model.train import CLIP_EPOCHS
from model.training.data import SYNTHETIC, Opener, Sources
from model.training.leakage import refuse_seen
from model.training.loop import fit
from model.training.loso import leave_one_out
from model.training.recipe import Recipe

TOLERANCE = 0.002
"""A figure counts as reproduced within this difference. Another number of threads rounds
differently, which changes the answer to about one sample in a thousand."""


def main() -> None:
    """Command line."""
    args = _arguments()
    use_threads(args.threads)
    args.device = choose_device(args.device)
    specs = tuple(args.data.split(","))
    if args.protocol != "holdout" and args.out is None:
        raise InputError(f"--protocol {args.protocol} trains networks: say where with --out FOLDER")
    if SYNTHETIC in specs and (len(specs) > 1 or args.protocol != "holdout"):
        raise InputError(
            f"--data {args.data}: synthetic pairs stand alone, and with --protocol holdout"
        )
    if args.view is not None and SYNTHETIC not in specs:
        raise InputError(f"--view {args.view} is of synthetic pairs, not of --data {args.data}")
    if args.out is not None:
        make_folder(args.out)
    names = args.networks or shipped_names()
    for name in names if args.speed else ():
        checkpoint_path(name)
    evaluations: list[Evaluation] = []
    differing, speeds = [], {}
    for name in names:
        if args.protocol == "holdout" and SYNTHETIC in specs:
            found = _on_report_set(name, args)
            evaluations.append(found)
            if found.remark not in ("", "reproduced"):
                differing.append(name)
        else:
            evaluations += PROTOCOLS[args.protocol](name, specs, args)
        if args.speed:
            speeds[name] = asdict(forward_speed(load_network(checkpoint_path(name))[1]))
    print(table(evaluations))
    for name, speed in speeds.items():
        print(
            f"{name}: forward pass of one expression, both phases, one thread: "
            f"{speed['p50_ms']:.2f} ms (95th percentile {speed['p95_ms']:.2f} ms) on {machine()}"
        )
    if args.out is not None:
        _write(args.out, evaluations, speeds)
    if differing:
        print(f"not reproduced: {', '.join(differing)}")
        raise SystemExit(1)


def report_set(
    checkpoint: Checkpoint, cache: Path, workers: int, view: View | None = None
) -> SampleSet:
    """The synthetic pairs that a checkpoint's figures were measured on, or as many in another
    `view`."""
    data, metrics = checkpoint.recipe.get("data", {}), checkpoint.metrics
    known = {name: data[name] for name in ("view", "none_share") if name in data}
    if "samples_without_expression" in metrics:
        count = metrics["samples"] + metrics["samples_without_expression"]
        known["validation_pairs"] = round(count)
    if view is not None:
        known["view"] = view
    opener = Opener(Sources(**known), checkpoint.classifier, checkpoint.flow, cache, workers)
    return opener.report_pairs()


def compare(stored: dict[str, float], found: dict[str, float]) -> str:
    """ "reproduced" if every stored figure agrees within `TOLERANCE`, otherwise those that differ;
    empty if none is stored."""
    differing = [
        f"{name} is {found[name]:.3f}, the checkpoint says {value:.3f}"
        if name in found
        else f"{name} is in the checkpoint alone"
        for name, value in stored.items()
        if not (name in found and _same(found[name], value))
    ]
    if differing:
        more = f"; {len(differing) - 3} more" if len(differing) > 3 else ""
        return f"differs: {'; '.join(differing[:3])}{more}"
    return "reproduced" if stored else ""


def _same(one: float, other: float) -> bool:
    """Whether both agree within `TOLERANCE`. NaN, from a class without samples, equals NaN."""
    return abs(one - other) <= TOLERANCE or (math.isnan(one) and math.isnan(other))


def _on_report_set(name: str, args: argparse.Namespace) -> Evaluation:
    path = checkpoint_path(name)
    checkpoint = read_checkpoint(path)[0]
    samples = report_set(checkpoint, args.cache, args.workers, args.view)
    remark = ""
    if args.view in (None, checkpoint.recipe.get("data", {}).get("view")):
        remark = compare(dict(checkpoint.metrics), measure_checkpoint(path, samples, args.device))
    return _held_out(name, path, samples, args, remark)


def _on_clips(name: str, specs: tuple[str, ...], args: argparse.Namespace) -> list[Evaluation]:
    path = checkpoint_path(name)
    checkpoint = read_checkpoint(path)[0]
    refuse_seen(name, checkpoint, Sources(specs=specs, classes=args.classes).data_sets)
    return [_held_out(name, path, _opened(checkpoint, specs, args), args)]


def _held_out(
    name: str, path: Path, samples: SampleSet, args: argparse.Namespace, remark: str = ""
) -> Evaluation:
    said = answers(path, samples, first_phase_only=args.first_phase, device=args.device)
    return evaluate_answers(
        Path(name).stem,
        said,
        samples,
        protocol="holdout",
        first_phase_only=args.first_phase,
        least_confidence=read_checkpoint(path)[0].least_confidence,
        remark=remark,
    )


def _across(name: str, specs: tuple[str, ...], args: argparse.Namespace) -> list[Evaluation]:
    if len(specs) < 2:
        raise InputError(f"--protocol cross needs two data sets or more, got {','.join(specs)}")
    recipe, init, checkpoint = _trainable(name, specs, args)
    sets = [_opened(checkpoint, (spec,), args) for spec in specs]
    if len({one.name for one in sets}) < len(sets):
        raise InputError(f"--data names {', '.join(one.name for one in sets)}: each once")
    found = []
    for spec, training in zip(specs, sets, strict=True):
        path = args.out / f"{Path(name).stem}-on-{training.name}.safetensors"
        own = replace(recipe, data=Sources(specs=(spec,), classes=args.classes).said())
        fit(own, training, None, path, device=args.device, init=init)
        for tested in sets:
            if tested is not training:
                said = answers(path, tested, device=args.device)
                title = f"{Path(name).stem} on {training.name}"
                found.append(
                    evaluate_answers(
                        title,
                        said,
                        tested,
                        protocol="cross",
                        first_phase_only=args.first_phase,
                    )
                )
    return found


def _leaving_out(name: str, specs: tuple[str, ...], args: argparse.Namespace) -> list[Evaluation]:
    recipe, init, checkpoint = _trainable(name, specs, args)
    samples = _opened(checkpoint, specs, args)
    folder = args.out / Path(name).stem
    leave_one_out(recipe, samples, None, folder, device=args.device, init=init)
    shares = dict(_predictions(folder / "predictions.csv", samples.classes))
    probabilities = np.array([shares[clip] for clip in samples.clips], np.float32)
    # Folds store only the probabilities of the classes.
    samples = replace(
        samples, action_units=np.zeros((len(samples), 0), np.float32), action_unit_names=()
    )
    said = Answers(np.log(np.maximum(probabilities, 1e-7)), probabilities, samples.action_units)
    return [
        evaluate_answers(
            Path(name).stem,
            said,
            samples,
            protocol="loso",
            first_phase_only=args.first_phase,
        )
    ]


PROTOCOLS = {"holdout": _on_clips, "cross": _across, "loso": _leaving_out}


def _trainable(
    name: str, specs: tuple[str, ...], args: argparse.Namespace
) -> tuple[Recipe, Path | None, Checkpoint]:
    """The recipe to continue training, the weights to start from (None if none are shipped under
    this name), and the network's description."""
    sources = Sources(specs=specs, classes=args.classes)
    if name in CLASSIFIERS and name not in shipped_names():
        recipe = Recipe(name, epochs=args.epochs, data=sources.said())
        return recipe, None, Checkpoint(name, (), (), recipe.flow, {})
    path = checkpoint_path(name)
    checkpoint = read_checkpoint(path)[0]
    refuse_seen(name, checkpoint, sources.data_sets)
    recipe = Recipe(
        checkpoint.classifier,
        options=checkpoint.options,
        flow=checkpoint.flow,
        epochs=args.epochs,
        data=sources.said(),
    )
    return recipe, path, checkpoint


def _opened(checkpoint: Checkpoint, specs: tuple[str, ...], args: argparse.Namespace) -> SampleSet:
    sources = Sources(specs=specs, classes=args.classes)
    opener = Opener(sources, checkpoint.classifier, checkpoint.flow, args.cache, args.workers)
    samples = opener.clips()
    if samples is None:
        raise InputError(f"--data {','.join(specs)} names no data set")
    print(samples.counted(), flush=True)
    if args.first_phase:
        samples = replace(samples, both_phases=np.zeros(len(samples), np.bool_))
    return samples


def _predictions(path: Path, classes: tuple[str, ...]) -> Iterator[tuple[str, list[float]]]:
    for row in read_table(path, ("clip", *classes)).rows:
        yield row.cells["clip"], [float(row.cells[label]) for label in classes]


def _write(out: Path, evaluations: list[Evaluation], speeds: dict[str, Any]) -> None:
    document = {
        "format": "fmanet-live evaluation",
        "version": 1,
        "machine": machine(),
        "evaluations": [each.plain() for each in evaluations],
        "speed": speeds,
    }
    text = json.dumps(document, indent=1, allow_nan=False)
    (out / "evaluation.json").write_text(text, encoding="utf-8")
    (out / "evaluation.html").write_text(page(evaluations), encoding="utf-8")
    print(f"written to {out / 'evaluation.html'} and {out / 'evaluation.json'}")


def _arguments() -> argparse.Namespace:
    parser = Parser(
        prog=program("model.evaluate"),
        description="Measure networks on samples that they were not trained on.",
    )
    parser.add_argument("networks", nargs="*", help="shipped names or checkpoints (all shipped)")
    parser.add_argument("--data", default=SYNTHETIC, help="casme2:PATH, maps:PATH …, with commas")
    parser.add_argument(
        "--view", choices=VIEWS, help="of synthetic pairs (that of the network's training)"
    )
    parser.add_argument("--classes", type=int, default=3, help="after merging: 3, 4, 5, 7")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="holdout")
    parser.add_argument(
        "--first-phase", action="store_true", help="withhold apex → offset, in training too"
    )
    parser.add_argument("--epochs", type=int, default=CLIP_EPOCHS, help="of cross and loso")
    parser.add_argument("--out", type=Path, help="folder for evaluation.json and evaluation.html")
    parser.add_argument("--speed", action="store_true", help="time the forward pass as well")
    add_face_networks(parser)
    parser.add_argument("--cache", type=Path, default=Path("runs"), help="what was computed")
    parser.add_argument("--workers", type=int, default=3, help="processes that compute it")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
