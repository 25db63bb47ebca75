"""The figures stored with a checkpoint, measured on samples that no choice was based on.

Training, evaluation and model cards all use this one list, so their figures can be compared.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from model.inference.checkpoint import read_checkpoint
from model.inference.predictions import Answers, run_network
from model.inference.samples import SampleSet
from model.labels import NO_EXPRESSION
from model.metrics.recognition import (
    Confusion,
    accuracy,
    bootstrap,
    calibration_error,
    confusion,
    f1_by_class,
    mean_average_precision,
    uar,
    uf1,
)

SCORES: dict[str, Callable[[Confusion], float]] = {"uf1": uf1, "uar": uar, "accuracy": accuracy}
AMPLITUDE_RANGES_PX = ((0.1, 0.3), (0.3, 0.6), (0.6, 1.2), (1.2, 4.0))
"""Ranges of the greatest displacement at the apex, px."""
AMPLITUDE_FIGURES = {
    f"{low:g}–{high:g} px": f"uf1_{low:g}_to_{high:g}_px" for low, high in AMPLITUDE_RANGES_PX
}
"""The name of the figure of each range, by its title."""
NAMEABLE_PX = 0.3
"""Amplitude from which an expression should be named."""
FIRST_PHASE = "first_phase_"
"""Prefix for figures of onset → apex alone."""

_COUNTED = {
    FIRST_PHASE + name for name in ("samples", "subjects", "samples_without_expression")
}  # the same as of both phases


def measure_checkpoint(path: Path, samples: SampleSet, device: str = "cpu") -> dict[str, float]:
    """Figures of the checkpoint in the file `path`: `compute_metrics` with both phases, then with
    the first phase alone. Raises what `model.inference.predictions.run_network` does."""
    least = read_checkpoint(path)[0].least_confidence
    found: dict[str, float] = {}
    for prefix, alone in (("", False), (FIRST_PHASE, True)):
        answers = run_network(path, samples, first_phase_only=alone, device=device)
        part = compute_metrics(answers, samples, least).items()
        found |= {prefix + name: value for name, value in part if prefix + name not in _COUNTED}
    return found


def compute_metrics(
    answers: Answers, samples: SampleSet, least_confidence: float
) -> dict[str, float]:
    """Figures by name. The answer is always the likeliest class, even if the confidence is low. All
    but the last four figures are over the samples with an expression:

        samples, subjects                           how many
        uf1, uar, accuracy                          and _low, _high: 95 % over subjects
        f1_CLASS
        uf1_from_0.3_px, uf1_0.1_to_0.3_px, …       by amplitude, where it is known
        confidence, calibration_error
        refused                                     share answered with "no clear expression"
        action_unit_map                             mean average precision, over all coded samples
        samples_without_expression                  how many; if there are any:
        refused_without_expression, confidence_without_expression

    Raises `InputError` if no sample has an expression.
    """
    named = samples.labels != NO_EXPRESSION
    shares, count = answers.probabilities[named], len(samples.classes)
    truth, numbers = samples.labels[named], shares.argmax(axis=1)
    subjects = [subject for subject, kept in zip(samples.subjects, named, strict=True) if kept]
    counts = confusion(truth, numbers, count)
    found = {"samples": float(len(truth)), "subjects": float(len(set(subjects)))}
    for name, score in SCORES.items():
        interval = bootstrap(truth, numbers, subjects, count, score)
        found[name] = interval.value
        found |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    for label, f1 in zip(samples.classes, f1_by_class(counts), strict=True):
        found[f"f1_{label}"] = float(f1)
    amplitude_px = samples.amplitude_px[named]
    for low, high in ((NAMEABLE_PX, np.inf), *AMPLITUDE_RANGES_PX):
        within = (amplitude_px >= low) & (amplitude_px < high)
        if within.any():
            name = f"from_{low:g}" if np.isinf(high) else f"{low:g}_to_{high:g}"
            found[f"uf1_{name}_px"] = uf1(confusion(truth[within], numbers[within], count))
    confidence = answers.probabilities.max(axis=1)
    found["confidence"] = float(confidence[named].mean())
    found["calibration_error"] = calibration_error(shares, truth)
    found["refused"] = float((confidence[named] < least_confidence).mean())
    if (samples.action_units > 0).any():
        found["action_unit_map"] = mean_average_precision(
            samples.action_units, answers.action_units
        )
    found["samples_without_expression"] = float((~named).sum())
    if not named.all():
        refused = confidence[~named] < least_confidence
        found["refused_without_expression"] = float(refused.mean())
        found["confidence_without_expression"] = float(confidence[~named].mean())
    return found
