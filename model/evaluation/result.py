"""One evaluation of one network: its figures, and everything else that a page or file shows."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from model.evaluation import html
from model.inference.predictions import Answers
from model.inference.samples import SampleSet
from model.labels import NO_EXPRESSION
from model.machine import machine
from model.metrics.checkpoint_scores import AMPLITUDE_FIGURES, SCORES, compute_metrics
from model.metrics.recognition import (
    Bin,
    Confusion,
    SubjectScore,
    average_precision,
    by_subject,
    confusion,
    reliability,
)


@dataclass(frozen=True)
class Evaluation:
    """How a network did on samples that it was not trained on."""

    network: str
    """Shipped name or file name of the checkpoint, or another description."""
    data: str
    protocol: str
    first_phase_only: bool
    classes: tuple[str, ...]
    figures: dict[str, float]
    """`model.metrics.checkpoint_scores.compute_metrics`."""
    confusion: Confusion
    bins: tuple[Bin, ...]
    """`model.metrics.recognition.reliability` in ten bins."""
    subjects: tuple[SubjectScore, ...]
    action_units: dict[str, float]
    """Average precision of each unit that occurs."""
    remark: str = ""
    """Comparison with the checkpoint's stored figures: "reproduced", or what differs."""

    def scores(self) -> list[str]:
        """UF1, UAR and accuracy with their 95 % intervals, as text."""
        found = self.figures
        return [
            f"{found[name]:.3f} ({found[f'{name}_low']:.3f}–{found[f'{name}_high']:.3f})"
            for name in SCORES
        ]

    def amplitudes(self) -> tuple[tuple[str, float], ...]:
        """UF1 by greatest displacement at the apex, rising; empty if that is unknown."""
        found = self.figures
        return tuple((px, found[name]) for px, name in AMPLITUDE_FIGURES.items() if name in found)

    def class_scores(self) -> list[tuple[str, float]]:
        """F1 of each class."""
        return [(name, self.figures[f"f1_{name}"]) for name in self.classes]

    def subject_scores(self) -> list[tuple[str, float]]:
        """Share of each subject's clips that was named right."""
        return [(each.subject, each.right / each.clips) for each in self.subjects]

    def plain(self) -> dict[str, Any]:
        """The evaluation as plain values for JSON; None in place of NaN."""
        plain = asdict(self) | {"confusion": self.confusion.tolist()}
        cleaned: dict[str, Any] = _finite(plain)
        return cleaned


def evaluate_answers(
    network: str,
    answers: Answers,
    samples: SampleSet,
    *,
    protocol: str,
    first_phase_only: bool = False,
    least_confidence: float = 0.0,
    remark: str = "",
) -> Evaluation:
    """The evaluation of `answers` to all of `samples`. Raises `InputError` as
    `model.metrics.checkpoint_scores.compute_metrics` does."""
    found = compute_metrics(answers, samples, least_confidence)
    named = samples.labels != NO_EXPRESSION
    truth, numbers = samples.labels[named], answers.probabilities[named].argmax(axis=1)
    subjects = [subject for subject, kept in zip(samples.subjects, named, strict=True) if kept]
    units = average_precision(samples.action_units, answers.action_units)
    return Evaluation(
        network=network,
        data=samples.name,
        protocol=protocol,
        first_phase_only=first_phase_only,
        classes=samples.classes,
        figures=found,
        confusion=confusion(truth, numbers, len(samples.classes)),
        bins=reliability(answers.probabilities[named], truth, bins=10),
        subjects=by_subject(truth, numbers, subjects),
        action_units={
            unit: float(precision)
            for unit, precision in zip(samples.action_unit_names, units, strict=True)
            if np.isfinite(precision)
        },
        remark=remark,
    )


def format_evaluations(evaluations: Sequence[Evaluation]) -> str:
    """An HTML document that works offline: tables, and plots as inline SVG."""
    return html.render(
        "evaluation.html.j2",
        title="Evaluation",
        style="",
        evaluations=evaluations,
        machine=machine(),
        bars=html.bars,
        reliability=html.draw_reliability,
        zip=zip,
    )


def format_table(evaluations: Sequence[Evaluation]) -> str:
    """A table for a terminal: a line per evaluation, then its classes."""
    lines = [
        f"{'network':20}{'data':16}{'clips':>6}  {'UF1 (95 %)':20}{'UAR (95 %)':20}"
        f"{'accuracy (95 %)':20}{'ECE':>6}"
    ]
    for each in evaluations:
        found = each.figures
        scores = "".join(score.ljust(20) for score in each.scores())
        lines.append(
            f"{each.network:20}{each.data:16}{found['samples']:6.0f}  {scores}"
            f"{found['calibration_error']:6.3f}"
        )
    for each in evaluations:
        alone = ", onset → apex alone" if each.first_phase_only else ""
        lines += ["", f"{each.network}, {each.data}, {each.protocol}{alone}"]
        width = max(10, *(len(name) + 2 for name in each.classes))
        lines.append(f"  {'true class':{width}}{'F1':>6}  named " + " ".join(each.classes))
        for name, row in zip(each.classes, each.confusion.tolist(), strict=True):
            counts = " ".join(f"{n:{len(c)}d}" for n, c in zip(row, each.classes, strict=True))
            lines.append(f"  {name:{width}}{each.figures[f'f1_{name}']:6.3f}  {'':6}{counts}")
        if each.amplitudes():
            parts = [f"{px}: {score:.3f}" for px, score in each.amplitudes()]
            lines.append(f"  UF1 by amplitude  {'   '.join(parts)}")
        if each.remark:
            lines.append(f"  {each.remark}")
    return "\n".join(lines)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
