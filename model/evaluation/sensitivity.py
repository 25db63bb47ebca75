"""Where a network's errors come from: its accuracy on synthetic pairs of the aligned crop, with one
kind of nuisance removed, or moved outside its range in training.

    python -m model.evaluation.sensitivity fmanet

All lines use the same faces and expressions, from a set reserved for reports, with amplitudes of
0.3 px and more. Ignore differences below two standard errors.
"""

import math
import multiprocessing
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.cli import Parser, program
from model.errors import InputError, exit_code
from model.flow import load_flow
from model.inference.checkpoint import checkpoint_path, load_classifier, load_network
from model.labels import CLASSES
from model.records import ArrayF32
from model.synthetic.nuisance import Nuisance, nuisance_of
from model.synthetic.pairs import synthetic_pair
from model.synthetic.sample_sets import use_one_thread

SEED = 1001
"""Seed of the pairs, one of those reserved for reports."""
_CHUNK = 50  # pairs per job


def changes() -> dict[str, Nuisance]:
    """The nuisances to measure, by name: those of training, the same with one made easy, the
    held-out ones, and those with one as in training."""
    usual = replace(nuisance_of("crop", "training"), amplitude_px=(0.3, 2.5))
    held = nuisance_of("crop", "held_out")
    clean = replace(
        usual.optics,
        noise_levels=(0.2, 0.5), jpeg=0.0, blur_px=(0.0, 0.2), shrinking=(1.0, 1.0), flicker=0.0,
    )  # fmt: skip
    return {
        "as in training": usual,
        "clean camera and light": replace(usual, optics=clean),
        "head still": replace(usual, shift_px=0.0, turn_rad=0.0, scale_log=0.0, nod_px=0.0),
        "no blinks": replace(usual, blink=0.0),
        "no other unit along": replace(usual, rider=0.0),
        "units in step, nothing else moves": replace(usual, drift=0.0, wobble=0.0),
        "skin moves as in the catalogue": replace(
            usual, direction_rad=0.0, gain_log=0.0, extent_log=0.0, landmark_px=0.0
        ),
        "held out": held,
        "held out, faces as in training": replace(held, looks=usual.looks),
        "held out, cameras as in training": replace(held, optics=usual.optics),
        "held out, head as in training": replace(
            held,
            shift_px=usual.shift_px,
            turn_rad=usual.turn_rad,
            scale_log=usual.scale_log,
            nod_px=usual.nod_px,
        ),
        "held out, moments and riders as in training": replace(
            held, apex_reached=usual.apex_reached, rider=usual.rider
        ),
    }


def accuracies(
    name: str, wanted: Mapping[str, Nuisance], count: int, workers: int
) -> dict[str, float]:
    """Share of `count` pairs that the classifier `name` (for `load_classifier`) names right, for
    each name in `wanted`. The likeliest class is always the answer; none is refused."""
    checkpoint, network = load_network(checkpoint_path(name))
    if network.inputs != "flows" or checkpoint.labels != CLASSES:
        raise InputError(
            f"{name} takes {network.inputs} and answers {', '.join(checkpoint.labels)}: give a "
            f"network that takes flows and answers {', '.join(CLASSES)}"
        )
    classifier = load_classifier(name)
    jobs = [
        (checkpoint.flow, nuisance, range(first, min(first + _CHUNK, count)))
        for nuisance in wanted.values()
        for first in range(0, count, _CHUNK)
    ]
    right: list[bool] = []
    # Spawned, not forked: a fork copies locks, but not the threads that hold them.
    with multiprocessing.get_context("spawn").Pool(workers, initializer=use_one_thread) as pool:
        drawn = pool.imap(_draw, jobs)
        for flows, labels in tqdm(drawn, "pairs", total=len(jobs), unit="chunk", disable=None):
            said = classifier.predict(flows[:, 0], flows[:, 1]).argmax(axis=1)
            right += (said == labels).tolist()
    shares = np.array(right).reshape(len(wanted), count).mean(axis=1)
    return dict(zip(wanted, shares.tolist(), strict=True))


def table(found: Mapping[str, float], count: int) -> str:
    """Markdown."""
    rows = [
        f"| {name} | {share:.3f} ± {math.sqrt(share * (1 - share) / count):.3f} |"
        for name, share in found.items()
    ]
    return "\n".join(["| nuisances | accuracy, ± a standard error |", "|---|---|", *rows])


def main() -> None:
    """Command line."""
    parser = Parser(
        prog=program("model.evaluation.sensitivity"),
        description="Measure what a network's errors come from, on synthetic pairs.",
    )
    parser.add_argument("network", nargs="?", default="fmanet", help="shipped name or checkpoint")
    parser.add_argument("--pairs", type=int, default=600, help="of each line")
    parser.add_argument("--workers", type=int, default=3, help="processes that draw them")
    args = parser.parse_args()
    if args.pairs < 1 or args.workers < 1:
        raise InputError(f"give 1 pair and 1 worker or more, got {args.pairs} and {args.workers}")
    use_one_thread()
    print(table(accuracies(args.network, changes(), args.pairs, args.workers), args.pairs))


def _draw(job: tuple[str, Nuisance, range]) -> tuple[ArrayF32, NDArray[np.int64]]:
    flow_name, nuisance, numbers = job
    flow = load_flow(flow_name)
    flows, labels = [], []
    for number in numbers:
        pair = synthetic_pair((SEED, number), flow, nuisance)
        flows.append([pair.flows.onset_apex, pair.flows.apex_offset])
        labels.append(CLASSES.index(pair.truth.label))
    return np.array(flows, np.float32), np.array(labels)


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
