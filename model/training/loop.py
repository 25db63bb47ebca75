"""The training loop. Its length is fixed beforehand."""

import copy
import csv
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from model.classifiers import CustomLoss
from model.errors import InputError
from model.flow import load_flow
from model.inference.checkpoint import Checkpoint, load_network, save_checkpoint
from model.inference.confidence import fit_confidence
from model.inference.predictions import run_network
from model.inference.samples import SampleSet
from model.labels import NO_EXPRESSION
from model.metrics.recognition import confusion, mean_average_precision, uf1
from model.training.augment import augment
from model.training.losses import Objective
from model.training.recipe import Recipe

WARM_UP_SHARE = 0.25
"""Share of the steps in which the learning rate rises."""


def fit(
    recipe: Recipe,
    training: SampleSet,
    validation: SampleSet | None,
    out: Path,
    *,
    device: str = "cpu",
    init: Path | None = None,
    after_epoch: Callable[[Mapping[str, float]], None] = lambda line: None,
) -> Checkpoint:
    """Train by `recipe` and write the checkpoint to `out`.

    Beside `out` it writes `.log.csv`, a line per epoch. `validation` is scored after each epoch; it
    chooses the epoch only if the recipe keeps the best one. At the end, confidence is calibrated on
    it (`model.inference.confidence`). Training starts from the weights of the checkpoint `init`,
    but for heads of other classes or action units; they may be of another flow. `after_epoch` gets
    each line of the log. Raises `InputError` if samples and recipe do not fit.
    """
    if init is not None:
        check_start(init, recipe)
    checkpoint = _description(recipe, training)
    _check(recipe, training, validation, checkpoint)
    torch.manual_seed(recipe.seed)
    network = checkpoint.network()
    if init is not None:
        start = _start_from(init, network, checkpoint)
        checkpoint = replace(checkpoint, recipe={**checkpoint.recipe, "init": dict(start.recipe)})
    network = network.to(device)
    # This is a fifth faster on CPUs.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    run = _Epochs(
        recipe=recipe,
        training=training,
        network=network,
        optimizer=optimizer,
        objective=Objective.of(recipe, training, device),
        device=device,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    log: list[dict[str, float]] = []
    best: tuple[float, dict[str, Tensor]] | None = None
    for epoch in range(recipe.epochs):
        line = run.epoch(epoch)
        if validation is not None:
            line |= _validation_scores(network, validation, device)
        log.append(line)
        if recipe.keep == "best" and (best is None or line["uf1"] > best[0]):
            best = line["uf1"], copy.deepcopy(network.state_dict())
        _write_log(out.with_suffix(".log.csv"), log)
        after_epoch(line)

    if best is not None:
        network.load_state_dict(best[1])
    if validation is not None:
        fitted = fit_confidence(network, validation, device)
        checkpoint = replace(
            checkpoint, temperature=fitted.temperature, least_confidence=fitted.least
        )
    save_checkpoint(out, checkpoint, network.state_dict())
    return checkpoint


