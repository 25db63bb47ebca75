"""The face networks, which run on the CPU: by themselves, and beside the GPU at work."""

import threading
from importlib.util import find_spec

import numpy as np

from model.errors import InputError, missing
from model.face.network_files import NETWORKS, network_file
from model.flow import load_flow
from model.inference.checkpoint import checkpoint_path, load_classifier
from model.inference.engine_choice import Serving
from model.inference.naming import Naming
from model.inference.one_graph import OneGraph
from realtime.benchmark.gpu.pictures import moments
from realtime.benchmark.gpu.rows import Report
from realtime.sources import SourceOptions, open_source

FRAMES, FEW_FRAMES = 300, 30
"""Of the demo, on a GPU and on a CPU."""
FPS = 30.0
ON_GPU = (
    "the face networks on the GPU: they are TensorFlow Lite's files, run by LiteRT's interpreter "
    "on the CPU (model/face/network.py), which has no CUDA"
)


def faces_part(report: Report) -> None:
    """How long finding and aligning a face takes, alone and while expressions are named."""
    report.section("Face and alignment: ms", "while", "p50", "p95", "p99", "frames", "named beside")
    report.add("left out", ON_GPU)
    report.attempt("the face networks beside it", add_faces)


def add_faces(report: Report) -> None:
    if find_spec("ai_edge_litert") is None:
        raise InputError(missing("ai_edge_litert"))
    for name in NETWORKS:
        network_file(name)
    report.row("nothing else runs", *_face_ms(report), 0)
    flow, path = load_flow("lk"), checkpoint_path("fmanet")
    serving = Serving(path, device=report.device)
    serving.wait()
    classifier = load_classifier(path, flow=flow, forward=serving)
    one = OneGraph(flow, classifier, serving) if report.cuda else None
    naming, crops = Naming(flow, classifier, one), moments(report.size_px, 0)
    naming(crops, None)  # compiles
    over, named = threading.Event(), [0]

    def name_on() -> None:
        while not over.is_set():
            naming(crops, None)
            named[0] += 1

    thread = threading.Thread(target=name_on, name="naming")
    thread.start()
    try:
        found = _face_ms(report)
    finally:
        over.set()
        thread.join()
        serving.close()
    report.row("expressions are named all the time", *found, named[0])


def _face_ms(report: Report) -> tuple[float, float, float, int]:
    """p50, p95, p99, and of how many frames."""
    from model.face.aligner import FaceAligner  # with the networks' library
    from realtime.stream.clock import monotonic_s

    count = FRAMES if report.cuda else FEW_FRAMES
    source = open_source("demo", SourceOptions(fps=FPS, seconds=(count + 1) / FPS))
    aligner, taken = FaceAligner(), []
    try:
        for frame in source:
            start_s = monotonic_s()
            aligner.align(frame)
            taken.append(1e3 * (monotonic_s() - start_s))
    finally:
        source.close()
    p50, p95, p99 = (float(each) for each in np.percentile(taken[1:], (50, 95, 99)))
    return p50, p95, p99, len(taken) - 1
