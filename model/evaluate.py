"""Measures networks on samples that they were not trained on.

    python -m model.evaluate                            # fmanet, on its report set
    python -m model.evaluate all                        # so each shipped network
    python -m model.evaluate --view crop                # as they come in live, no exchanged maps
    python -m model.evaluate fmanet --data casme2:PATH,samm:PATH --out runs/eval
    python -m model.evaluate fmanet --data casme2:PATH --protocol loso --out runs/loso

Protocols:

- holdout: all clips of the named data sets, as one set. Networks trained on one of them are
  refused. Synthetic pairs are the report set of the checkpoint's own recipe, with faces and
  nuisances that training does not have. The figures are compared with those in the checkpoint, and
  the exit code is 1 if they differ. The figures of a network that was trained on pairs of an
  earlier generator, which can no longer be drawn, are not compared; its card says so.
- cross: for each named data set, training continues from the checkpoint on that set, and the
  network is tested on each of the others.
- loso: for each subject, training continues from the checkpoint on all other subjects, and the
  network is tested on this subject (`model.training.loso`).

The answer is always the likeliest class; the share that would be refused is reported too. --out
gets evaluation.json and evaluation.html, a page that works offline; it must not hold them yet.
"""

from model.errors import demand
from model.parallel import add_jobs

if __name__ == "__main__":
    demand("torch")  # before the imports that need it

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from model.classifiers import CLASSIFIERS
from model.cli import Parser, exit_code, make_folder, program
from model.datasets.delimited import read_table
from model.errors import InputError
from model.evaluation.report_set import DIFFERS, compare_report, report_set
from model.evaluation.result import Evaluation, evaluate_answers, format_evaluations, format_table
from model.face.network_files import add_face_networks
from model.files import require_new
from model.inference.checkpoint import Checkpoint, checkpoint_path, read_checkpoint
from model.inference.predictions import Answers, run_network
from model.inference.samples import SampleSet
from model.inference.shipped_weights import shipped_names
from model.machine import choose_device, machine, use_threads
from model.metrics.class_prior import apply_prior, parse_prior
from model.synthetic.sample_variation import VIEWS
from model.synthetic.scanned_face import SkinMotion
from model.training.leakage import refuse_overlap
from model.training.loop import fit
from model.training.loso import leave_one_out
from model.training.recipe import CLIP_ROUNDS, CLIP_STEPS, Recipe, fill_recipe
from model.training.training_samples import SYNTHETIC, Opener, Sources


def main() -> None:
    """Command line."""
    args = _arguments()
    use_threads(args.threads)
    args.device = choose_device(args.device)
    specs = tuple(args.data.split(","))
    if args.protocol != "holdout" and args.out is None:
        raise InputError(f"--protocol {args.protocol} trains networks: give --out FOLDER")
    if SYNTHETIC in specs and (len(specs) > 1 or args.protocol != "holdout"):
        raise InputError(
            f"--data {args.data}: use synthetic pairs alone, and with --protocol holdout"
        )
    for option, given in (("--view", args.view), ("--motion", args.motion)):
        if given is not None and SYNTHETIC not in specs:
            raise InputError(f"{option} {given} is for synthetic pairs, not for --data {args.data}")
    if args.prior != "equal" and SYNTHETIC in specs:
        raise InputError(f"--prior {args.prior} is for data sets: synthetic classes are equal")
    if args.out is not None:
        for path in _paths(args.out):
            require_new(path)
        make_folder(args.out)
    names = shipped_names() if args.networks == ["all"] else args.networks
    evaluations: list[Evaluation] = []
    differing = []
    for name in names:
        if args.protocol == "holdout" and SYNTHETIC in specs:
            found = _on_report_set(name, args)
            evaluations.append(found)
            if found.remark.startswith(DIFFERS):
                differing.append(name)
        else:
            evaluations += PROTOCOLS[args.protocol](name, specs, args)
    print(format_table(evaluations))
    if args.out is not None:
        _write(args.out, evaluations)
    if differing:
        print(f"not reproduced: {', '.join(differing)}")
        raise SystemExit(1)


