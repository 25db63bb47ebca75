"""Leave-one-subject-out: one network per subject, tested on the clips of a face it never saw.

No choice is based on the test subject. Its clips are tested once, by a network whose number of
epochs was fixed beforehand or chosen on other subjects held out of training. Scores are pooled over
all folds (See et al., MEGC 2019).
"""

import csv
import hashlib
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.errors import InputError
from model.files import hash_code, write_whole
from model.inference.checkpoint import checkpoint_digest, read_checkpoint, require_digest
from model.inference.predictions import run_network
from model.inference.samples import SampleSet, join_samples
from model.labels import NO_EXPRESSION
from model.metrics.checkpoint_scores import SCORES
from model.metrics.recognition import bootstrap, confusion, f1_by_class
from model.metrics.subject_folds import Fold, leave_one_subject_out, validation_split
from model.parallel import Workers, describe_time_left, map_jobs
from model.text import parse_json
from model.training.leakage import list_training_sets, refuse_overlap
from model.training.loop import fit
from model.training.recipe import Recipe

_CODE = ("training/*.py", "classifiers/*.py")
"""What makes a fold's weights, of samples that are there."""


@dataclass(frozen=True, slots=True)
class FoldAnswers:
    """One fold's answers to its subject's clips."""

    subject: str
    clips: tuple[str, ...]
    truth: tuple[int, ...]
    """Class numbers."""
    probabilities: tuple[tuple[float, ...], ...]
    """Probabilities by clip and class."""

    def describe(self) -> str:
        """Return how many clips were named right, as `01: 3 of 5 named right`."""
        right = sum(
            truth == max(range(len(shares)), key=shares.__getitem__)
            for truth, shares in zip(self.truth, self.probabilities, strict=True)
        )
        return f"{self.subject}: {right} of {len(self.clips)} named right"


def leave_one_out(
    recipe: Recipe,
    samples: SampleSet,
    always: SampleSet | None,
    out: Path,
    *,
    validation_share: float = 0.0,
    device: str = "cpu",
    init: Path | None = None,
    after_fold: Callable[[FoldAnswers, str], None] = lambda answers, words: None,
    workers: Workers = 1,
) -> dict[str, Any]:
    """Train and test a network for each subject of `samples`. Every fold also trains on `always`.
    On a cluster (`workers`), each fold is a job. `after_fold` takes the answers of a fold, and in
    words how good they are and how long the other folds will take.

    With a `validation_share`, that share of the other subjects is held out of each fold's training
    and the epoch with the best UF1 on them is kept. The folder `out` gets a checkpoint, a log and
    the answers of each fold, at the end `predictions.csv` and the report, `report.json`, which is
    also returned: scores pooled over folds, with 95 % intervals over subjects, what `init` is and
    was trained on, which clips were left out, and notes on the samples. An interrupted run goes on
    where it stopped. Raises `InputError` if `init` has seen a data set of `samples`, if `out` holds
    folds of another run, or `samples` has fewer than two subjects (three with a
    `validation_share`).
    """
    named = np.flatnonzero(samples.labels != NO_EXPRESSION)
    samples = samples.take(named)
    if always is not None and set(always.subjects) & set(samples.subjects):
        raise InputError(f"{always.name} and {samples.name} share subjects: give one of them")
    start = None if init is None else _start(init, samples)
    recipe = replace(recipe, keep="best" if validation_share else "last")
    folds = list(leave_one_subject_out(samples.subjects))
    key = _key(recipe, samples, always, init, validation_share)
    out.mkdir(parents=True, exist_ok=True)
    threads = torch.get_num_threads()
    digest = "" if init is None else checkpoint_digest(init)
    run = _Run(recipe, samples, always, out, validation_share, device, init, digest, key, threads)
    kept = {number: _read(run.path(fold, number), key) for number, fold in enumerate(folds)}
    missing = [(fold, number) for number, fold in enumerate(folds) if kept[number] is None]
    began_s = time.perf_counter()
    trained = map_jobs(partial(_train_fold, run), missing, workers)
    for done, ((_, number), answers) in enumerate(zip(missing, trained, strict=True), 1):
        time_left = describe_time_left(time.perf_counter() - began_s, done, len(missing) - done)
        after_fold(answers, answers.describe() + time_left)
        kept[number] = answers
    answered = [answers for answers in kept.values() if answers is not None]
    report = pool_folds(answered, samples.classes)
    report |= {"recipe": asdict(recipe), "data": samples.name, "init": start}
    report |= {"left_out": list(samples.problems), "notes": list(samples.notes)}
    _write_predictions(out / "predictions.csv", answered, samples.classes)
    _write(out / "report.json", report)
    return report


@dataclass(frozen=True, slots=True)
class _Run:
    """What all folds share; see `leave_one_out`."""

    recipe: Recipe
    samples: SampleSet
    always: SampleSet | None
    out: Path
    validation_share: float
    device: str
    init: Path | None
    init_digest: str
    key: str
    threads: int
    """Of the CPU: another number rounds differently."""

    def path(self, fold: Fold, number: int, ending: str = ".json") -> Path:
        """The file of a fold's answers, or of its weights."""
        subject = re.sub(r"[^A-Za-z0-9.]+", "-", fold.subject)
        return self.out / f"{number + 1:03d}-{subject}{ending}"


