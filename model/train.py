"""Train a classifier: on synthetic pairs, on data sets, or on both.

    python -m model.train fmanet --out fmanet.safetensors
    python -m model.train fmanet --data synthetic,casme2:PATH --out mixed.safetensors
    python -m model.train fmanet --data casme2:PATH,samm:PATH --loso --init fmanet --out runs/loso

The length is fixed beforehand, or chosen on subjects held out with --validation. With
--loso, --out is a folder. It gets a network for each subject of the data sets, trained on all other
subjects (and on synthetic pairs, if named), and the pooled scores. Figures on synthetic pairs come
from a set with nuisances that training does not have, which is used once, at the end. The same
command reuses the samples and folds of an interrupted run.
"""

from model.errors import demand
from model.parallel import add_jobs

if __name__ == "__main__":
    demand("torch")  # before the imports that need it

import argparse
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

from model.classifiers import CLASSIFIERS
from model.cli import Parser, exit_code, make_folder, program
from model.errors import InputError
from model.face.network_files import add_face_networks
from model.flow import FLOWS
from model.inference.checkpoint import checkpoint_path, read_checkpoint, save_checkpoint
from model.inference.samples import SampleSet, join_samples
from model.machine import choose_device, use_threads
from model.metrics.checkpoint_scores import measure_checkpoint
from model.metrics.subject_folds import validation_split
from model.training.leakage import refuse_overlap
from model.training.loop import check_start, fit
from model.training.loso import leave_one_out
from model.training.recipe import (
    CLIP_BATCH,
    CLIP_ROUNDS,
    CLIP_STEPS,
    TRAINED_OPTIONS,
    ClassWeights,
    Loss,
    Recipe,
    fill_recipe,
)
from model.training.training_samples import Opener, Sources


def main() -> None:
    """Command line."""
    args = _parser().parse_args()
    use_threads(args.threads)
    args.device = choose_device(args.device)
    if not 0 <= args.validation < 1:
        raise InputError(f"--validation has to be from 0 to below 1, got {args.validation:g}")
    if args.out.exists() and args.out.is_dir() != args.loso:
        wanted = "a folder with --loso, a file without it"
        raise InputError(f"--out {args.out} has to be {wanted}: give another one")
    sources = Sources(specs=tuple(args.data.split(",")), **_take_fields(args, Sources))
    for option, given in (("--loso", args.loso), ("--validation", args.validation)):
        if given and not sources.data_sets:
            raise InputError(f"{option} holds out subjects of data sets: name one with --data")
    given = fill_recipe(_take_fields(args, Recipe), synthetic=sources.synthetic)
    options = TRAINED_OPTIONS.get(args.classifier, {})
    recipe = Recipe(args.classifier, options=options, data=sources.summary(), **given)
    init = None if args.init is None else checkpoint_path(args.init)
    if init is not None:  # training checks this too, but only after all samples are made
        if args.loso or args.validation:
            refuse_overlap(init.name, read_checkpoint(init)[0], sources.data_sets)
        recipe = _continue_recipe(recipe, init, args.flow)
        check_start(init, recipe)
    make_folder(args.out if args.loso else args.out.parent)
    opener = Opener(sources, recipe.classifier, recipe.flow, args.cache, args.workers)
    if args.loso:
        _leave_one_out(recipe, opener, args, init)
    else:
        _train(recipe, opener, args, init)


def _continue_recipe(recipe: Recipe, init: Path, flow: str | None) -> Recipe:
    """`recipe` with the network options of `init`, and with its flow unless `flow` is given."""
    given = read_checkpoint(init)[0]
    if given.classifier != recipe.classifier:
        return recipe
    return replace(recipe, options=given.options, flow=flow or given.flow)


def _train(recipe: Recipe, opener: Opener, args: argparse.Namespace, init: Path | None) -> None:
    clips = opener.clips()
    if clips is not None:
        print(clips.summary(), flush=True)
    validation: SampleSet | None = None
    if args.validation:
        assert clips is not None  # `main` sees to it
        kept, held = validation_split(clips.subjects, args.validation, recipe.seed)
        clips, validation = clips.take(kept), clips.take(held)
        recipe = replace(recipe, keep="best")
    parts = [] if clips is None else [clips]
    report: SampleSet | None = None
    if opener.sources.synthetic:
        parts.append(opener.training_pairs())
        validation = validation or opener.validation_pairs()
        report = opener.report_pairs()
    checkpoint = fit(
        recipe,
        parts[0] if len(parts) == 1 else join_samples(parts),
        validation,
        args.out,
        device=args.device,
        init=init,
        after_epoch=_print_line,
    )
    metrics = {} if report is None else measure_checkpoint(args.out, report, args.device)
    checkpoint = replace(checkpoint, metrics=metrics, command=_command(args))
    save_checkpoint(args.out, checkpoint, read_checkpoint(args.out)[1])
    for name, value in metrics.items():
        print(f"{name:40} {value:.3f}")
    print(f"written to {args.out}")


