"""What a frame costs at the least on this machine, and what others would use in our place.

Both are timed on the frames of the load itself, one call after the other, with one thread.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from importlib.util import find_spec
from itertools import cycle, islice
from typing import Any

import cv2
import numpy as np

from model.face.aligner import FaceAligner
from model.face.network import Network
from model.face.network_files import network_file
from model.flow.lk import LucasKanade
from model.records import AlignedFace, Frame, ImageU8
from realtime.benchmark.percentiles import tail
from realtime.config import LiveConfig
from realtime.sources import open_source
from realtime.stream.packed_frame import encode_jpeg

FRAMES = 60
SECONDS = 1.5
"""Time for each part."""
FLOOR = ("face network", "flow", "JPEG decoding")
"""The parts without which no frame can be judged; their sum is the floor."""
JPEG_QUALITY = 90
_WARM_UP_CALLS, _FEWEST_CALLS = 10, 20


def time_floor(load: LiveConfig) -> dict[str, dict[str, Any]]:
    """Return the percentiles, in ms, of the parts of `FLOOR`, of MediaPipe's own FaceMesh, and of
    OpenCV's DIS and Farneback flow. A part that is not installed is left out. Empty if the source
    is live, or shows no face."""
    with closing(open_source(load.source, load.source_options())) as source:
        if source.info.live:
            return {}
        frames = list(islice(source, FRAMES))
    aligner = FaceAligner(load.face)
    aligned = [(frame, aligner.align(frame)) for frame in frames]
    faces = [(frame, face) for frame, face in aligned if face is not None]
    if not faces:
        return {}
    cv2.setNumThreads(1)
    return {name: tail(_time(call, inputs)) for name, call, inputs in _parts(faces)}


def _time(call: Callable[[Any], object], inputs: Sequence[Any]) -> list[float]:
    """Return the ms of each call during `SECONDS`, after a warm-up."""
    times_ms: list[float] = []
    given = cycle(inputs)
    for _ in range(_WARM_UP_CALLS):
        call(next(given))
    end_s = time.perf_counter() + SECONDS
    while (start_s := time.perf_counter()) < end_s or len(times_ms) < _FEWEST_CALLS:
        call(next(given))
        times_ms.append(1e3 * (time.perf_counter() - start_s))
    return times_ms


def _parts(
    faces: Sequence[tuple[Frame, AlignedFace]],
) -> Iterator[tuple[str, Callable[[Any], object], Sequence[Any]]]:
    """Yield name, call and inputs of each part."""
    images = [frame.image for frame, _ in faces]
    crops = [face.crop for _, face in faces]
    first = crops[0]
    network = Network(network_file("mesh"))
    size = (network.side_px, network.side_px)
    yield "face network", network, [np.float32(1 / 255) * cv2.resize(i, size) for i in images]
    yield "flow", LucasKanade(levels=1).against(first), crops
    yield "JPEG decoding", _decode, [encode_jpeg(image, JPEG_QUALITY) for image in images]
    if find_spec("mediapipe") is not None:  # there is no wheel for every Python
        from mediapipe.python.solutions.face_mesh import FaceMesh  # slow to import

        with FaceMesh(max_num_faces=1) as theirs:
            yield "MediaPipe FaceMesh", theirs.process, images
    dis: Any = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    yield "OpenCV DIS", lambda crop: dis.calc(first, crop, None), crops
    yield "OpenCV Farneback", lambda crop: _farneback(first, crop), crops


def _farneback(first: ImageU8, second: ImageU8) -> object:
    still = np.zeros((*first.shape, 2), np.float32)
    return cv2.calcOpticalFlowFarneback(first, second, still, 0.5, 3, 15, 3, 5, 1.2, 0)


def _decode(jpeg: bytes) -> object:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
