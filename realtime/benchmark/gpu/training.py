"""Times training, by the program's own loop."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from model.classifiers.phase_inputs import INPUT_PX
from model.inference.samples import SampleSet
from model.labels import ACTION_UNITS, CLASSES
from model.training.loop import fit
from model.training.recipe import Recipe
from realtime.benchmark.gpu.rows import WRONG, Report

BATCHES, FEW_BATCHES = 40, 2
"""Batches per epoch, with a GPU and without."""
EPOCHS = 3


def training_part(report: Report) -> None:
    """Train FMANet by its recipe, on made-up samples that it can learn."""
    head = ("on", "samples a second, best epoch", "loss, first epoch", "last", "right if", "")
    report.section("Training", *head)
    count = BATCHES if report.cuda else FEW_BATCHES
    report.attempt("training", add_training, report.device, count)
    if report.cuda:
        report.attempt("training on the CPU", add_training, "cpu", FEW_BATCHES)


def add_training(report: Report, device: str, batches: int) -> None:
    recipe = Recipe("fmanet", epochs=EPOCHS)
    log: list[Mapping[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "trained.safetensors"
        samples = make_samples(batches * recipe.batch)
        fit(recipe, samples, None, out, device=device, after_epoch=log.append)
    first, last = log[0]["loss"], log[-1]["loss"]
    speed = max(line["samples_per_s"] for line in log)
    verdict = "right" if last < first else WRONG  # NaN is wrong too
    report.row(device, speed, first, last, "the loss falls", verdict)


def make_samples(count: int) -> SampleSet:
    """Noise in which each class moves a different third of the map, so that a network can learn
    it."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % len(CLASSES)
    phases = rng.normal(0, 0.1, (count, 2, 2, INPUT_PX, INPUT_PX)).astype(np.float16)
    third = INPUT_PX // len(CLASSES)
    for number, label in enumerate(labels):
        phases[number, 0, 1, label * third : (label + 1) * third] += 1
    phases[:, 1] = -phases[:, 0]
    names = tuple(f"made up {number}" for number in range(count))
    return SampleSet(
        name="made up",
        inputs="flows",
        phases=phases,
        both_phases=np.ones(count, bool),
        labels=labels.astype(np.int64),
        classes=CLASSES,
        action_units=rng.integers(0, 2, (count, len(ACTION_UNITS))).astype(np.float32),
        action_unit_names=ACTION_UNITS,
        amplitude_px=np.full(count, 1, np.float32),
        subjects=names,
        clips=names,
    )