def _on_report_set(name: str, args: argparse.Namespace) -> Evaluation:
    path = checkpoint_path(name)
    checkpoint = read_checkpoint(path)[0]
    samples = report_set(checkpoint, args.cache, args.workers, args.view, args.motion)
    remark = ""
    if args.motion is None and args.view in (None, checkpoint.recipe.get("data", {}).get("view")):
        remark = compare_report(path, checkpoint, samples, args.device)
    found = _held_out(name, path, samples, args)
    return replace(found, remark=remark or found.remark)


def _on_clips(name: str, specs: tuple[str, ...], args: argparse.Namespace) -> list[Evaluation]:
    path = checkpoint_path(name)
    checkpoint = read_checkpoint(path)[0]
    refuse_overlap(name, checkpoint, _sources(specs, args).data_sets)
    return [_held_out(name, path, _open_clips(checkpoint, specs, args), args)]


def _held_out(name: str, path: Path, samples: SampleSet, args: argparse.Namespace) -> Evaluation:
    answers = run_network(path, samples, first_phase_only=args.first_phase, device=args.device)
    return _score(
        Path(name).stem, answers, samples, args, read_checkpoint(path)[0].least_confidence
    )


def _cross(name: str, specs: tuple[str, ...], args: argparse.Namespace) -> list[Evaluation]:
    if len(specs) < 2:
        raise InputError(f"--protocol cross needs two data sets or more, got {','.join(specs)}")
    recipe, init, checkpoint = _start(name, specs, args)
    sets = [_open_clips(checkpoint, (spec,), args) for spec in specs]
    if len({one.name for one in sets}) < len(sets):
        raise InputError(f"--data names {', '.join(one.name for one in sets)}: each once")
    found = []
    for spec, training in zip(specs, sets, strict=True):
        path = require_new(args.out / f"{Path(name).stem}-on-{training.name}.safetensors")
        own = replace(recipe, data=_sources((spec,), args).summary())
        fit(own, training, None, path, device=args.device, init=init)
        for tested in sets:
            if tested is not training:
                answers = run_network(path, tested, device=args.device)
                title = f"{Path(name).stem} on {training.name}"
                found.append(_score(title, answers, tested, args))
    return found


def _loso(name: str, specs: tuple[str, ...], args: argparse.Namespace) -> list[Evaluation]:
    recipe, init, checkpoint = _start(name, specs, args)
    samples = _open_clips(checkpoint, specs, args)
    folder = args.out / Path(name).stem
    folds = len(set(samples.subjects))
    print(
        f"{folds} folds, a training each; an interrupted run goes on where it stopped", flush=True
    )
    leave_one_out(
        recipe,
        samples,
        None,
        folder,
        device=args.device,
        init=init,
        after_fold=lambda _, words: print(words, flush=True),
    )
    shares = dict(_predictions(folder / "predictions.csv", samples.classes))
    probabilities = np.array([shares[clip] for clip in samples.clips], np.float32)
    # Folds store only the probabilities of the classes.
    samples = replace(
        samples, action_units=np.zeros((len(samples), 0), np.float32), action_unit_names=()
    )
    answers = Answers(np.log(np.maximum(probabilities, 1e-7)), probabilities, samples.action_units)
    return [_score(Path(name).stem, answers, samples, args)]


PROTOCOLS = {"holdout": _on_clips, "cross": _cross, "loso": _loso}


def _start(
    name: str, specs: tuple[str, ...], args: argparse.Namespace
) -> tuple[Recipe, Path | None, Checkpoint]:
    """The recipe to continue training, the weights to start from (None if none are shipped under
    this name), and the network's description."""
    sources = _sources(specs, args)
    given = {name: getattr(args, name) for name in ("epochs", "steps")}
    given = {name: value for name, value in given.items() if value is not None}
    fields = fill_recipe(given, synthetic=False)
    if name in CLASSIFIERS and name not in shipped_names():
        recipe = Recipe(name, data=sources.summary(), **fields)
        return recipe, None, Checkpoint(name, (), (), recipe.flow, {})
    path = checkpoint_path(name)
    checkpoint = read_checkpoint(path)[0]
    refuse_overlap(name, checkpoint, sources.data_sets)
    recipe = Recipe(
        checkpoint.classifier,
        options=checkpoint.options,
        flow=checkpoint.flow,
        data=sources.summary(),
        **fields,
    )
    return recipe, path, checkpoint


