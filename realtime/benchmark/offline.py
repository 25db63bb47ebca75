"""How fast the same frames are analysed where no clock drives them, as of a recording."""

import time
from dataclasses import replace

from model.machine import choose_device
from realtime.config import LiveConfig
from realtime.perception.pipeline import open_pipeline, pipeline_config
from realtime.sources import open_source

LASTS_S = 3.0
WARM_UP_FRAMES = 30


def analysed_per_s(load: LiveConfig, lasts_s: float = LASTS_S) -> float | None:
    """Frames a second, classification in the same thread, over `lasts_s` of this machine's time;
    None of a source that is live."""
    source = open_source(load.source, replace(load, seconds=None).source_options())
    try:
        if source.info.live:
            return None
        wanted, _ = pipeline_config(load, choose_device(load.device), source.info)
        pipeline = open_pipeline(wanted)
        try:
            start_s, frames = 0.0, 0
            for _ in pipeline.steps(source):
                frames += 1
                now_s = time.perf_counter()
                if frames == WARM_UP_FRAMES:
                    start_s = now_s
                elif frames > WARM_UP_FRAMES and now_s - start_s >= lasts_s:
                    break
            counted = frames - WARM_UP_FRAMES
            return counted / (now_s - start_s) if counted > 0 else None
        finally:
            pipeline.close()
    finally:
        source.close()
