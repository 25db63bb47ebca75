"""A learned scorer for the spotter: made from labelled footage, compared with the rules.

    python -m calibrate spotting train --data samm_lv:PATH --out scorer.safetensors

Labelled recordings, and synthetic footage of seeds 0 up to `--seeds` with many nuisances
(`calibrate.spotting.footage.vary_footage`), go through the spotter with thresholds at `OPENS_AT` of
their height. Every pulse that ends is a sample; it is a micro-expression where its interval has an
intersection over union of 0.5 or more with an annotated one. Of every five faces, recorded
and synthetic ones apart, three are trained on; one chooses among `TRIES` networks, their epochs and
the least likeness that is accepted; one, which neither trained nor chose, shows how rules and
network do (`calibrate.spotting.lessons`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from calibrate.spotting.figures import FigureRow, Outcome, outcome, true_interval
from calibrate.spotting.footage import interval_of
from calibrate.spotting.lessons import (
    LEFT_OUT,
    ORIGINS,
    Lesson,
    Origin,
    check_enough,
    split_lessons,
)
from calibrate.spotting.motion import spot
from model.errors import InputError
from model.records import ArrayF32, Window
from realtime.spotting.metrics import MIN_IOU, iou
from realtime.spotting.pulse_features import TRAITS
from realtime.spotting.scorer import FORMAT, MOST, LearnedScorer, Scorer

OPENS_AT = 0.5
"""Of the thresholds: down to here there are pulses to judge."""
WIDTHS = (32, 16)
DROPOUT, JITTER = 0.2, 0.05
RATE, DECAY, BATCH, EPOCHS = 2e-3, 3e-2, 256, 60
TRIES = 3
ACCEPTS = (0.5, 0.6, 0.7, 0.8, 0.9)
INDIFFERENT = 0.01
"""Least likenesses that are tried: the strictest is taken whose F1 is this close to the best."""

_RECIPE: dict[str, Any] = {
    "opens_at": OPENS_AT,
    "widths": WIDTHS,
    "dropout": DROPOUT,
    "jitter": JITTER,
    "rate": RATE,
    "decay": DECAY,
    "batch": BATCH,
    "epochs": EPOCHS,
    "tries": TRIES,
    "left_out": LEFT_OUT,
}


@dataclass(frozen=True)
class Trained:
    """A scorer, and how it did on faces that it was neither trained nor chosen on."""

    tensors: Mapping[str, NDArray[np.float32]]
    """As `LearnedScorer` takes them."""
    accepts: float
    rows: tuple[FigureRow, ...]
    """For each origin of footage, the rules and the scorer on what was left out of training and
    choosing."""
    faces: Mapping[str, Sequence[str]]
    """Those that it was trained on, chosen on and reported on: see `Parts`."""
    whole: Mapping[Origin, int]
    """Origins of footage of which nothing was left out, with their number of faces: no row says how
    the scorer does there."""


class _Recorder:
    """A scorer that accepts nothing and keeps what it was asked."""

    opens_at = OPENS_AT
    accepts = np.inf

    def __init__(self) -> None:
        self.asked: list[tuple[Window, ArrayF32]] = []

    def likeness(self, window: Window, traits: ArrayF32) -> float:
        """See `Scorer`."""
        self.asked.append((window, traits))
        return 0.0


def train(taken: Sequence[Lesson], tick: Callable[[], None] = lambda: None) -> Trained:
    """A scorer from lessons of several faces, see `split_lessons`. `tick` after the spotter went
    through a lesson, the network was fitted, or a choice was tried. Raises `InputError` where there
    is too little to learn from."""
    check_enough(len(taken))
    torch.set_num_threads(1)
    parts = split_lessons(taken)
    samples = []
    for lessons in (parts.train, parts.choose):
        told = []
        for lesson in lessons:
            told.append(_samples(lesson))
            tick()
        samples.append(_joined(told))
    if not all(len(wanted) and 0 < wanted.mean() < 1 for _, wanted in samples):
        raise InputError("the footage holds too few expressions to learn from: give more")
    tensors = _fit(*samples)
    tick()
    scorers = [LearnedScorer(tensors, OPENS_AT, accepts) for accepts in ACCEPTS]
    f1 = []
    for scorer in scorers:
        found = [each for lesson in parts.choose for each in _outcomes(lesson, scorer)]
        f1.append(FigureRow("choose", f"{scorer.accepts:g}", tuple(found)).score("micro").f1)
        tick()
    strictest = max(k for k in range(len(f1)) if f1[k] >= max(f1) - INDIFFERENT)
    rows: list[FigureRow] = []
    for origin in ORIGINS:
        own = [lesson for lesson in parts.report if lesson.origin == origin]
        if own:
            rows += _reported(own, scorers[strictest], tick)
    return Trained(tensors, ACCEPTS[strictest], tuple(rows), parts.faces(), parts.whole)


def save(out: Path, trained: Trained, footage: Sequence[str]) -> None:
    """Write a file that `realtime.spotting.scorer.load_scorer` reads, with its recipe, the names of
    the `footage` that it was made from, whose faces were for what, and its figures."""
    recipe = {**_RECIPE, "accepts": trained.accepts, "footage": list(footage)}
    recipe["faces"] = {part: list(faces) for part, faces in trained.faces.items()}
    metrics = {f"{row.group}, {row.value}": row.plain() for row in trained.rows}
    said = {"format": FORMAT, "recipe": json.dumps(recipe), "metrics": json.dumps(metrics)}
    save_file(dict(trained.tensors), out, said)


_Samples = tuple[ArrayF32, ArrayF32]
"""Traits (N, TRAITS), and whether they are of a micro-expression (N,), 1 or 0."""


def _samples(lesson: Lesson) -> _Samples:
    true = [row for row in map(true_interval, lesson.truth) if row.kind == "micro"]
    told, are = [], []
    for config in lesson.configs:
        recorder = _Recorder()
        spot(lesson.motions, config, recorder)
        for window, traits in recorder.asked:
            told.append(traits)
            are.append(any(iou(interval_of(window), row) >= MIN_IOU for row in true))
    return np.array(told, np.float32).reshape(-1, TRAITS), np.array(are, np.float32)


def _joined(samples: Sequence[_Samples]) -> _Samples:
    empty = np.empty((0, TRAITS), np.float32), np.empty(0, np.float32)
    told, are = zip(empty, *samples, strict=True)
    return np.concatenate(told), np.concatenate(are)


def _reported(
    left: Sequence[Lesson], scorer: LearnedScorer, tick: Callable[[], None]
) -> list[FigureRow]:
    """The rules and the scorer on what was left out of one origin."""
    rules: list[Outcome] = []
    learned: list[Outcome] = []
    for lesson in left:
        rules += _outcomes(lesson, None)
        learned += _outcomes(lesson, scorer)
        tick()
    group = f"{left[0].origin}, faces left out: {len({lesson.face for lesson in left})}"
    return [
        FigureRow(group, "rules", tuple(rules)),
        FigureRow(group, f"learned, likeness {scorer.accepts:g}", tuple(learned)),
    ]


def _outcomes(lesson: Lesson, scorer: Scorer | None) -> list[Outcome]:
    return [outcome(lesson.motions, lesson.truth, each, scorer) for each in lesson.configs]


def _fit(given: _Samples, choosing: _Samples) -> dict[str, NDArray[np.float32]]:
    """Tensors as `LearnedScorer` takes them: of the network and epoch that fit `choosing` best."""
    mean, std = given[0].mean(axis=0), given[0].std(axis=0) + 1e-3

    def scaled(traits: ArrayF32) -> torch.Tensor:
        return torch.from_numpy(np.clip((traits - mean) / std, -MOST, MOST))

    inputs, wanted = scaled(given[0]), torch.from_numpy(given[1])
    unseen, known = scaled(choosing[0]), torch.from_numpy(choosing[1])
    best, tensors = np.inf, {}
    for seed in range(TRIES):
        torch.manual_seed(seed)
        network = _network(len(mean))
        steps = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(steps, EPOCHS)
        for _ in range(EPOCHS):
            network.train()
            for batch in torch.randperm(len(inputs)).split(BATCH):  # type: ignore[no-untyped-call]
                shaken = inputs[batch] + JITTER * torch.randn_like(inputs[batch])
                loss = binary_cross_entropy_with_logits(network(shaken)[:, 0], wanted[batch])
                steps.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                steps.step()
            schedule.step()
            network.eval()
            with torch.no_grad():
                left = float(binary_cross_entropy_with_logits(network(unseen)[:, 0], known))
            if left < best:
                best, tensors = left, _tensors(network)
    return {"mean": mean, "std": std, **tensors}


def _network(inputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in WIDTHS:
        layers += [nn.Linear(inputs, width), nn.SiLU(), nn.Dropout(DROPOUT)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, 1))


def _tensors(network: nn.Sequential) -> dict[str, NDArray[np.float32]]:
    linear = [layer for layer in network if isinstance(layer, nn.Linear)]
    found = {}
    for k, layer in enumerate(linear):
        found[f"w{k}"] = np.ascontiguousarray(layer.weight.detach().numpy().T)
        found[f"b{k}"] = layer.bias.detach().numpy().copy()
    return found
