"""Times naming from crops in host memory: flow, head motion, normalisation and network."""

from itertools import islice
from pathlib import Path

from model.flow import load_flow
from model.flow.gpu.cuda_graph import RecordedGraph
from model.inference.checkpoint import checkpoint_path
from model.inference.classifier import load_classifier
from model.inference.engine_choice import Serving
from model.inference.naming import Naming
from model.inference.one_graph import OneGraph, stack_crops
from realtime.benchmark.gpu.pictures import make_moments
from realtime.benchmark.gpu.rows import WRONG, Report
from realtime.benchmark.gpu.timing import TIME_HEAD, add_row

POOL = 64
SHARE_APART = 0.02
"""Greatest difference of a probability: the tolerance of FP16 (`model.engine`)."""
COMPARED = 8
"""Number of expressions to compare."""


def whole_part(report: Report) -> None:
    """Compare the whole with the single steps on the CPU, then time it."""
    path = checkpoint_path("fmanet")
    head = ("what", "greatest difference of a probability", "right if", "")
    report.section("Crops to name: equivalence", *head)
    report.attempt("crops to name in one graph", add_name_equality, path)
    report.section("Crops to name: ms", *TIME_HEAD)
    report.attempt("time of crops to name", add_whole_times, path)


def add_name_equality(report: Report, path: Path) -> None:
    flow = load_flow("lk")
    serving = Serving(path, device=report.device, engine="graph" if report.cuda else "eager")
    graph = OneGraph(flow, load_classifier(path, flow=flow, forward=serving), serving)
    plain = Naming(flow, load_classifier(path, flow=flow))
    worst, flips = 0.0, 0
    for number in range(COMPARED):
        crops = make_moments(report.size_px, number)
        expected = plain(crops, None).prediction
        found = graph(crops)[1]
        shares = (found.probabilities[n] - p for n, p in expected.probabilities.items())
        worst = max(worst, *map(abs, shares))
        flips += found.label != expected.label
    verdict = "right" if worst <= SHARE_APART and not flips else WRONG
    wanted = f"≤ {SHARE_APART:g}, no label flips ({flips} of {COMPARED} do)"
    report.row(f"crops to name, {serving.loaded.description}", worst, wanted, verdict)


def add_whole_times(report: Report, path: Path) -> None:
    flow = load_flow("lk")
    serving = Serving(path, device=report.device)
    try:
        serving.wait()  # a better engine may be under construction
        classifier = load_classifier(path, flow=flow, forward=serving)
        one = OneGraph(flow, classifier, serving)
        naming = Naming(flow, classifier, one if report.cuda else None)
        pool = [make_moments(report.size_px, number) for number in range(POOL)]
        # Three crops in, two maps out.
        title, moved = f"crops to name at {report.size_px}²", 4 * 7 * report.size_px**2
        add_row(report, title, lambda *crops: naming(crops, None), pool, moved=moved)
        if trouble := naming.trouble or serving.trouble:
            raise RuntimeError(trouble)
        given = [stack_crops(crops) for crops in islice(pool, COMPARED)]
        run = one.function(given[0])
        if isinstance(run, RecordedGraph):
            add_row(report, "its graph alone", run, given)
        report.note(f"Named by {serving.loaded.description}.")
    finally:
        serving.close()
