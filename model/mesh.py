"""MediaPipe's face mesh: the only module that imports mediapipe."""

import re
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import cv2
import mediapipe
import numpy as np
from mediapipe.framework.calculator_pb2 import CalculatorGraphConfig
from mediapipe.python import CalculatorGraph, ImageFormat, resource_util
from mediapipe.python.packet_creator import create_bool, create_image_frame, create_int
from mediapipe.python.packet_getter import get_proto_list

from model.native import stderr_without
from model.records import ArrayF32, ImageU8

_GRAPH = "modules/face_landmark/face_landmark_front_cpu.binarypb"
_FACES = "multi_face_landmarks"  # the graph's output
_FRAME_US = 33_333  # the graph wants increasing times, and does not ask how far apart
_MAX_PX = 320  # the mesh works on 192 px inside; more input only costs conversion
_IDLE = re.compile(
    rb"INFO: Created TensorFlow Lite XNNPACK delegate"
    rb"|WARNING: All log messages before absl::InitializeLog"
    rb"|W0000 .*(inference_feedback_manager|landmark_projection_calculator)\.cc"
)
"""Said at every start of a graph, of models that come with mediapipe and cannot be changed."""


_LANDMARK = np.dtype(
    {
        "names": ["head", "x_tag", "x", "y_tag", "y", "z_tag"],
        "formats": ["<u2", "u1", "<f4", "u1", "<f4", "u1"],
        "offsets": [0, 2, 3, 7, 8, 12],
        "itemsize": 17,
    }
)
"""A landmark as protobuf writes it: the message's head, then each coordinate behind its tag."""
_TAGS = {"head": 0x0F0A, "x_tag": 0x0D, "y_tag": 0x15, "z_tag": 0x1D}


class FaceMesh:
    """MediaPipe's FaceMesh, run by the thread that asks: handing a picture's thirty small steps
    from thread to thread, as its own Python class does, takes a third longer, and waits for a
    free core at every step. That class also makes a new type for each answer.

    Any thread may ask: one picture at a time goes through the graph."""

    def __init__(self, *, faces: int, follows: bool) -> None:
        """`faces`: at most so many are found. Whether it `follows` them from picture to picture,
        or searches every picture anew."""
        package = Path(mediapipe.__file__).parent
        resource_util.set_resource_dir(str(package.parent))  # where the networks lie
        config = CalculatorGraphConfig()
        config.ParseFromString((package / _GRAPH).read_bytes())
        config.executor.add(type="ApplicationThreadExecutor")
        self._graph = CalculatorGraph(graph_config=config)
        # The graph keeps what it calls: with a method of this object both would stay for ever.
        found: deque[Any] = deque(maxlen=1)
        self._graph.observe_output_stream(_FACES, lambda _, packet: found.append(packet), True)
        self._found = found
        self._side = {
            "num_faces": create_int(faces),
            "with_attention": create_bool(False),
            "use_prev_landmarks": create_bool(follows),
        }
        self._graph.start_run(self._side)
        self._one_at_a_time = threading.Lock()
        self._time_us = 0
        self._has_talked = False

    def find(self, image: ImageU8) -> list[ArrayF32]:
        """The points (468, 2) float32 px of each face of `image` (H, W, 3) uint8 RGB."""
        # Whole pixels averaged: several times faster than any other ratio, and none is left out.
        k = -(-max(image.shape[:2]) // _MAX_PX)
        height, width = (max(k, side // k * k) for side in image.shape[:2])
        picture = image[:height, :width]
        if k > 1:  # from the rows where they lie, without a copy of them
            size = (width // k, height // k)
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        with self._one_at_a_time:
            found = self._landmarks(np.ascontiguousarray(picture))
        side_px = np.array([width, height], np.float32)
        return [_points(face) * side_px for face in found]

    def reset(self) -> None:
        """Search anew in the next picture."""
        # Closing a graph that has seen nothing loads its networks.
        with self._one_at_a_time, stderr_without(_IDLE):
            self._graph.close()
            self._graph.start_run(self._side)
            self._has_talked = False

    def close(self) -> None:
        """Release the graph."""
        with self._one_at_a_time, stderr_without(_IDLE):
            self._graph.close()

    def _landmarks(self, picture: ImageU8) -> Sequence[Any]:
        self._time_us += _FRAME_US
        self._found.clear()
        image = create_image_frame(image_format=ImageFormat.SRGB, data=picture).at(self._time_us)
        # The networks are loaded, and talk, with the first picture, and again with the first face.
        with nullcontext() if self._has_talked else stderr_without(_IDLE):
            self._graph.add_packet_to_input_stream(stream="image", packet=image)
            self._graph.wait_until_idle()
        # Without a face the stream brings nothing, or a packet that holds nothing.
        if not self._found or self._found[0].is_empty():
            return ()
        self._has_talked = True
        faces: Sequence[Any] = get_proto_list(self._found[0])
        return faces


def _points(face: Any) -> ArrayF32:
    """(468, 2) float32, shares of the picture's sides. Read from the message's bytes: asking for
    each coordinate by itself takes a tenth of all that a face costs."""
    data = face.SerializeToString()
    landmarks = np.frombuffer(data, _LANDMARK) if len(data) % _LANDMARK.itemsize == 0 else None
    if landmarks is None or any((landmarks[name] != tag).any() for name, tag in _TAGS.items()):
        raise RuntimeError(
            "mediapipe writes landmarks otherwise than the version this was made for"
        )
    return np.stack([landmarks["x"], landmarks["y"]], axis=1)