@dataclass
class _Epochs:
    """Runs single epochs, and holds what they need."""

    recipe: Recipe
    training: SampleSet
    network: nn.Module
    optimizer: torch.optim.Optimizer
    objective: Objective
    device: str

    def epoch(self, number: int) -> dict[str, float]:
        recipe, count = self.recipe, len(self.training)
        size = min(recipe.batch, count)
        whole = recipe.epochs * (count // size) if recipe.steps is None else recipe.steps
        before = number * whole // recipe.epochs
        steps = (number + 1) * whole // recipe.epochs - before
        rng = torch.Generator().manual_seed(recipe.seed * 1000 + number)
        torch.manual_seed(recipe.seed * 1000 + number)  # dropout
        passes = [torch.randperm(count, generator=rng) for _ in range(-(-steps * size // count))]
        order = torch.cat(passes)[: steps * size]
        self.network.train()
        total, started_s = 0.0, time.perf_counter()
        title = f"epoch {number + 1}/{recipe.epochs}"
        bar = tqdm(torch.split(order, size), desc=title, unit="batch", leave=False, disable=None)
        for step, batch in enumerate(bar):
            rate = _rate((before + step + 0.5) / whole)
            for group in self.optimizer.param_groups:
                group["lr"] = recipe.learning_rate * rate
            loss = self.loss(batch, rng)
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            self.optimizer.step()
            total += loss.item()
        passed_s = time.perf_counter() - started_s
        return {
            "epoch": number + 1,
            "loss": total / steps,
            "samples_per_s": steps * size / passed_s,
        }

    def loss(self, batch: Tensor, rng: torch.Generator) -> Tensor:
        chosen = batch.numpy()
        phases, labels, units, known = (
            torch.from_numpy(column[chosen]).to(self.device)
            for column in (
                self.training.phases,
                self.training.labels,
                self.training.action_units,
                self.training.both_phases,
            )
        )
        landmarks = None
        if self.training.landmarks is not None:
            landmarks = torch.from_numpy(self.training.landmarks[chosen]).to(self.device)
        phases, has_offset, landmarks = augment(
            phases.float(),
            known.float(),
            self.training.inputs,
            self.recipe.variation,
            rng,
            landmarks,
        )
        given = phases[:, 0], phases[:, 1], has_offset
        if isinstance(self.network, CustomLoss):
            class_logits, unit_logits, own = self.network.learn(*given, labels, landmarks)
            return self.objective(class_logits, unit_logits, labels, units) + own
        class_logits, unit_logits = self.network(*given)
        return self.objective(class_logits, unit_logits, labels, units)


def _rate(done: float) -> float:
    """The learning rate, as a share of its maximum, when the share `done` of the steps is done."""
    if done < WARM_UP_SHARE:
        return done / WARM_UP_SHARE
    return (1 + math.cos(math.pi * (done - WARM_UP_SHARE) / (1 - WARM_UP_SHARE))) / 2


def _description(recipe: Recipe, training: SampleSet) -> Checkpoint:
    flow = load_flow(recipe.flow)
    return Checkpoint(
        classifier=recipe.classifier,
        labels=training.classes,
        action_units=training.action_unit_names,
        flow=flow.name,
        flow_parameters=dict(flow.parameters),
        options=dict(recipe.options),
        recipe=asdict(recipe),
    )


def _check(
    recipe: Recipe, training: SampleSet, validation: SampleSet | None, checkpoint: Checkpoint
) -> None:
    wanted = checkpoint.network().inputs
    for samples in (training, validation):
        if samples is None:
            continue
        if samples.inputs != wanted:
            raise InputError(
                f"{recipe.classifier} takes {wanted}, the samples of {samples.name} are "
                f"{samples.inputs}"
            )
        if samples.classes != training.classes:
            raise InputError(
                f"samples to train and to validate on differ in their classes: "
                f"{training.classes}, {samples.classes}"
            )
    if len(training) < 2 or (training.labels == NO_EXPRESSION).all():
        raise InputError(f"{training.name} gives {len(training)} samples: training needs two")
    if recipe.keep == "best" and validation is None:
        raise InputError("to keep the best epoch, give validation samples that choose it")


def check_start(init: Path, recipe: Recipe) -> None:
    """Raise `InputError` if a run by `recipe` cannot start from the weights of `init`."""
    given, _ = load_network(init)
    for what, theirs, ours in (
        ("a network", given.classifier, recipe.classifier),
        ("options", dict(given.options), dict(recipe.options)),
    ):
        if theirs != ours:
            raise InputError(f"{init} has {what} {theirs!r}, training is for {ours!r}")


def _start_from(init: Path, network: nn.Module, checkpoint: Checkpoint) -> Checkpoint:
    """Load the weights of `init`; those of the heads for classes and action units only if these are
    the same. Returns the description of `init`."""
    given, start = load_network(init)
    weights = start.state_dict()
    for heads, same in (
        ("classes", given.labels == checkpoint.labels),
        ("action_units", given.action_units == checkpoint.action_units),
    ):
        if not same:
            weights = {n: w for n, w in weights.items() if heads not in n.split(".")}
    network.load_state_dict(network.state_dict() | weights)
    return given


def _validation_scores(network: nn.Module, samples: SampleSet, device: str) -> dict[str, float]:
    """Scores after an epoch: UF1 from first phases alone and from all known phases, over samples
    with an expression; and mean average precision of the action units."""
    named = samples.labels != NO_EXPRESSION
    figures = {}
    for name, first_alone in (("uf1_first_phase", True), ("uf1", False)):
        answers = run_network(network, samples, first_phase_only=first_alone, device=device)
        classes = answers.logits[named].argmax(axis=1)
        figures[name] = uf1(confusion(samples.labels[named], classes, len(samples.classes)))
    figures["action_unit_map"] = mean_average_precision(samples.action_units, answers.action_units)
    return figures


def _write_log(path: Path, log: list[dict[str, float]]) -> None:
    """Write the whole log each time, so that an interruption repeats no line."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(log[0]))
        writer.writeheader()
        writer.writerows(log)
