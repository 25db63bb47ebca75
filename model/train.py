"""Train a classifier on synthetic pairs.

    python -m model.train fmanet --out fmanet.safetensors

Epochs are fixed beforehand. The validation set is shown, never used to choose; the figures in the
checkpoint come from a third set, looked at once at the end. An interrupted run goes on where it
stopped when started again with the same options.
"""

import argparse
import csv
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from model.checkpoint import Checkpoint, save_checkpoint
from model.classifiers import CLASSIFIERS
from model.errors import InputError, exit_code
from model.flow import FLOWS, load_flow
from model.labels import CLASSES
from model.metrics import accuracy, confusion, uar, uf1
from model.synthetic.pairs import ACTION_UNITS
from model.synthetic.pairset import PairSet, open_pairs

FIRST_REPORT_SEED = 1000
"""Data sets from this seed on are for reporting: nothing is chosen on them."""


@dataclass(frozen=True)
class Recipe:
    """All that decides what comes out; saved in the checkpoint."""

    classifier: str
    flow: str = "lk"
    seed: int = 7
    """Of the weights, the batches and the training set; the validation set is the next one."""
    report_seed: int = FIRST_REPORT_SEED
    pairs: int = 14000
    validation_pairs: int = 2000
    epochs: int = 12
    batch: int = 96
    learning_rate: float = 2e-3
    """Greatest one of a one-cycle schedule, AdamW."""
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    action_unit_weight: float = 1.0
    """Weight of the action units' loss beside the classes'."""
    drop_phase: float = 0.35
    """How often the second phase is withheld, so that the first alone gets an answer too."""
    reverse: float = 0.2
    """How often time runs backwards: phases swapped and negated."""


def _print_line(line: Mapping[str, float]) -> None:
    print("  ".join(f"{name} {value:.4g}" for name, value in line.items()))


def main() -> None:
    """Command line."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    recipe = Recipe(
        args.classifier, flow=args.flow, seed=args.seed, pairs=args.pairs, epochs=args.epochs
    )
    if recipe.pairs < recipe.batch or recipe.epochs < 1:
        raise InputError(
            f"--pairs has to be {recipe.batch} or more and --epochs 1 or more, got "
            f"{recipe.pairs} and {recipe.epochs}"
        )
    if recipe.seed + 1 >= FIRST_REPORT_SEED:
        raise InputError(f"--seed has to be below {FIRST_REPORT_SEED - 1}: the rest report only")
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"--device {args.device}: no CUDA device is available, use --device cpu")

    def pairs(count: int, seed: int) -> PairSet:
        return open_pairs(
            count, seed=seed, flow=recipe.flow, cache=args.cache, workers=args.workers
        )

    train(
        recipe,
        training=pairs(recipe.pairs, recipe.seed),
        validation=pairs(recipe.validation_pairs, recipe.seed + 1),
        report=pairs(recipe.validation_pairs, recipe.report_seed),
        out=args.out,
        device=args.device,
    )


def train(
    recipe: Recipe,
    *,
    training: PairSet,
    validation: PairSet,
    report: PairSet,
    out: Path,
    device: str = "cpu",
    after_epoch: Callable[[Mapping[str, float]], None] = _print_line,
) -> Checkpoint:
    """Train by `recipe` and write the checkpoint to `out`, beside it `.log.csv` (a line per
    epoch) and, until the end, `.state` to go on from. `after_epoch` gets the log's line."""
    torch.manual_seed(recipe.seed)
    flow = load_flow(recipe.flow)
    checkpoint = Checkpoint(
        classifier=recipe.classifier,
        labels=CLASSES,
        action_units=ACTION_UNITS,
        flow=flow.name,
        flow_parameters=dict(flow.parameters),
        recipe=asdict(recipe),
    )
    network = checkpoint.network().to(device)
    # A fifth faster on CPUs.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    steps = len(training.labels) // recipe.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=steps * recipe.epochs
    )
    state_path, log_path = out.with_suffix(".state"), out.with_suffix(".log.csv")
    out.parent.mkdir(parents=True, exist_ok=True)
    start = 0
    if state_path.exists():
        state = torch.load(state_path, weights_only=True)
        if state["recipe"] != asdict(recipe):
            raise InputError(
                f"{state_path} belongs to a run with other options: delete it to start anew"
            )
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        start = state["epoch"]

    for epoch in range(start, recipe.epochs):
        # A generator per epoch: going on after an interruption gives the very same run.
        rng = torch.Generator().manual_seed(recipe.seed * 1000 + epoch)
        network.train()
        total = 0.0
        order = torch.randperm(len(training.labels), generator=rng)[: steps * recipe.batch]
        torch.manual_seed(recipe.seed * 1000 + epoch)  # dropout
        bar = tqdm(torch.split(order, recipe.batch), desc=f"epoch {epoch + 1}/{recipe.epochs}")
        for batch in bar:
            loss = _loss(network, training, batch, recipe, rng, device)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            total += loss.item()
        both, first = (evaluate(network, validation, device, both) for both in (True, False))
        line = {"epoch": epoch + 1, "loss": total / steps}
        line |= {"uf1": both["uf1"], "uf1_first_phase": first["uf1"]}
        _log(log_path, line, anew=epoch == 0)
        state = {
            "recipe": asdict(recipe),
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "epoch": epoch + 1,
        }
        partial = state_path.with_suffix(".state.partial")
        torch.save(state, partial)
        partial.replace(state_path)
        after_epoch(line)

    metrics = evaluate(network, report, device, both=True)
    first = evaluate(network, report, device, both=False)
    metrics |= {f"first_phase_{name}": value for name, value in first.items()}
    checkpoint = replace(checkpoint, metrics=metrics)
    save_checkpoint(out, checkpoint, network.state_dict())
    state_path.unlink()
    for name, value in metrics.items():
        print(f"{name:32} {value:.3f}")
    return checkpoint


