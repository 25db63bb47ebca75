"""A replay as a film that any phone plays, or as a GIF that slides and pages show: as it was on the
left, magnified on the right."""

import io
from fractions import Fraction

import av
import numpy as np
from PIL import Image

from model.records import ImageU8
from realtime.results.replay import Replay, magnify

SLOWER = 8
"""Times slower than it was."""
FPS = 30
_CRF = "20"
"""x264's quality: no block is seen in slow motion."""


def encode_replay(replay: Replay, factor: float) -> bytes:
    """Return an H.264 film of `replay` beside itself magnified `factor` times, `SLOWER` times
    slower. Raises `InputError` for a factor that `magnify` refuses."""
    pictures = _pair(replay, factor)
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


def encode_gif(replay: Replay, factor: float) -> bytes:
    """Return the same as `encode_replay` as a GIF that repeats, each picture as long as it lasted,
    `SLOWER` times slower."""
    pictures = [Image.fromarray(picture) for picture in _pair(replay, factor)]
    # One palette for all, and no dither: colours that flicker would look like motion.
    strip = Image.fromarray(np.concatenate([np.asarray(picture) for picture in pictures]))
    palette = strip.quantize(256, dither=Image.Dither.NONE)
    first, *others = (p.quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures)
    steps_s = np.diff(
        replay.times_s, append=replay.times_s[-1] + np.median(np.diff(replay.times_s))
    )
    written = io.BytesIO()
    first.save(
        written,
        "GIF",
        save_all=True,
        append_images=others,
        duration=[round(1000 * SLOWER * float(step_s)) for step_s in steps_s],
        loop=0,
    )
    return written.getvalue()


def _pair(replay: Replay, factor: float) -> ImageU8:
    """Return each picture beside itself magnified, (N, S, 2 S, 3) uint8 RGB."""
    return np.concatenate([replay.pictures, magnify(replay, factor)], axis=2)
