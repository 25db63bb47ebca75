"""The networks alone, without frames, threads or a source: the smallest of the three spans."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from model import load_classifier
from model.checkpoint import checkpoint_path
from model.engine.serving import Serving
from model.face import CROP_PX
from model.flow import load_flow
from model.flow.phases import phase_flows
from model.moments import PHASE_FRAMES
from model.records import FlowPair, FramePair, ImageU8
from realtime.benchmark.percentiles import tail
from realtime.config import LiveConfig, choose_device
from realtime.pipeline import INFERENCE_THREADS

WARM_UP, RUNS = 20, 300
_CROPS = 3  # averaged around each moment


def model_only(config: LiveConfig) -> dict[str, Any]:
    """ms of one expression, both phases, one at a time: `flow`, the network (`classify`), and both
    (`whole`): percentiles over `RUNS` after a warm-up; `engine`, what ran the network.

    An engine that has to be built is built first, and then there for the loads too.
    """
    torch.set_num_threads(INFERENCE_THREADS)
    flow = load_flow(config.flow)
    path = checkpoint_path(config.classifier)
    serving = Serving(path, device=choose_device(config.device), engine=config.engine)
    serving.wait()
    classifier = load_classifier(path, flow=flow, forward=serving)
    rng = np.random.default_rng(0)
    still = np.zeros((PHASE_FRAMES, CROP_PX, CROP_PX), np.float32)
    frames = FramePair(still, still)
    flows: list[FlowPair] = []
    flow_ms, classify_ms = [], []
    for run in range(WARM_UP + RUNS):
        moments = [_moment(rng) for _ in range(3)]
        taken_ms = _timed(lambda moments=moments: flows.append(phase_flows(flow, *moments)))  # type: ignore[misc]
        named_ms = _timed(lambda: classifier.classify(flows[-1], frames))
        if run >= WARM_UP:
            flow_ms.append(taken_ms)
            classify_ms.append(named_ms)
    found = {"flow": flow_ms, "classify": classify_ms}
    found["whole"] = [a + b for a, b in zip(flow_ms, classify_ms, strict=True)]
    times = {name: asdict(tail(np.array(values), 0)) for name, values in found.items()}
    return {"engine": serving.line(), **times}


def _moment(rng: np.random.Generator) -> list[ImageU8]:
    """Crops around one moment, new memory each time."""
    ground = rng.integers(0, 256, (CROP_PX // 8, CROP_PX // 8), np.uint8)
    crop = np.kron(ground, np.ones((8, 8), np.uint8))
    return [crop + rng.integers(0, 4, crop.shape, np.uint8) for _ in range(_CROPS)]


def _timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3
