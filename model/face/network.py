"""One of MediaPipe's networks, run by LiteRT: the only module that imports it."""

import threading
from pathlib import Path

import numpy as np

from model.records import ArrayF32


class Network:
    """A network with one input of one fixed shape, on one thread: the one that calls.

    Any thread may call; two calls wait for each other.
    """

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        # One thread: a second one makes these small networks no faster and waits in a spin.
        self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        (given,) = self._interpreter.get_input_details()
        self._input: int = given["index"]
        self._outputs: list[int] = [
            each["index"] for each in self._interpreter.get_output_details()
        ]
        self.side_px = int(given["shape"][1])
        """Width and height of the picture that it takes."""
        self._lock = threading.Lock()

    def __call__(self, picture: ArrayF32) -> list[ArrayF32]:
        """Its outputs for `picture` (S, S, 3) float32 RGB, in the range that it takes."""
        with self._lock:
            self._interpreter.set_tensor(self._input, picture[np.newaxis])
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(index) for index in self._outputs]
