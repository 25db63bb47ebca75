"""MediaPipe's face mesh: the only module that imports mediapipe."""

import re
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import cv2
import mediapipe
import numpy as np
from mediapipe.framework.calculator_pb2 import CalculatorGraphConfig
from mediapipe.python.solution_base import SolutionBase

from model.native import stderr_without
from model.records import ArrayF32, ImageU8

_GRAPH = "modules/face_landmark/face_landmark_front_cpu.binarypb"
_MAX_PX = 320  # the mesh works on 192 px inside; more input only costs conversion
_IDLE = re.compile(
    rb"INFO: Created TensorFlow Lite XNNPACK delegate"
    rb"|WARNING: All log messages before absl::InitializeLog"
    rb"|W0000 .*(inference_feedback_manager|landmark_projection_calculator)\.cc"
)
"""Said at every start of a graph, of models that come with mediapipe and cannot be changed."""


class FaceMesh:
    """MediaPipe's FaceMesh, run by the thread that asks: handing a picture's thirty small steps
    from thread to thread, as its own Python class does, takes a third longer, and waits for a
    free core at every step."""

    def __init__(self, *, faces: int, follows: bool) -> None:
        """`faces`: at most so many are found. Whether it `follows` them from picture to picture,
        or searches every picture anew."""
        config = CalculatorGraphConfig()
        config.ParseFromString((Path(mediapipe.__file__).parent / _GRAPH).read_bytes())
        config.executor.add(type="ApplicationThreadExecutor")
        self._graph = SolutionBase(
            graph_config=config,
            side_inputs={
                "num_faces": faces, "with_attention": False, "use_prev_landmarks": follows
            },
            outputs=["multi_face_landmarks"],
        )  # fmt: skip
        self._started = False

    def find(self, image: ImageU8) -> list[ArrayF32]:
        """The points (468, 2) float32 px of each face of `image` (H, W, 3) uint8 RGB."""
        # Whole pixels averaged: several times faster than any other ratio, and none is left out.
        k = -(-max(image.shape[:2]) // _MAX_PX)
        height, width = (max(k, side // k * k) for side in image.shape[:2])
        picture = image[:height, :width]
        if k > 1:  # from the rows where they lie, without a copy of them
            size = (width // k, height // k)
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        found = self._landmarks(np.ascontiguousarray(picture))
        side_px = np.array([width, height], np.float32)
        return [np.array([(p.x, p.y) for p in f.landmark], np.float32) * side_px for f in found]

    def reset(self) -> None:
        """Search anew in the next picture."""
        self._graph.reset()
        self._started = False

    def close(self) -> None:
        """Release the graph."""
        self._graph.close()

    def _landmarks(self, picture: ImageU8) -> Sequence[Any]:
        # The networks are loaded, and talk, with the first picture.
        with nullcontext() if self._started else stderr_without(_IDLE):
            found = self._graph.process({"image": picture}).multi_face_landmarks
        self._started = True
        return found or ()
