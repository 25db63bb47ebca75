"""A replay as an MP4 that any phone plays: as it was on the left, magnified on the right."""

import io
from fractions import Fraction

import av
import numpy as np

from realtime.results.replay import Replay, magnify

SLOWER = 8
"""Times slower than it was."""
FPS = 30
_CRF = "20"
"""x264's quality: no block is seen in slow motion."""


def encode_replay(replay: Replay, factor: float) -> bytes:
    """Return an H.264 film of `replay` beside itself magnified `factor` times, `SLOWER` times
    slower. Raises `InputError` for a factor that `magnify` refuses."""
    pictures = np.concatenate([replay.pictures, magnify(replay, factor)], axis=2)
    since_s = replay.times_s - replay.times_s[0]
    step_s = 1 / (FPS * SLOWER)
    shown = np.arange(0.0, since_s[-1] + step_s, step_s)
    indices = np.searchsorted(since_s, shown + 1e-9, side="right") - 1
    written = io.BytesIO()
    with av.open(written, "w", format="mp4") as film:
        stream = film.add_stream("libx264", rate=Fraction(FPS))
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": _CRF, "preset": "veryfast"}
        for index in indices:
            frame = av.VideoFrame.from_ndarray(pictures[index], format="rgb24")
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return written.getvalue()
