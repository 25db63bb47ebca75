"""The networks alone, without frames, threads or a source: the smallest of the three spans."""

import time
from collections import defaultdict
from dataclasses import asdict
from typing import Any

import numpy as np

from model.face.crop import CROP_PX
from model.flow.key_frames import PHASE_FRAMES
from model.machine import choose_device
from model.records import FramePair, ImageU8
from realtime.benchmark.percentiles import tail
from realtime.config import LiveConfig
from realtime.perception.pipeline import PipelineConfig, open_naming

WARM_UP, RUNS = 20, 300
LONGEST_S = 20.0
"""After which no more runs begin: TV-L1 takes a second for one, on a busy machine two."""
_CROPS = 3  # averaged around each moment


def model_only(config: LiveConfig) -> dict[str, Any]:
    """ms of one expression, both phases, one at a time, from crops to label (`whole`), and of its
    parts (`flow`, `classify`; only the latter where both are one graph on a GPU): percentiles over
    `RUNS` after a warm-up, or over as many as `LONGEST_S` allow. `engine`: what ran the network.

    An engine that has to be built is built first, and then there for the loads too.
    """
    device = choose_device(config.device)
    wanted = PipelineConfig(config.flow, config.classifier, device, config.engine)
    _, engine, naming = open_naming(wanted)
    try:
        engine.wait()
        rng = np.random.default_rng(0)
        still = np.zeros((PHASE_FRAMES, CROP_PX, CROP_PX), np.float32)
        frames = FramePair(still, still)
        taken_ms: dict[str, list[float]] = defaultdict(list)
        begun_s = time.perf_counter()
        for _ in range(WARM_UP + RUNS):
            crops = [_moment(rng) for _ in range(3)]
            start_s = time.perf_counter()
            named = naming(crops, frames)
            whole_ms = (time.perf_counter() - start_s) * 1e3
            for name, ms in {**named.timings_ms, "whole": whole_ms}.items():
                taken_ms[name].append(ms)
            if time.perf_counter() - begun_s > LONGEST_S:
                break
        warm = min(WARM_UP, len(taken_ms["whole"]) // 2)
        times = {name: asdict(tail(np.array(ms[warm:]), 0)) for name, ms in taken_ms.items()}
        return {"engine": engine.line(), **times}
    finally:
        engine.close()


def _moment(rng: np.random.Generator) -> list[ImageU8]:
    """Crops around one moment, new memory each time."""
    ground = rng.integers(0, 256, (CROP_PX // 8, CROP_PX // 8), np.uint8)
    crop = np.kron(ground, np.ones((8, 8), np.uint8))
    return [crop + rng.integers(0, 4, crop.shape, np.uint8) for _ in range(_CROPS)]
