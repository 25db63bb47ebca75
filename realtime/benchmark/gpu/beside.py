"""Times the face networks, which run on the CPU, alone and while the GPU works."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np

from realtime.benchmark.gpu.pictures import moments
from realtime.benchmark.gpu.rows import Report
from realtime.benchmark.gpu.timing import RANKS
from realtime.perception.pipeline import PipelineConfig, open_naming
from realtime.sources import SourceOptions, open_source
from realtime.stream.clock import monotonic_s

FRAMES, FEW_FRAMES = 300, 30
"""Frames of the demo, with a GPU and without."""
FPS = 30.0
ON_GPU = (
    "the face networks on the GPU: they are TensorFlow Lite's files, run by LiteRT's interpreter "
    "on the CPU (model/face/network.py), which has no CUDA"
)


def faces_part(report: Report) -> None:
    """Time finding and aligning a face, alone and while expressions are named."""
    report.section("Face and alignment: ms", "while", "p50", "p95", "p99", "frames", "named beside")
    report.add("left out", ON_GPU)
    report.attempt("the face networks beside it", add_faces)


def add_faces(report: Report) -> None:
    report.row("nothing else runs", *_face_ms(report), 0)
    _, serving, naming = open_naming(PipelineConfig(device=report.device))
    with closing(serving), ThreadPoolExecutor(1, "naming") as beside:
        serving.wait()
        crops, over = moments(report.size_px, 0), threading.Event()
        naming(crops, None)  # compiles

        def name_until_over() -> int:
            named = 0
            while not over.is_set():
                naming(crops, None)
                named += 1
            return named

        counted = beside.submit(name_until_over)
        try:
            found = _face_ms(report)
        finally:
            over.set()
        report.row("expressions are named all the time", *found, counted.result())


def _face_ms(report: Report) -> tuple[float, float, float, int]:
    """p50, p95, p99, and of how many frames."""
    from model.face.aligner import FaceAligner  # with the networks' library

    count = FRAMES if report.cuda else FEW_FRAMES
    aligner, taken = FaceAligner(), []
    with closing(open_source("demo", SourceOptions(fps=FPS, seconds=(count + 1) / FPS))) as source:
        for frame in source:
            start_s = monotonic_s()
            aligner.align(frame)
            taken.append(1e3 * (monotonic_s() - start_s))
    p50, p95, p99 = (float(each) for each in np.percentile(taken[1:], RANKS))
    return p50, p95, p99, len(taken) - 1
