"""Speed without a load: the network by itself, and frames as fast as they can be analysed."""

import time
from collections import defaultdict
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from model.face.aligned_crop import CROP_PX
from model.flow.key_frames import PHASE_FRAMES
from model.machine import choose_device
from model.records import FramePair, ImageU8
from realtime.benchmark.percentiles import tail
from realtime.config import LiveConfig
from realtime.perception.pipeline import PipelineConfig, open_naming, open_pipeline, pipeline_config
from realtime.sources import open_source

WARM_UP, RUNS = 20, 300
LONGEST_S = 20.0
"""No run begins later than this: TV-L1 takes a second or two for one."""
ANALYSIS_S = 3.0
WARM_UP_FRAMES = 30
_CROPS = 3  # averaged around each moment


def time_networks(config: LiveConfig) -> dict[str, Any]:
    """Return the time per expression (both phases, one expression at a time), in ms: from crops to
    label (`whole`), and of its parts (`flow`, `classify`; only `classify` if both are one graph on
    a GPU). Each is percentiles of `RUNS` after a warm-up, or of as many as fit into `LONGEST_S`.
    `engine`: what ran the network.

    If the engine must be built, this builds it, and the loads find it ready.
    """
    device = choose_device(config.device)
    options = PipelineConfig(config.flow, config.classifier, device, config.engine)
    _, engine, naming = open_naming(options)
    with closing(engine):
        engine.wait()
        rng = np.random.default_rng(0)
        still = np.zeros((PHASE_FRAMES, CROP_PX, CROP_PX), np.float32)
        frames = FramePair(still, still)
        times_ms: dict[str, list[float]] = defaultdict(list)
        begin_s = time.perf_counter()
        for _ in range(WARM_UP + RUNS):
            crops = [_random_crops(rng) for _ in range(3)]
            start_s = time.perf_counter()
            named = naming(crops, frames)
            whole_ms = (time.perf_counter() - start_s) * 1e3
            for name, ms in {**named.timings_ms, "whole": whole_ms}.items():
                times_ms[name].append(ms)
            if time.perf_counter() - begin_s > LONGEST_S:
                break
        warm = min(WARM_UP, len(times_ms["whole"]) // 2)
        times = {name: tail(ms[warm:]) for name, ms in times_ms.items()}
        return {"engine": engine.describe(), **times}


def measure_analysis_rate(load: LiveConfig, lasts_s: float = ANALYSIS_S) -> float | None:
    """Analyse frames for `lasts_s`, all in one thread; return how many per second. None for a live
    source."""
    with closing(open_source(load.source, replace(load, seconds=None).source_options())) as source:
        if source.info.live:
            return None
        options, _ = pipeline_config(load, choose_device(load.device), source.info)
        with closing(open_pipeline(options)) as pipeline:
            start_s, frames = 0.0, 0
            for _ in map(pipeline.step, source):
                frames += 1
                now_s = time.perf_counter()
                if frames == WARM_UP_FRAMES:
                    start_s = now_s
                elif frames > WARM_UP_FRAMES and now_s - start_s >= lasts_s:
                    break
            counted = frames - WARM_UP_FRAMES
            return counted / (now_s - start_s) if counted > 0 else None


def _random_crops(rng: np.random.Generator) -> list[ImageU8]:
    """Return random crops around one moment, in new memory."""
    ground = rng.integers(0, 256, (CROP_PX // 8, CROP_PX // 8), np.uint8)
    crop = np.kron(ground, np.ones((8, 8), np.uint8))
    return [crop + rng.integers(0, 4, crop.shape, np.uint8) for _ in range(_CROPS)]