def _score(
    network: str,
    answers: Answers,
    samples: SampleSet,
    args: argparse.Namespace,
    least_confidence: float = 0.0,
) -> Evaluation:
    """The evaluation of `answers`, for classes as frequent as --prior says. Its remark is what a
    reader has to know: for which shares the answers are, and the notes on the samples."""
    remarks = list(samples.notes)
    if args.prior != "equal":
        shares = parse_prior(args.prior, samples.labels, samples.subjects, samples.classes)
        answers = replace(answers, probabilities=apply_prior(answers.probabilities, shares))
        whose = "those of the other subjects' clips" if args.prior == "data" else args.prior
        remarks.insert(0, f"answers for classes of these shares: {whose}")
    return evaluate_answers(
        network,
        answers,
        samples,
        protocol=args.protocol,
        first_phase_only=args.first_phase,
        least_confidence=least_confidence,
        remark="; ".join(remarks),
    )


def _sources(specs: tuple[str, ...], args: argparse.Namespace) -> Sources:
    return Sources(specs=specs, classes=args.classes, megc2019=args.megc2019)


def _open_clips(
    checkpoint: Checkpoint, specs: tuple[str, ...], args: argparse.Namespace
) -> SampleSet:
    sources = _sources(specs, args)
    opener = Opener(sources, checkpoint.classifier, checkpoint.flow, args.cache, args.workers)
    samples = opener.clips()
    if samples is None:
        raise InputError(f"--data {','.join(specs)} names no data set")
    print(samples.summary(), flush=True)
    if args.first_phase:
        samples = replace(samples, both_phases=np.zeros(len(samples), np.bool_))
    return samples


def _predictions(path: Path, classes: tuple[str, ...]) -> Iterator[tuple[str, list[float]]]:
    for row in read_table(path, ("clip", *classes)).rows:
        yield row.cells["clip"], [float(row.cells[label]) for label in classes]


def _write(out: Path, evaluations: list[Evaluation]) -> None:
    document = {
        "format": "fmanet-live evaluation",
        "version": 1,
        "machine": machine(),
        "evaluations": [each.plain() for each in evaluations],
    }
    figures, page = _paths(out)
    figures.write_text(json.dumps(document, indent=1, allow_nan=False), encoding="utf-8")
    page.write_text(format_evaluations(evaluations), encoding="utf-8")
    print(f"written to {page} and {figures}")


def _paths(out: Path) -> tuple[Path, Path]:
    return out / "evaluation.json", out / "evaluation.html"


def _arguments() -> argparse.Namespace:
    parser = Parser(
        prog=program("model.evaluate"),
        description="Measure networks on samples that they were not trained on.",
    )
    parser.add_argument(
        "networks",
        nargs="*",
        default=["fmanet"],
        help="shipped names or checkpoints; all: every shipped one",
    )
    parser.add_argument("--data", default=SYNTHETIC, help="casme2:PATH, csv:PATH …, with commas")
    parser.add_argument(
        "--view", choices=VIEWS, help="of synthetic pairs (default: as in its training)"
    )
    parser.add_argument(
        "--motion", choices=get_args(SkinMotion), help="how the skin of all synthetic faces moves"
    )
    parser.add_argument("--classes", type=int, default=3, help="after merging: 3, 4, 5, 7")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="holdout", help="what is held out")
    parser.add_argument(
        "--first-phase", action="store_true", help="withhold apex → offset, in training too"
    )
    parser.add_argument(
        "--megc2019",
        action="store_true",
        help="only the clips of MEGC 2019's composite, of casme2, samm and smic",
    )
    parser.add_argument(
        "--prior",
        default="equal",
        help="how frequent classes are taken to be: equal, data (as in the other subjects' clips), "
        "or a share for each, with commas",
    )
    parser.add_argument(
        "--epochs", type=int, help="of cross and loso: passes over the samples, in place of --steps"
    )
    parser.add_argument(
        "--steps",
        type=int,
        help=f"of cross and loso (default: {CLIP_STEPS} in {CLIP_ROUNDS} rounds)",
    )
    parser.add_argument("--out", type=Path, help="folder for evaluation.json and evaluation.html")
    add_face_networks(parser)
    parser.add_argument("--cache", type=Path, default=Path("runs"), help="folder of made samples")
    add_jobs(parser, 3, "make samples")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