def _train_fold(run: _Run, numbered: tuple[Fold, int]) -> FoldAnswers:
    fold, number = numbered
    if run.init is not None:
        require_digest(run.init, run.init_digest)
    torch.set_num_threads(run.threads)
    training, validation = fold_samples(
        fold, run.samples, run.always, run.validation_share, run.recipe.seed
    )
    weights = run.path(fold, number, ".safetensors")
    fit(run.recipe, training, validation, weights, device=run.device, init=run.init)
    tested = run.samples.take(fold.test)
    answers = _fold_answers(weights, tested, fold.subject, run.device)
    _write(run.path(fold, number), {"key": run.key, **asdict(answers)})
    return answers


def fold_samples(
    fold: Fold, samples: SampleSet, always: SampleSet | None, validation_share: float, seed: int
) -> tuple[SampleSet, SampleSet | None]:
    """A fold's training samples, and the validation samples that choose its epoch. Neither holds
    the test subject, and no subject is in both."""
    others, validation = samples.take(fold.train), None
    if validation_share:
        kept, held = validation_split(others.subjects, validation_share, seed)
        others, validation = others.take(kept), others.take(held)
    return (others if always is None else join_samples([others, always])), validation


def pool_folds(folds: Sequence[FoldAnswers], classes: Sequence[str]) -> dict[str, Any]:
    """Scores over the clips of all folds together, overall and by data set."""
    clips = [
        (fold.subject, truth, int(np.argmax(shares)))
        for fold in folds
        for truth, shares in zip(fold.truth, fold.probabilities, strict=True)
    ]
    report = _scores(clips, classes)
    sets = sorted({subject.partition("/")[0] for subject, _, _ in clips})
    if len(sets) > 1:
        report["by_data_set"] = {
            name: _scores([clip for clip in clips if clip[0].partition("/")[0] == name], classes)
            for name in sets
        }
    return report


def _start(init: Path, samples: SampleSet) -> dict[str, Any]:
    """A report entry: the file that all folds start from, and the data its weights have seen."""
    checkpoint = read_checkpoint(init)[0]
    refuse_overlap(init.name, checkpoint, {name.partition("/")[0] for name in samples.subjects})
    return {"name": init.name, "sets": sorted(list_training_sets(checkpoint))}


def _scores(clips: list[tuple[str, int, int]], classes: Sequence[str]) -> dict[str, Any]:
    subjects, truth, predicted = zip(*clips, strict=True)
    counts = confusion(truth, predicted, len(classes))
    report: dict[str, Any] = {
        "clips": len(clips),
        "subjects": len(set(subjects)),
        "classes": list(classes),
        "confusion": counts.tolist(),
        "f1": dict(zip(classes, map(float, f1_by_class(counts)), strict=True)),
    }
    for name, score in SCORES.items():
        report[name] = asdict(bootstrap(truth, predicted, subjects, len(classes), score))
    return report


def _fold_answers(weights: Path, tested: SampleSet, subject: str, device: str) -> FoldAnswers:
    probabilities = run_network(weights, tested, device=device).probabilities
    return FoldAnswers(
        subject=subject,
        clips=tested.clips,
        truth=tuple(map(int, tested.labels)),
        probabilities=tuple(tuple(map(float, row)) for row in probabilities),
    )


def _read(path: Path, key: str) -> FoldAnswers | None:
    if not path.exists():
        return None
    try:
        fields = parse_json(path.read_text(encoding="utf-8"))
        found, subject = fields["key"], fields["subject"]
        columns = fields["clips"], fields["truth"], map(tuple, fields["probabilities"])
        answers = FoldAnswers(subject, *map(tuple, columns))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise InputError(f"{path} is damaged: delete it, and it is trained anew") from None
    if found != key:
        raise InputError(
            f"{path} belongs to a run with other options or samples, or by another version of this "
            "program: give another folder, or delete this one to start anew"
        )
    return answers


def _write(path: Path, content: dict[str, Any]) -> None:
    write_whole(path, json.dumps(content, indent=1).encode())


def _write_predictions(path: Path, folds: Sequence[FoldAnswers], classes: Sequence[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["subject", "clip", "truth", "predicted", *classes])
        for fold in folds:
            for clip, truth, shares in zip(fold.clips, fold.truth, fold.probabilities, strict=True):
                predicted = classes[int(np.argmax(shares))]
                rounded = [f"{share:.6f}" for share in shares]
                writer.writerow([fold.subject, clip, classes[truth], predicted, *rounded])


def _key(
    recipe: Recipe,
    samples: SampleSet,
    always: SampleSet | None,
    init: Path | None,
    validation_share: float,
) -> str:
    digest = hashlib.sha256(repr((asdict(recipe), validation_share, hash_code(_CODE))).encode())
    for one in (samples, always):
        if one is not None:
            digest.update(repr((one.classes, one.action_unit_names, one.subjects)).encode())
            for column in (one.phases, one.both_phases, one.labels, one.action_units):
                digest.update(np.ascontiguousarray(column).data)
    if init is not None:
        digest.update(init.read_bytes())
    return digest.hexdigest()