def evaluate(network: nn.Module, pairs: PairSet, device: str, both: bool) -> dict[str, float]:
    """Figures on `pairs`, with both phases or the first alone: UF1, UAR, accuracy, mean
    confidence, mean average precision of the action units, UF1 by amplitude."""
    network.eval()
    said, units = [], []
    with torch.inference_mode():
        for batch in torch.split(torch.arange(len(pairs.labels)), 256):
            flows = _flows(pairs, batch, device)
            known = torch.full((len(batch),), float(both), device=device)
            classes, logits = network(flows[:, 0], flows[:, 1], known)
            said.append(classes.softmax(dim=1).cpu().numpy())
            units.append(logits.cpu().numpy())
    probabilities, unit_scores = np.concatenate(said), np.concatenate(units)
    counts = confusion(pairs.labels, probabilities.argmax(axis=1), len(CLASSES))
    figures = {
        "uf1": uf1(counts),
        "uar": uar(counts),
        "accuracy": accuracy(counts),
        "confidence": float(probabilities.max(axis=1).mean()),
        "action_unit_map": _mean_average_precision(pairs.action_units > 0.5, unit_scores),
    }
    for low, high in ((0.2, 0.4), (0.4, 0.8), (0.8, 3.0)):
        within = (pairs.amplitude_px >= low) & (pairs.amplitude_px < high)
        part = confusion(pairs.labels[within], probabilities[within].argmax(axis=1), len(CLASSES))
        figures[f"uf1_{low}_to_{high}_px"] = uf1(part)
    return figures


def _loss(
    network: nn.Module,
    pairs: PairSet,
    batch: Tensor,
    recipe: Recipe,
    rng: torch.Generator,
    device: str,
) -> Tensor:
    flows, known = _varied(_flows(pairs, batch, device), recipe, rng)
    labels = torch.from_numpy(pairs.labels[batch.numpy()]).to(device)
    units = torch.from_numpy(pairs.action_units[batch.numpy()]).to(device)
    class_logits, unit_logits = network(flows[:, 0], flows[:, 1], known)
    named = F.cross_entropy(class_logits, labels, label_smoothing=recipe.label_smoothing)
    present = F.binary_cross_entropy_with_logits(unit_logits, units)
    return named + recipe.action_unit_weight * present


def _varied(flows: Tensor, recipe: Recipe, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Flows (N, 2, 2, S, S) mirrored, reversed and shifted at random, and which of the second
    phases may be seen, (N,)."""

    def chosen(share: float) -> Tensor:
        return (torch.rand(len(flows), generator=rng) < share).to(flows.device)

    mirrored = flows.flip(-1) * flows.new_tensor([-1.0, 1.0]).view(1, 1, 2, 1, 1)
    flows = torch.where(chosen(0.5).view(-1, 1, 1, 1, 1), mirrored, flows)
    flows = torch.where(chosen(recipe.reverse).view(-1, 1, 1, 1, 1), -flows.flip(1), flows)
    shift = torch.randint(-2, 3, (2,), generator=rng).tolist()
    flows = flows.roll(shift, dims=(-2, -1))
    return flows, (~chosen(recipe.drop_phase)).to(flows.dtype)


def _flows(pairs: PairSet, batch: Tensor, device: str) -> Tensor:
    return torch.from_numpy(pairs.flows[batch.numpy()].astype(np.float32)).to(device)


def _mean_average_precision(truth: NDArray[np.bool_], scores: NDArray[np.float32]) -> float:
    """Mean over the action units that occur of the mean precision at each true one's rank."""
    precisions = []
    for present, score in zip(truth.T, scores.T, strict=True):
        if present.any():
            ranked = present[np.argsort(-score, kind="stable")]
            precision = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
            precisions.append(precision[ranked].mean())
    return float(np.mean(precisions)) if precisions else 0.0


def _log(path: Path, line: dict[str, float], *, anew: bool) -> None:
    with path.open("w" if anew else "a", newline="") as file:
        writer = csv.DictWriter(file, list(line))
        if anew:
            writer.writeheader()
        writer.writerow(line)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m model.train", description="Train a classifier on synthetic flow pairs."
    )
    parser.add_argument("classifier", choices=CLASSIFIERS)
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write")
    parser.add_argument("--flow", choices=FLOWS, default=Recipe.flow)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--pairs", type=int, default=Recipe.pairs, help="in the training set")
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of the training")
    parser.add_argument("--workers", type=int, default=3, help="processes that draw pairs")
    parser.add_argument(
        "--cache", type=Path, default=Path("runs/pairs"), help="where drawn pairs are kept"
    )
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