def _leave_one_out(
    recipe: Recipe, opener: Opener, args: argparse.Namespace, init: Path | None
) -> None:
    clips = opener.clips()
    assert clips is not None  # `main` sees to it
    print(clips.summary(), flush=True)
    report = leave_one_out(
        recipe,
        clips,
        opener.training_pairs() if opener.sources.synthetic else None,
        args.out,
        validation_share=args.validation,
        device=args.device,
        init=init,
        after_fold=lambda _, words: print(words, flush=True),
        workers=args.workers if isinstance(args.workers, str) else 1,
    )
    print(f"{report['clips']} clips of {report['subjects']} subjects, pooled over folds")
    if report["init"] is not None:
        seen = ", ".join(report["init"]["sets"]) or "data that its file does not name"
        print(f"each fold started from {report['init']['name']}, trained on {seen}")
    for name in ("uf1", "uar", "accuracy"):
        score = report[name]
        print(f"{name:10} {score['value']:.3f}   95 % {score['low']:.3f} to {score['high']:.3f}")
    print(f"written to {args.out / 'report.json'}, each clip's answer to predictions.csv beside it")


def _print_line(line: Mapping[str, float]) -> None:
    print("  ".join(f"{name} {value:.4g}" for name, value in line.items()), flush=True)


def _command(args: argparse.Namespace) -> str:
    """The command that was given, without this machine's paths and options that change nothing."""
    words = ["python -m model.train", args.classifier]
    for name, value in vars(args).items():
        usual = value == _parser().get_default(name) and name != "threads"
        if name in ("classifier", "cache", "workers", "device") or usual:
            continue
        shown = str(value)
        if name == "data":
            shown = re.sub(r":[^,]*", ":PATH", shown)
        elif Path(shown).is_absolute():
            shown = Path(shown).name
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [shown])]
    return " ".join(words)


def _take_fields(args: argparse.Namespace, record: type) -> dict[str, Any]:
    """The given options that are fields of `record`."""
    names = {field.name for field in fields(record)} - {"classifier", "specs", "data"}
    return {
        name: value for name, value in vars(args).items() if name in names and value is not None
    }


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=program("model.train"),
        description="Train a classifier on synthetic pairs, on data sets, or on both.",
    )
    parser.add_argument(
        "classifier", choices=CLASSIFIERS, metavar="NAME", help=", ".join(CLASSIFIERS)
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="checkpoint to write; with --loso, a folder"
    )

    data = parser.add_argument_group("data")
    data.add_argument("--data", default="synthetic", help="casme2:PATH, csv:PATH …, with commas")
    data.add_argument(
        "--classes", type=int, help=f"after merging: 3, 4, 5, 7 (default: {Sources.classes})"
    )
    data.add_argument(
        "--megc2019",
        action="store_true",
        help="only the clips of MEGC 2019's composite, of casme2, samm and smic",
    )
    data.add_argument(
        "--pairs", type=int, help=f"synthetic pairs to train on (default: {Sources.pairs})"
    )
    data.add_argument(
        "--validation-pairs",
        type=int,
        help=f"pairs to validate and calibrate on; as many for the report "
        f"(default: {Sources.validation_pairs})",
    )
    data.add_argument(
        "--view",
        choices=("crop", "maps", "mixed"),
        help=f"of synthetic pairs (default: {Sources.view})",
    )
    data.add_argument(
        "--none-share", type=float, help=f"share without expression (default: {Sources.none_share})"
    )
    data.add_argument("--flow", choices=FLOWS, help=f"(default: {Recipe.flow}, or that of --init)")
    data.add_argument("--cache", type=Path, default=Path("runs"), help="folder of made samples")
    add_face_networks(data)
    add_jobs(data, 3, "make samples")

    protocol = parser.add_argument_group("protocol")
    protocol.add_argument("--loso", action="store_true", help="leave one subject out")
    protocol.add_argument(
        "--validation",
        type=float,
        default=0.0,
        help="share of the subjects held out to choose the epoch; 0: the last one",
    )

    recipe = parser.add_argument_group("recipe")
    recipe.add_argument("--init", help="checkpoint to start from: a shipped name or a file")
    recipe.add_argument("--seed", type=int, help=f"of everything random (default: {Recipe.seed})")
    recipe.add_argument(
        "--epochs",
        type=int,
        help=f"passes over the samples (default: {Recipe.epochs}; without synthetic pairs "
        "--steps counts)",
    )
    recipe.add_argument(
        "--steps",
        type=int,
        help=f"steps in all, however many samples there are (default without synthetic pairs: "
        f"{CLIP_STEPS} in {CLIP_ROUNDS} rounds)",
    )
    recipe.add_argument(
        "--batch", type=int, help=f"(default: {Recipe.batch}; {CLIP_BATCH} without synthetic pairs)"
    )
    recipe.add_argument("--learning-rate", type=float, help=f"(default: {Recipe.learning_rate:g})")
    recipe.add_argument("--loss", choices=get_args(Loss), help=f"(default: {Recipe.loss})")
    recipe.add_argument(
        "--class-weights",
        choices=get_args(ClassWeights),
        help=f"(default: {Recipe.class_weights}; balanced without synthetic pairs)",
    )
    recipe.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    recipe.add_argument("--threads", type=int, default=2, help="of the CPU")
    parser.hide_rare(
        *("--validation-pairs", "--none-share", "--cache", "--face-networks", "--jobs"),
        *("--view", "--loss", "--class-weights", "--threads"),
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
